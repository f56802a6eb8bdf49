"""What a finished run's trades, equity and candles say about it: groups, calendar, drawdowns, market. Pure functions."""
