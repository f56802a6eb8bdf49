"""The figures of the compared runs."""
