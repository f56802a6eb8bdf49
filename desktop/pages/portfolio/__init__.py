"""The Portfolio page."""
