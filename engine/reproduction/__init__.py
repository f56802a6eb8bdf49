"""What a result depends on: named, hashed, compared."""
