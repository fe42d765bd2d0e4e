package jinja

import (
	"math"
	"math/bits"
	"strings"
)

// number tells whether v is a number; a bool is the integer 0 or 1.
func number(v any) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		i = asInt(v)
		return i, float64(i), true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	case numeric:
		return 0, v.float(), false, true
	}
	return 0, 0, false, false
}

// integer returns v where Python accepts an index: an int or a bool.
func integer(v any) (int64, bool) {
	i, _, isInt, _ := number(v)
	return i, isInt
}

func undefinedErr(u *Undefined) *Error {
	e := &Error{Msg: u.msg, Hint: u.hint, undefined: true}
	if e.Hint == "" && u.near != nil {
		e.Hint = u.near()
	}
	return e
}

func errOverflow() *Error {
	return &Error{Msg: "integer overflow: the result does not fit in 64 bits", Hint: "use a float or do it in SQL"}
}

// binary applies an arithmetic operator.
func (r *render) binary(op string, a, b any) (any, error) {
	for _, v := range []any{a, b} {
		if u, ok := v.(*Undefined); ok && !(op == "%" && isString(a)) {
			return nil, undefinedErr(u)
		}
	}
	if v, done, err := operate(op, a, b); done {
		return v, err
	}
	ai, af, aInt, aNum := number(a)
	bi, bf, bInt, bNum := number(b)
	switch {
	case aNum && bNum && aInt && bInt:
		return intOp(op, ai, bi)
	case aNum && bNum:
		return floatOp(op, af, bf)
	}
	switch op {
	case "+":
		return r.join(a, b)
	case "*":
		if bNum && bInt {
			return r.repeat(a, bi, b)
		}
		if aNum && aInt {
			return r.repeat(b, ai, a)
		}
	case "%":
		if s, ok := a.(string); ok {
			return r.percentFormat(s, b)
		}
	}
	name := op
	if op == "**" {
		name = "** or pow()"
	}
	return nil, failf("unsupported operand type(s) for %s: '%s' and '%s'", name, typeName(a), typeName(b))
}

func isString(v any) bool { _, ok := v.(string); return ok }

func (r *render) join(a, b any) (any, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y, r.charge(len(x) + len(y))
		}
		return nil, &Error{Msg: "can only concatenate str (not \"" + typeName(b) + "\") to str", Hint: "use ~ to join values as text"}
	case *List:
		if y, ok := b.(*List); ok {
			if err := r.chargeItems(len(x.Items) + len(y.Items)); err != nil {
				return nil, err
			}
			return &List{append(append(make([]any, 0, len(x.Items)+len(y.Items)), x.Items...), y.Items...)}, nil
		}
	case *Tuple:
		if y, ok := b.(*Tuple); ok {
			if err := r.chargeItems(len(x.Items) + len(y.Items)); err != nil {
				return nil, err
			}
			return &Tuple{Items: append(append(make([]any, 0, len(x.Items)+len(y.Items)), x.Items...), y.Items...)}, nil
		}
	}
	return nil, failf("unsupported operand type(s) for +: '%s' and '%s'", typeName(a), typeName(b))
}

// repeat is sequence * n.
func (r *render) repeat(v any, n int64, count any) (any, error) {
	n = max(n, 0)
	size := func(l int) (int, error) {
		hi, lo := bits.Mul64(uint64(l), uint64(n))
		if hi != 0 || lo > math.MaxInt32 {
			return 0, failf("the repeated value is too large")
		}
		return int(lo), nil
	}
	items := func(in []any) ([]any, error) {
		total, err := size(len(in))
		if err != nil {
			return nil, err
		}
		if err := r.chargeItems(total); err != nil {
			return nil, err
		}
		out := make([]any, 0, total)
		for len(out) < total {
			out = append(out, in...)
		}
		return out, nil
	}
	switch v := v.(type) {
	case string:
		total, err := size(len(v))
		if err != nil {
			return nil, err
		}
		if err := r.charge(total); err != nil {
			return nil, err
		}
		return strings.Repeat(v, total/max(len(v), 1)), nil
	case *List:
		out, err := items(v.Items)
		return &List{out}, err
	case *Tuple:
		out, err := items(v.Items)
		return &Tuple{Items: out}, err
	}
	return nil, failf("unsupported operand type(s) for *: '%s' and '%s'", typeName(v), typeName(count))
}

func errZero(isInt bool) *Error {
	if isInt {
		return failf("integer division or modulo by zero")
	}
	return failf("float division by zero")
}

