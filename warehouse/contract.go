package warehouse

import (
	"fmt"
	"slices"
)

// ContractType reads a type that a table is to have, and the most characters of a text, 0 for any number. A type that would be
// stored as another one is refused, and so is a length that nothing could keep.
func ContractType(text string) (typ string, length int, err error) {
	t, err := ParseType(text)
	if err != nil {
		return "", 0, err
	}
	s, err := t.stored()
	switch {
	case err != nil && !knownType(t):
		return "", 0, fmt.Errorf("there is no type %s", text)
	case err != nil:
		return "", 0, err
	case s.String() != t.String():
		return "", 0, fmt.Errorf("%s is stored as %s: write that", text, s)
	case lengthInside(t):
		return "", 0, fmt.Errorf("%s: a length inside another type is not kept: write it without, and a check expression:", text)
	case t.Length != 0 && t.Name != "VARCHAR":
		return "", 0, fmt.Errorf("%s: only texts have a length", text)
	case t.Length < 0:
		return "", 0, fmt.Errorf("%s: a length is a whole number of characters, at least 1", text)
	}
	return t.String(), t.Length, nil
}

// SeedType reads the type that a seed's column is given: as the engine spells it, without a length, which means nothing to it. One that
// Parquet does not hold is taken where another holds its values, as of a model's column.
func SeedType(text string) (string, error) {
	t, err := ParseType(text)
	if err != nil {
		return "", err
	}
	if _, err := t.stored(); err != nil {
		if !knownType(t) {
			err = fmt.Errorf("there is no type %s", text)
		}
		return "", err
	}
	return t.String(), nil
}

// knownType says whether all names in the type are types of DuckDB.
func knownType(t Type) bool {
	if slices.Contains([]string{"LIST", "ARRAY", "STRUCT", "MAP", "UNION"}, t.Name) {
		return !slices.ContainsFunc(t.Fields, func(f Field) bool { return !knownType(f.Type) })
	}
	_, known := stored[t.Name]
	return known || t.Name == "VARIANT" || t.Name == "GEOMETRY"
}

func lengthInside(t Type) bool {
	return slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Type.Length != 0 || lengthInside(f.Type) })
}

// Fit is how values of one type come to be of another.
type Fit int

// The ways of values to a type.
const (
	FitsNot  Fit = iota // a cast could change them
	Narrows             // those that the type holds do exactly, and the others can be told
	Widens              // a cast keeps each of them
	FitsSame            // nothing is to be done
)

// FitOf says how values of type from come to be of type to.
func FitOf(from, to string) Fit {
	x, err := ParseType(from)
	if err != nil {
		return FitsNot
	}
	y, err := ParseType(to)
	if err != nil {
		return FitsNot
	}
	if x.String() == y.String() {
		return FitsSame
	}
	if w, ok := widen(x, y); ok && w.String() == y.String() {
		return Widens
	}
	if exactNumber(x) && exactNumber(y) {
		return Narrows
	}
	return FitsNot
}

func exactNumber(t Type) bool {
	_, integer := integers[t.Name]
	return integer || t.Name == "DECIMAL"
}
