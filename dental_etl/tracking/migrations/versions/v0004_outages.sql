-- Times in which a server could not be reached: one row is open per server at most, whoever met it first.
CREATE TABLE etl.outage (
    server text NOT NULL,
    began_at timestamptz NOT NULL,
    run_id text NOT NULL REFERENCES etl.run ON DELETE CASCADE,
    asked bigint NOT NULL DEFAULT 0,
    ask_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (server, began_at)
);
CREATE UNIQUE INDEX outage_one_open ON etl.outage (server) WHERE ended_at IS NULL;
