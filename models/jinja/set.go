package jinja

import "strings"

// set is Python's set. Its elements keep the order in which they came; Python's have none.
type set struct {
	index map[any]bool
	items []any
}

func newSet() *set { return &set{index: map[any]bool{}} }

func (s *set) add(v any) error {
	k, err := hashKey(v)
	if err != nil {
		return err
	}
	if !s.index[k] {
		s.index[k] = true
		s.items = append(s.items, v)
	}
	return nil
}

func (s *set) addAll(items []any) error {
	for _, v := range items {
		if err := s.add(v); err != nil {
			return err
		}
	}
	return nil
}

func (s *set) has(v any) bool {
	k, err := hashKey(v)
	return err == nil && s.index[k]
}

func (s *set) remove(v any) bool {
	if !s.has(v) {
		return false
	}
	k, _ := hashKey(v)
	delete(s.index, k)
	for i, x := range s.items {
		if kx, _ := hashKey(x); kx == k {
			s.items = append(s.items[:i:i], s.items[i+1:]...)
			break
		}
	}
	return true
}

// only gives the elements that are, or are not, in another set.
func (s *set) only(other *set, in bool) *set {
	out := newSet()
	for _, v := range s.items {
		if other.has(v) == in {
			_ = out.add(v) // it was in a set before
		}
	}
	return out
}

func (s *set) with(others ...*set) *set {
	out := newSet()
	for _, o := range append([]*set{s}, others...) {
		_ = out.addAll(o.items) // they were in sets before
	}
	return out
}

func (s *set) typeName() string { return "set" }
func (s *set) elements() []any  { return s.items }
func (s *set) String() string   { return "set" }

func (s *set) show(r *render) (string, error) {
	if len(s.items) == 0 {
		return "set()", nil
	}
	text, err := r.repr(&List{s.items})
	return "{" + strings.TrimSuffix(strings.TrimPrefix(text, "["), "]") + "}", err
}

func (s *set) equals(_ *render, other any) (bool, error) {
	o, ok := other.(*set)
	return ok && len(s.items) == len(o.items) && len(s.only(o, false).items) == 0, nil
}

// operate knows a - b; templates cannot write the others.
func (s *set) operate(op string, other any, isRight bool) (any, bool, error) {
	o, ok := other.(*set)
	if !ok || op != "-" || isRight {
		return nil, false, nil
	}
	return s.only(o, false), true, nil
}

// toSet makes a set of anything that can be iterated.
func toSet(r *render, v any) (*set, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	s := newSet()
	return s, s.addAll(items)
}

// Attr returns Python's methods of a set.
func (s *set) Attr(name string) (any, bool) {
	switch name {
	case "add", "discard", "remove":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("element"))
			if err != nil {
				return nil, err
			}
			if name == "add" {
				return nil, s.add(v[0])
			}
			if !s.remove(v[0]) && name == "remove" {
				return nil, failf("the set has no such element")
			}
			return nil, nil
		}), true
	case "union", "update", "intersection", "difference", "symmetric_difference", "issubset", "issuperset", "isdisjoint":
		return Func(func(a Args) (any, error) { return s.combine(a, name) }), true
	case "copy":
		return nullary(s.with()), true
	case "clear":
		return Func(func(Args) (any, error) { *s = *newSet(); return nil, nil }), true
	case "pop":
		return Func(func(Args) (any, error) {
			if len(s.items) == 0 {
				return nil, failf("pop from an empty set")
			}
			v := s.items[0]
			s.remove(v)
			return v, nil
		}), true
	}
	return nil, false
}

func (s *set) combine(a Args, how string) (any, error) {
	if len(a.Kw) > 0 {
		return nil, failf("%s() takes no keyword arguments", how)
	}
	out := s.with()
	for _, v := range a.Pos {
		o, err := toSet(a.r, v)
		if err != nil {
			return nil, err
		}
		switch how {
		case "union", "update":
			out = out.with(o)
		case "intersection":
			out = out.only(o, true)
		case "difference":
			out = out.only(o, false)
		case "symmetric_difference":
			out = out.only(o, false).with(o.only(out, false))
		case "issubset":
			return len(s.only(o, false).items) == 0, nil
		case "issuperset":
			return len(o.only(s, false).items) == 0, nil
		case "isdisjoint":
			return len(s.only(o, true).items) == 0, nil
		}
	}
	if how == "update" {
		*s = *out
		return nil, nil
	}
	return out, nil
}
