package testserver

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func mariaDB(t *testing.T, at string, change func(*mysql.Config)) *sql.DB {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.DBName = "tcp", u.Host, u.User.Username(), strings.TrimPrefix(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	if change != nil {
		change(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mariaAsk(t *testing.T, db *sql.DB, query string) (answer string) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func mariaDo(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestMariaDB(t *testing.T) {
	m := MariaDB(t)
	if MariaDB(t) != m {
		t.Error("a second server in one process")
	}
	at := m.Database(t)
	db := mariaDB(t, at, nil)
	want := map[string]string{
		"@@log_bin": "1", "@@innodb_flush_log_at_trx_commit": "0", "@@innodb_buffer_pool_size": "67108864", "@@character_set_server": "utf8mb4",
		"@@sql_mode LIKE '%STRICT_TRANS_TABLES%'": "1", "@@gtid_binlog_pos <> ''": "1", "@@version LIKE '%MariaDB%'": "1",
		"(SELECT group_concat(User, '@', Host ORDER BY User, Host) FROM mysql.global_priv)": "mariadb.sys@localhost,root@127.0.0.1,root@localhost",
	}
	for what, value := range want {
		if got := mariaAsk(t, db, "SELECT "+what); got != value {
			t.Errorf("%s is %s, want %s", what, got, value)
		}
	}
	if err := m.Stop(Fast); err == nil {
		t.Error("the shared server was stopped")
	}
	var refused *mysql.MySQLError
	if err := mariaDB(t, at, func(c *mysql.Config) { c.Passwd = "wrong" }).Ping(); !errors.As(err, &refused) || refused.Number != 1045 {
		t.Errorf("a wrong password: %v", err)
	}
	pem, err := os.ReadFile(m.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	encrypted := mariaDB(t, at, func(c *mysql.Config) { c.TLS = &tls.Config{RootCAs: roots, ServerName: "localhost"} })
	if mariaAsk(t, encrypted, "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'") == "" {
		t.Error("TLS with the CA: no cipher")
	}
	var unknown x509.UnknownAuthorityError
	err = mariaDB(t, at, func(c *mysql.Config) { c.TLS = &tls.Config{ServerName: "localhost"} }).Ping()
	if !errors.As(err, &unknown) {
		t.Errorf("TLS without the CA: %v", err)
	}
}

func TestMariaDBRestartsAndReplicates(t *testing.T) {
	m := NewMariaDB(t, Options{Settings: map[string]string{"binlog-format": "ROW"}})
	at := m.Database(t)
	db := mariaDB(t, at, nil)
	mariaDo(t, db, "CREATE TABLE x (v text)")
	mariaDo(t, db, "INSERT INTO x VALUES ('kept')")
	if got := mariaAsk(t, db, "SELECT @@binlog_format"); got != "ROW" {
		t.Errorf("binlog_format is %s", got)
	}
	replica := m.Replica(t, Options{})
	for _, mode := range []Mode{Fast, Immediate} {
		port := m.Port
		if err := m.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if err := mariaDB(t, at, nil).Ping(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a stopped server: %v", err)
		}
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
		if got := mariaAsk(t, mariaDB(t, at, nil), "SELECT v FROM x"); got != "kept" || m.Port != port {
			t.Errorf("after a restart: %q, port %d, was %d", got, m.Port, port)
		}
	}
	replica.CaughtUp(t, m)
	u, _ := url.Parse(at)
	if got := mariaAsk(t, mariaDB(t, replica.URL(strings.TrimPrefix(u.Path, "/")), nil), "SELECT v FROM x"); got != "kept" {
		t.Errorf("the replica has %q", got)
	}
}
