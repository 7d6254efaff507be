-- The replication database and its account, on a server of our own (never the clinic's).
-- Run it once as an administrator, in one session with these four values:
--
--   SET @owner = 'replicator', @password = '...', @database = 'opendental_replication', @from_host = '10.0.0.%';
--   SOURCE ops/mysql/replication.sql
--
-- MySQL 9.6 and later have lost the function MD5, by which raw is compared with the replica; add it once:
--
--   INSTALL COMPONENT 'file://component_classic_hashing';
--
-- On MySQL 8 and later, GRANT SESSION_VARIABLES_ADMIN ON *.* to the account spares statements where large tables
-- have ENUM columns: without it the server keeps 1024 warnings of each, so they are written some hundred rows at a
-- time.
--
-- The server's own settings, in the [mysqld] section of its configuration:
--
--   local_infile = ON                       # LOAD DATA LOCAL is how rows arrive; no FILE right is needed
--   max_allowed_packet = 256M               # a row with a scanned document in it
--   skip_log_bin                            # the source is the backup of this copy
--   innodb_buffer_pool_size = ...           # as memory allows
--   innodb_log_file_size = 2G
--   innodb_flush_log_at_trx_commit = 2      # a power cut costs a second of work that is repeated
--   innodb_flush_method = O_DIRECT
--   innodb_autoinc_lock_mode = 2
--   tcp_keepalive_time = 30                 # MariaDB: a worker host that vanishes gives its tables' locks
--   tcp_keepalive_interval = 10             # back after a minute, not after the system's two hours; with
--   tcp_keepalive_probes = 3                # MySQL set the kernel's net.ipv4.tcp_keepalive_* instead

SET @account = IF(
    '' IN (COALESCE(@owner, ''), COALESCE(@password, ''), COALESCE(@database, ''), COALESCE(@from_host, '')),
    NULL, CONCAT(QUOTE(@owner), '@', QUOTE(@from_host)));
SET @name = CONCAT('`', REPLACE(NULLIF(@database, ''), '`', '``'), '`');
SET @pattern = CONCAT('`', REPLACE(REPLACE(REPLACE(@database, '`', '``'), '_', '\\_'), '%', '\\%'), '`');

SET @statement = CONCAT('CREATE DATABASE IF NOT EXISTS ', @name, ' CHARACTER SET utf8mb4');
PREPARE create_database FROM @statement;
EXECUTE create_database;
DEALLOCATE PREPARE create_database;

SET @statement = CONCAT('CREATE USER IF NOT EXISTS ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE create_account FROM @statement;
EXECUTE create_account;
DEALLOCATE PREPARE create_account;

SET @statement = CONCAT('ALTER USER ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE set_password FROM @statement;
EXECUTE set_password;
DEALLOCATE PREPARE set_password;

SET @statement = CONCAT('GRANT ALL PRIVILEGES ON ', @pattern, '.* TO ', @account);
PREPARE grant_all FROM @statement;
EXECUTE grant_all;
DEALLOCATE PREPARE grant_all;
