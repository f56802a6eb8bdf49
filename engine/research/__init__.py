"""Work over many runs: sweeps of parameters."""
