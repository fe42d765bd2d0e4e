package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/millrace/millrace/extract"
)

// Dialer makes the connections of one source: directly or through an SSH host, each with a limit on silence.
type Dialer struct {
	project string
	options *Options

	making chan struct{} // holds one token while somebody makes the tunnel

	mu     sync.Mutex
	tunnel *ssh.Client
	closed bool
}

// NewDialer makes a Dialer; it connects to nothing yet.
func NewDialer(env extract.Env, o *Options) *Dialer {
	return &Dialer{project: env.Project, options: o, making: make(chan struct{}, 1)}
}

// Dial connects to an address.
func (d *Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if limit := d.options.ConnectTimeout.Std(); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &watched{Conn: conn, idle: d.options.IdleTimeout.Std(), room: make([]byte, 128<<10)}, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.options.SSH == nil {
		return (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}}).DialContext(ctx, network, address)
	}
	client, err := d.client(ctx)
	if err != nil {
		return nil, fmt.Errorf("ssh %s: %w", d.options.SSH.Host, err)
	}
	conn, err := client.DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() == nil && !errors.As(err, new(*ssh.OpenChannelError)) { // refused, but the tunnel is good: others read through it
			d.forget(client)
		}
		return nil, fmt.Errorf("through ssh %s: %w", d.options.SSH.Host, err)
	}
	return timely(conn, network, address), nil
}

