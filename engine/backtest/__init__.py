"""The engines that turn signals into trades, and the metrics of what they made."""
