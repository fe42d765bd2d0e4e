package models

// Relation is relation, for tests.
func Relation(text string) (source, name string, ok bool) { return relation(text) }

// KindDoc is what the docs of checks say of a kind.
type KindDoc struct {
	Doc   string
	ByRow bool
	Args  any
}

// CheckKinds are the kinds of checks, for tests.
func CheckKinds() map[string]KindDoc {
	kinds := map[string]KindDoc{}
	for kind, spec := range checkKinds {
		kinds[kind] = KindDoc{spec.doc, spec.byRow, spec.args()}
	}
	return kinds
}

// ForeignKinds are the tests of packages that are read, for tests.
func ForeignKinds() map[string]string { return foreignKinds }

// ContractKeys and ContractColumnKeys have the keys of a contract and of its columns.
var ContractKeys, ContractColumnKeys any = contractEntry{}, contractColumn{}

// EntityKeys have the keys of an entity's file and of what stands in it, by the names of docs/entities.md.
var EntityKeys = map[string][]any{"keys": {entityFile{}}, "sources": {entitySource{}, trustDecay{}}, "block": {blockEntry{}}, "compare": {compareEntry{}}, "decide": {decideKeys{}}, "cluster": {clusterEntry{}},
	"survive": {surviveKeys{}, surviveGroupKeys{}}, "relate": {relateEntry{}}, "describe": {describeEntry{}}}

// LevelDocs are what levels mean, by their names.
func LevelDocs() map[string]string {
	docs := map[string]string{}
	for name, kind := range levelKinds {
		docs[name] = kind.doc
	}
	return docs
}
