package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/millrace/millrace/internal/secret"
)

// Limits on one file. They stop alias bombs and nesting that would overflow the parser's stack.
const (
	maxFileSize   = 4 << 20
	maxDepth      = 100
	maxAliasNodes = 10_000
)

// File is one parsed YAML file. Parse makes it; Decode may be called on it several times.
type File struct {
	Name string
	// OnSecret, when set, is called during decoding with every secret text that went into a decoded value, for the
	// Redactor: resolved ${secret:…} references, literals and variables in fields of type secret.Value, URL passwords.
	OnSecret func(secret.Value)

	lastLine  int
	lastRunes []rune

	lines    []string
	root     *node
	literals []string // secret texts that stand in the file itself; masked in Problem.Source
}

// Parse reads one YAML document. The File is never nil; when the problems contain an error its Decode does nothing,
// so that callers can gather the problems of all files before they stop.
func Parse(name string, src []byte) (*File, Problems) { return parse(name, src, false) }

// ParseLast parses a file in which a key may be there twice, as in those of other tools: the last one counts, and that is a warning.
func ParseLast(name string, src []byte) (*File, Problems) { return parse(name, src, true) }

func parse(name string, src []byte, last bool) (*File, Problems) {
	f := &File{Name: name}
	whole := Pos{File: name}
	if len(src) > maxFileSize {
		return f, Problems{whole.Problem(fmt.Sprintf("the file is larger than %d MiB", maxFileSize>>20), "split it into several files")}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	f.lines = strings.Split(string(src), "\n")
	if p := f.checkText(); p != nil {
		return f, p
	}
	doc, problems := f.parse(src)
	if problems != nil {
		return f, problems
	}
	b := builder{file: f, anchors: map[string]*node{}, last: last}
	f.root = b.build(doc, Pos{File: name, Line: 1, Column: 1, src: f}, 0)
	if b.problems.HasErrors() {
		f.root = nil
	}
	return f, b.problems.Sort()
}

// checkText refuses what is not text before the YAML parser sees it.
func (f *File) checkText() Problems {
	for i, line := range f.lines {
		if !utf8.ValidString(line) {
			column := 1
			for rest := line; ; column++ {
				r, n := utf8.DecodeRuneInString(rest)
				if r == utf8.RuneError && n <= 1 {
					break
				}
				rest = rest[n:]
			}
			p := f.pos(i+1, column, 1).Problem("the file is not UTF-8 text", "save it as UTF-8")
			p.Source = strings.ToValidUTF8(line, "�")
			return Problems{p}
		}
		if c := strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r == 0x7f }); c >= 0 {
			p := f.pos(i+1, utf8.RuneCountInString(line[:c])+1, 1).Problem("the file contains a control character", "remove it; is this a text file?")
			p.Source = ""
			return Problems{p}
		}
	}
	return nil
}

// parse runs the YAML parser and returns the body of the only document.
func (f *File) parse(src []byte) (body ast.Node, problems Problems) {
	defer func() { // the parser has panicked on malformed input before; a bad file must not end the process
		if r := recover(); r != nil {
			body, problems = nil, Problems{Pos{File: f.Name}.Problem("the file is not valid YAML", "")}
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if p := f.checkDepth(tokens); p != nil {
		return nil, p
	}
	parsed, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, f.syntaxProblems(err)
	}
	empty := Problems{Pos{File: f.Name}.Problem("the file is empty", "it must hold a mapping of keys and values")}
	var found []*ast.DocumentNode
	for _, d := range parsed.Docs {
		if d.Body != nil && d.Body.Type() == ast.DirectiveType {
			continue
		}
		found = append(found, d)
	}
	if len(found) == 0 || len(found) == 1 && found[0].Body == nil {
		return nil, empty
	}
	if len(found) > 1 {
		pos := Pos{File: f.Name}
		seen := false
		for i, line := range f.lines {
			text := strings.TrimSpace(line)
			if seen && strings.HasPrefix(line, "---") {
				pos = f.pos(i+1, 1, 3)
				break
			}
			seen = seen || text != "" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "%")
		}
		return nil, Problems{pos.Problem("the file holds more than one YAML document", "put each document into a file of its own")}
	}
	return found[0].Body, nil
}

