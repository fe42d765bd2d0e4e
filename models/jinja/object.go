package jinja

// What an Object can do besides having attributes: each is asked where Python would ask the same of a value, and an Object has those
// that make sense for it. They are small so that a date need not know what a row is.
type (
	// typed has a Python type, for messages.
	typed interface{ typeName() string }
	// shown prints otherwise inside a list than alone; where isAnonymous, alone too.
	shown interface {
		show(r *render) (string, error)
	}
	// container has elements: it has a length, is iterated, and is read by number.
	container interface{ elements() []any }
	// indexed is read by [key], and by .key where it has no such attribute.
	indexed interface {
		item(r *render, key any) (any, bool, error)
	}
	// mapping answers to `is mapping`.
	mapping interface{ isMapping() }
	// equaler is equal to others than itself; known is false where the other is no match for it.
	equaler interface {
		equals(r *render, other any) (eq bool, err error)
	}
	// ordered is less or greater than another; known is false where they do not compare.
	ordered interface {
		order(other any) (c int, known bool)
	}
	// operand stands left or right of an operator; known is false where it does not work with the other.
	operand interface {
		operate(op string, other any, isRight bool) (v any, known bool, err error)
	}
	// numeric counts as a number.
	numeric interface{ float() float64 }
	// truthful is false in a condition for another reason than being empty.
	truthful interface{ truth() bool }
)

// operate applies an operator to two values of which one is an operand.
func operate(op string, a, b any) (any, bool, error) {
	if x, ok := a.(operand); ok {
		if v, known, err := x.operate(op, b, false); known || err != nil {
			return v, true, err
		}
	}
	if x, ok := b.(operand); ok {
		if v, known, err := x.operate(op, a, true); known || err != nil {
			return v, true, err
		}
	}
	return nil, false, nil
}

// isAnonymous tells whether an Object prints alone as it does in a list, which String cannot know.
func isAnonymous(v Object) bool {
	switch v := v.(type) {
	case *record:
		return v.text == ""
	case Column, *Row, *sequence, *tableColumn, *set:
		return true
	}
	return false
}

// record is an Object of fixed attributes that is also read by ["name"], as dbt's small classes are.
type record struct {
	kind  string // its Python type
	names []string
	vals  []any
	text  string // what it prints; "" prints its attributes

	plain  bool     // it has to_dict()
	hidden []string // attributes that to_dict() leaves out
}

func (o *record) typeName() string { return o.kind }
func (o *record) isMapping()       {}

// String is its text; where it has none, show says more.
func (o *record) String() string { return o.text }

func (o *record) show(r *render) (string, error) {
	if o.text != "" {
		return o.text, nil
	}
	out := o.kind + "("
	for i, name := range o.names {
		s, err := r.repr(o.vals[i])
		if err != nil {
			return "", err
		}
		if i > 0 {
			out += ", "
		}
		out += name + "=" + s
	}
	return out + ")", nil
}

func (o *record) Attr(name string) (any, bool) {
	for i, n := range o.names {
		if n == name {
			return o.vals[i], true
		}
	}
	switch {
	case name == "get":
		return getter(func(key string) (any, bool) { return o.Attr(key) }), true
	case name == "to_dict" && o.plain:
		return Func(o.toDict), true
	}
	return nil, false
}

// getter is the method get(key, default) of what is like a dict.
func getter(find func(key string) (any, bool)) Func {
	return func(a Args) (any, error) {
		v, err := a.Bind(req("key"), opt("default", nil))
		if err != nil {
			return nil, err
		}
		key, err := wantString(v[0], "the key")
		if err != nil {
			return nil, err
		}
		if x, ok := find(key); ok {
			return x, nil
		}
		return v[1], nil
	}
}

// nullary is a method without arguments.
func nullary(v any) Func {
	return func(a Args) (any, error) {
		_, err := a.Bind()
		return v, err
	}
}
