package jinja

import (
	"math"
	"sync"
)

// standardEnv is the language: filters, tests, methods and the functions every template has.
var standardEnv = sync.OnceValue(func() *env {
	return &env{
		filters: buildFilters(), tests: buildTests(), globals: buildGlobals(),
		strMethods: buildStrMethods(), listMethods: buildListMethods(),
		dictMethods: buildDictMethods(), tupleMethods: buildTupleMethods(),
	}
})

func buildGlobals() map[string]Func {
	return map[string]Func{
		"range": globalRange,
		"dict": func(a Args) (any, error) {
			d := NewDict()
			return d, a.r.fillDict(d, a)
		},
		"namespace": func(a Args) (any, error) {
			d := NewDict()
			return &namespace{d}, a.r.fillDict(d, a)
		},
		"cycler": func(a Args) (any, error) {
			if len(a.Pos) == 0 || len(a.Kw) > 0 {
				return nil, failf("cycler() needs at least one item, and no keyword arguments")
			}
			return &cycler{items: a.Pos}, nil
		},
		"joiner": func(a Args) (any, error) {
			vals, err := a.Bind(opt("sep", ", "))
			if err != nil {
				return nil, err
			}
			return &joiner{sep: vals[0]}, nil
		},
	}
}

func globalRange(a Args) (any, error) {
	if len(a.Kw) > 0 || len(a.Pos) < 1 || len(a.Pos) > 3 {
		return nil, failf("range() takes 1 to 3 positional arguments")
	}
	n := [3]int64{0, 0, 1}
	for i, v := range a.Pos {
		x, err := wantInt(v)
		if err != nil {
			return nil, err
		}
		if len(a.Pos) == 1 {
			n[1] = x
		} else {
			n[i] = x
		}
	}
	start, stop, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, failf("range() arg 3 must not be zero")
	}
	count := math.Ceil((float64(stop) - float64(start)) / float64(step))
	if count > maxRange {
		return nil, failf("range is too big: more than %d elements", maxRange)
	}
	if count <= 0 {
		return &rangeValue{start, step, 0}, nil
	}
	return &rangeValue{start, step, int64(count)}, nil
}

// cycler gives its items in turn, for ever.
type cycler struct {
	items []any
	i     int
}

func (c *cycler) String() string { return "<cycler>" }

func (c *cycler) Attr(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.i], true
	case "next":
		return Func(func(Args) (any, error) {
			v := c.items[c.i]
			c.i = (c.i + 1) % len(c.items)
			return v, nil
		}), true
	case "reset":
		return Func(func(Args) (any, error) { c.i = 0; return nil, nil }), true
	}
	return nil, false
}

// joiner gives "" the first time and its separator after that.
type joiner struct {
	sep  any
	used bool
}

func (j *joiner) String() string          { return "<joiner>" }
func (j *joiner) Attr(string) (any, bool) { return nil, false }
func (j *joiner) Call(Args) (any, error) {
	if !j.used {
		j.used = true
		return "", nil
	}
	return j.sep, nil
}
