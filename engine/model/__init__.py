"""Frozen values: markets and candles, what is held, runs and sweeps, parameters. No work."""
