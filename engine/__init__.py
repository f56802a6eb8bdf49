"""The backtest engine: candles in, proven results out. Imports nothing, because every worker process pays for it."""
