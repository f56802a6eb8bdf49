"""The Optimize tab: many parameters of one strategy tried at once, and what came of them."""
