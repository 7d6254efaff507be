#!/bin/bash
# Gives the stand-in for the clinic's server the same read-only account as the clinic's own.
# The MariaDB image sources this file when its data directory is new, as long as it is not executable;
# docker_process_sql is the image's.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }
{
    printf 'SET @reader = %s, @password = %s, @database = %s, @from_host = %s;\n' \
        "$(quoted "$READER")" "$(quoted "$READER_PASSWORD")" "$(quoted "$READER_DATABASE")" "'%'"
    cat /opt/source_grants.sql
} | docker_process_sql
