package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/secret"
)

// decoder fills Go values from nodes. It reports every problem and goes on.
type decoder struct {
	file     *File
	resolver Resolver
	problems Problems
}

// field is what the tags of a struct field say.
type field struct {
	name     string
	index    []int
	doc      string
	required bool
	enum     []string
	def      string
	hasDef   bool
	example  string
	pattern  string
	bounds   *[2]int64 // least and greatest of a whole number
	union    string
	typ      reflect.Type
	origin   bool // a config.Origin to fill
}

var fieldCache sync.Map // reflect.Type to []field

// fieldsOf lists the tagged fields of a struct type, those of embedded structs included.
func fieldsOf(t reflect.Type) []field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		embedded := name == "" && sf.Anonymous && sf.Type.Kind() == reflect.Struct
		switch {
		case name == "-", !sf.IsExported() && !embedded:
			continue
		case sf.Type == originType:
			fields = append(fields, field{origin: true, index: []int{i}, typ: sf.Type})
			continue
		case embedded:
			for _, inner := range fieldsOf(sf.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		case name == "":
			continue
		}
		f := field{
			name: name, index: []int{i}, typ: sf.Type, doc: sf.Tag.Get("doc"), required: sf.Tag.Get("required") == "true",
			example: sf.Tag.Get("example"), pattern: sf.Tag.Get("pattern"), union: sf.Tag.Get("union"),
		}
		f.def, f.hasDef = sf.Tag.Lookup("default")
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		if b := sf.Tag.Get("bounds"); b != "" {
			f.bounds = &[2]int64{}
			if _, err := fmt.Sscanf(b, "%d,%d", &f.bounds[0], &f.bounds[1]); err != nil {
				panic("config: bounds of " + name + ": " + err.Error())
			}
		}
		fields = append(fields, f)
	}
	fieldCache.Store(t, fields)
	return fields
}

func (d *decoder) problem(pos Pos, message, hint string) {
	d.problems = append(d.problems, pos.Problem(message, hint))
}

// value fills v from n. fi holds the tags that hold for the value; what names it in messages.
func (d *decoder) value(n *node, v reflect.Value, fi field, what string) {
	switch {
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(Node{n, d.file, d.resolver}))
		return
	case v.Type() == secretType:
		d.secret(n, v, what)
		return
	case reflect.PointerTo(v.Type()).Implements(nodeDecodable):
		if n != nil {
			d.problems = append(d.problems, v.Addr().Interface().(NodeDecoder).DecodeNode(Node{n, d.file, d.resolver})...)
		}
		return
	}
	if n == nil {
		d.absent(v, fi)
		return
	}
	if v.Kind() == reflect.Pointer {
		if n.kind == nullKind {
			v.SetZero()
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), fi, what)
		return
	}
	if m, ok := v.Addr().Interface().(orderedMap); ok {
		d.mapping(n, what, func(e entry) reflect.Value { return m.add(e) }, fi)
		return
	}
	if reflect.PointerTo(v.Type()).Implements(textType) {
		d.text(n, v, what)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structs(n, []reflect.Value{v}, what)
	case reflect.Map:
		d.goMap(n, v, fi, what)
	case reflect.Slice:
		d.slice(n, v, fi, what)
	case reflect.Interface:
		if value, ok := d.any(n, what); ok && value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.basic(n, v, fi, what)
	}
}

// absent gives a value that is not in the file its default.
func (d *decoder) absent(v reflect.Value, fi field) {
	if fi.hasDef {
		d.setDefault(v, fi)
		return
	}
	if v.Kind() == reflect.Struct && !reflect.PointerTo(v.Type()).Implements(textType) {
		for _, f := range fieldsOf(v.Type()) {
			d.absent(v.FieldByIndex(f.index), f)
		}
	}
}

// setDefault decodes the default tag. A wrong tag is a bug in our code, so it panics; Schema reads all of them too.
func (d *decoder) setDefault(v reflect.Value, fi field) {
	sub := &decoder{file: &File{Name: "default"}}
	sub.value(defaultNode(fi), v, fi, fi.name)
	if sub.problems != nil {
		panic(fmt.Sprintf("config: default of %s: %v", fi.name, sub.problems))
	}
}

