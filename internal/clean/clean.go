// Package clean holds the cleaning functions of models and entities: names, companies, addresses, phones, e-mails, dates and plain text. They
// are pure: same text, same result, on any machine and day but for the pivot of two-digit years. None returns an error or an empty text: what
// cannot be understood is NULL. The package knows no engine; internal/duckdb registers what Functions lists. Read Function, then Functions.
//
// Tables of words lie in tables/, plain text that a person can extend: see tables.go.
package clean

import "strings"

// Function is a cleaning function as SQL and entities know it. Exactly one of Text, Number, Date and Parts is set.
type Function struct {
	Name     string   // in SQL
	Steps    []string // in the YAML of an entity
	Params   []Param  // the first is what is cleaned: NULL gives NULL
	Returns  string   // SQL type
	Doc      string
	Examples []Example
	Costly   bool // a microsecond and more: worth to remember the results of Text or Parts for values that come again

	// Text appends the result to dst; nothing appended is NULL. arg is the second parameter, "" for none.
	Text func(dst []byte, t, arg string) []byte
	// Number is an INTEGER of two texts.
	Number func(a, b string) int32
	// Date is in days since 1970-01-01. Such a function takes a DATE and a TIMESTAMP too, for which KnownDay decides.
	Date func(t string, formats []string) (days int32, ok bool)
	// Parts are the fields of a STRUCT of texts, in the order of Returns; "" is NULL. No part at all: the STRUCT is NULL.
	Parts func(t, arg string) []string
}

// Param is a parameter of a Function.
type Param struct {
	Name     string
	Type     string // VARCHAR or VARCHAR[]
	Optional bool   // may be left out, or NULL: the same
}

// Example is a call and what it gives. Texts stand for every type, as DuckDB writes it; nil is NULL.
type Example struct {
	Args []any // string, []string or nil
	Want any   // string or nil; for a STRUCT its fields that are not NULL, map[string]string
	Note string
}

// ByStep finds the function that an entity's YAML calls by this name, or nil.
func ByStep(step string) *Function {
	for i, f := range Functions {
		for _, s := range f.Steps {
			if s == step {
				return &Functions[i]
			}
		}
	}
	return nil
}

// StructFields are the names of a STRUCT's fields, all of them VARCHAR: STRUCT(house VARCHAR, …).
func StructFields(typ string) []string {
	inner, ok := strings.CutPrefix(strings.TrimSuffix(typ, ")"), "STRUCT(")
	if !ok {
		return nil
	}
	var names []string
	for _, field := range strings.Split(inner, ", ") {
		name, _, _ := strings.Cut(field, " ")
		names = append(names, name)
	}
	return names
}
