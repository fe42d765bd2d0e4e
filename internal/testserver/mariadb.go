package testserver

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Maria is a MariaDB server. It asks for a password, offers TLS and writes a binary log.
type Maria struct {
	*Server
}

// mariaDefaults are the settings of a server whose test has no other wishes; --no-defaults keeps the machine's away.
var mariaDefaults = map[string]string{
	"bind-address":                   "127.0.0.1",
	"character-set-server":           "utf8mb4",
	"innodb-buffer-pool-size":        "64M",
	"innodb-flush-log-at-trx-commit": "0",
	"innodb-log-file-size":           "16M",
	"log-bin":                        "binlog",
	"skip-name-resolve":              "on",
}

var sharedMaria = sync.OnceValues(func() (*Maria, error) {
	m, err := newMaria(Options{})
	if err == nil {
		keep(m.Server)
	}
	return m, err
})

// MariaDB is the MariaDB server of this test process, started by the first test that asks. Tests take a Database of it
// each, and change nothing that another would notice. Without MariaDB the test is skipped.
func MariaDB(t testing.TB) *Maria {
	t.Helper()
	haveMaria(t)
	m, err := sharedMaria()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// NewMariaDB starts a MariaDB server that ends with the test.
func NewMariaDB(t testing.TB, o Options) *Maria {
	t.Helper()
	haveMaria(t)
	m, err := newMaria(o)
	if err != nil {
		t.Fatal(err)
	}
	m.own(t)
	return m
}

func haveMaria(t testing.TB) {
	t.Helper()
	have(t, "MariaDB", "mariadb-server", "mariadbd", "mariadb-install-db")
}

func newMaria(o Options) (*Maria, error) {
	secret, err := password()
	if err != nil {
		return nil, err
	}
	self, err := user.Current()
	if err != nil {
		return nil, err
	}
	s, err := newServer("MariaDB", nil)
	if err != nil {
		return nil, err
	}
	s.User, s.Password = "root", secret
	s.fast, s.crash = syscall.SIGTERM, syscall.SIGKILL
	m := &Maria{Server: s}
	if err := m.install(self.Username, o.InitArgs); err != nil {
		return nil, fmt.Errorf("make a data folder for MariaDB: %w", err)
	}
	certFile, keyFile, err := m.certify(o.CertName)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(mariaDefaults)
	settings["ssl-ca"], settings["ssl-cert"], settings["ssl-key"] = m.CAFile, certFile, keyFile
	maps.Copy(settings, o.Settings)
	m.args = func() []string {
		args := []string{program("mariadbd"), "--no-defaults", "--user=" + self.Username, "--datadir=" + m.data(), "--tmpdir=" + m.folder,
			"--socket=" + m.socket(), "--pid-file=" + filepath.Join(m.folder, "pid"), "--port=" + strconv.Itoa(m.Port),
			"--server-id=" + strconv.Itoa(m.Port)} // no two servers here share a port
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			args = append(args, "--"+name+"="+settings[name])
		}
		return args
	}
	// By its socket, which no other server has.
	m.ready = func(int) bool { return m.do("unix", m.socket(), "DO 1") == nil }
	return m, m.first()
}

func (m *Maria) data() string   { return filepath.Join(m.folder, "data") }
func (m *Maria) socket() string { return filepath.Join(m.folder, "socket") }

// install makes the data folder, with one user: root, for TCP and for the socket.
func (m *Maria) install(account string, initArgs []string) error {
	release, err := version(program("mariadbd"))
	if err != nil {
		return err
	}
	common := []string{"--no-defaults", "--user=" + account, "--innodb-log-file-size=16M"}
	options := append([]string{"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"}, initArgs...)
	key := slices.Concat([]string{release, m.Password}, common, options)
	return template(key, m.data(), func(dir string) error {
		install := slices.Concat([]string{program("mariadb-install-db")}, common, []string{"--datadir=" + dir}, options)
		if err := m.tool(nil, "", install...); err != nil {
			return err
		}
		users := "FLUSH PRIVILEGES;\n" + // without them there are no users to alter
			"CREATE OR REPLACE USER root@localhost IDENTIFIED BY '" + m.Password + "', root@'127.0.0.1' IDENTIFIED BY '" + m.Password + "';\n" +
			"GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION;\n" +
			"GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n" +
			"DELETE FROM mysql.global_priv WHERE User NOT IN ('root', 'mariadb.sys') OR User = 'root' AND Host NOT IN ('localhost', '127.0.0.1');\n"
		return m.tool(nil, users, slices.Concat([]string{program("mariadbd")}, common, []string{"--datadir=" + dir, "--bootstrap"})...)
	})
}

// URL is how root gets to a database.
func (m *Maria) URL(database string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(m.User, m.Password), Host: m.Addr(), Path: "/" + database}
	return u.String()
}

// Database makes an empty database, dropped after the test, and returns its URL.
func (m *Maria) Database(t testing.TB) string {
	t.Helper()
	name := databaseName()
	if err := m.do("tcp", m.Addr(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.shared {
			_ = m.do("tcp", m.Addr(), "DROP DATABASE "+name)
		}
	})
	return m.URL(name)
}

// do runs statements as root, on one connection.
func (m *Maria) do(network, address string, statements ...string) error {
	db, err := m.open(network, address)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

func (m *Maria) ask(query string, args ...any) (answer string, err error) {
	db, err := m.open("tcp", m.Addr())
	if err != nil {
		return "", err
	}
	defer db.Close()
	err = db.QueryRow(query, args...).Scan(&answer)
	return answer, err
}

func (m *Maria) open(network, address string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.Timeout = network, address, m.User, m.Password, patience
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

// Replica starts a replica of m that ends with the test: it replays m's binary log from its beginning, by GTID.
func (m *Maria) Replica(t testing.TB, o Options) *Maria {
	t.Helper()
	replica := NewMariaDB(t, o)
	source := fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
		m.Host, m.Port, m.User, m.Password)
	if err := replica.do("tcp", replica.Addr(), source, "START SLAVE"); err != nil {
		t.Fatal(err)
	}
	return replica
}

// CaughtUp waits until a replica has everything that its source has committed so far.
func (m *Maria) CaughtUp(t testing.TB, source *Maria) {
	t.Helper()
	position, err := source.ask("SELECT @@gtid_binlog_pos")
	if err == nil {
		position, err = m.ask("SELECT MASTER_GTID_WAIT(?, ?)", position, patience.Seconds())
	}
	if err == nil && position != "0" {
		err = errors.New("the replica does not catch up")
	}
	if err != nil {
		t.Fatal(err)
	}
}
