package warehouse

import (
	"fmt"
	"strings"
)

// Equation says where every row of a node went: Rows of Name must be the sum of Terms. No term may be found by
// subtracting others: each is counted where it happens, or the equation proves nothing.
type Equation struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Terms []Term `json:"terms"`
}

// Term is one share of an Equation. Minus marks a term that is taken away.
type Term struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Minus bool   `json:"minus,omitempty"`
}

// Closes says whether the two sides are equal.
func (e Equation) Closes() bool {
	sum := int64(0)
	for _, t := range e.Terms {
		if t.Minus {
			sum -= t.Rows
		} else {
			sum += t.Rows
		}
	}
	return sum == e.Rows
}

// Get returns the rows of the term or of the left side by its name; 0 when it has none.
func (e Equation) Get(name string) int64 {
	if e.Name == name {
		return e.Rows
	}
	for _, t := range e.Terms {
		if t.Name == name {
			return t.Rows
		}
	}
	return 0
}

// String prints the equation as people read it: "read 120 = landed 118 + rejected 2".
func (e Equation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s ", e.Name, e.Rows, map[bool]string{true: "=", false: "≠"}[e.Closes()])
	for i, t := range e.Terms {
		if t.Minus {
			b.WriteString(" − ")
		} else if i > 0 {
			b.WriteString(" + ")
		}
		fmt.Fprintf(&b, "%s %d", t.Name, t.Rows)
	}
	return b.String()
}

// Short is String without the terms that are zero.
func (e Equation) Short() string {
	short := Equation{Name: e.Name, Rows: e.Rows}
	for _, t := range e.Terms {
		if t.Rows != 0 {
			short.Terms = append(short.Terms, t)
		}
	}
	if len(short.Terms) == 0 {
		return e.String()
	}
	return short.String()
}