// defaultNode reads the default tag as YAML, or as it is where a text is wanted.
func defaultNode(fi field) *node {
	t := fi.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String || reflect.PointerTo(t).Implements(textType) {
		return &node{kind: stringKind, text: fi.def, size: 1}
	}
	f, problems := Parse("default", []byte(fi.def))
	if problems != nil {
		panic(fmt.Sprintf("config: default of %s: %v", fi.name, problems))
	}
	return f.root
}

// structs fills several structs from one mapping.
func (d *decoder) structs(n *node, targets []reflect.Value, what string) {
	var known []string
	for i, t := range targets {
		for t.Kind() == reflect.Pointer {
			if t.IsNil() {
				t.Set(reflect.New(t.Type().Elem()))
			}
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			panic("config: only structs can share a mapping, not " + t.Type().String())
		}
		targets[i] = t
		for _, f := range fieldsOf(t.Type()) {
			if !f.origin && !slices.Contains(known, f.name) {
				known = append(known, f.name)
			}
		}
	}
	if n != nil && !d.want(n, mappingKind, what, "a mapping") {
		return
	}
	for _, t := range targets {
		for _, f := range fieldsOf(t.Type()) {
			v := t.FieldByIndex(f.index)
			if f.origin {
				v.Set(reflect.ValueOf(Origin{n, d.file}))
				continue
			}
			var e *entry
			if n != nil {
				e = n.get(f.name)
			}
			switch {
			case e != nil:
				d.value(e.value, v, f, strconv.Quote(f.name))
			case f.required && n != nil:
				hint := ""
				if f.doc != "" {
					hint = f.name + ": " + f.doc
				}
				if f.example != "" {
					hint = strings.TrimPrefix(hint+"\nexample: "+f.name+": "+f.example, "\n")
				}
				d.problem(n.pos, fmt.Sprintf("missing key %q", f.name), hint)
			default:
				d.absent(v, f)
			}
		}
	}
	if n == nil {
		return
	}
	for _, e := range n.entries {
		if !slices.Contains(known, e.key) {
			d.problem(e.pos, fmt.Sprintf("unknown key %q", e.key), unknownHint(e.key, known, targets))
		}
	}
}

// ForeignKeyer is implemented by structs that know what other tools call their keys.
type ForeignKeyer interface {
	ForeignKeys() map[string]string // a key of the struct, by what it is called elsewhere
}

// unknownHint is the key that an unknown one seems to mean.
func unknownHint(key string, known []string, targets []reflect.Value) string {
	for _, t := range targets {
		if f, ok := t.Addr().Interface().(ForeignKeyer); ok && f.ForeignKeys()[key] != "" {
			return fmt.Sprintf("did you mean %q?", f.ForeignKeys()[key])
		}
	}
	return didYouMean(key, known, "known keys")
}

// want reports whether n is of kind k, and the problem when it is not.
func (d *decoder) want(n *node, k kind, what, expected string) bool {
	if n.kind == k {
		return true
	}
	if n.kind == nullKind {
		d.problem(n.pos, what+" has no value", "give it "+expected+" or remove the key")
		return false
	}
	if k >= listKind && n.kind < listKind && strings.Contains(n.text, "${") {
		if s := d.interpolate(n); s.pending {
			d.problem(n.pos, what+" must be "+expected+", found a text", "a reference can only stand for a single value")
			return false
		}
	}
	d.problem(n.pos, fmt.Sprintf("%s must be %s, found %s", what, expected, n.describe()), "")
	return false
}

func (n *node) describe() string {
	switch n.kind {
	case mappingKind:
		return "a mapping"
	case listKind:
		return "a list"
	}
	if strings.Contains(n.text, "${") {
		return "a text"
	}
	return scalar{text: n.text, kind: n.kind, node: n}.describe()
}

// hush reports whether messages must not repeat the value: its line would be masked.
func (n *node) hush() bool {
	if n == nil || n.pos.src == nil {
		return false
	}
	line := n.pos.rawLine()
	return mask(line, n.pos.src.literals) != line
}

func (p Pos) rawLine() string {
	if p.src == nil || p.Line < 1 || p.Line > len(p.src.lines) {
		return ""
	}
	return p.src.lines[p.Line-1]
}

// mapping walks a mapping with free keys.
func (d *decoder) mapping(n *node, what string, add func(entry) reflect.Value, fi field) {
	if !d.want(n, mappingKind, what, "a mapping") {
		return
	}
	for _, e := range n.entries {
		d.value(e.value, add(e), fi.inner(), strconv.Quote(e.key))
	}
}

