#!/usr/bin/env bash
# The demo: two example projects from nothing. Called by `make demo` with the binary to use.
set -euo pipefail
bin=$(readlink -f "${1:-bin/millrace}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ millrace %s\n' "$*"; "$bin" "$@"; }

say "1. examples/shop: three systems of one shop, with the dirt of real life"
cp -r "$here/shop" "$work/shop"
cd "$work/shop"
find inbox -type f | sort | xargs ls -l | awk '{printf "  %8d bytes  %s\n", $5, $NF}'

say "2. Run it: read, build, publish; every row is accounted for"
show run 2>/dev/null

say "3. What was rejected, and why"
show rejects list --limit 2

say "4. What is published"
show status

say "5. Ask it something: in how many of the three systems is a person known?"
show query "select systems, count(*) as people from marts.dim_customers group by systems order by systems"

say "6. The next night arrives: changed orders, new events, new snapshots"
cp -r night2/. inbox/
show run 2>/dev/null | grep -E "orders|run |read|landed|published" | sed -n 1,20p
show query "select count(*) as orders, count(distinct order_id) as keys from erp.orders"

say "7. Is everything that is published what was written?"
show verify

say "8. examples/birdstrikes: real public data, a nested GeoJSON and an Arrow file among it"
cp -r "$here/birdstrikes" "$work/birdstrikes"
cd "$work/birdstrikes"
show run 2>/dev/null | tail -4
show query "select * from airport_match_share"

say "Next"
cat <<'EOT'
  cp -r examples/shop /tmp/shop && cd /tmp/shop     work in a copy of your own (README.md there walks you through)
  bin/millrace init --from ~/your-csv-files mine    publish your own files
  bin/millrace --help                               all commands
EOT
