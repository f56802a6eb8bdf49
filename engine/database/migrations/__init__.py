"""Alembic migrations; run by engine/database/migrate.py."""
