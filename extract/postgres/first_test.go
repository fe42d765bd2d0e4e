package postgres

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
)

// TestFirstContact: a server that answers that it is full or starting is tried again, also when it was never reached;
// one that does not answer, or refuses the password, is not.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code      string // "": nobody listens
		message   string
		transient bool
	}{
		"too many": {tooManyConnections, "sorry, too many clients already", true},
		"starting": {"57P03", "the database system is starting up", true},
		"password": {badPassword, "password authentication failed", false},
		"nobody":   {"", "connection refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &database.Options{URL: config.NewURL("postgres://u:p@" + answering(t, c.code, c.message) + "/d?sslmode=disable")}
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
func answering(t *testing.T, code, message string) string {
	t.Helper()
	if code == "" {
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
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}
