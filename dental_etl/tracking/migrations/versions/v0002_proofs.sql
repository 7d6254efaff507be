-- When each table of a run was last proven equal, source to replica and replica to raw, and by what.
ALTER TABLE etl.run_table
    ADD COLUMN proven_at timestamptz,
    ADD COLUMN proven_by text,
    ADD COLUMN raw_proven_at timestamptz,
    ADD COLUMN raw_proven_by text;
