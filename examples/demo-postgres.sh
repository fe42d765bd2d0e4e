#!/usr/bin/env bash
# The demo on PostgreSQL: a private server, a shop in it, and a day that goes by between two nights. Called by
# `make demo-postgres` with the binary to use.
set -euo pipefail
bin=$(readlink -f "${1:-bin/millrace}")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/servers.sh"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ millrace %s\n' "$*"; "$bin" "$@"; }
sql() { psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U postgres postgres "$@"; }

say "1. A PostgreSQL of our own, with a shop in it"
start_postgres fsync=off
export SHOP_PASSWORD=demo-reader-secret SHOP_PORT=$pg_port
sql -v reader_password="$SHOP_PASSWORD" -f "$here/shop-postgres/night1.sql"
work=$servers_dir/work
cp -r "$here/shop-postgres" "$work"
cd "$work"
sql -t -c "select count(*) || ' orders, ' || (select count(*) from payments) || ' payments' from orders"

say "2. What is there to read? (init --from writes a project of it)"
show connectors discover erp | head -20 || true

say "3. Is everything in order?"
show doctor | grep -E "source|stream" || true

say "4. The first night: all tables in one snapshot"
show run 2>/dev/null
show query "select * from revenue order by status"

say "5. A day goes by: orders come, change and are deleted; a column is added"
sql -f "$here/shop-postgres/night2.sql"
show plan 2>/dev/null | grep -E "^ *[+~-] |customers" || true

say "6. The second night: only what has changed"
show run 2>/dev/null
show query "select count(*) as orders, count(_deleted_at) as deleted, count(*) filter (where status = 'shipped') as shipped from erp.orders"
show query "select count(*) as payments, count(distinct id) as numbers from erp.payments"

say "7. Does it match the source?"
echo "the server says:"
sql -t -c "select count(*) || ' orders, ' || sum(amount) || ' in all' from orders"
show query "select count(*) as orders, sum(amount) as amount from erp.orders where _deleted_at is null"
