package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// SetKey sets one key of a mapping in a YAML text and leaves every other byte of the text as it is. path leads from
// the document to the mapping: strings are keys, ints are positions in lists. fragment is the new value as YAML of its
// own, starting at column 1. A key that is there keeps its place, a new one goes to the end of the mapping.
//
// The result is parsed again and compared with what was asked for; when they differ, as they would where anchors or
// unusual layouts are in the way, SetKey returns an error and no text.
func SetKey(src []byte, path []any, key string, fragment string) ([]byte, error) {
	f, problems := Parse("document", src)
	if problems.HasErrors() {
		return nil, problems
	}
	frag, problems := Parse("fragment", []byte(fragment))
	if problems.HasErrors() {
		return nil, fmt.Errorf("value of %q: %w", key, problems)
	}
	target, err := follow(f.root, path)
	if err != nil {
		return nil, err
	}
	e := editor{src: src, file: f, key: key, value: frag.root, fragment: strings.Trim(strings.ReplaceAll(fragment, "\r\n", "\n"), "\n")}
	e.index()
	var out []byte
	if target.flow {
		out, err = e.flow(target)
	} else {
		out, err = e.block(target)
	}
	if err != nil {
		return nil, err
	}
	result, problems := Parse("document", out)
	if problems.HasErrors() || !same(result.root, withKey(f.root, path, key, frag.root)) {
		return nil, fmt.Errorf("set %q in line %d: the layout of the file does not allow it; please edit it by hand", key, target.pos.Line)
	}
	return out, nil
}

// follow returns the mapping at path.
func follow(n *node, path []any) (*node, error) {
	for _, step := range path {
		var next *node
		switch step := step.(type) {
		case string:
			if e := n.get(step); e != nil {
				if e.merged {
					return nil, fmt.Errorf("key %q comes from an anchor (line %d); edit it there", step, e.pos.Line)
				}
				next = e.value
			}
		case int:
			if step >= 0 && step < len(n.items) {
				next = n.items[step]
			}
		default:
			return nil, fmt.Errorf("path element %v is neither a key nor a position", step)
		}
		if next == nil {
			return nil, fmt.Errorf("there is no %v in line %d", step, n.pos.Line)
		}
		if next.alias {
			return nil, fmt.Errorf("%v is an alias of an anchor (line %d); edit it there", step, next.pos.Line)
		}
		n = next
	}
	if n.kind != mappingKind {
		return nil, fmt.Errorf("line %d: not a mapping", n.pos.Line)
	}
	return n, nil
}

// withKey returns a copy of the tree with the key set: what the edited text must mean.
func withKey(n *node, path []any, key string, value *node) *node {
	copied := *n
	copied.items = append([]*node(nil), n.items...)
	copied.entries = append([]entry(nil), n.entries...)
	if len(path) == 0 {
		for i := range copied.entries {
			if copied.entries[i].key == key {
				copied.entries[i].value = value
				return &copied
			}
		}
		copied.entries = append(copied.entries, entry{key: key, value: value})
		return &copied
	}
	if i, ok := path[0].(int); ok {
		copied.items[i] = withKey(n.items[i], path[1:], key, value)
		return &copied
	}
	for i := range copied.entries {
		if copied.entries[i].key == path[0] {
			copied.entries[i].value = withKey(n.entries[i].value, path[1:], key, value)
		}
	}
	return &copied
}

