package mysql

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"

	driver "github.com/go-sql-driver/mysql"
)

// The driver makes an interface value of every cell, which takes as long as all the rest of reading a table. So it connects
// and logs in, and asks what is small; the rows of a table are read off its connection here. This is the text protocol:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html and, where MariaDB
// differs, https://mariadb.com/kb/en/result-set-packets/.

// maxPacket is the payload of a packet that goes on in the next one.
const maxPacket = 1<<24 - 1

// First bytes of packets, and of a cell.
const (
	packetOK, packetLocalFile, packetEnd, packetError = 0x00, 0xfb, 0xfe, 0xff
	cellNull                                          = 0xfb
)

// connOf is the network connection of a driver's one, inside of TLS. The driver does not give it out: TestConnOf fails
// when another version keeps it elsewhere.
func connOf(c any) (conn net.Conn, err error) {
	if v := reflect.ValueOf(c); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if field := v.Elem().FieldByName("netConn"); field.IsValid() && field.Type() == reflect.TypeFor[net.Conn]() {
			conn = *(*net.Conn)(field.Addr().UnsafePointer())
		}
	}
	if conn == nil {
		return nil, fmt.Errorf("this version of the driver hides its connection in another way: %T", c)
	}
	return conn, nil
}

// result is the answer to one query, being read.
type result struct {
	conn  net.Conn
	width int // columns

	buf      []byte
	from, to int    // of what was read and not taken yet
	long     []byte // a payload of more than one packet
	sequence byte
	astray   bool // a packet came out of its order
	whole    bool // the server has said that this is the end, or has failed
}

// The buffer for packets: what it is at first, and what is not kept for the rows after a long one.
const (
	packetRoom = 128 << 10
	packetKept = 16 << 20
)

// query sends a statement on a session and calls each with the cells of every row: texts that last until it returns, nil
// for NULL. After an error of each the rest of the answer is passed over: the session has the snapshot that others are to
// be read in. When ctx ends, or the answer breaks off or makes no sense, the connection is closed.
func query(ctx context.Context, session *sql.Conn, statement string, width int, each func(cells [][]byte) error) error {
	return session.Raw(func(c any) error {
		conn, err := connOf(c)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		r := &result{conn: conn, width: width, buf: make([]byte, packetRoom)}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		err = r.read(statement, each)
		if !stop() {
			return ctx.Err() // the driver finds its connection closed
		}
		if !r.whole {
			_ = conn.Close()
		}
		return err
	})
}

func (r *result) read(statement string, each func([][]byte) error) error {
	if err := r.send(statement); err != nil {
		return err
	}
	if err := r.head(); err != nil {
		return err
	}
	cells := make([][]byte, r.width)
	var failed error // of each
	for first := true; ; first = false {
		row, err := r.packet()
		if err != nil {
			return err
		}
		if row[0] == packetEnd && len(row) < maxPacket {
			if first && len(row) == 5 { // of the columns; newer servers do without
				continue
			}
			return errors.Join(failed, r.end(row))
		}
		if failed != nil {
			continue
		}
		if err := split(row, cells); err != nil {
			return err
		}
		failed = each(cells)
	}
}

// send asks the query.
func (r *result) send(statement string) error {
	const comQuery = 3
	if len(statement)+1 >= maxPacket {
		return fmt.Errorf("the query has %d bytes, a packet less", len(statement))
	}
	out := make([]byte, 0, len(statement)+5)
	out = append(binary.LittleEndian.AppendUint32(out, uint32(len(statement)+1)), comQuery)
	if _, err := r.conn.Write(append(out, statement...)); err != nil {
		return fmt.Errorf("%w: %w", driver.ErrInvalidConn, err)
	}
	r.sequence = 1
	return nil
}

// head takes what comes before the rows: how many columns there are, and their descriptions.
func (r *result) head() error {
	p, err := r.packet()
	if err != nil {
		return err
	}
	switch p[0] {
	case packetOK:
		return errors.New("the statement gives no rows")
	case packetLocalFile:
		return errors.New("the server asks for a file of ours: refused")
	}
	columns, rest, ok := lengthOf(p)
	if !ok || columns != r.width {
		return fmt.Errorf("the result has %d columns, %d were asked for", columns, r.width)
	}
	if len(rest) > 0 && rest[0] == 0 { // MariaDB: the client knows the columns
		return nil
	}
	for range columns {
		if _, err := r.packet(); err != nil {
			return err
		}
	}
	return nil
}