// inner returns the tags that hold for the items of a list or mapping.
func (f field) inner() field { return field{enum: f.enum, pattern: f.pattern, bounds: f.bounds} }

func (d *decoder) goMap(n *node, v reflect.Value, fi field, what string) {
	if v.Type().Key().Kind() != reflect.String {
		panic("config: map keys must be strings: " + v.Type().String())
	}
	if !d.want(n, mappingKind, what, "a mapping") {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, item, fi.inner(), strconv.Quote(e.key))
		m.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	}
	v.Set(m)
}

func (d *decoder) slice(n *node, v reflect.Value, fi field, what string) {
	items := n.items
	if v.Type() == reflect.TypeFor[StringList]() && n.kind != nullKind && n.kind < listKind {
		items = []*node{n}
	} else if expected := map[bool]string{false: "a list", true: "a text or a list"}; !d.want(n, listKind, what, expected[v.Type() == reflect.TypeFor[StringList]()]) {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		label := fmt.Sprintf("item %d of %s", i+1, what)
		if item == n {
			label = what
		}
		d.value(item, list.Index(i), fi.inner(), label)
	}
	v.Set(list)
}

// scalarFor interpolates n for a field that is not a secret; ok is false when there is nothing (more) to decode.
func (d *decoder) scalarFor(n *node, what, expected string) (s scalar, ok bool) {
	if n.kind == nullKind || n.kind >= listKind {
		d.want(n, stringKind, what, expected)
		return s, false
	}
	s = d.interpolate(n)
	if s.secret && !(strings.Contains(n.text, "://") && expected == expectText) {
		d.problem(n.pos, what+" must not hold a secret", "secrets go into fields made for them (passwords, keys, tokens) and into connection URLs")
		return s, false
	}
	return s, !s.failed
}

const expectText = "a text"

func (d *decoder) text(n *node, v reflect.Value, what string) {
	s, ok := d.scalarFor(n, what, "a value")
	if !ok || s.pending {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s.text)); err != nil {
		message := what + " " + err.Error()
		if len(s.refs) > 0 {
			message = fmt.Sprintf("%s: the value of %s is not right", what, s.refs[0])
			if strings.HasPrefix(err.Error(), "must ") {
				message = fmt.Sprintf("%s %s; the value of %s is not", what, err, s.refs[0])
			}
		} else if strings.HasPrefix(err.Error(), "must ") {
			message += ", found " + s.describe()
		} else if !strings.HasPrefix(err.Error(), "is ") {
			message = what + ": " + err.Error()
		}
		d.problem(n.pos, message, "")
	}
}

