package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest.
const maxDepth = 200

// token kinds of jsonNode.
type jsonKind byte

const (
	jsonNull   jsonKind = 'n'
	jsonBool   jsonKind = 'b'
	jsonNumber jsonKind = '0'
	jsonString jsonKind = '"'
	jsonObject jsonKind = '{'
	jsonArray  jsonKind = '['
)

// jsonNode is a parsed JSON value. raw is its text; keys and items are those of an object or array.
type jsonNode struct {
	kind  jsonKind
	raw   []byte
	text  string // of a string, unescaped
	keys  []string
	items []jsonNode
}

// parseJSON parses one whole JSON text, strictly: no key twice, no lone surrogate, valid UTF-8 throughout.
func parseJSON(b []byte) (jsonNode, error) {
	if !utf8.Valid(b) {
		return jsonNode{}, errUTF8
	}
	p := jsonParser{b: b}
	p.space()
	n, err := p.value(0)
	if err != nil {
		return n, err
	}
	p.space()
	if p.i < len(b) {
		return n, p.fail("text after the value")
	}
	return n, nil
}

var errUTF8 = errors.New("not valid UTF-8")

type jsonParser struct {
	b []byte
	i int
}

func (p *jsonParser) fail(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d of the record", fmt.Sprintf(format, args...), p.i+1)
}

