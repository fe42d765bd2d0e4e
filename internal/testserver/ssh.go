package testserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
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
	KnownHostsFile string // the server's host key of ed25519; it has one of ECDSA too, which few have in there
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
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	hostKeyFile, host, err := s.newKey("host_key", ed)
	if err != nil {
		return nil, err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	otherKeyFile, _, err := s.newKey("host_key_ecdsa", ec)
	if err != nil {
		return nil, err
	}
	if _, ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	var client ssh.PublicKey
	if s.KeyFile, client, err = s.newKey("client_key", ed); err != nil {
		return nil, err
	}
	authorized, err := s.write("authorized_keys", ssh.MarshalAuthorizedKey(client))
	if err != nil {
		return nil, err
	}
	s.args = func() []string {
		args := []string{program("sshd"), "-D", "-e", "-f", "/dev/null"}
		for _, option := range []string{
			"Port=" + strconv.Itoa(s.Port), "ListenAddress=" + s.Host, "HostKey=" + hostKeyFile, "HostKey=" + otherKeyFile, "AuthorizedKeysFile=" + authorized,
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
func (s *SSHServer) newKey(name string, private crypto.Signer) (string, ssh.PublicKey, error) {
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", nil, fmt.Errorf("write %s: %w", name, err)
	}
	key, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		return "", nil, err
	}
	path, err := s.write(name, pem.EncodeToMemory(block))
	return path, key, err
}
