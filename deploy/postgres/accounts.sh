#!/bin/sh
# The first start of compose.yaml's PostgreSQL: the database's owner, who migrates, and the accounts of workers and servers.
# What these two may do is given to them by `synckairos migrate up`.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
    --set owner="$POSTGRES_PASSWORD" --set worker="$WORKER_PASSWORD" --set server="$SERVER_PASSWORD" <<'SQL'
CREATE ROLE synckairos LOGIN PASSWORD :'owner';
CREATE ROLE synckairos_worker LOGIN PASSWORD :'worker';
CREATE ROLE synckairos_server LOGIN PASSWORD :'server';
ALTER DATABASE :"DBNAME" OWNER TO synckairos;
SQL