func (p *jsonParser) space() {
	for p.i < len(p.b) && isSpace(p.b[p.i]) {
		p.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (p *jsonParser) value(depth int) (n jsonNode, err error) {
	if depth > maxDepth {
		return n, p.fail("nested deeper than %d", maxDepth)
	}
	if p.i >= len(p.b) {
		return n, p.fail("the record ends too early")
	}
	from := p.i
	switch c := p.b[p.i]; {
	case c == '{':
		n, err = p.object(depth)
	case c == '[':
		n, err = p.array(depth)
	case c == '"':
		n.kind = jsonString
		n.text, err = p.str()
	case c == '-' || digit(c):
		n.kind = jsonNumber
		err = p.number()
	default:
		for word, kind := range map[string]jsonKind{"null": jsonNull, "true": jsonBool, "false": jsonBool} {
			if bytes.HasPrefix(p.b[p.i:], []byte(word)) {
				p.i += len(word)
				return jsonNode{kind: kind, raw: p.b[from:p.i]}, nil
			}
		}
		return n, p.fail("unexpected %q", c)
	}
	n.raw = p.b[from:p.i]
	return n, err
}

func (p *jsonParser) object(depth int) (jsonNode, error) {
	n := jsonNode{kind: jsonObject}
	p.i++
	p.space()
	if p.i < len(p.b) && p.b[p.i] == '}' {
		p.i++
		return n, nil
	}
	var seen map[string]bool
	for {
		p.space()
		if p.i >= len(p.b) || p.b[p.i] != '"' {
			return n, p.fail("a key is missing")
		}
		key, err := p.str()
		if err != nil {
			return n, err
		}
		if len(n.keys) < 8 {
			for _, k := range n.keys {
				if k == key {
					return n, p.fail("key %q is there twice", key)
				}
			}
		} else {
			if seen == nil {
				seen = map[string]bool{}
				for _, k := range n.keys {
					seen[k] = true
				}
			}
			if seen[key] {
				return n, p.fail("key %q is there twice", key)
			}
			seen[key] = true
		}
		p.space()
		if p.i >= len(p.b) || p.b[p.i] != ':' {
			return n, p.fail("a : is missing")
		}
		p.i++
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.keys = append(n.keys, key)
		n.items = append(n.items, v)
		p.space()
		if p.i >= len(p.b) {
			return n, p.fail("the record ends too early")
		}
		switch p.b[p.i] {
		case ',':
			p.i++
		case '}':
			p.i++
			return n, nil
		default:
			return n, p.fail("unexpected %q", p.b[p.i])
		}
	}
}

func (p *jsonParser) array(depth int) (jsonNode, error) {
	n := jsonNode{kind: jsonArray}
	p.i++
	p.space()
	if p.i < len(p.b) && p.b[p.i] == ']' {
		p.i++
		return n, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
		p.space()
		if p.i >= len(p.b) {
			return n, p.fail("the record ends too early")
		}
		switch p.b[p.i] {
		case ',':
			p.i++
		case ']':
			p.i++
			return n, nil
		default:
			return n, p.fail("unexpected %q", p.b[p.i])
		}
	}
}

func (p *jsonParser) number() error {
	if p.b[p.i] == '-' {
		p.i++
	}
	digits := func() int {
		from := p.i
		for p.i < len(p.b) && digit(p.b[p.i]) {
			p.i++
		}
		return p.i - from
	}
	from := p.i
	n := digits()
	if n == 0 || n > 1 && p.b[from] == '0' {
		return p.fail("bad number")
	}
	if p.i < len(p.b) && p.b[p.i] == '.' {
		p.i++
		if digits() == 0 {
			return p.fail("bad number")
		}
	}
	if p.i < len(p.b) && (p.b[p.i] == 'e' || p.b[p.i] == 'E') {
		p.i++
		if p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		if digits() == 0 {
			return p.fail("bad number")
		}
	}
	return nil
}

func (p *jsonParser) str() (string, error) {
	p.i++
	from := p.i
	for p.i < len(p.b) && p.b[p.i] != '"' && p.b[p.i] != '\\' && p.b[p.i] >= 0x20 {
		p.i++
	}
	if p.i < len(p.b) && p.b[p.i] == '"' {
		p.i++
		return string(p.b[from : p.i-1]), nil
	}
	out := append([]byte(nil), p.b[from:p.i]...)
	for p.i < len(p.b) {
		c := p.b[p.i]
		switch {
		case c == '"':
			p.i++
			return string(out), nil
		case c < 0x20:
			return "", p.fail("control character in a string")
		case c != '\\':
			out = append(out, c)
			p.i++
			continue
		}
		if p.i+1 >= len(p.b) {
			break
		}
		p.i += 2
		switch e := p.b[p.i-1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := p.hex()
			if !ok {
				return "", p.fail(`bad \u escape`)
			}
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if bytes.HasPrefix(p.b[p.i:], []byte(`\u`)) {
					p.i += 2
					if low, ok = p.hex(); !ok {
						return "", p.fail(`bad \u escape`)
					}
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return "", p.fail("half a surrogate pair, which no text can hold,")
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", p.fail("bad escape")
		}
	}
	return "", p.fail("a string is not closed")
}

func (p *jsonParser) hex() (rune, bool) {
	if p.i+4 > len(p.b) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.b[p.i:p.i+4]), 16, 32)
	p.i += 4
	return rune(n), err == nil
}

// plainNumber writes out a number with an exponent, when that is not too long: 1e2 is 100 exactly.
func plainNumber(s string) string {
	at := strings.IndexAny(s, "eE")
	if at < 0 {
		return s
	}
	exp, err := strconv.Atoi(s[at+1:])
	if err != nil || exp > 60 || exp < -60 || at > 100 {
		return s
	}
	sign, mantissa := "", s[:at]
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	if exp >= 0 {
		frac += strings.Repeat("0", max(0, exp-len(frac)))
		whole, frac = whole+frac[:exp], frac[exp:]
	} else {
		whole = strings.Repeat("0", max(0, -exp-len(whole)+1)) + whole
		cut := len(whole) + exp
		whole, frac = whole[:cut], whole[cut:]+frac
	}
	if frac != "" {
		frac = "." + frac
	}
	return sign + whole + frac
}

// jsonSplitter cuts a file into JSON records without holding more than one of them.
type jsonSplitter struct {
	r     io.Reader
	limit int
	lines bool     // one record a line
	path  []string // where the array is

	buf        []byte
	start, end int
	line       int64
	offset     int64
	eof        bool
	err        error

	state  int // 0 at the start, 1 in an array, 2 in a row of values, 3 at the end
	close  int // how many objects around the array are open
	inside bool
}

type jsonRecord struct {
	Line, Offset int64
	Raw          []byte
	Reason       string
	Message      string
}

func newJSONSplitter(r io.Reader, lines bool, path string, limit int64) *jsonSplitter {
	s := &jsonSplitter{r: r, limit: int(limit), lines: lines, buf: make([]byte, 64<<10), line: 1}
	if path != "" {
		s.path = strings.Split(path, ".")
	}
	return s
}

func (s *jsonSplitter) fill() bool {
	if s.eof || s.err != nil {
		return false
	}
	if s.end == len(s.buf) {
		if s.start > 0 && s.end-s.start <= len(s.buf)/2 {
			s.end = copy(s.buf, s.buf[s.start:s.end])
			s.start = 0
		} else {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
	for {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err == io.EOF {
			s.eof = true
		} else if err != nil {
			s.err = err
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
}

func (s *jsonSplitter) peek() (byte, bool) {
	if s.start < s.end || s.fill() {
		return s.buf[s.start], true
	}
	return 0, false
}

func (s *jsonSplitter) consume(n int) {
	s.line += int64(bytes.Count(s.buf[s.start:s.start+n], newline))
	s.start += n
	s.offset += int64(n)
}

func (s *jsonSplitter) space() {
	for {
		c, ok := s.peek()
		if !ok || !isSpace(c) {
			return
		}
		s.consume(1)
	}
}

var errCutOff = errors.New("the file ends in the middle of a JSON value")

func (s *jsonSplitter) broken(format string, args ...any) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("line %d, byte %d: %s", s.line, s.offset, fmt.Sprintf(format, args...))
}

// next gives the next record, io.EOF at the end. Another error means that the rest of the file cannot be told apart.
func (s *jsonSplitter) next() (jsonRecord, error) {
	if s.offset == 0 && s.start == 0 {
		for s.end < 3 && s.fill() {
		}
		if bytes.HasPrefix(s.buf[:s.end], []byte("\xef\xbb\xbf")) {
			s.consume(3)
		}
	}
	if s.lines {
		return s.nextLine()
	}
	if s.state == 0 {
		if err := s.enter(); err != nil {
			return jsonRecord{}, err
		}
	}
	switch s.state {
	case 1:
		return s.nextItem()
	case 2:
		s.space()
		if _, ok := s.peek(); !ok {
			if s.err != nil {
				return jsonRecord{}, s.err
			}
			return jsonRecord{}, io.EOF
		}
		return s.take()
	case 4:
		s.state = 3
		return s.take()
	}
	return jsonRecord{}, s.leave()
}

func (s *jsonSplitter) nextLine() (jsonRecord, error) {
	for {
		rec := jsonRecord{Line: s.line, Offset: s.offset}
		i, long := 0, false
		for {
			at := bytes.IndexByte(s.buf[s.start+i:s.end], '\n')
			if at >= 0 {
				i += at
				break
			}
			i = s.end - s.start
			if i > s.limit { // drop what is too long but keep its start
				if !long {
					long = true
					rec.Raw = append([]byte(nil), s.buf[s.start:s.start+min(i, 64<<10)]...)
				}
				s.consume(i)
				i = 0
			}
			if !s.fill() {
				break
			}
		}
		if s.err != nil {
			return rec, s.err
		}
		if !long {
			rec.Raw = s.buf[s.start : s.start+i]
		}
		atEnd := s.start+i == s.end
		s.consume(i)
		if !atEnd {
			s.consume(1)
		}
		if long || len(rec.Raw) > s.limit {
			rec.Reason, rec.Message = "too_long", fmt.Sprintf("the record is longer than %d bytes", s.limit)
			return rec, nil
		}
		rec.Raw = bytes.TrimRight(rec.Raw, "\r")
		if len(bytes.TrimSpace(rec.Raw)) > 0 {
			return rec, nil
		}
		if atEnd {
			return rec, io.EOF
		}
	}
}

// enter finds the records: the array at path, the outermost array, or a row of values.
func (s *jsonSplitter) enter() error {
	s.space()
	for depth, key := range s.path {
		c, ok := s.peek()
		if !ok || c != '{' {
			return s.broken("there is no object to hold records %q", strings.Join(s.path[:depth+1], "."))
		}
		s.consume(1)
		s.close++
		if err := s.seek(key, depth); err != nil {
			return err
		}
	}
	s.space()
	c, ok := s.peek()
	switch {
	case !ok && s.err != nil:
		return s.err
	case !ok && len(s.path) > 0:
		return errCutOff
	case !ok:
		s.state = 3
	case c == '[':
		s.consume(1)
		s.state, s.inside = 1, false
	case len(s.path) > 0 && c == '{':
		s.state = 4 // one record
	case len(s.path) > 0:
		return s.broken("records %q is neither an array nor an object", strings.Join(s.path, "."))
	default:
		s.state = 2
	}
	return nil
}

// seek moves to the value of key in the object that was just opened.
func (s *jsonSplitter) seek(key string, depth int) error {
	var found []string
	for {
		s.space()
		c, ok := s.peek()
		if !ok {
			return s.orCutOff()
		}
		if c == '}' {
			return s.broken("there is no records %q; the keys there are %s", strings.Join(s.path[:depth+1], "."), quoteAll(found))
		}
		if c == ',' {
			s.consume(1)
			continue
		}
		if c != '"' {
			return s.broken("unexpected %q", c)
		}
		n, err := s.measure(false)
		if err != nil {
			return err
		}
		name, perr := parseJSON(s.buf[s.start : s.start+n])
		if perr != nil {
			return s.broken("%v", perr)
		}
		s.consume(n)
		s.space()
		if c, ok = s.peek(); !ok || c != ':' {
			return s.broken("a : is missing")
		}
		s.consume(1)
		s.space()
		if name.text == key {
			return nil
		}
		if len(found) < 50 {
			found = append(found, name.text)
		}
		if _, err := s.measure(true); err != nil {
			return err
		}
	}
}

func (s *jsonSplitter) orCutOff() error {
	if s.err != nil {
		return s.err
	}
	return errCutOff
}

// measure gives the length of the value at start by its brackets and quotes alone. With skip it consumes the value
// instead, however long it is, and gives 0; without, a value longer than limit gives limit+1.
func (s *jsonSplitter) measure(skip bool) (int, error) {
	i, depth, begun := 0, 0, false
	inString, escaped := false, false
	for {
		for s.start+i < s.end {
			c := s.buf[s.start+i]
			switch {
			case inString:
				switch {
				case escaped:
					escaped = false
				case c == '\\':
					escaped = true
				case c == '"':
					inString = false
					if depth == 0 {
						return s.measured(i+1, skip)
					}
				}
			case c == '"':
				inString, begun = true, true
			case c == '{' || c == '[':
				depth++
				begun = true
			case c == '}' || c == ']':
				if depth == 0 { // the end of what a bare word is in
					return s.measured(i, skip)
				}
				if depth--; depth == 0 {
					return s.measured(i+1, skip)
				}
			case depth == 0 && begun && (c == ',' || isSpace(c)):
				return s.measured(i, skip)
			default:
				begun = true
			}
			i++
		}
		if skip {
			s.consume(i)
			i = 0
		} else if i > s.limit {
			return s.limit + 1, nil
		}
		if !s.fill() {
			if s.err != nil {
				return 0, s.err
			}
			if depth > 0 || inString {
				return 0, errCutOff
			}
			return s.measured(i, skip)
		}
	}
}

func (s *jsonSplitter) measured(n int, skip bool) (int, error) {
	if skip {
		s.consume(n)
		return 0, nil
	}
	return n, nil
}

// take cuts the value at start.
func (s *jsonSplitter) take() (jsonRecord, error) {
	rec := jsonRecord{Line: s.line, Offset: s.offset}
	n, err := s.measure(false)
	if err != nil {
		return rec, err
	}
	if n == 0 {
		return rec, s.broken("unexpected %q", s.buf[s.start])
	}
	if n > s.limit {
		rec.Raw = append([]byte(nil), s.buf[s.start:min(s.end, s.start+64<<10)]...)
		rec.Reason, rec.Message = "too_long", fmt.Sprintf("the record is longer than %d bytes", s.limit)
		_, err := s.measure(true)
		return rec, err
	}
	rec.Raw = s.buf[s.start : s.start+n]
	s.consume(n)
	return rec, nil
}

func (s *jsonSplitter) nextItem() (jsonRecord, error) {
	s.space()
	c, ok := s.peek()
	if !ok {
		return jsonRecord{}, s.orCutOff()
	}
	if c == ']' {
		s.consume(1)
		s.state = 3
		return jsonRecord{}, s.leave()
	}
	if s.inside {
		if c != ',' {
			return jsonRecord{}, s.broken("expected , or ] after a record, found %q", c)
		}
		s.consume(1)
		s.space()
		if _, ok := s.peek(); !ok {
			return jsonRecord{}, s.orCutOff()
		}
	}
	s.inside = true
	return s.take()
}

// leave closes the objects around the records and wants nothing after them.
func (s *jsonSplitter) leave() error {
	for s.close > 0 {
		s.space()
		c, ok := s.peek()
		switch {
		case !ok:
			return s.orCutOff()
		case c == '}':
			s.consume(1)
			s.close--
		case c == ',' || c == ':':
			s.consume(1)
		case c == ']':
			return s.broken("unexpected %q", c)
		default:
			if _, err := s.measure(true); err != nil {
				return err
			}
		}
	}
	s.space()
	if c, ok := s.peek(); ok {
		return s.broken("unexpected %q after the end of the records", c)
	}
	if s.err != nil {
		return s.err
	}
	return io.EOF
}