// client is the connection to the SSH host, made when it is needed and made again when it broke.
func (d *Dialer) client(ctx context.Context) (*ssh.Client, error) {
	if client := d.current(); client != nil {
		alive, err := d.alive(ctx, client)
		if err != nil {
			return nil, err
		}
		if alive {
			return client, nil
		}
		d.forget(client)
	}
	select {
	case d.making <- struct{}{}:
		defer func() { <-d.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if client := d.current(); client != nil { // another one has made it meanwhile
		return client, nil
	}
	client, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = client.Close()
		return nil, net.ErrClosed
	}
	d.tunnel = client
	return client, nil
}

func (d *Dialer) current() *ssh.Client {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tunnel
}

// alive asks the SSH host for an answer. It takes less than the time for a connection, so that a new one may come about.
func (d *Dialer) alive(ctx context.Context, client *ssh.Client) (bool, error) {
	limit := d.options.ConnectTimeout.Std() / 2
	if limit <= 0 {
		limit = 10 * time.Second
	}
	answer := make(chan error, 1)
	go func() { // ends at the latest when the client is closed
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		answer <- err
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-answer:
		return err == nil, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// connect makes a connection to the SSH host.
func (d *Dialer) connect(ctx context.Context) (*ssh.Client, error) {
	address := d.options.SSH.Host
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "22")
	}
	config, done, err := d.options.SSH.config(d.project, address)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if !stop() && err == nil { // it came about and was closed at the same moment
		_ = c.Close()
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, explainSSH(err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

func explainSSH(err error) error {
	var unknown *knownhosts.KeyError
	var disjoint *ssh.AlgorithmNegotiationError
	if errors.As(err, &unknown) {
		if len(unknown.Want) == 0 {
			return &Trouble{Message: "the host is not in known_hosts", Advice: "add it after you have checked its key: ssh-keyscan HOST >> known_hosts", Err: err}
		}
		return &Trouble{Message: "the host's key is not the one in known_hosts", Advice: "someone may be in between; ask who runs the host", Err: err}
	}
	if errors.As(err, &disjoint) && strings.Contains(err.Error(), "host key") {
		return &Trouble{Message: "the host has no key of a type that known_hosts has for it", Advice: "ask who runs the host whether its key was changed; if so: ssh-keyscan HOST >> known_hosts", Err: err}
	}
	return err
}

// keyTypes are the algorithms of the keys that known_hosts has for a host, in the order of its lines; none: it has no key.
// Without them the host shows the key that we like best, which is not the one that is known. Certificates stay welcome
// where an authority is known.
func keyTypes(check ssh.HostKeyCallback, address string) []string {
	var unknown *knownhosts.KeyError
	if !errors.As(check(address, &net.TCPAddr{}, noKey{}), &unknown) {
		return nil
	}
	var out []string
	for _, k := range unknown.Want {
		if authority(k) {
			for _, name := range ssh.SupportedAlgorithms().HostKeys {
				if strings.Contains(name, "-cert-") && !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
			continue
		}
		names := []string{k.Key.Type()}
		if names[0] == ssh.KeyAlgoRSA { // the key's type; it signs by better ones
			names = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, name := range names {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// authority says whether a line of known_hosts is that of an authority: what is read of it does not tell.
func authority(k knownhosts.KnownKey) bool {
	content, err := os.ReadFile(k.Filename)
	lines := strings.Split(string(content), "\n")
	return err == nil && k.Line <= len(lines) && strings.HasPrefix(strings.TrimSpace(lines[k.Line-1]), "@cert-authority")
}

// noKey is a key that is in no known_hosts.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("this is no key") }

func (d *Dialer) forget(client *ssh.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tunnel == client {
		_ = client.Close()
		d.tunnel = nil
	}
}

// Close ends the connection to the SSH host.
func (d *Dialer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.tunnel == nil {
		return nil
	}
	err := d.tunnel.Close()
	d.tunnel = nil
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// config is what a connection to the host needs. done is to be called when it came about or did not: it lets the agent go.
func (o *SSH) config(project, address string) (config *ssh.ClientConfig, done func(), err error) {
	done = func() {}
	hosts := o.KnownHosts
	if hosts == "" {
		hosts = "~/.ssh/known_hosts"
	}
	check, err := knownhosts.New(File(project, hosts))
	if err != nil {
		return nil, nil, fmt.Errorf("known_hosts: %w", err)
	}
	var methods []ssh.AuthMethod
	key := []byte(o.Key.Reveal())
	if o.KeyFile != "" {
		if key, err = os.ReadFile(File(project, o.KeyFile)); err != nil {
			return nil, nil, fmt.Errorf("key_file: %w", err)
		}
	}
	if len(key) > 0 {
		var signer ssh.Signer
		if phrase := o.Passphrase.Reveal(); phrase != "" {
			signer, err = ssh.ParsePrivateKeyWithPassphrase(key, []byte(phrase))
		} else {
			signer, err = ssh.ParsePrivateKey(key)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("private key: %w", err)
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if password := o.Password.Reveal(); password != "" {
		methods = append(methods, ssh.Password(password))
	}
	if socket := os.Getenv("SSH_AUTH_SOCK"); len(methods) == 0 && socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil {
			done = func() { _ = conn.Close() }
			methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
		}
	}
	if len(methods) == 0 {
		return nil, nil, &Trouble{Message: "there is neither a key nor a password", Advice: "set key_file:, key: or password: under ssh:, or start an agent"}
	}
	return &ssh.ClientConfig{User: o.User, Auth: methods, HostKeyCallback: check, HostKeyAlgorithms: keyTypes(check, address)}, done, nil
}

// watched is a connection whose reads fail when nothing comes for the idle time, unless a deadline was set. It reads
// ahead: drivers ask for a few kilobytes at a time, and a large table is a long stream. It has one reader at a time.
type watched struct {
	net.Conn
	idle  time.Duration
	ahead []byte // read, and not asked for yet: a part of room
	room  []byte

	mu       sync.Mutex
	deadline bool // the driver has set one: it is not to be touched
}

func (w *watched) Read(b []byte) (int, error) {
	if len(w.ahead) == 0 {
		if len(b) >= len(w.room) {
			return w.read(b)
		}
		n, err := w.read(w.room)
		if w.ahead = w.room[:n]; n == 0 {
			return 0, err
		}
	}
	n := copy(b, w.ahead)
	w.ahead = w.ahead[n:]
	return n, nil // an error behind these bytes comes again
}

func (w *watched) read(b []byte) (int, error) {
	if w.idle > 0 {
		w.mu.Lock()
		if !w.deadline {
			_ = w.Conn.SetReadDeadline(time.Now().Add(w.idle))
		}
		w.mu.Unlock()
	}
	n, err := w.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.deadline {
			err = fmt.Errorf("the server was silent for %s (idle_timeout): %w", w.idle, err)
		}
	}
	return n, err
}

// timely gives a connection the deadlines that channels of SSH do not have: without them neither the end of a context
// nor the idle time would end a read. Between the two stands a pipe, whose ends have deadlines, so that even an SSH
// host that answers no more holds nobody up. What is copied ends with either side, or with the tunnel.
func timely(conn net.Conn, network, address string) net.Conn {
	if conn.SetReadDeadline(time.Time{}) == nil {
		return conn
	}
	near, far := net.Pipe()
	go func() {
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	}()
	go func() {
		_, _ = io.Copy(conn, far) // to the last byte that was written before near was closed
		_ = far.Close()
		_ = conn.Close()
	}()
	return &piped{Conn: near, remote: remote{network, address}}
}

// piped is the near end of a pipe. A driver that cancels a query asks it where the server is.
type piped struct {
	net.Conn
	remote remote
}

func (p *piped) RemoteAddr() net.Addr { return p.remote }

type remote struct{ network, address string }

func (r remote) Network() string { return r.network }
func (r remote) String() string  { return r.address }

func (w *watched) SetDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = !t.IsZero()
	return w.Conn.SetDeadline(t)
}

func (w *watched) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = !t.IsZero()
	return w.Conn.SetReadDeadline(t)
}

// Broken says whether an error is that of a connection, not of what was asked over it: it may work when tried again.
func Broken(err error) bool {
	var netErr net.Error
	var channel *ssh.OpenChannelError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		return true
	case errors.As(err, &channel): // the SSH host was refused by the server
		return channel.Reason == ssh.ConnectionFailed
	case errors.As(err, &netErr):
		return netErr.Timeout()
	}
	return strings.Contains(err.Error(), "conn closed")
}

// Pause waits before another quick try: longer each time, and not equally long for all who wait. It ends early with ctx.
func Pause(ctx context.Context, try int) {
	base := 300 * time.Millisecond << try
	timer := time.NewTimer(base/2 + rand.N(base))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Trouble is an error with advice, in words of its own.
type Trouble struct {
	Message string
	Advice  string
	Err     error // what it comes of; may be nil
}

func (t *Trouble) Error() string { return t.Message }

// Hint is the advice.
func (t *Trouble) Hint() string { return t.Advice }

func (t *Trouble) Unwrap() error { return t.Err }
