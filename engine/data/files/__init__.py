"""Candle files: read, understood, brought into the database."""
