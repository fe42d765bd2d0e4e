#!/usr/bin/env bash
# The demo on Snowflake, or rather on what stands in for it: two nights of a shop, a load that is killed in the middle, and the push
# that catches up. Called by `make demo-snowflake` with the binary to use.
set -euo pipefail
bin=$(readlink -f "${1:-bin/millrace}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/millrace-snowflake-XXXXXX)
serving=
trap '[ -z "$serving" ] || { kill "$serving" 2>/dev/null; wait "$serving" 2>/dev/null || true; }; rm -rf "$work"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ millrace %s\n' "$*"; "$bin" "$@"; }
snow() { printf 'snowflake> %s\n' "$*"; "$work/ask" "$@"; }

echo "This is a stand-in on this machine, not Snowflake: it speaks the protocol of Snowflake's driver over DuckDB. See docs/snowflake.md."

say "1. A user with a key pair, and an account to log in to"
cp -r "$here/shop-snowflake" "$work/shop"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/shop/demo.p8" 2>/dev/null
openssl pkey -in "$work/shop/demo.p8" -pubout -out "$work/demo.pub"
(cd "$here/.." && go build -o "$work/serve" ./warehouse/snowflake/snowfake/serve && go build -o "$work/ask" ./examples/shop-snowflake/ask)
# The second load finds no answer to its COMMIT.
"$work/serve" -dir "$work/stages" -ready "$work/ready" -public-key "$work/demo.pub" -fault "hang nth=2 ^COMMIT" &
serving=$!
until [ -s "$work/ready" ]; do kill -0 "$serving"; sleep 0.1; done
export SNOWFLAKE_ACCOUNT=test SNOWFLAKE_USER=millrace SNOWFLAKE_KEY_FILE=demo.p8 SNOWFLAKE_PROTOCOL=http SNOWFLAKE_ROLE=ACCOUNTADMIN
SNOWFLAKE_HOST=$(cut -d: -f1 "$work/ready") SNOWFLAKE_PORT=$(cut -d: -f2 "$work/ready")
export SNOWFLAKE_HOST SNOWFLAKE_PORT
cd "$work/shop"

say "2. May we load there, and what would be sent?"
show run --target local 2>/dev/null | tail -1
echo "(a run that publishes here only needs neither key nor account)"
show doctor --target prod 2>/dev/null | grep -i snowflake || true
show plan --target prod 2>/dev/null | grep -iA8 snowflake || true

say "3. The first night: published here, then brought there"
show run --target prod 2>/dev/null
snow 'SELECT * FROM SHOP_MAIN.REVENUE ORDER BY DAY, PRODUCT'
snow 'SELECT * FROM SHOP_ERP.PRICES ORDER BY SKU'

say "4. Is there what is here?"
show verify --target prod

say "5. The second night: orders change, a customer is gone, a price falls. The machine fails while Snowflake is about to commit"
cp night2/* inbox/
echo '$ millrace run --target prod'
setsid "$bin" run --target prod >/dev/null 2>&1 &
loading=$!
# Every statement is in the journal before it is sent: the second COMMIT is the one that finds no answer.
commits() { for run in $("$bin" runs --json | grep -oE '"id": *"[^"]+"' | cut -d'"' -f4); do "$bin" runs show "$run" --statements --json; done 2>/dev/null | grep -cE '"sql": *"COMMIT"'; }
until [ "$(commits)" = 2 ]; do kill -0 "$loading"; sleep 0.2; done
kill -9 -- "-$loading"
wait "$loading" 2>/dev/null || echo "(killed)"
snow 'SELECT COUNT(*) AS ORDERS, MAX(UPDATED_AT) AS NEWEST FROM SHOP_ERP.ORDERS'
show query "select count(*) as orders, max(updated_at) as newest from erp.orders" --target prod
show status --target prod 2>/dev/null | grep -i snowflake:

say "6. Catch up: the transaction that was left behind is found and ended, and what is missing is brought"
show push --target prod
snow 'SELECT COUNT(*) AS ORDERS, MAX(UPDATED_AT) AS NEWEST FROM SHOP_ERP.ORDERS'
snow 'SELECT SKU, PRICE, VALID_FROM, VALID_TO, IS_CURRENT FROM SHOP_ERP.PRICES ORDER BY SKU, VALID_FROM'
snow 'SELECT CUSTOMER_ID, NAME, CITY FROM SHOP_ERP.CUSTOMERS ORDER BY CUSTOMER_ID'

say "7. Is there what is here? And what was it?"
show verify --target prod
show push --target prod
snow 'SELECT NODE_TABLE, MODE, STATE, ROWS_EXPECTED FROM MILLRACE_META._LOADS ORDER BY STARTED_AT, NODE_TABLE'
