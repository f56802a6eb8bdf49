"""What is found out about a strategy's answer: look-ahead, a short warm-up."""
