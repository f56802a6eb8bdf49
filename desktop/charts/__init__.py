"""Plots over a UTC time axis."""
