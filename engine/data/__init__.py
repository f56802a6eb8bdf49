"""Candles from the exchange into the database: asked for once, proven page by page."""
