package mysql

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
)

// TestFirstContact: a server that answers that it is full or goes down is tried again, also when it was never reached;
// one that does not answer, or refuses the password, is not.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code      uint16 // 0: nobody listens
		message   string
		transient bool
	}{
		"too many":      {tooMany, "Too many connections", true},
		"shutting down": {shuttingDown, "Server shutdown in progress", true},
		"password":      {accessDenied, "Access denied", false},
		"nobody":        {0, "connection refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &database.Options{URL: config.NewURL("mysql://u:p@" + answering(t, c.code, c.message) + "/d")}
			src, err := open(extract.Env{Name: "erp", Log: slog.New(slog.DiscardHandler)}, o)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			_, err = src.(*source).connect(t.Context())
			if err == nil || errors.Is(err, extract.ErrTransient) != c.transient {
				t.Fatalf("%v", err)
			}
			mentions(t, err.Error(), c.message)
		})
	}
}

// answering is the address of a server that answers everyone with one error.
func answering(t *testing.T, code uint16, message string) string {
	t.Helper()
	if code == 0 {
		return "127.0.0.1:1" // not a port that was free a moment ago: another may have it now
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(append([]byte{byte(3 + len(message)), 0, 0, 0, 0xff, byte(code), byte(code >> 8)}, message...))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}
