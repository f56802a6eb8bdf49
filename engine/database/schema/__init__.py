"""The tables, as SQLAlchemy sees them. Migrations create them; a test compares the two."""

from typing import Final

from engine.database.schema import results as results  # imported, so that all tables stand in `metadata`
from engine.database.schema import series as series
from engine.database.schema.columns import metadata as metadata

HEAD: Final = "0018"  # the newest migration; a constant, so that an up-to-date start need not import Alembic
