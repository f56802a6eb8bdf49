"""The Walk-forward page."""
