package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// TestConnOf: the driver's connection is found where this version of it has it, and nothing else is taken for one.
func TestConnOf(t *testing.T) {
	db, _ := testDatabase(t)
	if err := testConn(t, db).Raw(func(c any) error {
		conn, err := connOf(c)
		if err == nil && conn.RemoteAddr() == nil {
			t.Error("a connection to nowhere")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for _, c := range []any{nil, 1, "text", &struct{ netConn string }{}, &struct{ conn net.Conn }{}, &struct{ netConn net.Conn }{}} {
		if _, err := connOf(c); err == nil {
			t.Errorf("%T has a connection", c)
		}
	}
}

// packets frames payloads as the server does, from the sequence number 1 on.
func packets(payloads ...string) []byte {
	var out []byte
	sequence := byte(1)
	for _, p := range payloads {
		for more := true; more; sequence++ {
			n := min(len(p), maxPacket)
			out = binary.LittleEndian.AppendUint32(out, uint32(n)|uint32(sequence)<<24)
			out = append(out, p[:n]...)
			p, more = p[n:], n == maxPacket
		}
	}
	return out
}

// answer plays a server that sends these bytes, in pieces, and hangs up.
func answer(t *testing.T, sent []byte, width, piece int) (rows []string, whole bool, err error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		if _, err := io.ReadFull(server, make([]byte, 4+1+len("SELECT"))); err != nil {
			return
		}
		for p := range slices.Chunk(sent, piece) {
			if _, err := server.Write(p); err != nil {
				return
			}
		}
	}()
	r := &result{conn: client, width: width, buf: make([]byte, packetRoom)}
	err = r.read("SELECT", func(cells [][]byte) error {
		var texts []string
		for _, c := range cells {
			switch {
			case c == nil:
				texts = append(texts, "NULL")
			case len(c) > 100:
				texts = append(texts, fmt.Sprintf("%d × %c", len(c), c[len(c)-1]))
			default:
				texts = append(texts, string(c))
			}
		}
		rows = append(rows, strings.Join(texts, "|"))
		if strings.HasPrefix(rows[len(rows)-1], "stop") {
			return errors.New("stopped")
		}
		return nil
	})
	return rows, r.whole, err
}

// text is a cell.
func text(s string) string {
	switch n := len(s); {
	case n < 0xfb:
		return string([]byte{byte(n)}) + s
	case n < 1<<16:
		return "\xfc" + string(binary.LittleEndian.AppendUint16(nil, uint16(n))) + s
	case n < 1<<24:
		return "\xfd" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))[:3]) + s
	default:
		return "\xfe" + string(binary.LittleEndian.AppendUint64(nil, uint64(n))) + s
	}
}

