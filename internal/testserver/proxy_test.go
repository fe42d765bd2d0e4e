package testserver

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestProxyStalled: a connection is spoiled and healed while the client reads nothing and all buffers are full, as when a
// test does so from where it reads.
func TestProxyStalled(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		want  error
	}{"reset": {Fault{Reset: true}, syscall.ECONNRESET}, "silence": {Fault{Silent: true}, io.EOF}, "end": {Fault{EndAfter: 1}, io.EOF}, "latency": {Fault{Latency: time.Millisecond}, nil}} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			full := make(chan bool)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				b := make([]byte, 64<<10)
				for err == nil {
					_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
					_, err = conn.Write(b)
				}
				full <- errors.Is(err, os.ErrDeadlineExceeded)
			}()
			p := newProxy(t, listener.Addr().String())
			client, err := net.Dial("tcp", p.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if !<-full {
				t.Fatal("the server could say all that it wanted")
			}
			done := make(chan struct{})
			go func() {
				p.Spoil(c.fault)
				p.Heal()
				close(done)
			}()
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Fatal("it waits for the client to read")
			}
			if _, err := io.Copy(io.Discard, client); c.want != nil && c.want != io.EOF && !errors.Is(err, c.want) {
				t.Errorf("the client got %v, want %v", err, c.want)
			}
		})
	}
}
