"""A batch of runs: planned, its candles loaded, computed in workers, recorded, compared."""
