package testserver

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server, and spoils what the server says to the client. It is ours because the
// proxies at hand wait, before they spoil a connection, until what is under way on it was read by the client: a test that
// spoils from where the client reads would wait for itself.
type Proxy struct {
	Addr string // host:port for the client

	t     testing.TB
	ended sync.WaitGroup

	mu    sync.Mutex
	spoil spoil
	links map[*link]bool
}

// spoil is what befalls a connection.
type spoil struct {
	latency, jitter time.Duration // before each piece
	rate            int           // kB/s
	slice, vary     int           // bytes of a piece; 0: as they come
	pause           time.Duration // before each, too
	silent          bool          // nothing comes any more
	limited         bool          // the connection ends after some bytes more
	left            int           // these
	reset           bool          // the connection is reset when something comes
}

// link is a connection through the proxy.
type link struct {
	client, server *net.TCPConn
	spoil          spoil
	busy           bool // with something that the server said
}

// NewProxy starts a proxy for a server that ends with the test.
func NewProxy(t testing.TB, server *Server) *Proxy {
	t.Helper()
	return newProxy(t, server.Addr())
}

func newProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), t: t, links: map[*link]bool{}}
	p.ended.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			conn, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.begin(client.(*net.TCPConn), conn.(*net.TCPConn))
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for l := range p.links {
			l.close()
		}
		p.mu.Unlock()
		p.ended.Wait()
	})
	return p
}

func (p *Proxy) begin(client, server *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &link{client: client, server: server, spoil: p.spoil}
	p.links[l] = true
	p.ended.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
	})
	p.ended.Go(func() {
		for b := make([]byte, 32<<10); ; {
			n, err := server.Read(b)
			if n > 0 && !p.pass(l, b[:n]) || err != nil {
				break
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		l.close()
		delete(p.links, l)
	})
}

// pass gives to the client what the server said, and says whether the connection goes on.
func (p *Proxy) pass(l *link, b []byte) bool {
	p.mu.Lock()
	s := l.spoil
	if s.limited {
		b = b[:min(len(b), s.left)]
		l.spoil.left -= len(b)
		s.left -= len(b)
	}
	if s.reset {
		l.reset()
	}
	l.busy = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		l.busy = false
		p.mu.Unlock()
	}()
	if s.silent {
		return true
	}
	for len(b) > 0 {
		n := s.piece(len(b))
		time.Sleep(s.delay(n))
		if _, err := l.client.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return !s.limited || s.left > 0
}

func (s spoil) piece(n int) int {
	if s.slice == 0 {
		return n
	}
	return min(n, s.slice-s.vary+rand.IntN(2*s.vary+1))
}

func (s spoil) delay(n int) time.Duration {
	d := s.pause
	if s.latency > 0 {
		d += s.latency - s.jitter + rand.N(2*s.jitter+1)
	}
	if s.rate > 0 {
		d += time.Duration(n) * time.Millisecond / time.Duration(s.rate)
	}
	return d
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

func (l *link) reset() {
	_ = l.client.SetLinger(0)
	l.close()
}

// Spoil spoils what comes from the server, on connections that are open and on new ones, in one of these ways: latency
// (latency, jitter: ms), bandwidth (rate: kB/s), slicer (average_size, size_variation: bytes; delay: µs), timeout (nothing comes any
// more), limit_data (bytes), reset_peer. It does not wait for the client to read.
func (p *Proxy) Spoil(toxic string, attributes map[string]any) {
	p.t.Helper()
	number := func(name string) int {
		n, _ := attributes[name].(int)
		return n
	}
	s := spoil{latency: time.Duration(number("latency")) * time.Millisecond, jitter: time.Duration(number("jitter")) * time.Millisecond,
		rate: number("rate"), slice: number("average_size"), vary: number("size_variation"), pause: time.Duration(number("delay")) * time.Microsecond, left: number("bytes"),
		silent: toxic == "timeout", limited: toxic == "limit_data", reset: toxic == "reset_peer"}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = s
	for l := range p.links {
		l.spoil = s
		if s.reset && l.busy {
			l.reset()
		}
	}
}

// Heal ends it. Connections that were reset or fell silent stay broken, those to be reset among them.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = spoil{}
	for l := range p.links {
		if l.spoil.silent {
			l.close()
		}
		if !l.spoil.reset {
			l.spoil = spoil{}
		}
	}
}
