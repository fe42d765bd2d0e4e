package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Mode is the way a server is stopped.
type Mode int

// The ways: Fast breaks connections off, rolls back and shuts down in order; Immediate leaves recovery to the next
// start, as a crash would.
const (
	Fast Mode = iota
	Immediate
)

// patience is how long a server may take to start or to stop.
const patience = 3 * time.Minute

// Server is what all servers here have in common. Its fields do not change once a test has it. Stop, Start and Restart
// may be called from any goroutine, and are refused on the servers that a process shares.
type Server struct {
	Host     string // 127.0.0.1
	Port     int    // the same after a restart
	User     string // may do everything
	Password string // of User
	CAFile   string // PEM, signed the server's certificate
	LogFile  string

	name    string
	folder  string // the server's own, removed with it
	shared  bool
	account *syscall.Credential // nil: our own
	args    func() []string     // program and arguments, for each start anew
	ready   func(pid int) bool  // takes the process connections?
	fast    syscall.Signal      // what Fast is to this server
	crash   syscall.Signal      // what Immediate is, and the end of the test process

	mu  sync.Mutex
	run *process // nil when stopped
}

// Stop ends the server and waits for its end. One that is stopped already stays so.
func (s *Server) Stop(mode Mode) error {
	if s.shared {
		return fmt.Errorf("stop %s: the test process shares it, start one of your own", s.name)
	}
	return s.stop(mode)
}

func (s *Server) stop(mode Mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	signal := s.fast
	if mode == Immediate {
		signal = s.crash
	}
	if err := s.run.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	select {
	case <-s.run.ended:
	case <-time.After(patience):
		_ = s.run.cmd.Process.Kill()
		<-s.run.ended
		s.run = nil
		return fmt.Errorf("stop %s: had to be killed after %s", s.name, patience)
	}
	s.run = nil
	return nil
}

// Start starts a server that was stopped, with its port and its data, and returns when it takes connections.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return nil
	}
	log, err := os.OpenFile(s.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	cmd := s.exec(context.Background(), s.args()...)
	cmd.Stdout, cmd.Stderr = log, log // a file: a pipe of ours would keep go test waiting
	s.run, err = launch(cmd, s.crash)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	for deadline := time.Now().Add(patience); ; {
		select {
		case <-s.run.ended:
			err := s.run.err
			s.run = nil
			return fmt.Errorf("start %s: ended at once: %v\n%s", s.name, err, s.tail(begin))
		case <-time.After(5 * time.Millisecond):
		}
		if s.ready(cmd.Process.Pid) {
			return nil
		}
		if time.Now().After(deadline) {
			_ = s.run.cmd.Process.Kill()
			<-s.run.ended
			s.run = nil
			return fmt.Errorf("start %s: takes no connections after %s\n%s", s.name, patience, s.tail(begin))
		}
	}
}

// Restart is Stop and Start.
func (s *Server) Restart(mode Mode) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.Start()
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// tail is the end of the log, from an offset on.
func (s *Server) tail(from int64) string {
	f, err := os.Open(s.LogFile)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(from, size-4000), io.SeekStart)
	}
	end, _ := io.ReadAll(f)
	return string(end)
}

// taken is what all servers say of a port that another has.
const taken = "Address already in use"

// first starts a new server on a port that is free. Another process may take the port before the server does.
func (s *Server) first() (err error) {
	for range 5 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		if err = s.Start(); err == nil || !strings.Contains(err.Error(), taken) {
			return err
		}
	}
	return err
}

// freePort stays below the ports that the kernel gives to connections: there, a client of a stopped server may be
// given the server's port, and connect to itself.
func freePort() (int, error) {
	for range 100 {
		port := 15000 + rand.IntN(32000-15000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port between 15000 and 32000")
}

// own ends the server with the test.
func (s *Server) own(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.name, s.tail(0))
		}
		if err := s.stop(Immediate); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(s.folder)
	})
}

var folders atomic.Int64

// newServer makes the folder of a server, which belongs to its account.
func newServer(name string, account *syscall.Credential) (*Server, error) {
	dir, err := base()
	if err != nil {
		return nil, err
	}
	s := &Server{Host: "127.0.0.1", name: name, account: account}
	s.folder = filepath.Join(dir, fmt.Sprintf("%s-%d", strings.ToLower(name), folders.Add(1)))
	s.LogFile = filepath.Join(s.folder, "log")
	if err := os.Mkdir(s.folder, 0o700); err != nil {
		return nil, err
	}
	return s, s.chown(s.folder)
}

// chown gives a file to the server's account.
func (s *Server) chown(path string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(path, int(s.account.Uid), int(s.account.Gid))
}

// write makes a file in the server's folder that only the server may read.
func (s *Server) write(name string, content []byte) (string, error) {
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", err
	}
	return path, s.chown(path)
}

// exec is a command under the server's account, in its folder, with none of the caller's environment.
func (s *Server) exec(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	return cmd
}

// tool runs a command to its end.
func (s *Server) tool(env []string, stdin string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.exec(ctx, args...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out)
	}
	return nil
}

// notRoot is the account of a server that refuses root: nil, unless we are root.
func notRoot() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		if found, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// process is a server's process.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and err is set
	err   error
}

// launch starts a process that gets the signal when ours ends. To the kernel a parent is the thread that forked, not
// the process, so that thread must live as long as the child: its goroutine is locked to it and waits.
func launch(cmd *exec.Cmd, signal syscall.Signal) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	withParent(cmd.SysProcAttr, signal)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}