func (d *decoder) basic(n *node, v reflect.Value, fi field, what string) {
	expected := map[reflect.Kind]string{reflect.String: expectText, reflect.Bool: "true or false", reflect.Float64: "a number", reflect.Float32: "a number"}[v.Kind()]
	if expected == "" {
		expected = "a whole number"
	}
	s, ok := d.scalarFor(n, what, expected)
	if !ok {
		return
	}
	if v.Kind() == reflect.String {
		d.string(n, s, v, fi, what)
		return
	}
	if s.pending {
		return
	}
	if len(s.refs) > 0 { // "${PORT}" in quotes is a number too: the reference decides nothing
		s.kind = classify(s.text)
	}
	wrong := func(hint string) {
		d.problem(n.pos, fmt.Sprintf("%s must be %s, found %s", what, expected, s.describe()), hint)
	}
	switch v.Kind() {
	case reflect.Bool:
		if s.kind != boolKind {
			hint := ""
			switch strings.ToLower(s.text) {
			case "yes", "on", "y", "1":
				hint = "write true"
			case "no", "off", "n", "0":
				hint = "write false"
			}
			wrong(hint)
			return
		}
		v.SetBool(strings.EqualFold(s.text, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if s.kind != intKind {
			hint := ""
			if s.kind == stringKind && len(s.refs) == 0 && n.text != "" && !n.plain && classify(n.text) == intKind {
				hint = "remove the quotes"
			}
			wrong(hint)
			return
		}
		i, err := parseInt(s.text, v.Type().Bits())
		if err != nil {
			d.problem(n.pos, fmt.Sprintf("%s: %s %v", what, s.describe(), err), "")
			return
		}
		if b := fi.bounds; b != nil && (i < b[0] || i > b[1]) {
			d.problem(n.pos, fmt.Sprintf("%s must be %d to %d, found %s", what, b[0], b[1], s.describe()), "")
			return
		}
		v.SetInt(i)
	case reflect.Float32, reflect.Float64:
		if s.kind != intKind && s.kind != floatKind {
			wrong("")
			return
		}
		x, err := parseFloat(s.text)
		if err != nil {
			d.problem(n.pos, fmt.Sprintf("%s: %s %v", what, s.describe(), err), "")
			return
		}
		v.SetFloat(x)
	default:
		panic("config: cannot decode into " + v.Type().String())
	}
}

func (d *decoder) string(n *node, s scalar, v reflect.Value, fi field, what string) {
	if s.kind != stringKind && len(s.refs) == 0 {
		d.problem(n.pos, fmt.Sprintf("%s must be a text, found %s", what, s.describe()), fmt.Sprintf("put it in quotes: %q", n.text))
		return
	}
	v.SetString(s.text)
	if s.pending {
		return
	}
	if fi.enum != nil && !slices.Contains(fi.enum, s.text) {
		d.problem(n.pos, fmt.Sprintf("%s must be one of %s, found %s", what, strings.Join(fi.enum, ", "), s.describe()), suggestOne(s, fi.enum))
		return
	}
	if fi.pattern != "" {
		re, err := regexp.Compile(fi.pattern)
		if err != nil {
			panic("config: pattern of " + what + ": " + err.Error())
		}
		if !re.MatchString(s.text) {
			hint := "it must match " + fi.pattern
			if fi.example != "" {
				hint = "example: " + fi.example
			}
			d.problem(n.pos, fmt.Sprintf("%s has the wrong form, found %s", what, s.describe()), hint)
		}
	}
}

func suggestOne(s scalar, known []string) string {
	if len(s.refs) > 0 {
		return ""
	}
	if word := Suggest(s.text, known); word != "" {
		return fmt.Sprintf("did you mean %q?", word)
	}
	return ""
}

var secretType = reflect.TypeFor[secret.Value]()

// secret fills a secret.Value. Numbers are taken as they are written: a message must not ask to quote a password it
// would have to show.
func (d *decoder) secret(n *node, v reflect.Value, what string) {
	if n == nil {
		return
	}
	if n.kind == nullKind || n.kind >= listKind {
		d.want(n, stringKind, what, "a secret such as ${secret:name}")
		return
	}
	s := d.interpolate(n)
	if s.failed {
		return
	}
	if len(s.refs) == 0 {
		for _, line := range strings.Split(s.text, "\n") {
			if line = strings.TrimSpace(line); len(line) >= 4 && !slices.Contains(d.file.literals, line) {
				d.file.literals = append(d.file.literals, line)
			}
		}
		for _, p := range d.problems {
			p.Source = mask(p.Source, d.file.literals)
			for _, l := range d.file.literals {
				p.Message = strings.ReplaceAll(p.Message, strconv.Quote(l), `"***"`)
			}
		}
	}
	if !s.pending {
		d.seen(s.text)
	}
	v.Set(reflect.ValueOf(secret.NewValue(s.text)))
}

// any decodes into what the YAML says: nil, bool, int64, float64, string, []any, map[string]any.
func (d *decoder) any(n *node, what string) (value any, ok bool) {
	switch n.kind {
	case nullKind:
		return nil, true
	case listKind:
		list := make([]any, 0, len(n.items))
		for i, item := range n.items {
			value, _ := d.any(item, fmt.Sprintf("item %d of %s", i+1, what))
			list = append(list, value)
		}
		return list, true
	case mappingKind:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key], _ = d.any(e.value, strconv.Quote(e.key))
		}
		return m, true
	}
	s, ok := d.scalarFor(n, what, "a value")
	if !ok {
		return nil, false
	}
	switch s.kind {
	case boolKind:
		return strings.EqualFold(s.text, "true"), true
	case intKind:
		if i, err := parseInt(s.text, 64); err == nil {
			return i, true
		}
	case floatKind:
		if x, err := parseFloat(s.text); err == nil && !math.IsNaN(x) {
			return x, true
		}
	case nullKind:
		if len(s.refs) == 0 {
			return nil, true
		}
	}
	return s.text, true
}
