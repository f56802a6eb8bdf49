"""Equity curves and figures of the compared runs."""
