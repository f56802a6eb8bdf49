"""How exchanges are spoken to, and what of their answers is believed."""
