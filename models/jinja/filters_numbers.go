package jinja

import (
	"math"
	"strconv"
	"strings"
)

// parseInt is Python's int(str, base); ok is false where it raises ValueError.
func parseInt(s string, base int) (n int64, ok, overflow bool) {
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	lower := strings.ToLower(s)
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if (base == b || base == 0) && strings.HasPrefix(lower, prefix) {
			s, base = strings.TrimPrefix(s[2:], "_"), b
		}
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '-' || s[0] == '+' {
		return 0, false, false
	}
	if base == 0 {
		if base = 10; s[0] == '0' && strings.Trim(s, "0_") != "" {
			return 0, false, false
		}
	}
	n, err := strconv.ParseInt(sign+strings.ReplaceAll(s, "_", ""), base, 64)
	if e, isNum := err.(*strconv.NumError); isNum {
		return 0, false, e.Err == strconv.ErrRange
	}
	return n, err == nil, false
}

// parseFloat is Python's float(str).
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
		return f, true
	}
	return f, err == nil
}

func floatToInt(f float64, def any) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return def, nil
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errOverflow()
	}
	return int64(f), nil
}

func filterInt(_ *render, v any, a []any) (any, error) {
	switch v := v.(type) {
	case bool:
		return asInt(v), nil
	case int64:
		return v, nil
	case float64:
		return floatToInt(v, a[0])
	case numeric:
		return floatToInt(v.float(), a[0])
	case string:
		base, ok := integer(a[1])
		if !ok || base != 0 && (base < 2 || base > 36) {
			return nil, failf("filter 'int': base must be 0 or 2 to 36")
		}
		n, ok, overflow := parseInt(v, int(base))
		if overflow {
			return nil, errOverflow()
		}
		if ok {
			return n, nil
		}
		if f, ok := parseFloat(v); ok {
			return floatToInt(f, a[0])
		}
	case *Undefined:
		return nil, undefinedErr(v)
	}
	return a[0], nil
}

func filterFloat(_ *render, v any, a []any) (any, error) {
	if _, f, _, ok := number(v); ok {
		return f, nil
	}
	switch v := v.(type) {
	case string:
		if f, ok := parseFloat(v); ok {
			return f, nil
		}
	case *Undefined:
		return nil, undefinedErr(v)
	}
	return a[0], nil
}

func filterAbs(_ *render, v any, _ []any) (any, error) {
	i, f, isInt, ok := number(v)
	switch {
	case !ok:
		return nil, failf("bad operand type for abs(): '%s'", typeName(v))
	case isInt && i < 0:
		return mulInt(i, -1)
	case isInt:
		return i, nil
	}
	return math.Abs(f), nil
}

func filterRound(_ *render, v any, a []any) (any, error) {
	i, f, isInt, ok := number(v)
	prec, pok := integer(a[0])
	if !ok || !pok {
		if u, ok := v.(*Undefined); ok {
			return nil, undefinedErr(u)
		}
		return nil, failf("type %s cannot be rounded", typeName(v))
	}
	if prec < -400 || prec > 400 {
		return nil, failf("filter 'round': precision is out of range")
	}
	switch a[1] {
	case "common":
		if isInt && prec >= 0 {
			return i, nil
		}
		if isInt {
			return roundInt(i, int(-prec))
		}
		return roundFloat(f, int(prec)), nil
	case "ceil", "floor":
		scale := math.Pow(10, float64(prec))
		if a[1] == "ceil" {
			return math.Ceil(f*scale) / scale, nil
		}
		return math.Floor(f*scale) / scale, nil
	}
	return nil, failf("filter 'round': method must be common, ceil or floor")
}

// roundFloat rounds the exact decimal value, ties to even, as Python does.
func roundFloat(f float64, prec int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	if prec >= 0 {
		g, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', prec, 64), 64)
		return g
	}
	scale := math.Pow(10, float64(-prec))
	if math.IsInf(scale, 0) {
		return math.Copysign(0, f)
	}
	return math.RoundToEven(f/scale) * scale
}

func roundInt(i int64, digits int) (any, error) {
	if digits > 18 {
		return int64(0), nil
	}
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	q, m := i/scale, i%scale
	if m < 0 {
		q, m = q-1, m+scale
	}
	if m > scale-m || m == scale-m && q%2 != 0 {
		q++
	}
	return mulInt(q, scale)
}
