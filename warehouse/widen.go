package warehouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UnionColumns are the columns of a table that had the columns a and gets rows with the columns b: by name without
// regard to case, a's spelling and order first, each of the wider of its two types. A type that holds not every
// value of the other is an error.
func UnionColumns(a, b []Column) ([]Column, error) {
	out := slices.Clone(a)
	at := map[string]int{}
	for i, c := range a {
		at[strings.ToLower(c.Name)] = i
	}
	for _, c := range b {
		i, ok := at[strings.ToLower(c.Name)]
		if !ok {
			at[strings.ToLower(c.Name)] = len(out)
			out = append(out, c)
			continue
		}
		t, err := Widen(out[i].Type, c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		out[i].Type = t
	}
	return out, nil
}

// ErrIncompatible is wrapped where a column's old and new type have no type that holds both.
var ErrIncompatible = errors.New("no type holds both: cast one of them, or reload the table in full")

// Widen is the narrowest type that holds every value of both, where such a type is beyond doubt: integers,
// decimals, FLOAT and DOUBLE, VARCHAR and JSON, and these inside lists, maps and structs.
func Widen(a, b string) (string, error) {
	x, err := ParseType(a)
	if err != nil {
		return "", err
	}
	y, err := ParseType(b)
	if err != nil {
		return "", err
	}
	if w, ok := widen(x, y); ok {
		return w.String(), nil
	}
	return "", fmt.Errorf("type %s has become %s: %w", a, b, ErrIncompatible)
}

// integers: name, whether signed, bits, decimal digits.
var integers = map[string]struct {
	signed       bool
	bits, digits int
}{
	"TINYINT": {true, 8, 3}, "SMALLINT": {true, 16, 5}, "INTEGER": {true, 32, 10}, "BIGINT": {true, 64, 19},
	"UTINYINT": {false, 8, 3}, "USMALLINT": {false, 16, 5}, "UINTEGER": {false, 32, 10}, "UBIGINT": {false, 64, 20},
}

func widen(a, b Type) (Type, bool) {
	if a.String() == b.String() {
		return a, true
	}
	a, b = plainHuge(a), plainHuge(b)
	if _, ok := integers[b.Name]; ok && a.Name != "LIST" {
		if _, both := integers[a.Name]; !both {
			a, b = b, a // the integer first
		}
	}
	ia, aInt := integers[a.Name]
	ib, bInt := integers[b.Name]
	switch {
	case aInt && bInt:
		return widenIntegers(ia.signed, ib.signed, ia.bits, ib.bits), true
	case aInt && b.Name == "DECIMAL":
		return widenDecimals(Type{Name: "DECIMAL", Width: ia.digits}, b)
	case aInt && b.Name == "DOUBLE", aInt && b.Name == "FLOAT" && ia.bits <= 16:
		return b, b.Name == "FLOAT" || ia.bits <= 32
	case aInt && b.Name == "FLOAT":
		return Type{Name: "DOUBLE"}, ia.bits <= 32
	case a.Name == "DECIMAL" && b.Name == "DECIMAL":
		return widenDecimals(a, b)
	case pair(a, b, "FLOAT", "DOUBLE"):
		return Type{Name: "DOUBLE"}, true
	case pair(a, b, "VARCHAR", "JSON"):
		return Type{Name: "VARCHAR"}, true
	case pair(a, b, "DATE", "TIMESTAMP"):
		return Type{}, false // a date far away is no timestamp
	case a.Name == b.Name && (a.Name == "LIST" || a.Name == "MAP"):
		return widenParts(a, b)
	case a.Name == "STRUCT" && b.Name == "STRUCT":
		return widenStructs(a, b)
	}
	return Type{}, false
}

// plainHuge is a HUGEINT as its files have it.
func plainHuge(t Type) Type {
	if t.Name == "HUGEINT" {
		return Type{Name: "DECIMAL", Width: 38}
	}
	return t
}

func pair(a, b Type, x, y string) bool {
	return a.Name == x && b.Name == y || a.Name == y && b.Name == x
}

func widenIntegers(aSigned, bSigned bool, aBits, bBits int) Type {
	bits, signed := max(aBits, bBits), aSigned || bSigned
	if signed && (!aSigned && aBits == bits || !bSigned && bBits == bits) {
		bits *= 2 // an unsigned one needs the next larger signed one
	}
	if bits > 64 {
		return Type{Name: "DECIMAL", Width: 20}
	}
	for name, i := range integers {
		if i.bits == bits && i.signed == signed {
			return Type{Name: name}
		}
	}
	panic("warehouse: no integer type") // unreachable: the table is complete
}

func widenDecimals(a, b Type) (Type, bool) {
	scale := max(a.Scale, b.Scale)
	width := max(a.Width-a.Scale, b.Width-b.Scale) + scale
	return Type{Name: "DECIMAL", Width: width, Scale: scale}, width <= 38
}

func widenParts(a, b Type) (Type, bool) {
	out := Type{Name: a.Name}
	for i := range a.Fields {
		w, ok := widen(a.Fields[i].Type, b.Fields[i].Type)
		if !ok {
			return Type{}, false
		}
		out.Fields = append(out.Fields, Field{Type: w})
	}
	return out, true
}

func widenStructs(a, b Type) (Type, bool) {
	out := Type{Name: "STRUCT", Fields: slices.Clone(a.Fields)}
	for _, f := range b.Fields {
		i := slices.IndexFunc(out.Fields, func(o Field) bool { return strings.EqualFold(o.Name, f.Name) })
		if f.Name == "" {
			return Type{}, false
		}
		if i < 0 {
			out.Fields = append(out.Fields, f)
			continue
		}
		w, ok := widen(out.Fields[i].Type, f.Type)
		if !ok {
			return Type{}, false
		}
		out.Fields[i].Type = w
	}
	return out, true
}
