"""Graphics items that stay fast at a million candles."""