func intOp(op string, a, b int64) (any, error) {
	switch op {
	case "+":
		c := a + b
		if (c > a) != (b > 0) && b != 0 {
			return nil, errOverflow()
		}
		return c, nil
	case "-":
		c := a - b
		if (c < a) != (b > 0) && b != 0 {
			return nil, errOverflow()
		}
		return c, nil
	case "*":
		return mulInt(a, b)
	case "/":
		if b == 0 {
			return nil, failf("division by zero")
		}
		return float64(a) / float64(b), nil
	case "//", "%":
		if b == 0 {
			return nil, errZero(true)
		}
		if b == -1 {
			if op == "%" {
				return int64(0), nil
			}
			return mulInt(a, -1)
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if op == "%" {
			return m, nil
		}
		return q, nil
	}
	if b < 0 { // **
		return floatOp(op, float64(a), float64(b))
	}
	result, base := int64(1), a
	for b > 0 {
		var err error
		if b&1 == 1 {
			if result, err = mulInt64(result, base); err != nil {
				return nil, err
			}
		}
		if b >>= 1; b > 0 {
			if base, err = mulInt64(base, base); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

func mulInt(a, b int64) (any, error) {
	c, err := mulInt64(a, b)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func mulInt64(a, b int64) (int64, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	c := a * b
	if c/b != a || a == math.MinInt64 && b == -1 || b == math.MinInt64 && a == -1 {
		return 0, errOverflow()
	}
	return c, nil
}

func floatOp(op string, a, b float64) (any, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "**":
		if a == 0 && b < 0 {
			return nil, failf("0.0 cannot be raised to a negative power")
		}
		if a < 0 && b != math.Trunc(b) {
			return nil, failf("a negative number cannot be raised to a fraction")
		}
		c := math.Pow(a, b)
		if math.IsInf(c, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
			return nil, failf("result of ** is too large")
		}
		return c, nil
	}
	if b == 0 {
		switch op {
		case "%":
			return nil, failf("float modulo")
		case "//":
			return nil, failf("float floor division by zero")
		}
		return nil, errZero(false)
	}
	if op == "/" {
		return a / b, nil
	}
	m := math.Mod(a, b)
	q := (a - m) / b
	if m != 0 {
		if (b < 0) != (m < 0) {
			m += b
			q--
		}
	} else {
		m = math.Copysign(0, b)
	}
	if op == "%" {
		return m, nil
	}
	if q == 0 {
		return math.Copysign(0, a/b), nil
	}
	f := math.Floor(q)
	if q-f > 0.5 {
		f++
	}
	return f, nil
}

// maxDataDepth bounds how deep nested lists are compared or printed.
const maxDataDepth = 200

// equal is Python's ==.
func (r *render) equal(a, b any) (bool, error) { return r.equalDeep(a, b, 0) }

func (r *render) equalDeep(a, b any, depth int) (bool, error) {
	if err := r.tick(); err != nil {
		return false, err
	}
	if depth > maxDataDepth {
		return false, failf("value is nested too deeply to compare")
	}
	if _, _, _, ok := number(a); ok {
		if _, _, _, ok := number(b); ok {
			return compareNumbers(a, b) == 0, nil
		}
		return false, nil
	}
	seq := func(x, y []any) (bool, error) {
		if len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if i >= len(y) {
				return false, nil
			}
			if eq, err := r.equalDeep(x[i], y[i], depth+1); err != nil || !eq {
				return false, err
			}
		}
		return true, nil
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case string:
		y, ok := b.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, r.read(x)
	case *List:
		y, ok := b.(*List)
		if !ok || x == y {
			return ok, nil
		}
		return seq(x.Items, y.Items)
	case *Tuple:
		y, ok := b.(*Tuple)
		if !ok || x == y {
			return ok, nil
		}
		return seq(x.Items, y.Items)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x == y {
			return ok, nil
		}
		if x.Len() != y.Len() {
			return false, nil
		}
		for k, v := range x.All() {
			w, ok := y.Get(k)
			if !ok {
				return false, nil
			}
			if eq, err := r.equalDeep(v, w, depth+1); err != nil || !eq {
				return false, err
			}
		}
		return true, nil
	case *Undefined:
		return IsUndefined(b), nil
	case *viewValue:
		y, ok := b.(*viewValue)
		if !ok || x.kind == "values" || y.kind == "values" || x.d.Len() != y.d.Len() {
			return ok && x == y, nil
		}
		if x.kind == "keys" && y.kind == "keys" {
			for k := range x.d.All() {
				if _, ok := y.d.Get(k); !ok {
					return false, nil
				}
			}
			return true, nil
		}
		if x.kind != y.kind {
			return x.d.Len() == 0, nil
		}
		return r.equalDeep(x.d, y.d, depth+1)
	case *rangeValue:
		y, ok := b.(*rangeValue)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	}
	if x, ok := a.(equaler); ok {
		return x.equals(r, b)
	}
	if y, ok := b.(equaler); ok {
		return y.equals(r, a)
	}
	ka, errA := hashKey(a)
	kb, errB := hashKey(b)
	return errA == nil && errB == nil && ka == kb, nil
}

// compareNumbers returns -1, 0, 1, or 2 if either is NaN. Integers and floats compare exactly.
func compareNumbers(a, b any) int {
	ai, af, aInt, _ := number(a)
	bi, bf, bInt, _ := number(b)
	switch {
	case aInt && bInt:
		return cmp3(ai < bi, ai > bi)
	case math.IsNaN(af) || math.IsNaN(bf):
		return 2
	case aInt:
		return -compareFloatInt(bf, bi, ai)
	case bInt:
		return compareFloatInt(af, ai, bi)
	}
	return cmp3(af < bf, af > bf)
}

func cmp3(less, greater bool) int {
	if less {
		return -1
	}
	return int(asInt(greater))
}

func compareFloatInt(f float64, _, i int64) int {
	if f >= 1<<63 {
		return 1
	}
	if f < -1<<63 {
		return -1
	}
	if t := int64(math.Trunc(f)); t != i {
		return cmp3(t < i, t > i)
	}
	frac := f - math.Trunc(f)
	return cmp3(frac < 0, frac > 0)
}

// less is Python's a < b; op is the operator to name in the error.
func (r *render) less(a, b any, op string) (bool, error) {
	c, err := r.order(a, b, op, 0)
	return c == -1, err
}

// order returns -1, 0, 1, or 2 for unordered numbers.
func (r *render) order(a, b any, op string, depth int) (int, error) {
	if err := r.tick(); err != nil {
		return 0, err
	}
	if depth > maxDataDepth {
		return 0, failf("value is nested too deeply to compare")
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*Undefined); ok {
			return 0, undefinedErr(u)
		}
	}
	_, _, _, aNum := number(a)
	_, _, _, bNum := number(b)
	if aNum && bNum {
		return compareNumbers(a, b), nil
	}
	var x, y []any
	switch s := a.(type) {
	case ordered:
		if c, known := s.order(b); known {
			return c, nil
		}
		return 0, unordered(a, b, op)
	case string:
		if t, ok := b.(string); ok {
			return strings.Compare(s, t), r.read(s)
		}
		return 0, unordered(a, b, op)
	case *List:
		t, ok := b.(*List)
		if !ok {
			return 0, unordered(a, b, op)
		}
		x, y = s.Items, t.Items
	case *Tuple:
		t, ok := b.(*Tuple)
		if !ok {
			return 0, unordered(a, b, op)
		}
		x, y = s.Items, t.Items
	default:
		return 0, unordered(a, b, op)
	}
	for i := 0; i < len(x) && i < len(y); i++ {
		eq, err := r.equalDeep(x[i], y[i], depth+1)
		if err != nil {
			return 0, err
		}
		if !eq {
			return r.order(x[i], y[i], op, depth+1)
		}
	}
	return cmp3(len(x) < len(y), len(x) > len(y)), nil
}

func unordered(a, b any, op string) error {
	return failf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

// compare applies a comparison operator.
func (r *render) compare(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		eq, err := r.equal(a, b)
		return !eq, err
	case "in":
		return r.contains(b, a)
	case "notin":
		in, err := r.contains(b, a)
		return !in, err
	}
	c, err := r.order(a, b, op, 0)
	switch op {
	case "<":
		return c == -1, err
	case "<=":
		return c == -1 || c == 0, err
	case ">":
		return c == 1, err
	}
	return c == 1 || c == 0, err
}

// contains is Python's `x in v`.
func (r *render) contains(v, x any) (bool, error) {
	switch c := v.(type) {
	case string:
		s, ok := x.(string)
		if !ok {
			if u, ok := x.(*Undefined); ok {
				return false, undefinedErr(u)
			}
			return false, failf("'in <string>' requires string as left operand, not %s", typeName(x))
		}
		return strings.Contains(c, s), r.charge(len(c))
	case *Dict:
		if _, err := hashKey(x); err != nil {
			return false, err
		}
		if err := r.read(x); err != nil {
			return false, err
		}
		_, ok := c.Get(x)
		return ok, nil
	case *viewValue:
		if c.kind == "keys" {
			return r.contains(c.d, x)
		}
	}
	next, err := iterate(v)
	if err != nil {
		return false, failf("argument of type '%s' is not iterable", typeName(v))
	}
	for {
		y, ok, err := next()
		if err != nil || !ok {
			return false, err
		}
		if eq, err := r.equal(y, x); err != nil || eq {
			return eq, err
		}
	}
}