// end takes the packet behind the last row.
func (r *result) end(p []byte) error {
	const moreResults = 8
	status := p[1:]
	if len(p) == 5 {
		status = p[3:] // behind the warnings
	} else {
		for range 2 { // rows changed, last key
			_, rest, ok := lengthOf(status)
			if !ok {
				return malformed(p)
			}
			status = rest
		}
	}
	if len(status) < 2 {
		return malformed(p)
	}
	if binary.LittleEndian.Uint16(status)&moreResults != 0 {
		return errors.New("the statement gives more than one result")
	}
	if r.from != r.to {
		return fmt.Errorf("%w: %d bytes came behind the end", driver.ErrInvalidConn, r.to-r.from)
	}
	r.whole = true
	return nil
}

// packet is the next payload, which lasts until the next call. It is never empty; the server's error is an error.
func (r *result) packet() ([]byte, error) {
	p, err := r.part()
	if err != nil {
		return nil, err
	}
	if len(p) == maxPacket {
		r.long = append(r.long[:0], p...)
		for len(p) == maxPacket {
			if p, err = r.part(); err != nil {
				return nil, err
			}
			r.long = append(r.long, p...)
		}
		p = r.long
		if cap(r.long) > packetKept {
			r.long = nil
		}
	}
	if len(p) == 0 {
		return nil, malformed(p)
	}
	if p[0] == packetError {
		return nil, r.failure(p)
	}
	return p, nil
}

// part is the payload of one packet of the wire.
func (r *result) part() ([]byte, error) {
	if err := r.need(4); err != nil {
		return nil, err
	}
	head := binary.LittleEndian.Uint32(r.buf[r.from:])
	size, sequence := int(head&maxPacket), byte(head>>24)
	const words = 1 << 16 // more than an error has
	if sequence != r.sequence && size > words {
		return nil, r.outOfOrder(sequence)
	}
	if err := r.need(4 + size); err != nil {
		return nil, err
	}
	p := r.buf[r.from+4 : r.from+4+size]
	if sequence != r.sequence {
		if r.astray = true; size == 0 || p[0] != packetError { // which servers send at any time, before they hang up
			return nil, r.outOfOrder(sequence)
		}
	}
	r.sequence++
	r.from += 4 + size
	return p, nil
}

func (r *result) outOfOrder(sequence byte) error {
	return fmt.Errorf("%w: packet %d came where %d was to come", driver.ErrInvalidConn, sequence, r.sequence)
}

// need reads until n bytes are there.
func (r *result) need(n int) error {
	if r.to-r.from >= n {
		return nil
	}
	rest := r.buf[r.from:r.to]
	if n > len(r.buf) || len(r.buf) > packetKept && n < packetRoom {
		r.buf = make([]byte, max(n, packetRoom))
	}
	r.from, r.to = 0, copy(r.buf, rest)
	for r.to < n {
		m, err := r.conn.Read(r.buf[r.to:])
		if r.to += m; err != nil && r.to < n {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%w: %w", driver.ErrInvalidConn, err)
		}
	}
	return nil
}

// failure is the server's error, after which the connection can be used again.
func (r *result) failure(p []byte) error {
	if len(p) < 3 {
		return malformed(p)
	}
	r.whole = !r.astray
	e := &driver.MySQLError{Number: binary.LittleEndian.Uint16(p[1:])}
	if p = p[3:]; len(p) >= 6 && p[0] == '#' {
		copy(e.SQLState[:], p[1:])
		p = p[6:]
	}
	e.Message = string(p)
	return e
}

// split finds the cells of a row.
func split(row []byte, cells [][]byte) error {
	rest := row
	for i := range cells {
		if len(rest) > 0 && rest[0] == cellNull {
			cells[i], rest = nil, rest[1:]
			continue
		}
		n, text, ok := lengthOf(rest)
		if !ok || n > len(text) {
			return malformed(row)
		}
		cells[i], rest = text[:n:n], text[n:]
	}
	if len(rest) > 0 {
		return malformed(row)
	}
	return nil
}

// lengthOf reads a length-encoded integer.
func lengthOf(p []byte) (n int, rest []byte, ok bool) {
	if len(p) == 0 {
		return 0, nil, false
	}
	size := 0
	switch first := p[0]; {
	case first < 0xfb:
		return int(first), p[1:], true
	case first == 0xfc:
		size = 2
	case first == 0xfd:
		size = 3
	case first == 0xfe:
		size = 8
	}
	if size == 0 || len(p) < 1+size {
		return 0, nil, false
	}
	var wide [8]byte
	copy(wide[:], p[1:1+size])
	long := binary.LittleEndian.Uint64(wide[:])
	return int(long), p[1+size:], long <= 1<<40
}

func malformed(p []byte) error {
	return fmt.Errorf("%w: a malformed packet of %d bytes: % x", driver.ErrInvalidConn, len(p), p[:min(len(p), 16)])
}
