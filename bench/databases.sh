#!/usr/bin/env bash
# Measures the database sources against private servers: called by `make bench-databases`, with flags for bench.
set -euo pipefail
. "$(dirname "$0")/../examples/servers.sh"
start_postgres fsync=off shared_buffers=2GB max_wal_size=8GB
start_mariadb --innodb-buffer-pool-size=2G --innodb-flush-log-at-trx-commit=0 --local-infile=1 --skip-log-bin
mariadb --no-defaults -uroot -S "$my_socket" -e "CREATE DATABASE bench"
export PGPASSWORD
missed=0
for job in postgres postgres-incremental mariadb; do
  go run ./bench -bin bin/millrace -only "$job" -postgres "postgres://postgres:$PGPASSWORD@127.0.0.1:$pg_port/postgres" \
    -mariadb "mysql://root:$MYSQL_PWD@127.0.0.1:$my_port/bench" "$@" || missed=1
done
exit $missed
