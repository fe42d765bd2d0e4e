package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/csvrec"
	"github.com/millrace/millrace/internal/textcast"
)

// dialect is how a CSV file is written, settled.
type dialect struct {
	Delim  byte     `json:"delim"`
	Quote  byte     `json:"quote,omitempty"`  // 0: none
	Escape byte     `json:"escape,omitempty"` // 0: none
	Header bool     `json:"header"`
	Null   []string `json:"null"`
	// DateFormat and the rest are as in CSV.
	DateFormat      string `json:"date_format,omitempty"`
	TimestampFormat string `json:"timestamp_format,omitempty"`
	DecimalComma    bool   `json:"decimal_comma,omitempty"`
	Comment         byte   `json:"comment,omitempty"`
	Skip            int    `json:"skip,omitempty"`
}

// plain says whether DuckDB's reader and the audit agree on the dialect; others go through the splitter.
func (d *dialect) plain() bool {
	return d.Comment == 0 && d.Skip == 0 && (d.Quote == 0 || d.Escape == d.Quote || d.Escape == 0)
}

func (d *dialect) rules() textcast.Rules {
	return textcast.Rules{DateFormat: d.DateFormat, TimestampFormat: d.TimestampFormat, DecimalComma: d.DecimalComma}
}

// cut is what the splitter needs of it.
func (d *dialect) cut() csvrec.Dialect {
	return csvrec.Dialect{Delim: d.Delim, Quote: d.Quote, Escape: d.Escape, Comment: d.Comment}
}

func (d *dialect) isNull(field []byte) bool {
	for _, n := range d.Null {
		if string(field) == n {
			return true
		}
	}
	return false
}

// auditColumn is what the audit must prove about one column of a file.
type auditColumn struct {
	kind  kind
	scale int
}

// audit counts the records of one CSV file and proves that DuckDB's reader sees the same records and changes no
// value. It knows less CSV than the splitter on purpose: what it does not know makes the file unclean, and the
// splitter reads unclean files. It works on blocks and never holds more than one record.
type audit struct {
	d    *dialect
	cols []auditColumn
	bom  bool // the start was looked at

	records int64
	line    int64
	header  bool // the header is still to come
	crlf    int8 // 0 unknown, 1 yes, -1 no
	// unclean counts, by column, the fields that are not what kind wants. With keepGoing that is all it does.
	unclean   []int64
	keepGoing bool

	limit int // longest record
	// delims and quotes are the delimiter and the quote, eight times.
	delims, quotes uint64

	stop [256]bool // the bytes that end an unquoted field or may not be in one
}

// errUnclean says that a file is not for DuckDB's own reader; it never leaves the package.
var errUnclean = errors.New("not clean")

func newAudit(d *dialect, cols []auditColumn) *audit {
	a := &audit{d: d, cols: cols, header: d.Header, unclean: make([]int64, len(cols)), line: 1}
	a.stop[d.Delim], a.stop['\n'], a.stop['\r'] = true, true, true
	if d.Quote != 0 {
		a.stop[d.Quote] = true
	}
	a.delims = 0x0101010101010101 * uint64(d.Delim)
	a.quotes = a.delims
	if d.Quote != 0 {
		a.quotes = 0x0101010101010101 * uint64(d.Quote)
	}
	return a
}

