-- What was expected of each table when its run was planned, and what its extract then did: by this the next
-- runs are planned.
ALTER TABLE etl.run_table
    ADD COLUMN batch_size bigint,
    ADD COLUMN expected_seconds double precision,
    ADD COLUMN notes jsonb NOT NULL DEFAULT '[]'::jsonb,
    ADD COLUMN extract_action text;
