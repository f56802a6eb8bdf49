"""Colours, style sheet, icons and fonts."""