// run audits all of r. buf is the block to work in; it grows to hold the longest record, up to limit.
func (a *audit) run(r io.Reader, buf []byte, limit int64, progress func(bytes, records int64)) error {
	a.limit = int(limit)
	used := 0
	for {
		n, err := io.ReadFull(r, buf[used:])
		used += n
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		before := a.records
		done, aerr := a.block(buf[:used], last)
		if aerr != nil {
			return aerr
		}
		progress(int64(n), a.records-before)
		if last {
			return nil
		}
		used = copy(buf, buf[done:used])
		if used == len(buf) {
			if int64(len(buf)) >= limit {
				return fmt.Errorf("line %d: a record is longer than %d bytes: %w", a.line, limit, errUnclean)
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// block takes whole records from b and says how many bytes they were. With last, b ends the file.
func (a *audit) block(b []byte, last bool) (int, error) {
	i := 0
	if !a.bom {
		if len(b) < 3 && !last {
			return 0, nil
		}
		a.bom = true
		if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
			i = 3
		}
	}
	for i < len(b) {
		n, err := a.record(b[i:], last)
		if err != nil {
			return i, err
		}
		if a.limit > 0 && n > a.limit {
			return i, a.dirty("the record before is longer than %d bytes", a.limit)
		}
		if n == 0 {
			return i, nil
		}
		i += n
	}
	return i, nil
}

func (a *audit) dirty(format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %w", a.line, fmt.Sprintf(format, args...), errUnclean)
}

// record audits the record at the start of b and gives its length with the line end; 0 when b does not hold all of it.
func (a *audit) record(b []byte, last bool) (int, error) {
	d := a.d
	delim, quote := d.Delim, d.Quote
	if b[0] == '\n' || b[0] == '\r' { // a blank line: a record of NULL with one column, nothing otherwise
		n, err := a.lineEnd(b, 0, last)
		if n == 0 || err != nil {
			return 0, err
		}
		if len(a.cols) == 1 {
			return 0, a.dirty("blank line")
		}
		a.line++
		return n, nil
	}
	i, col, lines := 0, 0, int64(0)
	for {
		var k kind
		if !a.header && col < len(a.cols) {
			k = a.cols[col].kind
		}
		var end int
		if quote != 0 && i < len(b) && b[i] == quote {
			from := i + 1
			p := from
			for {
				q := bytes.IndexByte(b[p:], quote)
				if q < 0 {
					if last {
						return 0, a.dirty("quote is not closed")
					}
					return 0, nil
				}
				p += q
				if p+1 >= len(b) && !last {
					return 0, nil
				}
				if p+1 < len(b) && b[p+1] == quote {
					p += 2
					continue
				}
				break
			}
			value := b[from:p]
			lines += int64(bytes.Count(value, newline))
			if bytes.IndexByte(value, '\r') >= 0 {
				return 0, a.dirty("carriage return in a quoted field")
			}
			if k != anyText && !wellFormed(value, a.cols[col]) && !d.isNull(value) {
				if err := a.inexact(col, value); err != nil {
					return 0, err
				}
			}
			end = p + 1
		} else {
			end = i
			ok := true
			switch k {
			case anyText:
			case formatText:
				ok = false // looked at as a whole below
			case intText:
				end, ok = scanInt(b, i)
			case decText:
				end, ok = scanDecimal(b, i, a.cols[col].scale)
			case dateText:
				end, ok = scanDate(b, i)
			case tsText:
				end, ok = scanTimestamp(b, i)
			case timeText:
				end, ok = scanTime(b, i)
			case floatText:
				end, ok = scanFloat(b, i)
			}
			if k == anyText || !ok || end < len(b) && b[end] != delim && b[end] != '\n' && b[end] != '\r' {
				for end = i; end+8 <= len(b); end += 8 { // eight bytes at a time while none of them stops the field
					x := binary.LittleEndian.Uint64(b[end:])
					if has(x, a.delims)|has(x, a.quotes)|has(x, lineFeeds)|has(x, returns) != 0 {
						break
					}
				}
				for end < len(b) && !a.stop[b[end]] {
					end++
				}
				if end < len(b) && b[end] == quote && quote != 0 {
					return 0, a.dirty("quote inside an unquoted field")
				}
				if k != anyText {
					if end == len(b) && !last {
						return 0, nil
					}
					value := b[i:end]
					if !wellFormed(value, a.cols[col]) && !d.isNull(value) {
						if err := a.inexact(col, value); err != nil {
							return 0, err
						}
					}
				}
			}
		}
		col++
		if end == len(b) {
			if !last {
				return 0, nil
			}
			return end, a.endRecord(col, lines)
		}
		switch b[end] {
		case delim:
			i = end + 1
		case '\n', '\r':
			n, err := a.lineEnd(b, end, last)
			if n == 0 || err != nil {
				return 0, err
			}
			return end + n, a.endRecord(col, lines+1)
		default:
			return 0, a.dirty("text after a closing quote")
		}
	}
}

// has is not 0 when one of the eight bytes of x is the byte that every byte of pattern is.
func has(x, pattern uint64) uint64 {
	x ^= pattern
	return (x - 0x0101010101010101) &^ x & 0x8080808080808080
}

const (
	lineFeeds = 0x0101010101010101 * '\n'
	returns   = 0x0101010101010101 * '\r'
)

var newline = []byte{'\n'}

func (a *audit) inexact(col int, value []byte) error {
	a.unclean[col]++
	if a.keepGoing {
		return nil
	}
	return a.dirty("column %d: %q is not in plain form", col+1, value[:min(len(value), 100)])
}

func (a *audit) endRecord(cols int, lines int64) error {
	if cols != len(a.cols) {
		return a.dirty("%d columns, not %d", cols, len(a.cols))
	}
	a.line += lines
	if a.header {
		a.header = false
		return nil
	}
	a.records++
	return nil
}

// lineEnd gives the length of the line end at b[i]; 0 when more bytes are needed. Line ends must all be alike.
func (a *audit) lineEnd(b []byte, i int, last bool) (int, error) {
	if b[i] == '\n' {
		if a.crlf == 1 {
			return 0, a.dirty("line ends with \\n, others with \\r\\n")
		}
		a.crlf = -1
		return 1, nil
	}
	if i+1 == len(b) && !last {
		return 0, nil
	}
	if i+1 == len(b) || b[i+1] != '\n' {
		return 0, a.dirty("carriage return without line feed")
	}
	if a.crlf == -1 {
		return 0, a.dirty("line ends with \\r\\n, others with \\n")
	}
	a.crlf = 1
	return 2, nil
}

func digit(c byte) bool { return c-'0' <= 9 }

// scanInt passes a whole number of at most 18 digits, which every parser agrees on; longer ones are DuckDB's to
// refuse or take, and it does that right as long as they are digits.
func scanInt(b []byte, i int) (int, bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i, i > from
}

func scanDecimal(b []byte, i, scale int) (int, bool) {
	i, ok := scanInt(b, i)
	if ok && i < len(b) && b[i] == '.' {
		i++
		from := i
		for i < len(b) && digit(b[i]) {
			i++
		}
		return i, i > from && i-from <= scale
	}
	return i, ok
}

func scanFloat(b []byte, i int) (int, bool) {
	from := i
	i, ok := scanDecimal(b, i, 64)
	if !ok || i-from > 64 {
		return i, false
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		e := i
		for i < len(b) && digit(b[i]) {
			i++
		}
		return i, i > e && i-e <= 2 // 1e99 at most, so 64 digits more neither overflow nor underflow
	}
	return i, true
}

func scanDate(b []byte, i int) (int, bool) {
	if i+10 > len(b) {
		return i, false
	}
	c := b[i : i+10 : i+10]
	ok := digit(c[0]) && digit(c[1]) && digit(c[2]) && digit(c[3]) && c[4] == '-' && digit(c[5]) && digit(c[6]) && c[7] == '-' && digit(c[8]) && digit(c[9])
	return i + 10, ok
}

func scanTime(b []byte, i int) (int, bool) {
	if i+8 > len(b) {
		return i, false
	}
	c := b[i : i+8 : i+8]
	if !(digit(c[0]) && digit(c[1]) && c[2] == ':' && digit(c[3]) && digit(c[4]) && c[5] == ':' && digit(c[6]) && digit(c[7])) {
		return i, false
	}
	if c[0] > '2' || c[0] == '2' && c[1] > '3' {
		return i, false // DuckDB takes 24:00:00
	}
	i += 8
	if i < len(b) && b[i] == '.' {
		i++
		from := i
		for i < len(b) && digit(b[i]) {
			i++
		}
		return i, i > from && i-from <= 6
	}
	return i, true
}

func scanTimestamp(b []byte, i int) (int, bool) {
	i, ok := scanDate(b, i)
	if !ok || i >= len(b) || b[i] != ' ' && b[i] != 'T' {
		return i, ok // a date alone is midnight
	}
	return scanTime(b, i+1)
}

// wellFormed says that all of the field is in the plain form that its column's kind wants.
func wellFormed(field []byte, c auditColumn) bool {
	end, ok := 0, false
	switch c.kind {
	case anyText:
		return true
	case formatText:
		return bytes.ContainsAny(field, "0123456789")
	case intText:
		end, ok = scanInt(field, 0)
	case decText:
		end, ok = scanDecimal(field, 0, c.scale)
	case dateText:
		end, ok = scanDate(field, 0)
	case tsText:
		end, ok = scanTimestamp(field, 0)
	case timeText:
		end, ok = scanTime(field, 0)
	case floatText:
		end, ok = scanFloat(field, 0)
	}
	return ok && end == len(field)
}

// printable makes the raw text of a reject: at most n bytes, invalid UTF-8 as \xNN.
func printable(raw []byte, n int) string {
	cut := raw[:min(len(raw), n)]
	if utf8.Valid(cut) {
		return string(cut)
	}
	var b []byte
	for len(cut) > 0 && len(b) < n {
		r, size := utf8.DecodeRune(cut)
		if r == utf8.RuneError && size <= 1 {
			b = fmt.Appendf(b, `\x%02X`, cut[0])
			cut = cut[1:]
			continue
		}
		b = append(b, cut[:size]...)
		cut = cut[size:]
	}
	return string(b)
}