// TestWire: what servers of all ages send, in pieces of any size, and what none should send.
func TestWire(t *testing.T) {
	const (
		eof    = "\xfe\x00\x00\x02\x00"         // warnings, status
		end    = "\xfe\x00\x00\x02\x00\x00\x00" // rows, key, status, warnings
		more   = "\xfe\x00\x00\x0a\x00\x00\x00"
		column = "a column"
	)
	long := strings.Repeat("x", maxPacket-4-4)   // with its length, and another cell, one packet and nothing
	longer := strings.Repeat("y", 2*maxPacket+9) // three
	row := func(cells ...string) string { return strings.Join(cells, "") }
	for name, c := range map[string]struct {
		sent []byte
		want string // rows, then an error's words
		dead bool   // the connection is of no more use
	}{
		"new":                   {packets("\x02", column, column, row(text("a"), text("")), row("\xfb", text("b")), end), "a|; NULL|b", false},
		"old":                   {packets("\x02", column, column, eof, row(text("a"), text("")), eof), "a|", false},
		"old, without rows":     {packets("\x02", column, column, eof, eof), "", false},
		"new, without rows":     {packets("\x02", column, column, end), "", false},
		"columns not repeated":  {packets("\x02\x00", row(text("a"), text("b")), end), "a|b", false},
		"columns repeated":      {packets("\x02\x01", column, column, row(text("a"), text("b")), end), "a|b", false},
		"lengths":               {packets("\x02", column, column, row(text(strings.Repeat("a", 250)), text(strings.Repeat("b", 251))), row(text(strings.Repeat("c", 65535)), text(strings.Repeat("d", 65536))), end), "250 × a|251 × b; 65535 × c|65536 × d", false},
		"an end that is a row":  {packets("\x02", column, column, row(text("\xfe\x00"), text("\xff")), end), "\xfe\x00|\xff", false},
		"a full packet":         {packets("\x02", column, column, row(text(long), text("abc")), row(text("b"), text("c")), end), fmt.Sprintf("%d × x|abc; b|c", len(long)), false},
		"packets of one row":    {packets("\x02", column, column, row(text(longer), text("b")), row(text("c"), text(long)), end), fmt.Sprintf("%d × y|b; c|%d × x", len(longer), len(long)), false},
		"many packets":          {packets(append(append([]string{"\x02", column, column}, slices.Repeat([]string{row(text("a"), text("b"))}, 600)...), end)...), strings.Repeat("a|b; ", 599) + "a|b", false},
		"refused":               {packets("\xff\x7a\x04#42S02no such table"), "Error 1146 (42S02): no such table", false},
		"refused in the middle": {packets("\x02", column, column, row(text("a"), text("b")), "\xff\xc1\x07#70100killed"), "a|b; Error 1985 (70100): killed", false},
		"stopped":               {packets("\x02", column, column, row(text("stop"), text("b")), row(text("c"), text("d")), end), "stop|b; stopped", false},
		"stopped, then refused": {packets("\x02", column, column, row(text("stop"), text("b")), "\xff\xc1\x07#70100killed"), "stop|b; Error 1985 (70100): killed", false},

		"cut off":             {packets("\x02", column, column, row(text("a"), text("b"))), "a|b; invalid connection: unexpected EOF", true},
		"cut in a packet":     {packets("\x02", column, column, row(text("a"), text("b")), end)[:40], "a|b; invalid connection: unexpected EOF", true},
		"a packet is lost":    {slices.Delete(packets("\x02", column, column, end), 5, 5+4+len(column)), "invalid connection: packet 3 came where 2 was to come", true},
		"refused at any time": {slices.Concat(packets("\x02", column), []byte("\x0d\x00\x00\x00\xff\x87\x07#70100gone")), "Error 1927 (70100): gone", true},
		"more than the end":   {slices.Concat(packets("\x02", column, column, end), []byte("\x01\x00\x00\x09a")), "invalid connection: 5 bytes came behind the end", true},
		"a file is asked":     {packets("\xfb/etc/passwd"), "the server asks for a file of ours: refused", true},
		"no rows":             {packets("\x00\x00\x00\x02\x00\x00\x00"), "the statement gives no rows", true},
		"another result":      {packets("\x02", column, column, row(text("a"), text("b")), more), "a|b; the statement gives more than one result", true},
		"too few columns":     {packets("\x01", column, row(text("a")), end), "the result has 1 columns, 2 were asked for", true},
		"a row too short":     {packets("\x02", column, column, row(text("a")), end), "invalid connection: a malformed packet of 2 bytes: 01 61", true},
		"a row too long":      {packets("\x02", column, column, row(text("a"), text("b"), text("c")), end), "invalid connection: a malformed packet of 6 bytes", true},
		"a cell too long":     {packets("\x02", column, column, row(text("a"), "\xfd\xff\xff\xffb"), end), "invalid connection: a malformed packet", true},
		"a length too long":   {packets("\x02", column, column, row(text("a"), "\xfe\xff\xff\xff\xff\xff\xff\xff\xffb"), end), "invalid connection: a malformed packet", true},
		"an empty packet":     {packets("\x02", column, column, ""), "invalid connection: a malformed packet of 0 bytes", true},
		"an end too short":    {packets("\x02", column, column, "\xfe"), "invalid connection: a malformed packet", true},
		"an error too short":  {packets("\xff\x01"), "invalid connection: a malformed packet", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1 << 30, 1 << 20, 3, 1} {
				if piece < 100 && (len(c.sent) > 1<<22 || name == "more than the end") { // which is seen when it is there already
					continue
				}
				rows, whole, err := answer(t, c.sent, 2, piece)
				if err != nil {
					rows = append(rows, err.Error())
				}
				if got := strings.Join(rows, "; "); got != c.want && !(err != nil && strings.HasPrefix(got, c.want)) {
					t.Fatalf("in pieces of %d: %.200s", piece, got)
				}
				if whole == c.dead {
					t.Errorf("in pieces of %d: whole is %v", piece, whole)
				}
			}
		})
	}
}

// TestWireEnds: a query that is given up ends at once, and what the server refuses leaves the session as it was.
func TestWireEnds(t *testing.T) {
	db, _ := testDatabase(t)
	conn := testConn(t, db)
	var refused *mysql.MySQLError
	if err := query(t.Context(), conn, "SELECT * FROM nowhere", 1, nil); !errors.As(err, &refused) || refused.Number != noTable {
		t.Errorf("no table: %v", err)
	}
	stopped := errors.New("stopped")
	rows := 0
	if err := query(t.Context(), conn, "SELECT seq FROM seq_1_to_100000", 1, func([][]byte) error { rows++; return stopped }); !errors.Is(err, stopped) || rows != 1 {
		t.Errorf("stopped after %d rows: %v", rows, err)
	}
	var one string
	if err := conn.QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil || one != "1" {
		t.Errorf("the session after that: %q, %v", one, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := query(ctx, conn, "SELECT seq, SLEEP(seq = 2) * 60 FROM seq_1_to_3", 2, func([][]byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if err := conn.QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err == nil {
		t.Error("the session lives on in the middle of an answer")
	}
}
