-- Tables that came to the source, or went (then without config), since tables.yml was written.
CREATE TABLE etl.drifted_table (
    table_name text NOT NULL,
    config jsonb,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (table_name)
);
