package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/secret"
)

// RefKind says where the value of a reference comes from.
type RefKind string

// The kinds of references: ${NAME}, ${secret:name}, ${var:name}.
const (
	RefEnv    RefKind = "env"
	RefSecret RefKind = "secret"
	RefVar    RefKind = "var"
)

// Ref is a reference in a scalar of the file.
type Ref struct {
	Kind RefKind
	Name string
	Pos  Pos
}

// String returns the reference as it is written.
func (r Ref) String() string {
	if r.Kind == RefEnv {
		return "${" + r.Name + "}"
	}
	return "${" + string(r.Kind) + ":" + r.Name + "}"
}

// Resolver returns the value of a reference. Its error becomes a Problem at the reference; an error that has a method
// Hint() string gives the hint too. It is called once for each use and need not be safe for concurrent use.
type Resolver func(Ref) (string, error)

// ErrPending is the error of a Resolver that leaves a reference in place, as a nil Resolver does with all of them.
var ErrPending = errors.New("the reference stays")

// Lookups makes a Resolver of three places. A nil function or map has nothing.
type Lookups struct {
	Env    func(name string) (string, bool) // os.LookupEnv
	Vars   map[string]string
	Secret func(name string) (secret.Value, error)
}

// Resolve implements Resolver.
func (l Lookups) Resolve(ref Ref) (string, error) {
	switch ref.Kind {
	case RefEnv:
		if l.Env != nil {
			if v, ok := l.Env(ref.Name); ok {
				return v, nil
			}
		}
		return "", hinted{fmt.Sprintf("the environment variable %s is not set", ref.Name), "set environment variable " + ref.Name}
	case RefVar:
		if v, ok := l.Vars[ref.Name]; ok {
			return v, nil
		}
		hint := didYouMean(ref.Name, slices.Sorted(maps.Keys(l.Vars)), "known variables")
		if hint == "" {
			hint = "the project defines no variables"
		}
		return "", hinted{fmt.Sprintf("unknown variable %q", ref.Name), hint}
	}
	if l.Secret == nil {
		return "", hinted{fmt.Sprintf("the secret %q cannot be looked up here", ref.Name), ""}
	}
	v, err := l.Secret(ref.Name)
	return v.Reveal(), err
}

type hinted struct{ message, hint string }

func (h hinted) Error() string { return h.message }
func (h hinted) Hint() string  { return h.hint }

var refSyntax = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

