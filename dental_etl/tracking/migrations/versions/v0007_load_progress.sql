-- How far a load is while it works: rows and bytes copied so far, and rows that it will have copied.
ALTER TABLE etl.run_table
    ADD COLUMN rows_loaded bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes_loaded bigint NOT NULL DEFAULT 0,
    ADD COLUMN rows_to_load bigint NOT NULL DEFAULT 0;
