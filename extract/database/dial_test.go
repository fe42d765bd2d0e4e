package database

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
)

// host is an SSH host that lets everyone in. Behind it is a server that sends back what it gets, unless it is silent.
type host struct {
	address string
	known   string      // file with its key
	silent  atomic.Bool // the server says nothing
	dead    atomic.Bool // the host itself says nothing to those who ask whether it lives
	refuse  atomic.Bool // nobody listens on the server
	tunnels atomic.Int32
}

func newHost(t *testing.T) *host {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	h := &host{address: listener.Addr().String(), known: filepath.Join(t.TempDir(), "known_hosts")}
	if err := os.WriteFile(h.known, []byte(knownhosts.Line([]string{h.address}, signer.PublicKey())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go h.serve(conn, config)
		}
	}()
	return h
}

func (h *host) serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	h.tunnels.Add(1)
	go func() {
		for r := range requests {
			if !h.dead.Load() {
				_ = r.Reply(false, nil)
			}
		}
	}()
	for c := range channels {
		if h.refuse.Load() {
			_ = c.Reject(ssh.ConnectionFailed, "Connection refused")
			continue
		}
		channel, more, err := c.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(more)
		go func() {
			for b := make([]byte, 1<<10); ; {
				n, err := channel.Read(b)
				if err != nil {
					_ = channel.Close()
					return
				}
				if !h.silent.Load() {
					_, _ = channel.Write(b[:n])
				}
			}
		}()
	}
}

func (h *host) dialer(t *testing.T, change func(*Options)) *Dialer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &Options{ConnectTimeout: config.Duration(time.Minute), SSH: &SSH{Host: h.address, User: "u", KeyFile: key, KnownHosts: h.known}}
	if change != nil {
		change(o)
	}
	d := NewDialer(extract.Env{}, o)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func mustDial(t *testing.T, d *Dialer) net.Conn {
	t.Helper()
	conn, err := d.Dial(t.Context(), "tcp", "db.internal:5432")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// soon fails when what is done takes longer than it may.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

// TestTunnelDeadlines: a server behind an SSH host that is silent holds nobody up.
func TestTunnelDeadlines(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.silent.Store(true)
	d := h.dialer(t, func(o *Options) { o.IdleTimeout = config.Duration(300 * time.Millisecond) })
	for name, c := range map[string]struct {
		set   func(net.Conn)
		words string
	}{
		"idle":           {func(net.Conn) {}, "silent for 300ms (idle_timeout)"},
		"deadline":       {func(c net.Conn) { _ = c.SetDeadline(time.Now().Add(100 * time.Millisecond)) }, "i/o timeout"},
		"past":           {func(c net.Conn) { _ = c.SetDeadline(time.Now().Add(-time.Hour)) }, "i/o timeout"},
		"while it reads": {func(c net.Conn) { time.AfterFunc(50*time.Millisecond, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) }, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := mustDial(t, d)
			c.set(conn)
			soon(t, func() {
				_, err := conn.Read(make([]byte, 10))
				if !errors.Is(err, os.ErrDeadlineExceeded) || !Broken(err) || !strings.Contains(err.Error(), c.words) {
					t.Errorf("%v", err)
				}
			})
		})
	}
	t.Run("set back", func(t *testing.T) {
		h.silent.Store(false)
		conn := mustDial(t, h.dialer(t, nil)) // whose answer may take longer than the idle time of the others
		_ = conn.SetDeadline(time.Unix(1, 0))
		_ = conn.SetDeadline(time.Time{})
		b := make([]byte, 5)
		soon(t, func() {
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
				t.Errorf("%q, %v", b, err)
			}
		})
		if a := conn.RemoteAddr(); a.Network() != "tcp" || a.String() != "db.internal:5432" {
			t.Errorf("the server is at %v", a)
		}
	})
}

// TestTunnelDead: an SSH host that answers no more is given up in time, and whoever waits for it may stop.
func TestTunnelDead(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	d := h.dialer(t, nil)
	first := mustDial(t, d)
	h.dead.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	soon(t, func() {
		if _, err := d.Dial(ctx, "tcp", "db.internal:5432"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
	if _, err := first.Write([]byte("x")); err != nil || h.tunnels.Load() != 1 {
		t.Errorf("the impatience of one ended the tunnel of another: %v", err)
	}
	d.options.ConnectTimeout = config.Duration(8 * time.Second) // one half for the dead tunnel, the other for a new one
	soon(t, func() { mustDial(t, d) })
	if n := h.tunnels.Load(); n != 2 {
		t.Errorf("%d tunnels", n)
	}
}

// TestTunnelRefused: that the server refuses a connection is no fault of the tunnel, which others read through.
func TestTunnelRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	d := h.dialer(t, nil)
	first := mustDial(t, d)
	h.refuse.Store(true)
	_, err := d.Dial(t.Context(), "tcp", "db.internal:5432")
	if err == nil || !Broken(err) {
		t.Errorf("%v", err)
	}
	b := make([]byte, 1)
	soon(t, func() {
		_, _ = first.Write([]byte("x"))
		if _, err := io.ReadFull(first, b); err != nil || h.tunnels.Load() != 1 {
			t.Errorf("%v", err)
		}
	})
}

// TestKeyTypes: a host shows the key that is known, not the one that is liked best.
func TestKeyTypes(t *testing.T) {
	t.Parallel()
	line := func(host string, private crypto.Signer) string {
		key, err := ssh.NewPublicKey(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		return knownhosts.Line([]string{knownhosts.Normalize(host)}, key) + "\n"
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	certs := slices.DeleteFunc(slices.Clone(ssh.SupportedAlgorithms().HostKeys), func(name string) bool { return !strings.Contains(name, "-cert-") })
	for name, c := range map[string]struct {
		known string
		want  []string
	}{
		"none":      {"", nil},
		"another":   {line("b:22", ed), nil},
		"port":      {line("a:2222", ed), nil},
		"ed25519":   {line("a:22", ed), []string{ssh.KeyAlgoED25519}},
		"rsa":       {line("a:22", old), []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}},
		"two":       {"# ours\n" + line("a:22", ed) + line("b:22", old) + line("a:22", ec) + line("a:22", ed), []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256}},
		"authority": {"# ours\n@cert-authority " + line("a:22", old) + line("a:22", ed), append(certs, ssh.KeyAlgoED25519)},
		"revoked":   {"@revoked " + line("a:22", ec) + line("a:22", ed), []string{ssh.KeyAlgoED25519}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(file, []byte(c.known), 0o600); err != nil {
				t.Fatal(err)
			}
			check, err := knownhosts.New(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := keyTypes(check, "a:22"); !slices.Equal(got, c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
}

// TestTunnelAgent: the agent is asked when a tunnel is made, and let go then.
func TestTunnelAgent(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "agent") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	left := make(chan error, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			left <- agent.ServeAgent(keys, conn)
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	h := newHost(t)
	d := h.dialer(t, func(o *Options) { o.SSH.KeyFile = "" })
	mustDial(t, d)
	soon(t, func() {
		if err := <-left; !errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	})
}
