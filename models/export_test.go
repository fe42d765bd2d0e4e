package models

// Relation is relation, for tests.
func Relation(text string) (source, name string, ok bool) { return relation(text) }

// CheckKinds are the kinds of checks and what their docs say, for tests.
func CheckKinds() map[string]string {
	kinds := map[string]string{}
	for kind, spec := range checkKinds {
		kinds[kind] = spec.doc
	}
	return kinds
}

// ForeignKinds are the tests of packages that are read, for tests.
func ForeignKinds() map[string]string { return foreignKinds }
