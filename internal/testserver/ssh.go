package testserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHServer is an sshd that lets one key in, for the user who runs the test, and forwards TCP.
type SSHServer struct {
	*Server               // without Password and CAFile
	KeyFile        string // the private key that is let in
	KnownHostsFile string // the server's host key
}

// SSH starts an sshd that ends with the test. Without OpenSSH's server the test is skipped.
func SSH(t testing.TB) *SSHServer {
	t.Helper()
	have(t, "OpenSSH's server", "openssh-server", "sshd")
	s, err := newSSH()
	if err != nil {
		t.Fatal(err)
	}
	s.own(t)
	return s
}

func newSSH() (*SSHServer, error) {
	self, err := user.Current()
	if err != nil {
		return nil, err
	}
	server, err := newServer("sshd", nil)
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // sshd locks its unprivileged half up in there; Debian makes it when the service starts
		if err := os.Mkdir("/run/sshd", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	server.User = self.Username
	server.fast, server.crash = syscall.SIGTERM, syscall.SIGKILL
	s := &SSHServer{Server: server}
	pidFile := filepath.Join(s.folder, "pid")
	var hostKeyFile string
	var host, client ssh.PublicKey
	if hostKeyFile, host, err = s.newKey("host_key"); err != nil {
		return nil, err
	}
	if s.KeyFile, client, err = s.newKey("client_key"); err != nil {
		return nil, err
	}
	authorized, err := s.write("authorized_keys", ssh.MarshalAuthorizedKey(client))
	if err != nil {
		return nil, err
	}
	s.args = func() []string {
		args := []string{program("sshd"), "-D", "-e", "-f", "/dev/null"}
		for _, option := range []string{
			"Port=" + strconv.Itoa(s.Port), "ListenAddress=" + s.Host, "HostKey=" + hostKeyFile, "AuthorizedKeysFile=" + authorized,
			"PidFile=" + pidFile, "StrictModes=no", "UsePAM=no", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no",
			"PermitRootLogin=prohibit-password", "AllowTcpForwarding=yes", "UseDNS=no", "LogLevel=VERBOSE",
		} {
			args = append(args, "-o", option)
		}
		return args
	}
	s.ready = func(pid int) bool { // it writes the file when it listens
		content, _ := os.ReadFile(pidFile)
		return strings.TrimSpace(string(content)) == strconv.Itoa(pid)
	}
	if err := s.first(); err != nil {
		return nil, err
	}
	known := knownhosts.Line([]string{knownhosts.Normalize(s.Addr())}, host) + "\n"
	s.KnownHostsFile, err = s.write("known_hosts", []byte(known))
	return s, err
}

// newKey writes a private key as ssh-keygen would.
func (s *SSHServer) newKey(name string) (string, ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", nil, fmt.Errorf("write %s: %w", name, err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", nil, err
	}
	path, err := s.write(name, pem.EncodeToMemory(block))
	return path, key, err
}
