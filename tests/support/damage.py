"""Damage that a hand, an old dump or a broken disk leaves in a database."""

# The tables take any row, as those of an older version or after a hand that dropped the checks
NO_CHECKS = """DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT conrelid::regclass AS place, conname AS name FROM pg_constraint
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.place, one.name);
    END LOOP;
END $$"""
