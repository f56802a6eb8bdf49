"""The candles of the current run."""
