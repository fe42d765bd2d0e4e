package jinja

import (
	"math/big"
	"strconv"
	"strings"
)

// Decimal is a number that a query gave, with its digits as they were. Sums, differences and products of decimals and whole numbers are
// exact; in anything else it counts as a float.
type Decimal struct{ text string }

// String is the number as it was.
func (d Decimal) String() string { return d.text }

func (Decimal) typeName() string { return "Decimal" }

func (d Decimal) show(*render) (string, error) { return "Decimal('" + d.text + "')", nil }

func (d Decimal) float() float64 {
	f, _ := strconv.ParseFloat(d.text, 64) // an infinite one for what is too large
	return f
}

// Attr: a number has no attributes of use here.
func (Decimal) Attr(string) (any, bool) { return nil, false }

// places is how many digits it has behind the point; -1 for what is not written plainly.
func (d Decimal) places() int {
	if strings.ContainsAny(d.text, "eEnN") || len(d.text) > 100 {
		return -1
	}
	_, frac, _ := strings.Cut(d.text, ".")
	return len(frac)
}

// wholeDecimal is an exact number as a decimal.
func wholeDecimal(v any) (Decimal, bool) {
	switch v := v.(type) {
	case Decimal:
		return v, v.places() >= 0
	case bool:
		return Decimal{strconv.FormatInt(asInt(v), 10)}, true
	case int64:
		return Decimal{strconv.FormatInt(v, 10)}, true
	}
	return Decimal{}, false
}

func (d Decimal) operate(op string, other any, isRight bool) (any, bool, error) {
	a, okA := wholeDecimal(d)
	b, okB := wholeDecimal(other)
	if !okA || !okB {
		return nil, false, nil
	}
	if isRight {
		a, b = b, a
	}
	x, okX := new(big.Rat).SetString(a.text)
	y, okY := new(big.Rat).SetString(b.text)
	if !okX || !okY {
		return nil, false, nil
	}
	places := max(a.places(), b.places())
	switch op {
	case "+":
		x.Add(x, y)
	case "-":
		x.Sub(x, y)
	case "*":
		x.Mul(x, y)
		places = a.places() + b.places()
	default:
		return nil, false, nil
	}
	if places > 200 {
		return nil, false, nil
	}
	return Decimal{x.FloatString(places)}, true, nil
}
