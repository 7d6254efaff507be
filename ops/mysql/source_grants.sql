-- The account with which dental_etl reads the clinic's server: it may look, and nothing else.
-- `dental-etl validate` refuses to run with an account that may do more.
--
-- Run it once on the clinic's server, as an administrator, in one session with these four values:
--
--   SET @reader = 'dental_etl', @password = '...', @database = 'opendental', @from_host = '10.0.0.%';
--   SOURCE ops/mysql/source_grants.sql
--
-- When a value is missing, every statement ends in an error and nothing is made. Running it again sets
-- the password and the limit anew. Works with MySQL 5.7 and later and MariaDB 10.2 and later.

SET @account = IF(
    '' IN (COALESCE(@reader, ''), COALESCE(@password, ''), COALESCE(@database, ''), COALESCE(@from_host, '')),
    NULL, CONCAT(QUOTE(@reader), '@', QUOTE(@from_host)));
SET @everything_in = CONCAT('`', REPLACE(REPLACE(REPLACE(@database, '`', '``'), '_', '\\_'), '%', '\\%'), '`.*');

SET @statement = CONCAT('CREATE USER IF NOT EXISTS ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE create_account FROM @statement;
EXECUTE create_account;
DEALLOCATE PREPARE create_account;

-- The ceiling that the clinic's server itself enforces. dental_etl takes SOURCE_MAX_CONNECTIONS (5) at
-- most for reading; the rest is for validation and for a person's test.
SET @statement = CONCAT(
    'ALTER USER ', @account, ' IDENTIFIED BY ', QUOTE(@password), ' WITH MAX_USER_CONNECTIONS 8');
PREPARE limit_account FROM @statement;
EXECUTE limit_account;
DEALLOCATE PREPARE limit_account;

SET @statement = CONCAT('GRANT SELECT, SHOW VIEW ON ', @everything_in, ' TO ', @account);
PREPARE grant_reading FROM @statement;
EXECUTE grant_reading;
DEALLOCATE PREPARE grant_reading;

-- PROCESS: to see how busy the server is, and to slow down before the front desk feels it.
SET @statement = CONCAT('GRANT PROCESS ON *.* TO ', @account);
PREPARE grant_process FROM @statement;
EXECUTE grant_process;
DEALLOCATE PREPARE grant_process;