// checkDepth refuses nesting the recursive parser could overflow its stack on.
func (f *File) checkDepth(tokens token.Tokens) Problems {
	flow, line, marks := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			if flow == 0 {
				marks++
			}
		}
		if flow > maxDepth || marks > maxDepth {
			return Problems{f.tokenPos(t).Problem(fmt.Sprintf("nested more than %d levels deep", maxDepth), "")}
		}
	}
	return nil
}

// syntaxProblems turns the parser's error into ours. A YAML parser cannot go on after the first error, but lines
// indented with tabs, the most common cause, are all reported.
func (f *File) syntaxProblems(err error) Problems {
	var tabs Problems
	for i, line := range f.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if at := strings.IndexByte(indent, '\t'); at >= 0 && len(indent) < len(line) {
			tabs = append(tabs, f.pos(i+1, at+1, len(indent)-at).Problem("the line is indented with a tab", "indent with spaces; YAML allows no tabs there"))
		}
	}
	var ye yaml.Error
	if !errors.As(err, &ye) || ye.GetToken() == nil || ye.GetToken().Position == nil {
		if tabs != nil {
			return tabs
		}
		return Problems{Pos{File: f.Name}.Problem("the file is not valid YAML", "")}
	}
	if tabs != nil && strings.Contains(ye.GetMessage(), `\t`) || strings.Contains(ye.GetMessage(), "\t") {
		return tabs
	}
	pos := f.tokenPos(ye.GetToken())
	message, hint := ye.GetMessage(), ""
	switch {
	case strings.Contains(message, "mapping value is not allowed"):
		hint = `a value that contains ": " needs quotes; if the next line was meant as a key, check its indentation`
	case strings.Contains(message, "end token"):
		hint = "the bracket that opens here is not closed"
	case strings.Contains(message, "could not find end character"):
		hint = "the quote that opens here is not closed"
	case strings.Contains(message, "reserved character"), strings.Contains(message, "directive value"):
		message, hint = "a value cannot begin with this character", "put the value in quotes"
	case strings.Contains(message, "value is not allowed in this context"):
		hint = "check the indentation of this line"
	}
	return append(tabs, pos.Problem(message, hint)).Sort()
}

func (f *File) pos(line, column, length int) Pos {
	return Pos{File: f.Name, Line: line, Column: column, length: length, src: f}
}

// tokenPos returns where a token begins and how long it is on that line. Some tokens of the lexer begin with blanks.
func (f *File) tokenPos(t *token.Token) Pos {
	p := t.Position
	line, column := min(max(p.Line, 1), len(f.lines)), max(p.Column, 1)
	text, _, _ := strings.Cut(strings.TrimSpace(t.Origin), "\n")
	text = strings.TrimSpace(text)
	source := f.runes(line)
	for column <= len(source) && (source[column-1] == ' ' || source[column-1] == '\t') && column < len(source) && text != "" {
		column++
	}
	return f.pos(line, column, max(1, utf8.RuneCountInString(text)))
}

// runes returns a line as characters. Tokens come line by line, so the last one is kept: a JSON file is one long line.
func (f *File) runes(line int) []rune {
	if f.lastLine != line {
		f.lastLine, f.lastRunes = line, []rune(f.lines[line-1])
	}
	return f.lastRunes
}

func hasPrefix(source []rune, prefix string) bool {
	for _, r := range prefix {
		if len(source) == 0 || source[0] != r {
			return false
		}
		source = source[1:]
	}
	return true
}

// line returns the text of a line with literal secrets masked.
func (f *File) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return mask(f.lines[n-1], f.literals)
}

// Problem returns an error at pos, with the text of its line; hint may be empty.
func (f *File) Problem(pos Pos, message, hint string) *Problem {
	if pos.src == nil {
		pos.src = f
	}
	if pos.File == "" {
		pos.File = f.Name
	}
	return pos.Problem(message, hint)
}

// kind is the shape of a node.
type kind int

const (
	nullKind kind = iota
	boolKind
	intKind
	floatKind
	stringKind
	listKind
	mappingKind
)

