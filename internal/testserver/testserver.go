// Package testserver gives tests real servers: PostgreSQL, MariaDB and sshd, started by the test process on free
// ports of 127.0.0.1, in folders in memory or under /tmp, and gone with the process, however it ends. It installs nothing and never
// speaks to a server that it did not start. Only tests import it. Read Postgres and Server first.
package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Required is the environment variable that, set to "required", makes a missing server fail a test that would be
// skipped otherwise. make test sets it where all servers are installed.
const Required = "MILLRACE_TEST_SERVERS"

// Options are what a test may want of a server of its own.
type Options struct {
	Settings map[string]string // on top of the defaults: lines of postgresql.conf, or --name=value for mariadbd
	InitArgs []string          // for initdb or mariadb-install-db, e.g. "--encoding=SQL_ASCII", "--locale=C"
	CertName string            // the host that the certificate is for; localhost, 127.0.0.1 and ::1 if empty
}

// Main is for a TestMain: it runs the tests, then ends the shared servers and removes their folder at once. Without
// it they end with the process all the same, and the folder goes when another process starts a server.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	for _, s := range shared.servers {
		_ = s.stop(Immediate)
	}
	if removeBase != nil { // a server was started
		removeBase()
	}
	return code
}

// shared holds what a test process has one of. A process is what shares, so these are globals.
var shared struct {
	sync.Mutex
	servers []*Server // to be ended by Main
}

// keep marks a server as one for the whole process.
func keep(s *Server) {
	shared.Lock()
	defer shared.Unlock()
	s.shared = true
	shared.servers = append(shared.servers, s)
}

// have skips the test when the programs of a server are not there, or fails it where they are required.
func have(t testing.TB, server, install string, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if program(name) != "" {
			continue
		}
		Missing(t, fmt.Sprintf("%s is not installed (no %s): apt-get install %s", server, name, install))
	}
}

// Missing skips the test for want of what the message tells of, or fails it where that is required.
func Missing(t testing.TB, message string) {
	t.Helper()
	if os.Getenv(Required) == "required" {
		t.Fatal(message)
	} else {
		t.Skip(message)
	}
}

// program finds a server's program in PATH or where Debian puts it, and is empty when there is none.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.Abs(path); err == nil { // sshd starts itself again by its path
			return path
		}
	}
	places, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	newest := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	best := ""
	for _, dir := range places {
		if best == "" || newest(dir) > newest(best) {
			best = dir
		}
	}
	for _, dir := range []string{best, "/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); dir != "" && err == nil {
			return path
		}
	}
	return ""
}

// version is what a program says of itself; templates are kept by it.
func version(path string) (string, error) {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}
