package jinja

import "strings"

// testDef is one test, `x is name(args)`.
type testDef struct {
	params []Param
	do     func(r *render, v any, a []any) (any, error)
}

func buildTests() map[string]*testDef {
	is := func(ok func(v any) bool) *testDef {
		return &testDef{[]Param{}, func(_ *render, v any, _ []any) (any, error) { return ok(v), nil }}
	}
	compare := func(op string) *testDef {
		return &testDef{[]Param{req("other")}, func(r *render, v any, a []any) (any, error) { return r.compare(op, v, a[0]) }}
	}
	mod := func(n, want int64) *testDef {
		return &testDef{[]Param{}, func(r *render, v any, _ []any) (any, error) {
			m, err := r.binary("%", v, n)
			if err != nil {
				return nil, err
			}
			return r.equal(m, want)
		}}
	}
	cased := func(same func(s string) string) *testDef {
		return &testDef{[]Param{}, func(r *render, v any, _ []any) (any, error) {
			s, err := r.str(v)
			return s == same(s) && strings.ToLower(s) != strings.ToUpper(s), err
		}}
	}
	eq, ne, gt, ge, lt, le := compare("=="), compare("!="), compare(">"), compare(">="), compare("<"), compare("<=")
	return map[string]*testDef{
		"defined":   is(func(v any) bool { return !IsUndefined(v) }),
		"undefined": is(IsUndefined),
		"none":      is(func(v any) bool { return v == nil }),
		"true":      is(func(v any) bool { return v == true }),
		"false":     is(func(v any) bool { return v == false }),
		"boolean":   is(func(v any) bool { _, ok := v.(bool); return ok }),
		"integer":   is(func(v any) bool { _, ok := v.(int64); return ok }),
		"float":     is(func(v any) bool { _, ok := v.(float64); return ok }),
		"number":    is(func(v any) bool { _, _, _, ok := number(v); return ok }),
		"string":    is(isString),
		"mapping":   is(isMapping),
		"sequence":  is(isSequence),
		"iterable":  is(func(v any) bool { _, err := iterate(v); return err == nil }),
		"callable":  is(callable),
		"escaped":   is(func(any) bool { return false }), // nothing is: see textFilters
		"odd":       mod(2, 1),
		"even":      mod(2, 0),
		"upper":     cased(strings.ToUpper),
		"lower":     cased(strings.ToLower),
		"eq":        eq, "==": eq, "equalto": eq, "ne": ne, "!=": ne,
		"gt": gt, ">": gt, "greaterthan": gt, "ge": ge, ">=": ge,
		"lt": lt, "<": lt, "lessthan": lt, "le": le, "<=": le,
		"in": {[]Param{req("seq")}, func(r *render, v any, a []any) (any, error) { return r.contains(a[0], v) }},
		"sameas": {[]Param{req("other")}, func(_ *render, v any, a []any) (any, error) {
			return sameAs(v, a[0]), nil
		}},
		"divisibleby": {[]Param{req("num")}, func(r *render, v any, a []any) (any, error) {
			m, err := r.binary("%", v, a[0])
			if err != nil {
				return nil, err
			}
			return r.equal(m, int64(0))
		}},
		"filter": {[]Param{}, func(r *render, v any, _ []any) (any, error) {
			s, ok := v.(string)
			return ok && r.env.filters[s] != nil, nil
		}},
		"test": {[]Param{}, func(r *render, v any, _ []any) (any, error) {
			s, ok := v.(string)
			return ok && r.env.tests[s] != nil, nil
		}},
	}
}

// isSequence is Jinja2's: it has a length and __getitem__, so dicts and undefined count. Dict views do not.
func isSequence(v any) bool {
	switch v.(type) {
	case string, *List, *Tuple, *Dict, *rangeValue, *Undefined, container:
		return true
	}
	return false
}

// isMapping is Jinja2's: a dict, or what stands for one.
func isMapping(v any) bool {
	switch v.(type) {
	case *Dict, mapping:
		return true
	}
	return false
}

// sameAs is Python's `is`; equal numbers and strings of one type are the same, as CPython's small ones are.
func sameAs(a, b any) bool {
	ka, errA := hashKey(a)
	kb, errB := hashKey(b)
	if errA != nil || errB != nil { // lists and dicts: pointers
		return a == b
	}
	return ka == kb && typeName(a) == typeName(b)
}