// node is our tree: aliases, merges and tags are worked in, every node knows its place.
type node struct {
	kind    kind
	pos     Pos
	text    string // of a scalar
	plain   bool   // a scalar without quotes
	items   []*node
	entries []entry
	flow    bool // written with [] or {}
	alias   bool // reached through *name
	size    int  // nodes in this subtree
	source  ast.Node
}

// entry is one key of a mapping.
type entry struct {
	key    string
	pos    Pos // of the key
	value  *node
	merged bool // came through <<
}

func (n *node) get(key string) *entry {
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// builder makes our tree from the parser's.
type builder struct {
	last       bool // of keys that are there twice the last counts
	file       *File
	anchors    map[string]*node
	problems   Problems
	aliasNodes int
	tooMany    bool
	tooDeep    bool
}

func (b *builder) problem(pos Pos, message, hint string) {
	b.problems = append(b.problems, pos.Problem(message, hint))
}

// build converts one node; at is where to point when the node itself has no text (an absent value).
func (b *builder) build(n ast.Node, at Pos, depth int) *node {
	absent := &node{kind: nullKind, pos: at, size: 1}
	if depth > maxDepth {
		if !b.tooDeep {
			b.tooDeep = true
			b.problem(at, fmt.Sprintf("nested more than %d levels deep", maxDepth), "")
		}
		return absent
	}
	switch n := n.(type) {
	case nil:
		return absent
	case *ast.AnchorNode:
		value := b.build(n.Value, at, depth+1)
		if n.Name != nil {
			b.anchors[n.Name.GetToken().Value] = value
		}
		return value
	case *ast.AliasNode:
		return b.alias(n, absent)
	case *ast.TagNode:
		return b.tagged(n, at, depth)
	case *ast.MappingNode:
		return b.mapping(n, n.Values, n.IsFlowStyle, at, depth)
	case *ast.MappingValueNode:
		return b.mapping(n, []*ast.MappingValueNode{n}, n.IsFlowStyle, at, depth)
	case *ast.SequenceNode:
		list := &node{kind: listKind, pos: b.file.tokenPos(n.Start), flow: n.IsFlowStyle, size: 1, source: n}
		list.pos.length = 1
		for _, v := range n.Values {
			item := b.build(v, list.pos, depth+1)
			list.items = append(list.items, item)
			list.size += item.size
		}
		return list
	case *ast.LiteralNode:
		return &node{kind: stringKind, pos: b.file.tokenPos(n.Start), text: n.Value.Value, size: 1, source: n}
	case *ast.DirectiveNode, *ast.CommentNode, *ast.CommentGroupNode:
		return absent
	}
	t := n.GetToken()
	if t == nil {
		return absent
	}
	s := &node{kind: stringKind, pos: b.file.tokenPos(t), text: t.Value, size: 1, source: n}
	if n.Type() == ast.NullType { // the parser makes up a token for a value that is not there
		source := b.file.runes(s.pos.Line)
		if c := s.pos.Column - 1; c >= len(source) || !strings.ContainsRune("nN~", source[c]) {
			return absent
		}
	}
	if t.Type != token.SingleQuoteType && t.Type != token.DoubleQuoteType {
		s.plain, s.kind = true, classify(t.Value)
		b.file.fixPlain(s, at)
	}
	return s
}

// fixPlain repairs the position of a plain scalar over several lines, which the lexer sometimes gives for its end.
func (f *File) fixPlain(s *node, at Pos) {
	first, _, _ := strings.Cut(s.text, " ")
	source := f.runes(s.pos.Line)
	if s.pos.Column-1 <= len(source) && hasPrefix(source[s.pos.Column-1:], first) || at.Line >= s.pos.Line {
		return
	}
	if i := strings.Index(f.lines[at.Line-1], ": "+first); i >= 0 {
		s.pos = f.pos(at.Line, utf8.RuneCountInString(f.lines[at.Line-1][:i])+3, utf8.RuneCountInString(first))
	}
}

func (b *builder) alias(n *ast.AliasNode, absent *node) *node {
	pos := b.file.tokenPos(n.GetToken())
	name := ""
	if n.Value != nil {
		name = n.Value.GetToken().Value
		pos.length = 1 + utf8.RuneCountInString(name)
	}
	target, ok := b.anchors[name]
	if !ok {
		known := make([]string, 0, len(b.anchors))
		for k := range b.anchors {
			known = append(known, k)
		}
		b.problem(pos, fmt.Sprintf("unknown anchor %q", name), didYouMean(name, known, "anchors defined above"))
		return absent
	}
	b.aliasNodes += target.size
	if b.aliasNodes > maxAliasNodes {
		if !b.tooMany {
			b.tooMany = true
			b.problem(pos, fmt.Sprintf("aliases expand to more than %d values", maxAliasNodes), "")
		}
		return absent
	}
	copied := *target
	copied.alias = true
	return &copied
}

func (b *builder) tagged(n *ast.TagNode, at Pos, depth int) *node {
	value := b.build(n.Value, at, depth+1)
	tag := n.Start.Value
	pos := b.file.tokenPos(n.Start)
	want := map[string]kind{"!!str": stringKind, "!!int": intKind, "!!float": floatKind, "!!bool": boolKind, "!!null": nullKind, "!!map": mappingKind, "!!seq": listKind}
	k, ok := want[tag]
	switch {
	case !ok:
		b.problem(pos, fmt.Sprintf("the YAML tag %s is not supported", tag), "remove it")
	case tag == "!!str" && value.kind < listKind:
		copied := *value
		copied.kind, copied.plain = stringKind, false
		return &copied
	case tag == "!!float" && value.kind == intKind:
	case value.kind != k && (value.kind >= listKind || classify(value.text) != k):
		b.problem(pos, fmt.Sprintf("the value is not what its tag %s says", tag), "remove the tag")
	case value.kind != k:
		copied := *value
		copied.kind = k
		return &copied
	}
	return value
}

func (b *builder) mapping(src ast.Node, values []*ast.MappingValueNode, flow bool, at Pos, depth int) *node {
	m := &node{kind: mappingKind, pos: at, flow: flow, size: 1, source: src}
	if flow && src.GetToken() != nil {
		m.pos = b.file.tokenPos(src.GetToken())
		m.pos.length = 1
	}
	var merges []*node
	seen := make(map[string]Pos, len(values))
	for i, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		keyPos := b.file.tokenPos(v.Key.GetToken())
		if i == 0 && !flow {
			m.pos = keyPos
		}
		value := b.build(v.Value, keyPos, depth+1)
		m.size += value.size
		if v.Key.IsMergeKey() {
			merges = append(merges, b.mergeSources(value, keyPos)...)
			continue
		}
		key, ok := keyText(v.Key)
		if !ok {
			b.problem(keyPos, "a key must be a plain word or a quoted text", "")
			continue
		}
		if first, ok := seen[key]; ok {
			b.problem(keyPos, fmt.Sprintf("duplicate key %q", key), fmt.Sprintf("it is already set in line %d", first.Line))
			if b.last {
				p := b.problems[len(b.problems)-1]
				p.Severity, p.Message = SeverityWarning, p.Message+": the last one counts"
				e := m.get(key)
				e.pos, e.value = keyPos, value
			}
			continue
		}
		seen[key] = keyPos
		m.entries = append(m.entries, entry{key: key, pos: keyPos, value: value})
	}
	for _, source := range merges {
		for _, e := range source.entries {
			if m.get(e.key) == nil {
				e.merged = true
				m.entries = append(m.entries, e)
			}
		}
	}
	return m
}

// mergeSources returns the mappings behind a << key; earlier ones win.
func (b *builder) mergeSources(value *node, at Pos) []*node {
	sources := []*node{value}
	if value.kind == listKind {
		sources = value.items
	}
	for _, s := range sources {
		if s.kind != mappingKind {
			b.problem(at, "<< must name a mapping", "write <<: *anchor, where anchor marks a mapping")
			return nil
		}
	}
	return sources
}

func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.MappingKeyNode:
		inner, ok := k.Value.(ast.MapKeyNode)
		if !ok {
			return "", false
		}
		return keyText(inner)
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	return "", false
}

var (
	intText   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|0[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+)$`)
	floatText = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)
)

// classify says what a plain scalar is by the core schema of YAML 1.2: yes, no and on are texts.
func classify(text string) kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nullKind
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return boolKind
	}
	switch {
	case intText.MatchString(text):
		return intKind
	case floatText.MatchString(text):
		return floatKind
	}
	return stringKind
}
