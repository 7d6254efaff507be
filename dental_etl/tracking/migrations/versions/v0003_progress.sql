-- How many rows a table was expected to have when its run was planned: what progress is measured against.
ALTER TABLE etl.run_table ADD COLUMN rows_expected bigint NOT NULL DEFAULT 0;
