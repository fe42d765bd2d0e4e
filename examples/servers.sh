# Private servers for demos and measurements: sourced by bash scripts. They listen on 127.0.0.1 only, keep everything in
# one temporary folder and end with the script. Nothing of a server that runs on this machine is touched.

servers_dir=$(mktemp -d /tmp/millrace-servers-XXXXXX)
chmod 711 "$servers_dir"
trap stop_servers EXIT

need() { # COMMAND PACKAGE
  PATH="$PATH:/usr/sbin:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)"
  command -v "$1" >/dev/null || { echo "$1 is missing: make servers installs it (apt-get install $2)" >&2; exit 1; }
}

free_port() {
  local port
  for port in $(seq "$1" $(($1 + 99))); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# Postgres refuses to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$(id -u postgres)" --regid="$(id -g postgres)" --clear-groups "$@"; else "$@"; fi; }

# start_postgres [SETTING=VALUE …]: sets pg_port; user and database postgres, password in PGPASSWORD.
start_postgres() {
  need initdb postgresql
  local data=$servers_dir/postgres settings="" setting
  export PGPASSWORD=millrace-demo
  pg_port=$(free_port 15400)
  mkdir "$data" && { [ "$(id -u)" != 0 ] || chown postgres "$data"; }
  echo "$PGPASSWORD" >"$servers_dir/password"
  chmod 644 "$servers_dir/password"
  (cd "$servers_dir" && as_postgres initdb -D "$data" -U postgres --pwfile="$servers_dir/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null)
  for setting in "$@"; do settings+=" -c $setting"; done
  (cd "$servers_dir" && as_postgres pg_ctl -D "$data" -o "-p $pg_port -h 127.0.0.1 -k $data $settings" -l "$data/log" -w start >/dev/null)
}

# start_mariadb [--OPTION=VALUE …]: sets my_port and my_socket; user root, password in MYSQL_PWD.
start_mariadb() {
  need mariadbd mariadb-server
  local data=$servers_dir/mariadb
  export MYSQL_PWD=millrace-demo
  my_port=$(free_port 15500) my_socket=$servers_dir/mariadb.sock
  mariadb-install-db --no-defaults --datadir="$data" --user="$(id -un)" --auth-root-authentication-method=normal --skip-test-db >/dev/null
  mariadbd --no-defaults --datadir="$data" --user="$(id -un)" --port="$my_port" --bind-address=127.0.0.1 --socket="$my_socket" --pid-file="$servers_dir/mariadb.pid" "$@" >"$servers_dir/mariadb.log" 2>&1 &
  local try
  for try in $(seq 600); do
    MYSQL_PWD= mariadb --no-defaults -uroot -S "$my_socket" -e "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '$MYSQL_PWD'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION; ALTER USER root@localhost IDENTIFIED BY '$MYSQL_PWD'" 2>/dev/null && return
    sleep 0.1
  done
  cat "$servers_dir/mariadb.log" >&2
  exit 1
}

stop_servers() {
  [ ! -d "$servers_dir/postgres" ] || (cd "$servers_dir" && as_postgres pg_ctl -D "$servers_dir/postgres" -m immediate stop >/dev/null 2>&1) || true
  if [ -f "$servers_dir/mariadb.pid" ]; then kill "$(cat "$servers_dir/mariadb.pid")" 2>/dev/null && wait 2>/dev/null || true; fi
  rm -rf "$servers_dir"
}
