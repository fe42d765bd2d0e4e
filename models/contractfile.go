package models

import (
	"cmp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads contracts where projects write them: contract: of streams and of tables in properties files, dbt's
// config: { contract: { enforced: true } }, and the data_type and constraints of columns.

// contractEntry is a contract as it is written.
type contractEntry struct {
	config.Origin
	Columns    []contractColumn `yaml:"columns" doc:"The columns. Default: those under the table's own columns:, each with its data_type."`
	Extra      string           `yaml:"extra" default:"fail" enum:"fail,allow,discard" doc:"What becomes of columns that it does not name. discard leaves them out."`
	Order      string           `yaml:"order" default:"any" enum:"any,strict" doc:"strict: the columns stand in the contract's order."`
	Severity   Severity         `yaml:"severity" default:"error" enum:"error,quarantine" doc:"What becomes of rows whose values do not fit. error: the table keeps its previous version. quarantine: they go to the table's __quarantine."`
	ErrorIf    Condition        `yaml:"error_if" doc:"With severity quarantine: when rows that do not fit are an error, for each column. Default: more than 10% of the rows checked." example:"> 100"`
	Enforced   bool             `yaml:"enforced" default:"true" doc:"dbt's key. false: there is no contract."`
	AliasTypes bool             `yaml:"alias_types" default:"true" doc:"dbt's key; other spellings of types are always understood."`
}

// contractColumn is a column of a contract as it is written.
type contractColumn struct {
	config.Origin
	Name     string `yaml:"name" required:"true" doc:"Name of the column."`
	Type     string `yaml:"type" required:"true" doc:"Its type. A length, as in VARCHAR(2), is the most characters of a text." example:"DECIMAL(10,2)"`
	Nullable bool   `yaml:"nullable" default:"true" doc:"Whether it may be NULL."`
	Term     string `yaml:"term" doc:"Business term, of terms/*.yml, that the column is; none: it is none, though it is named like one." example:"customer"`
}

// constraint is one of dbt's, of a column or of a table.
type constraint struct {
	config.Origin
	Type            string            `yaml:"type" required:"true" enum:"not_null,unique,primary_key,foreign_key,check,custom" doc:"What must hold. It holds with a contract only."`
	Name            string            `yaml:"name" doc:"Name of the check that it becomes."`
	Expression      string            `yaml:"expression" doc:"SQL condition of a check."`
	Columns         config.StringList `yaml:"columns" doc:"Columns that a table's constraint is about."`
	To              string            `yaml:"to" doc:"Table that a foreign key leads to." example:"ref('customers')"`
	ToColumns       config.StringList `yaml:"to_columns" doc:"Its columns."`
	WarnUnenforced  config.Node       `yaml:"warn_unenforced" doc:"dbt's key; not read."`
	WarnUnsupported config.Node       `yaml:"warn_unsupported" doc:"dbt's key; not read."`
}

// promise is all that the project's files say of one table's contract.
type promise struct {
	entry       *contractEntry
	columns     []columnProperties
	constraints []constraint
}

// promised keeps what a file says of a node's contract until all files are read.
func (l *loader) promised(n *Node, entry *contractEntry, columns []columnProperties, constraints []constraint) {
	if l.promises[n] == nil {
		l.promises[n] = &promise{}
	}
	p := l.promises[n]
	p.columns, p.constraints = append(p.columns, columns...), append(p.constraints, constraints...)
	switch {
	case entry == nil || !entry.Enforced:
	case p.entry != nil:
		l.problem(entry.Pos(), "remove one of them", "%s has two contracts; the other is at %s", n.Name(), p.entry.Pos())
	default:
		p.entry = entry
	}
}

// blank refuses contract: with nothing behind it, which YAML takes for no key at all.
func (l *loader) blank(n *Node, where config.Origin, entry *contractEntry) {
	if entry == nil && where.Has("contract") {
		l.problem(where.Key("contract"), "write columns: below it, or contract: {} where the table's own columns: have data_type", "the contract of %s is empty", n.Name())
	}
}

// contracts makes checks of the contracts, once all files are read.
func (l *loader) contracts() {
	for _, n := range l.p.Nodes {
		p := l.promises[n]
		if p == nil {
			if l.enforced[n] {
				l.problem(n.Pos, "write its columns, each with data_type, in a properties file", "%s: config() enforces a contract that has no columns", n.Name())
			}
			continue
		}
		if p.entry == nil {
			l.unpromised(p)
			continue
		}
		if l.mayPromise(n, p.entry) {
			l.contract(n, p)
		}
	}
}

// unpromised warns of constraints that nothing enforces.
func (l *loader) unpromised(p *promise) {
	all := slices.Clone(p.constraints)
	for _, c := range p.columns {
		all = append(all, c.Constraints...)
	}
	for _, c := range all {
		if c.Type == "" { // what is wrong with it is told
			continue
		}
		l.warning(c.Pos(), "add contract: {} to the table", "constraint %s is not enforced: the table has no contract", c.Type)
	}
}

// mayPromise refuses contracts where they mean nothing, and keys that contradict them.
func (l *loader) mayPromise(n *Node, entry *contractEntry) bool {
	switch {
	case n.Model != nil && n.Model.Materialized == Ephemeral:
		l.problem(entry.Pos(), "materialize it, or put the contract on the model that reads it", "%s is ephemeral: there is no table to keep a contract", n.Name())
	case n.Model != nil && n.Model.Materialized == Snapshot:
		l.problem(entry.Pos(), "put the contract on the model that it reads", "%s is a snapshot: it has the columns that its rows have had over time", n.Name())
	case n.Kind == KindEntity:
		l.problem(entry.Pos(), "put the contract on a model that reads it, or write checks",
			"%s is a table of the entity %s: its columns are what the sources have, and no row can be left out of it", n.Name(), n.Entity.Name)
	case n.Stream != nil && n.Stream.OnSchemaChange != SchemaEvolves:
		l.problem(n.Stream.Origin.At("on_schema_change"), "extra: and severity: of the contract say what becomes of what is new", "on_schema_change: %s contradicts the contract at %s, which says what the columns are", n.Stream.OnSchemaChange, entry.Pos())
	case !entry.ErrorIf.IsZero() && entry.Severity != SeverityQuarantine:
		l.problem(entry.At("error_if"), "with severity: error any row that does not fit is one", "error_if has no effect without severity: quarantine")
	default:
		return true
	}
	return false
}

// contract makes the checks of one contract.
func (l *loader) contract(n *Node, p *promise) {
	contract := &Contract{Extra: p.entry.Extra, Strict: p.entry.Order == "strict"}
	places := map[*ContractColumn]config.Pos{}
	written := p.entry.Columns
	if len(written) == 0 {
		written = l.typedColumns(p.columns)
	}
	if len(written) == 0 {
		if len(p.columns) == 0 { // else they have no types, which was said
			l.problem(p.entry.Pos(), "write columns: [{ name: id, type: BIGINT }], or data_type: for each of the table's own columns:", "the contract of %s names no column", n.Name())
		}
		return
	}
	contract.Columns = make([]ContractColumn, 0, len(written))
	for _, w := range written {
		if contract.Column(w.Name) != nil {
			l.problem(w.At("name"), "", "the contract of %s names the column %q twice", n.Name(), w.Name)
			continue
		}
		if typ, length, ok := l.columnType(w); ok {
			contract.Columns = append(contract.Columns, ContractColumn{Name: w.Name, Type: typ, Length: length, Nullable: w.Nullable})
			places[&contract.Columns[len(contract.Columns)-1]] = w.At("name")
			n.isTerm(w)
		}
	}
	if contract.Extra == ExtraDiscarded {
		l.keepsNeeded(n, p.entry, written)
	}
	l.contractCheck(n, p.entry, &Check{Args: contract, Pos: p.entry.Pos()})
	l.constraints(n, p, contract)
	for i := range contract.Columns {
		if c := &contract.Columns[i]; c.judgesRows() {
			l.unnamed(n, "contract_"+c.Name)
			l.contractCheck(n, p.entry, &Check{Columns: []string{c.Name}, Args: c, Pos: places[c]})
		}
	}
}

// isTerm notes the term that a contract links a column to.
func (n *Node) isTerm(w contractColumn) {
	if w.Term == "" {
		return
	}
	at := slices.IndexFunc(n.Columns, func(c Column) bool { return strings.EqualFold(c.Name, w.Name) })
	if at < 0 {
		at = len(n.Columns)
		n.Columns = append(n.Columns, Column{Name: w.Name, Type: w.Type, Pos: w.At("name")})
	}
	n.Columns[at].Term, n.Columns[at].TermPos = w.Term, w.At("term")
}

// keepsNeeded refuses a contract that discards a column by which the stream is read and merged, or which a check is about.
func (l *loader) keepsNeeded(n *Node, entry *contractEntry, columns []contractColumn) {
	needed := func(pos config.Pos, what, column string) {
		if column != DeletedAt && !slices.ContainsFunc(columns, func(c contractColumn) bool { return strings.EqualFold(c.Name, column) }) {
			l.problem(pos, "name the column in the contract with its type", "%s is about the column %q, which the contract at %s discards", what, column, entry.Pos())
		}
	}
	if s := n.Stream; s != nil {
		for _, key := range s.Key {
			needed(s.Origin.At("key"), "the key", key)
		}
		if s.Cursor != "" {
			needed(s.Origin.At("cursor"), "the cursor", s.Cursor)
		}
	}
	for _, w := range l.checks {
		for _, column := range w.Columns {
			if w.Node == n {
				needed(w.at("column"), w.Name, column)
			}
		}
	}
}

// unnamed refuses a check of the table that has the name already that a check of its contract will have.
func (l *loader) unnamed(n *Node, name string) {
	for _, w := range l.checks {
		if w.Node == n && w.Name == name {
			l.problem(w.at("name"), "give it another name", "%s is the name of a check of the contract of %s", name, n.Name())
		}
	}
}

// typedColumns are the table's own columns, with their types.
func (l *loader) typedColumns(columns []columnProperties) []contractColumn {
	var typed []contractColumn
	for _, c := range columns {
		if c.DataType == "" {
			l.problem(c.At("name"), "write data_type: beside the name, or columns: in the contract", "column %q has no data_type: a contract has the type of each column", c.Name)
			continue
		}
		typed = append(typed, contractColumn{Origin: c.Origin, Name: c.Name, Type: c.DataType, Nullable: true})
	}
	return typed
}

// columnType reads a column's type. Lint does not know what stands behind a reference.
func (l *loader) columnType(c contractColumn) (typ string, length int, ok bool) {
	if l.ColumnType == nil || l.resolve == nil && strings.Contains(c.Type, "${") {
		return c.Type, 0, true
	}
	if l.isDBT() && strings.EqualFold(c.Type, "hugeint") { // what DuckDB calls a sum of integers, and its files do not have
		c.Type = "DECIMAL(38,0)"
	}
	typ, length, err := l.ColumnType(c.Type)
	if err != nil {
		key := "type"
		if !c.Has(key) {
			key = "data_type"
		}
		l.problem(c.At(key), "", "column %q: %v", c.Name, err)
	}
	return typ, length, err == nil
}

// contractCheck gives the node one check of its contract.
func (l *loader) contractCheck(n *Node, entry *contractEntry, c *Check) {
	_ = config.Node{}.Decode(&c.CheckSettings) // the defaults
	c.Kind, c.Node = KindContract, n
	if c.ByRow() {
		c.Severity, c.ErrorIf = entry.Severity, entry.ErrorIf
	}
	l.addCheck(&written{Check: c, places: []config.Origin{entry.Origin}}, "")
}

// constraints makes columns that may not be NULL, and checks, of dbt's constraints.
func (l *loader) constraints(n *Node, p *promise, contract *Contract) {
	for _, c := range p.columns {
		for _, k := range c.Constraints {
			k.Columns = config.StringList{c.Name}
			l.constraint(n, p.entry, contract, k)
		}
	}
	for _, k := range p.constraints {
		l.constraint(n, p.entry, contract, k)
	}
}

// constraint makes one constraint what it means here.
func (l *loader) constraint(n *Node, entry *contractEntry, contract *Contract, k constraint) {
	for _, name := range k.Columns {
		column := contract.Column(name)
		if column == nil {
			l.problem(k.At("columns"), "", "constraint %s: the contract of %s has no column %q", k.Type, n.Name(), name)
			return
		}
		if k.Type == "not_null" || k.Type == "primary_key" {
			column.Nullable = false
		}
	}
	switch {
	case k.Type == "not_null":
	case k.Type == "unique", k.Type == "primary_key":
		l.constraintCheck(n, entry, k, "unique", &Unique{})
	case k.Type == "check" && k.Expression != "":
		args := &Expression{Expression: k.Expression, Null: "pass"}
		k.Columns = nil
		l.constraintCheck(n, entry, k, "expression", args)
	case k.Type == "foreign_key" && k.To != "":
		l.constraintCheck(n, entry, k, "relationships", &Relationships{To: k.To, Field: k.ToColumns})
	default:
		l.warning(k.Pos(), "write a check: expression:, relationships: or sql:", "constraint %s is not enforced: what it says is for another engine", k.Type)
	}
}

// constraintCheck gives the node the check that a constraint means, unless it has that one.
func (l *loader) constraintCheck(n *Node, entry *contractEntry, k constraint, kind string, args any) {
	c := &Check{Kind: kind, Node: n, Columns: k.Columns, Args: args, Pos: k.Pos()}
	has := func(other *Check) bool {
		return kind == "unique" && other.Kind == kind && other.Where == "" && slices.Equal(other.Columns, c.Columns)
	}
	if slices.ContainsFunc(n.Checks, has) {
		return
	}
	_ = config.Node{}.Decode(&c.CheckSettings) // the defaults
	c.Severity, c.ErrorIf = entry.Severity, entry.ErrorIf
	w := &written{Check: c, places: []config.Origin{k.Origin}}
	if l.validColumns(w, checkKinds[kind], len(c.Columns) > 0) && l.validArgs(w) {
		l.addCheck(w, k.Name)
	}
}

// entryOf is the contract that a table's properties have: their own, or that under dbt's config:.
func (l *loader) entryOf(n *Node, t tableProperties, c tableConfig) *contractEntry {
	if t.Contract != nil && c.Contract != nil {
		l.problem(c.Contract.Pos(), "remove one of them", "%s has two contracts; the other is at %s", n.Name(), t.Contract.Pos())
	}
	l.blank(n, t.Origin, t.Contract)
	l.blank(n, c.Origin, c.Contract)
	entry := cmp.Or(t.Contract, c.Contract)
	if entry == nil && l.enforced[n] {
		entry = &contractEntry{}
		_ = config.Node{}.Decode(entry) // the defaults
		entry.Origin = t.Origin
	}
	return entry
}