// same reports whether two trees mean the same document.
func same(a, b *node) bool {
	if a.kind != b.kind || a.text != b.text && a.kind < listKind && a.kind != nullKind || len(a.items) != len(b.items) || len(a.entries) != len(b.entries) {
		return false
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	for _, e := range a.entries {
		other := b.get(e.key)
		if other == nil || !same(e.value, other.value) {
			return false
		}
	}
	return true
}

// editor changes one place of a text.
type editor struct {
	src      []byte
	starts   []int // byte offset of each line
	file     *File
	key      string
	value    *node
	fragment string
}

func (e *editor) index() {
	at := 0
	if bytes.HasPrefix(e.src, []byte("\ufeff")) {
		at = len("\ufeff")
	}
	e.starts = append(e.starts, at)
	for i := at; i < len(e.src); i++ {
		if e.src[i] == '\n' {
			e.starts = append(e.starts, i+1)
		}
	}
}

// offset returns the byte offset of a place.
func (e *editor) offset(p Pos) int {
	at := e.starts[p.Line-1]
	for range p.Column - 1 {
		_, n := utf8.DecodeRune(e.src[at:])
		at += n
	}
	return at
}

// lineEnd returns the offset behind the text of a line, before its line break.
func (e *editor) lineEnd(line int) int { return e.starts[line-1] + len(e.file.lines[line-1]) }

func (e *editor) eol() string {
	if bytes.Contains(e.src, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func (e *editor) replace(from, to int, text string) []byte {
	out := make([]byte, 0, len(e.src)+len(text))
	out = append(out, e.src[:from]...)
	out = append(out, text...)
	return append(out, e.src[to:]...)
}

var errLayout = errors.New("the layout of the file is not understood; please edit it by hand")

// flow edits { a: 1, b: 2 }.
func (e *editor) flow(target *node) ([]byte, error) {
	value := inline(e.value)
	if old := target.get(e.key); old != nil && !old.merged {
		colon, ok := e.colon(old.pos)
		if !ok {
			return nil, errLayout
		}
		end, _ := scanFlow(e.src, colon+1, 0)
		if end < 0 {
			return nil, errLayout
		}
		last := lastText(e.src, colon+1, end)
		if last == colon+1 { // no value yet
			last = end
		}
		return e.replace(colon+1, last, " "+value), nil
	}
	open := e.offset(target.pos)
	if open >= len(e.src) || e.src[open] != '{' {
		return nil, errLayout
	}
	end, _ := scanFlow(e.src, open+1, 0)
	if end < 0 {
		return nil, errLayout
	}
	for e.src[end] == ',' { // to the closing bracket
		if end, _ = scanFlow(e.src, end+1, 0); end < 0 {
			return nil, errLayout
		}
	}
	last := lastText(e.src, open+1, end)
	text := quoteKey(e.key) + ": " + value
	switch {
	case last <= open+1 && bytes.IndexByte(e.src[open:end], '\n') < 0:
		return e.replace(open+1, end, text), nil
	case last <= open+1:
		return nil, errLayout
	case e.src[last-1] == ',':
		text = " " + text
	default:
		text = ", " + text
	}
	return e.replace(last, last, text), nil
}

// block edits a mapping of one key a line.
func (e *editor) block(target *node) ([]byte, error) {
	indent := target.pos.Column - 1
	pad := strings.Repeat(" ", indent)
	if old := target.get(e.key); old != nil && !old.merged {
		return e.blockReplace(old, indent)
	}
	line, value := e.lastEntry(target)
	if line == 0 {
		return nil, errLayout
	}
	end := e.lineEnd(e.endOfValue(line, indent, value))
	text := e.eol() + pad + quoteKey(e.key) + ":" + e.rendered(indent, "")
	return e.replace(end, end, text), nil
}

func (e *editor) blockReplace(old *entry, indent int) ([]byte, error) {
	colon, ok := e.colon(old.pos)
	if !ok {
		return nil, errLayout
	}
	last := e.endOfValue(old.pos.Line, indent, old.value)
	keyLineEnd := e.lineEnd(old.pos.Line)
	comment := ""
	if at := commentStart(e.src[colon+1 : keyLineEnd]); at >= 0 {
		before := string(e.src[colon+1 : colon+1+at])
		if last == old.pos.Line || strings.TrimSpace(before) == "" {
			blanks := before[len(strings.TrimRight(before, " \t")):]
			comment = blanks + string(e.src[colon+1+at:keyLineEnd])
		}
	}
	return e.replace(colon+1, e.lineEnd(last), e.rendered(indent, comment)), nil
}

// rendered returns the value as it stands behind "key:" at an indent, with the comment of the key's line.
func (e *editor) rendered(indent int, comment string) string {
	if e.value.kind < listKind || e.value.flow && !strings.Contains(e.fragment, "\n") || len(e.value.items)+len(e.value.entries) == 0 {
		text := e.fragment
		if strings.ContainsAny(text, "\n#") || e.value.alias {
			text = inline(e.value)
		}
		return " " + strings.TrimSpace(text) + comment
	}
	var b strings.Builder
	b.WriteString(comment)
	for _, line := range strings.Split(e.fragment, "\n") {
		b.WriteString(e.eol())
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", indent+2) + line)
		}
	}
	return b.String()
}

// lastEntry returns the line of the last key of a block mapping as it is written, and its value.
func (e *editor) lastEntry(target *node) (int, *node) {
	var last *ast.MappingValueNode
	switch src := target.source.(type) {
	case *ast.MappingNode:
		if len(src.Values) > 0 {
			last = src.Values[len(src.Values)-1]
		}
	case *ast.MappingValueNode:
		last = src
	}
	if last == nil {
		return 0, nil
	}
	line := e.file.tokenPos(last.Key.GetToken()).Line
	for _, entry := range target.entries {
		if !entry.merged && entry.pos.Line == line {
			return line, entry.value
		}
	}
	return line, &node{kind: nullKind} // <<
}

// endOfValue returns the last line of the value of a key that stands in line at indent.
func (e *editor) endOfValue(line, indent int, value *node) int {
	last := max(line, lastFlowLine(value))
	_, literal := value.source.(*ast.LiteralNode)
	for k := last + 1; k <= len(e.file.lines); k++ {
		text := e.file.lines[k-1]
		trimmed := strings.TrimSpace(text)
		depth := len(text) - len(strings.TrimLeft(text, " "))
		switch {
		case trimmed == "":
		case depth > indent:
			if literal || !strings.HasPrefix(trimmed, "#") {
				last = k
			}
		case strings.HasPrefix(trimmed, "#"):
		case depth == indent && value.kind == listKind && !value.flow && !value.alias && (trimmed == "-" || strings.HasPrefix(trimmed, "- ")):
			last = k
		default:
			return last
		}
	}
	return last
}

// lastFlowLine returns the line of the last closing bracket in a subtree, which may stand at any indent.
func lastFlowLine(n *node) int {
	if n.alias {
		return 0
	}
	line := 0
	switch src := n.source.(type) {
	case *ast.MappingNode:
		if src.End != nil {
			line = src.End.Position.Line
		}
	case *ast.SequenceNode:
		if src.End != nil {
			line = src.End.Position.Line
		}
	}
	for _, item := range n.items {
		line = max(line, lastFlowLine(item))
	}
	for _, e := range n.entries {
		if !e.merged {
			line = max(line, lastFlowLine(e.value))
		}
	}
	return line
}

// colon returns the offset of the colon behind a key.
func (e *editor) colon(key Pos) (int, bool) {
	at := e.offset(key)
	if at < len(e.src) && (e.src[at] == '"' || e.src[at] == '\'') {
		if at = skipQuoted(e.src, at); at < 0 {
			return 0, false
		}
	}
	for ; at < len(e.src) && e.src[at] != '\n'; at++ {
		if e.src[at] == ':' && (at+1 == len(e.src) || strings.IndexByte(" \t\r\n,}]{[\"'", e.src[at+1]) >= 0 || e.src[at-1] == '"' || e.src[at-1] == '\'') {
			return at, true
		}
	}
	return 0, false
}

// scanFlow returns the offset of the first , or closing bracket at this level from at on, and -1 when there is none.
func scanFlow(src []byte, at, depth int) (int, byte) {
	fresh := true // at the start of a scalar, where a quote opens a quoted text
	for ; at < len(src); at++ {
		c := src[at]
		switch {
		case (c == '"' || c == '\'') && fresh:
			end := skipQuoted(src, at)
			if end < 0 {
				return -1, 0
			}
			at, fresh = end-1, false
		case c == '#' && at > 0 && strings.IndexByte(" \t\n", src[at-1]) >= 0:
			for at+1 < len(src) && src[at+1] != '\n' {
				at++
			}
		case c == '{' || c == '[':
			depth++
			fresh = true
		case c == '}' || c == ']':
			if depth == 0 {
				return at, c
			}
			depth--
			fresh = false
		case c == ',':
			if depth == 0 {
				return at, c
			}
			fresh = true
		case c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			fresh = fresh || c == ':' || c == ' ' && src[at-1] == ':'
		default:
			fresh = false
		}
	}
	return -1, 0
}

// skipQuoted returns the offset behind the quoted text that opens at at.
func skipQuoted(src []byte, at int) int {
	quote := src[at]
	for at++; at < len(src); at++ {
		switch {
		case quote == '"' && src[at] == '\\':
			at++
		case src[at] == quote && quote == '\'' && at+1 < len(src) && src[at+1] == '\'':
			at++
		case src[at] == quote:
			return at + 1
		}
	}
	return -1
}

// lastText returns the offset behind the last character of src[from:to] that is neither blank nor comment.
func lastText(src []byte, from, to int) int {
	last := from
	for at := from; at < to; at++ {
		switch c := src[at]; {
		case c == '"' || c == '\'':
			if prev := strings.IndexByte(" \t\n,:[{", src[at-1]); prev >= 0 {
				if end := skipQuoted(src, at); end > 0 && end <= to {
					at = end - 1
				}
			}
			last = at + 1
		case c == '#' && strings.IndexByte(" \t\n", src[at-1]) >= 0:
			for at+1 < to && src[at+1] != '\n' {
				at++
			}
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			last = at + 1
		}
	}
	return last
}

// commentStart returns the offset of the comment in the rest of a line, -1 when there is none.
func commentStart(rest []byte) int {
	for at := 0; at < len(rest); at++ {
		switch c := rest[at]; {
		case (c == '"' || c == '\'') && (at == 0 || strings.IndexByte(" \t,:[{", rest[at-1]) >= 0):
			end := skipQuoted(rest, at)
			if end < 0 {
				return -1
			}
			at = end - 1
		case c == '#' && at > 0 && (rest[at-1] == ' ' || rest[at-1] == '\t'):
			return at
		}
	}
	return -1
}

var plainSafe = regexp.MustCompile(`^[A-Za-z_]([A-Za-z0-9_./() -]*[A-Za-z0-9_./()])?$`)

// inline renders a tree in flow style on one line.
func inline(n *node) string {
	var parts []string
	switch n.kind {
	case mappingKind:
		for _, e := range n.entries {
			parts = append(parts, quoteKey(e.key)+": "+inline(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case listKind:
		for _, item := range n.items {
			parts = append(parts, inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case nullKind:
		return "null"
	case stringKind:
		return quoteKey(n.text)
	}
	return n.text
}

// quoteKey quotes a text when it would mean something else without quotes.
func quoteKey(text string) string {
	if plainSafe.MatchString(text) && classify(text) == stringKind {
		return text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return strings.TrimSpace(b.String())
}
