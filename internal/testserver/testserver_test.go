package testserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("TESTSERVER_CHILD") != "" {
		child()
	}
	os.Exit(Main(m))
}

// child is a test process that starts the shared servers and waits for its end.
func child() {
	_, err := sharedPG()
	if err == nil {
		_, err = sharedMaria()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	dir, _ := base()
	fmt.Println(dir)
	time.Sleep(time.Hour)
}

func TestServersEndWithTheirProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process that its parent has ended")
	}
	havePG(t)
	haveMaria(t)
	ours, err := base()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TESTSERVER_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	folder := strings.TrimSpace(line)
	running := func() (found []string) { // each process of a server works in its folder
		links, _ := filepath.Glob("/proc/[0-9]*/cwd")
		for _, link := range links {
			if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, folder) {
				found = append(found, link)
			}
		}
		return found
	}
	before := len(running())
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	in, name := filepath.Split(folder)
	if err != nil || in != memory+"/" && in != "/tmp/" || !strings.HasPrefix(name, prefix) || before < 2 {
		t.Fatalf("the child said %q, %v; %d processes", line, err, before)
	}
	for deadline := time.Now().Add(time.Minute); len(running()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("servers of a killed process still run: %v", running())
		}
	}
	sweep()
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a dead process: %v", err)
	}
	if _, err := os.Stat(ours); err != nil {
		t.Errorf("the folder of a living process: %v", err)
	}
}

// recorder is a testing.TB that notes how a test ends.
type recorder struct {
	testing.TB
	said bytes.Buffer
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) { fmt.Fprint(&r.said, append([]any{"skip: "}, args...)...) }

func (r *recorder) Fatal(args ...any) { fmt.Fprint(&r.said, append([]any{"fatal: "}, args...)...) }

func TestMissingServers(t *testing.T) {
	for value, want := range map[string]string{"": "skip", "required": "fatal"} {
		t.Setenv(Required, value)
		r := &recorder{}
		have(r, "Ingres", "ingres", "no-such-program")
		if got := r.said.String(); got != want+": Ingres is not installed (no no-such-program): apt-get install ingres" {
			t.Errorf("%q: %s", value, got)
		}
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	servers := map[string]func(*testing.T) *Server{
		"postgres": func(t *testing.T) *Server { return NewPostgres(t, Options{}).Server },
		"mariadb":  func(t *testing.T) *Server { return NewMariaDB(t, Options{}).Server },
		"ssh":      func(t *testing.T) *Server { return SSH(t).Server },
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if err := s.Stop(Fast); err != nil {
				t.Fatal(err)
			}
			s.Port = l.Addr().(*net.TCPAddr).Port
			if err := s.Start(); err == nil || !strings.Contains(err.Error(), taken) {
				t.Errorf("got %v", err)
			}
			if err := s.first(); err != nil {
				t.Errorf("on another port: %v", err)
			}
		})
	}
}
