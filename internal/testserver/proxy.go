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

	ended sync.WaitGroup

	mu    sync.Mutex
	fault Fault
	links map[*link]bool
}

// Fault is what befalls the connections of a Proxy, in what the server says. The zero value: nothing.
type Fault struct {
	Latency, Jitter time.Duration // before each piece
	Rate            int           // kB/s
	Slice, Vary     int           // bytes of a piece, more or less; 0: as they come
	Silent          bool          // nothing comes any more
	EndAfter        int           // bytes, then the connection ends; 0: never
	Reset           bool          // the connection is reset when something comes
}

// link is a connection through the proxy.
type link struct {
	client, server *net.TCPConn
	fault          Fault
	left           int  // of EndAfter
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
	p := &Proxy{Addr: listener.Addr().String(), links: map[*link]bool{}}
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
	l := &link{client: client, server: server, fault: p.fault, left: p.fault.EndAfter}
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
	f := l.fault
	if f.EndAfter > 0 {
		b = b[:min(len(b), l.left)]
		l.left -= len(b)
	}
	ends := f.EndAfter > 0 && l.left == 0
	if f.Reset {
		l.reset()
	}
	l.busy = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		l.busy = false
		p.mu.Unlock()
	}()
	if f.Silent {
		return true
	}
	for len(b) > 0 {
		n := f.piece(len(b))
		time.Sleep(f.delay(n))
		if _, err := l.client.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return !ends
}

func (f Fault) piece(n int) int {
	if f.Slice == 0 {
		return n
	}
	return min(n, f.Slice-f.Vary+rand.IntN(2*f.Vary+1))
}

func (f Fault) delay(n int) time.Duration {
	var d time.Duration
	if f.Latency > 0 {
		d = f.Latency - f.Jitter + rand.N(2*f.Jitter+1)
	}
	if f.Rate > 0 {
		d += time.Duration(n) * time.Millisecond / time.Duration(f.Rate)
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

// Spoil brings a fault to connections that are open and to new ones. It does not wait for the client to read.
func (p *Proxy) Spoil(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	for l := range p.links {
		l.fault, l.left = f, f.EndAfter
		if f.Reset && l.busy {
			l.reset()
		}
	}
}

// Heal ends it. Connections that were reset or fell silent stay broken, those to be reset among them.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = Fault{}
	for l := range p.links {
		if l.fault.Silent {
			l.close()
		}
		if !l.fault.Reset {
			l.fault = Fault{}
		}
	}
}