var (
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	otherName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// parseRef reads what stands in ${…}; the hint is "" when it is right.
func parseRef(inner string) (ref Ref, hint string) {
	scheme, name, found := strings.Cut(inner, ":")
	if !found {
		if !envName.MatchString(inner) {
			return ref, "write ${NAME}, ${secret:name} or ${var:name}; $${ gives a plain ${"
		}
		return Ref{Kind: RefEnv, Name: inner}, ""
	}
	ref = Ref{Kind: RefKind(scheme), Name: name}
	switch {
	case scheme == "env":
		return ref, "write ${" + name + "} for an environment variable"
	case ref.Kind != RefSecret && ref.Kind != RefVar:
		if s := Suggest(scheme, []string{"secret", "var"}); s != "" {
			return ref, fmt.Sprintf("did you mean ${%s:%s}?", s, name)
		}
		return ref, "write ${NAME}, ${secret:name} or ${var:name}; there are no default values"
	case !otherName.MatchString(name):
		return ref, "a name consists of letters, digits, _ - and ."
	}
	return ref, ""
}

// piece is a part of a scalar: a text, or a reference when ref is set.
type piece struct {
	text string
	ref  *Ref
}

// split cuts a scalar into texts and references. Malformed references are reported and kept as text.
func (n *node) split() (pieces []piece, problems Problems) {
	rest, from := n.text, n.pos
	for {
		at := refSyntax.FindStringIndex(rest)
		if at == nil {
			break
		}
		match := rest[at[0]:at[1]]
		if at[0] > 0 {
			pieces = append(pieces, piece{text: rest[:at[0]]})
		}
		rest = rest[at[1]:]
		if strings.HasPrefix(match, "$$") {
			pieces = append(pieces, piece{text: match[1:]})
			continue
		}
		pos := n.find(match, &from)
		if !strings.HasSuffix(match, "}") {
			problems = append(problems, pos.Problem("the reference is not closed", "write ${NAME}; $${ gives a plain ${"))
			pieces = append(pieces, piece{text: match})
			continue
		}
		ref, hint := parseRef(match[2 : len(match)-1])
		if hint != "" {
			problems = append(problems, pos.Problem(fmt.Sprintf("%s is not a reference", match), hint))
			pieces = append(pieces, piece{text: match})
			continue
		}
		ref.Pos = pos
		pieces = append(pieces, piece{text: match, ref: &ref})
	}
	if rest != "" {
		pieces = append(pieces, piece{text: rest})
	}
	return pieces, problems
}

// find returns where match stands in the source at or after from, and moves from behind it.
func (n *node) find(match string, from *Pos) Pos {
	f := n.pos.src
	if f == nil || n.pos.Line == 0 {
		return n.pos
	}
	for line := from.Line; line <= len(f.lines); line++ {
		runes := []rune(f.lines[line-1])
		start := 0
		if line == from.Line {
			start = min(from.Column-1, len(runes))
		}
		if i := strings.Index(string(runes[start:]), match); i >= 0 {
			column := start + utf8.RuneCountInString(string(runes[start:])[:i]) + 1
			length := utf8.RuneCountInString(match)
			*from = f.pos(line, column+length, 1)
			return f.pos(line, column, length)
		}
	}
	return n.pos
}

// Refs lists the references of the file in the order they stand there.
func (f *File) Refs() []Ref { return Node{n: f.root, f: f}.Refs() }

// Refs lists the references of the subtree in the order they stand in the file.
func (n Node) Refs() []Ref {
	var refs []Ref
	var walk func(*node)
	walk = func(n *node) {
		if n == nil {
			return
		}
		if n.kind < listKind && strings.Contains(n.text, "${") {
			pieces, _ := n.split()
			for _, p := range pieces {
				if p.ref != nil {
					refs = append(refs, *p.ref)
				}
			}
		}
		for _, item := range n.items {
			walk(item)
		}
		for _, e := range n.entries {
			walk(e.value)
		}
	}
	walk(n.n)
	return refs
}

// scalar is a scalar after interpolation.
type scalar struct {
	text    string
	kind    kind
	refs    []Ref
	secret  bool // holds a ${secret:…}
	pending bool // holds references that were left in place
	failed  bool // a reference could not be resolved; the problem is reported
	node    *node
}

// describe says what was found, for messages. Values that came through a reference are not repeated: they may be
// secrets.
func (s scalar) describe() string {
	if len(s.refs) > 0 {
		return "the value of " + s.refs[0].String()
	}
	if s.node.hush() {
		return "another value"
	}
	switch s.kind {
	case nullKind:
		return "nothing"
	case boolKind:
		return "the boolean " + s.text
	case intKind, floatKind:
		return "the number " + s.text
	}
	text := s.text
	if utf8.RuneCountInString(text) > 40 {
		text = string([]rune(text)[:40]) + "…"
	}
	return fmt.Sprintf("the text %q", text)
}

// interpolate resolves the references of a scalar.
func (d *decoder) interpolate(n *node) scalar {
	s := scalar{text: n.text, kind: n.kind, node: n}
	if !strings.Contains(n.text, "${") {
		return s
	}
	pieces, problems := n.split()
	if problems != nil {
		d.problems = append(d.problems, problems...)
		s.failed = true
	}
	var b strings.Builder
	for i, p := range pieces {
		if p.ref == nil {
			b.WriteString(p.text)
			continue
		}
		s.refs = append(s.refs, *p.ref)
		s.secret = s.secret || p.ref.Kind == RefSecret
		if d.resolver == nil {
			s.pending = true
			b.WriteString(p.text)
			continue
		}
		value, err := d.resolver(*p.ref)
		if errors.Is(err, ErrPending) {
			s.pending = true
			b.WriteString(p.text)
			continue
		}
		if err != nil {
			d.unresolved(*p.ref, err)
			s.failed = true
			continue
		}
		inPassword := isURLPassword(pieces, i)
		if p.ref.Kind == RefSecret || inPassword {
			d.seen(value)
		}
		if inPassword {
			value = url.QueryEscape(value)
			value = strings.ReplaceAll(value, "+", "%20")
			d.seen(value)
		}
		b.WriteString(value)
	}
	s.text = b.String()
	if len(s.refs) > 0 {
		s.kind = stringKind
		if n.plain && !s.pending {
			s.kind = classify(s.text)
		}
	}
	if m := urlPassword.FindStringSubmatch(s.text); m != nil && !s.pending {
		d.seen(m[2])
		if plain, err := url.PathUnescape(m[2]); err == nil {
			d.seen(plain)
		}
	}
	return s
}

// isURLPassword reports whether piece i is the whole password of a URL: "postgres://user:", ${…}, "@host". Its value
// is percent-encoded then, because a raw / or @ in it would change the meaning of the URL.
func isURLPassword(pieces []piece, i int) bool {
	if i+1 >= len(pieces) || pieces[i+1].ref != nil || !strings.HasPrefix(pieces[i+1].text, "@") {
		return false
	}
	before := ""
	for _, p := range pieces[:i] {
		if p.ref != nil {
			before += "x"
		} else {
			before += p.text
		}
	}
	_, authority, found := strings.Cut(before, "://")
	return found && strings.HasSuffix(authority, ":") && !strings.ContainsAny(authority, "/@")
}

func (d *decoder) unresolved(ref Ref, err error) {
	hint := ""
	var h interface{ Hint() string }
	switch {
	case errors.As(err, &h):
		hint = h.Hint()
	case ref.Kind == RefEnv:
		hint = "set environment variable " + ref.Name
	}
	d.problems = append(d.problems, ref.Pos.Problem(err.Error(), hint))
}

// seen hands a secret text to the redactor.
func (d *decoder) seen(text string) {
	if d.file.OnSecret != nil && text != "" {
		d.file.OnSecret(secret.NewValue(text))
	}
}
