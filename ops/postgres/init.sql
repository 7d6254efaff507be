-- The analytics database's account and schemas. Run it once with psql 14 or later, as an administrator,
-- connected to the analytics database, with the account in the environment:
--
--   POSTGRES_ANALYTICS_USER=analytics POSTGRES_ANALYTICS_PASSWORD=... \
--       psql --dbname opendental_analytics --file ops/postgres/init.sql
--
-- Running it again sets the password anew. The server's own settings, where memory allows:
--   shared_buffers = 1GB, max_wal_size = 8GB, checkpoint_timeout = 30min, maintenance_work_mem = 512MB

\set ON_ERROR_STOP on
\set QUIET on
\getenv analytics_user POSTGRES_ANALYTICS_USER
\getenv analytics_password POSTGRES_ANALYTICS_PASSWORD
\set raw_schema raw
\getenv raw_schema POSTGRES_ANALYTICS_SCHEMA

BEGIN;
SELECT format('CREATE ROLE %I', :'analytics_user')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'analytics_user') \gexec
ALTER ROLE :"analytics_user" LOGIN PASSWORD :'analytics_password';
-- A query whose client is gone ends within seconds and not within hours.
ALTER ROLE :"analytics_user" SET client_connection_check_interval = '5s';
-- The server's log would quote the row that it refuses; the ledger has the error's number.
ALTER ROLE :"analytics_user" SET log_min_messages = 'fatal';

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT, TEMPORARY, CREATE ON DATABASE %I TO %I', current_database(), :'analytics_user') \gexec

-- The ledger (etl), the landing schema, and what dbt builds. Only marts are for readers: the others
-- hold patients' rows as they are, failing rows of dbt's tests included.
CREATE SCHEMA IF NOT EXISTS etl AUTHORIZATION :"analytics_user";
CREATE SCHEMA IF NOT EXISTS :"raw_schema" AUTHORIZATION :"analytics_user";
CREATE SCHEMA IF NOT EXISTS staging AUTHORIZATION :"analytics_user";
CREATE SCHEMA IF NOT EXISTS intermediate AUTHORIZATION :"analytics_user";
CREATE SCHEMA IF NOT EXISTS marts AUTHORIZATION :"analytics_user";

-- Analysts and dashboards: GRANT marts_reader TO <somebody>.
SELECT 'CREATE ROLE marts_reader NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'marts_reader') \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO marts_reader', current_database()) \gexec
GRANT USAGE ON SCHEMA marts TO marts_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA marts TO marts_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"analytics_user" IN SCHEMA marts GRANT SELECT ON TABLES TO marts_reader;
COMMIT;
