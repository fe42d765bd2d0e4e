package models

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file makes an Entity of what its file says, without looking at any other file.

// entityDraft is an entity being read.
type entityDraft struct {
	l      *loader
	e      *Entity
	file   entityFile
	root   config.Node
	tables []pendingTable
	wrong  bool // something stands in the file that was not understood
}

// pendingTable is a table's name whose node is looked up when all nodes are known.
type pendingTable struct {
	text, what string
	pos        config.Pos
	set        func(*Node)
}

// entities reads them and makes their nodes.
func (l *loader) entities() {
	for _, file := range l.glob("entities", ".yml", ".yaml") {
		f := l.parse(file)
		if f == nil {
			continue
		}
		d := &entityDraft{l: l, root: f.Root(l.resolve), e: &Entity{Path: file, Pos: f.Root(nil).Pos()}}
		problems := f.Decode(&d.file, l.resolve)
		l.problems, d.wrong = append(l.problems, problems...), problems.HasErrors()
		if d.head() {
			d.read()
			l.entityNodes(d)
			l.p.Entities = append(l.p.Entities, d.e)
			l.drafts = append(l.drafts, d)
		}
	}
	if old := l.glob("entities", ".sql"); len(old) > 0 {
		l.warning(config.Pos{File: old[0]}, "write a model, and name it under sources:", "entities are YAML: this file is not read")
	}
}

var (
	entityName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	fieldName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// head names the entity.
func (d *entityDraft) head() bool {
	e, f := d.e, &d.file
	if e.Name = f.Entity; e.Name == "" {
		e.Name = stem(e.Path)
	}
	e.Description, e.Owner, e.Tags, e.Schema = f.Description, f.Owner, f.Tags, f.Schema
	if e.Schema == "" {
		e.Schema = d.l.defaultSchema()
	}
	if f.Origin.Has("entity") {
		e.Pos = f.Origin.At("entity")
	}
	if !entityName.MatchString(e.Name) || len(e.Name) > 100 {
		d.l.problem(e.Pos, "write entity: customer; use letters, digits and _", "entity name %q: it begins the names of tables", e.Name)
		return false
	}
	if other := d.l.p.Entity(e.Name); other != nil {
		d.l.problem(e.Pos, "rename one of them", "entity %q is defined at %s too", e.Name, other.Pos)
		return false
	}
	return true
}

// read settles what the file says by itself. The order is that in which fields are found.
func (d *entityDraft) read() {
	d.sources()
	d.standardize()
	for i := range d.file.Block {
		d.block(&d.file.Block[i])
	}
	d.comparisons()
	d.correlated()
	for i, text := range d.file.Never {
		d.e.Never = append(d.e.Never, d.condition(text, d.file.Origin.Item("never", i)))
	}
	for i, text := range d.file.Always {
		d.e.Always = append(d.e.Always, d.condition(text, d.file.Origin.Item("always", i)))
	}
	d.decide()
	d.clustering()
	d.survivorship()
	d.relations()
	d.expectations()
	for _, s := range d.e.Sources {
		for _, name := range slices.Sorted(maps.Keys(s.Columns)) {
			d.field(name, s.Pos)
		}
	}
	d.columnsApart()
	d.describe()
	if d.e.MaxPairs = d.file.MaxPairs; d.e.MaxPairs < 0 {
		d.l.problem(d.file.Origin.At("max_pairs"), "leave the key out for the default", "max_pairs: must not be negative")
	}
	d.e.AllowEmpty, d.e.MaxShrink = d.file.AllowEmpty, d.file.MaxShrink
	if len(d.e.Comparisons) == 0 && len(d.e.Always) == 0 && !d.file.Origin.Has("compare") && !d.wrong {
		d.l.problem(d.e.Pos, "write compare: [name, email], or always: [same tax_id]",
			"entity %s says nothing by which two records would be the same", d.e.Name)
	}
	if d.file.Origin.Has("compare") && d.root.Get("compare").IsList() && len(d.file.Compare.names) == 0 {
		d.l.problem(d.file.Origin.At("compare"), "write compare: [name, email]", "compare: names nothing")
	}
}

// goldenColumns are those of golden records that no field fills, and reservedFields are all columns of the tables that are no fields.
var (
	goldenColumns  = []string{"golden_id", "records", "sources", "first_seen", "last_changed"}
	reservedFields = append([]string{"source", "source_key", "run_id", "record_hash", "valid_from", "valid_to"}, goldenColumns...)
)

func isAmong(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// field returns the field of that name, which is one from now on.
func (d *entityDraft) field(name string, pos config.Pos) *Field {
	if f := d.e.Field(name); f != nil {
		return f
	}
	f := &Field{Name: name, Pos: pos}
	switch {
	case strings.Contains(name, "${"):
	case !fieldName.MatchString(name) || len(name) > 100:
		d.l.problem(pos, "give it a plain name, and under columns: of its source what it is read from",
			"%q cannot be a field's name: it is letters, digits and _", name)
	case isAmong(name, reservedFields):
		d.l.problem(pos, "give it another name, and under columns: of its source what it is read from",
			"%q cannot be a field's name: the entity's tables have a column of that name", name)
	}
	f.Of, f.Part = d.partOf(name)
	d.e.Fields = append(d.e.Fields, f)
	return f
}

// partOf finds the address that a field is a part of: by its part's name where there is one address, by <address>_<part> in any case.
func (d *entityDraft) partOf(name string) (*Field, string) {
	var addresses []*Field
	for _, f := range d.e.Fields {
		if f.IsAddress() {
			addresses = append(addresses, f)
		}
	}
	for _, a := range addresses {
		for _, part := range AddressParts {
			if strings.EqualFold(name, a.Name+"_"+part) || len(addresses) == 1 && strings.EqualFold(name, part) {
				return a, part
			}
		}
	}
	return nil, ""
}

// standardize reads the steps. All the fields are there before any step is read, for steps name fields; parts of addresses are found then.
func (d *entityDraft) standardize() {
	for name, entry := range d.file.Standardize.All() {
		f := d.field(name, d.file.Standardize.Key(name))
		if len(f.Steps) > 0 {
			d.l.problem(d.file.Standardize.Key(name), "put all steps into one list", "%q is standardized twice", name)
			continue
		}
		for _, s := range entry.steps {
			f.Steps = append(f.Steps, CleaningStep{Func: s.name, Pos: s.pos})
		}
	}
	for _, f := range d.e.Fields {
		if !f.IsAddress() {
			f.Of, f.Part = d.partOf(f.Name)
		}
	}
	for name, entry := range d.file.Standardize.All() {
		f := d.e.Field(name)
		if len(f.Steps) == len(entry.steps) {
			f.Steps = nil
			d.steps(f, entry.steps)
		}
	}
	d.turns()
}

// turns refuses fields that are each standardized by means of the other.
func (d *entityDraft) turns() {
	state := map[*Field]int{}
	var visit func(f *Field, pos config.Pos)
	visit = func(f *Field, pos config.Pos) {
		switch state[f] {
		case 1:
			d.l.problem(pos, "give one of the steps a constant", "%s is standardized by means of itself", f.Name)
			return
		case 2:
			return
		}
		state[f] = 1
		if f.Of != nil {
			visit(f.Of, f.Pos)
		}
		for _, s := range f.Steps {
			if other := d.e.Field(s.FieldArg("country")); other != nil {
				visit(other, s.Pos)
			}
		}
		state[f] = 2
	}
	for _, f := range d.e.Fields {
		visit(f, f.Pos)
	}
}

// sources reads them; their tables are found later.
func (d *entityDraft) sources() {
	list := d.root.Get("sources")
	if list.IsList() && len(d.file.Sources) == 0 {
		d.l.problem(list.Pos(), "name at least one table of records", "entity %s has no sources", d.e.Name)
	}
	for i := range d.file.Sources {
		d.source(&d.file.Sources[i], list.Items()[i].Pos())
	}
	if len(d.e.Sources) > 250 {
		d.l.problem(list.Pos(), "put some together in a model", "there are %d sources, and 250 at most can be told apart", len(d.e.Sources))
	}
}

func (d *entityDraft) source(in *entitySource, pos config.Pos) {
	if in.Table == "" {
		return // which was told already
	}
	at := func(key string) config.Pos {
		if in.Origin.Has(key) {
			return in.Origin.At(key)
		}
		return pos
	}
	s := &EntitySource{Name: in.Name, Key: in.Key, UpdatedAt: in.UpdatedAt, Trust: defaultTrust, DuplicateFree: in.DuplicateFree,
		Where:   in.Where,
		Columns: map[string]string{}, Pos: at("table")}
	if len(s.Key) == 0 {
		s.Key = d.file.Key
	}
	if len(s.Key) == 0 {
		d.l.problem(s.Pos, "write key: id in it, or once for all sources beside sources:",
			"source %s has no key: nothing would tell its records apart", in.Table)
	}
	if s.UpdatedAt == "" {
		s.UpdatedAt = d.file.UpdatedAt
	}
	if in.Trust != nil {
		s.Trust = *in.Trust
	}
	if s.Trust < 0 || s.Trust > 100 {
		d.l.problem(at("trust"), "", "trust: must be from 0 to 100, found %g", s.Trust)
	}
	if in.Decay != nil {
		d.decay(s, in, at("trust_decay"))
	}
	for name, expression := range in.Columns.All() {
		if _, twice := s.Columns[strings.ToLower(name)]; twice {
			d.l.problem(in.Columns.Key(name), "remove one", "the field %q is read from two columns", name)
		}
		s.Columns[strings.ToLower(name)] = expression
	}
	d.e.Sources = append(d.e.Sources, s)
	d.tables = append(d.tables, pendingTable{text: in.Table, what: "source", pos: s.Pos, set: func(n *Node) {
		s.Node = n
		if s.Name == "" {
			s.Name = n.Table
		}
		for _, other := range d.e.Sources {
			if other != s && other.Node != nil && strings.EqualFold(other.Name, s.Name) {
				d.l.problem(at("name"), "give it another by name:", "two sources are named %q", s.Name)
			}
		}
	}})
}

func (d *entityDraft) decay(s *EntitySource, in *entitySource, pos config.Pos) {
	s.HalfLife, s.Floor = in.Decay.HalfLife.Std(), in.Decay.Floor
	switch {
	case s.HalfLife <= 0:
		d.l.problem(pos, "write half_life: 365d", "trust_decay: half_life must be longer than nothing")
	case s.Floor < 0 || s.Floor > s.Trust:
		d.l.problem(pos, "", "trust_decay: floor must be from 0 to the trust of %g, found %g", s.Trust, s.Floor)
	case s.UpdatedAt == "":
		d.l.problem(pos, "add updated_at: and the column with the time of a record's last change",
			"trust_decay: nothing says how old a record is")
	}
}

// sqlWords are words in expressions that name no field.
var sqlWords = strings.Fields("and as asc between bigint boolean by case cast date decimal desc distinct double else end false from group ilike in integer interval is like not null " +
	"nulls or order over partition similar smallint then timestamp to true try_cast varchar when")

var wordSyntax = regexp.MustCompile(`'(?:[^']|'')*'|"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z0-9_]*)(\s*\(|\s*\.)?`)

// wordsOf are the columns that a SQL expression seems to name.
func wordsOf(expression string) []string {
	var words []string
	for _, m := range wordSyntax.FindAllStringSubmatch(expression, -1) {
		switch word := m[1] + m[2]; {
		case word == "" || m[3] != "" || m[1] == "" && slices.Contains(sqlWords, strings.ToLower(word)):
		case !slices.Contains(words, word):
			words = append(words, word)
		}
	}
	return words
}

// block reads a rule.
func (d *entityDraft) block(in *blockEntry) {
	r := &BlockingRule{Name: in.Name, Top: in.Top, MaxBlock: in.MaxBlock, OnOverflow: in.OnOverflow, Pos: in.pos}
	at := func(i int) config.Pos {
		if in.keys.IsList() {
			return in.keys.Items()[i].Pos()
		}
		return in.keys.Pos()
	}
	switch {
	case len(in.Keys) > 0 && len(in.Similar) > 0:
		d.l.problem(in.pos, "write two rules", "a rule has keys, or looks for what is similar")
		return
	case len(in.Keys) == 0 && len(in.Similar) == 0:
		d.l.problem(in.pos, "write [email], or {similar: [title], top: 20}",
			"the rule has no keys: every record would be compared with every other")
		return
	case in.MaxBlock < 0 || in.MaxBlock == 1:
		d.l.problem(in.Origin.At("max_block"), "", "max_block: must be 2 at least, or 0 for any number")
	case in.Origin.Has("on_overflow") && in.MaxBlock == 0:
		d.l.warning(in.Origin.Key("on_overflow"), "add max_block: 2000", "on_overflow has no effect without max_block")
	case in.Origin.Has("top") && len(in.Similar) == 0:
		d.l.warning(in.Origin.Key("top"), "it belongs to similar:", "top has no effect on a rule with keys")
	}
	if len(in.Similar) == 0 {
		r.Top = 0
	}
	for i, name := range in.Similar {
		r.Similar = append(r.Similar, d.field(name, in.Origin.Item("similar", i)).Name)
	}
	for i, text := range in.Keys {
		if fieldName.MatchString(text) {
			r.Keys = append(r.Keys, BlockingKey{Field: d.field(text, at(i)).Name})
			continue
		}
		for _, word := range wordsOf(text) {
			d.field(word, at(i))
		}
		if !balanced(text) || strings.TrimSpace(text) == "" {
			d.l.problem(at(i), "a bracket or a quote of it is not closed", "%q is no SQL expression", text)
		}
		r.Keys = append(r.Keys, BlockingKey{SQL: text})
	}
	if r.Name == "" {
		r.Name = strings.Join(slices.Concat(in.Keys, in.Similar), " + ")
	}
	for _, other := range d.e.Blocking {
		if other.Name == r.Name {
			d.l.problem(in.pos, "remove one, or give it a name:", "two rules are named %q", r.Name)
		}
	}
	d.e.Blocking = append(d.e.Blocking, r)
	if len(d.e.Blocking) == 33 {
		d.l.problem(in.pos, "leave out those that find the least", "there are more than 32 rules")
	}
}

// correlated reads groups of comparisons.
func (d *entityDraft) correlated() {
	in := map[string]bool{}
	for _, c := range d.file.Correlated {
		out := &Correlated{MaxWeight: c.MaxWeight, Pos: c.list.Pos()}
		for i, name := range c.Fields {
			pos := c.list.Pos()
			if c.list.IsList() {
				pos = c.list.Items()[i].Pos()
			}
			comparison := d.e.Comparison(name)
			switch {
			case comparison == nil:
				d.l.problem(pos, suggested(name, d.e.comparisonNames(), "comparisons"), "correlated: nothing is compared by the name %q", name)
				continue
			case in[comparison.Name]:
				d.l.problem(pos, "put the two groups together", "correlated: %q is named twice", name)
			}
			in[comparison.Name] = true
			out.Comparisons = append(out.Comparisons, comparison.Name)
		}
		if len(c.Fields) == 1 {
			d.l.problem(c.list.Pos(), "name two comparisons at least", "correlated: %s alone depends on nothing", c.Fields[0])
		}
		if c.MaxWeight < 0 {
			d.l.problem(c.Origin.At("max_weight"), "write max_weight: 20", "max_weight: must be greater than 0")
		}
		d.e.Correlated = append(d.e.Correlated, out)
	}
}

// decide reads the probabilities.
func (d *entityDraft) decide() {
	node := d.file.Decide
	if node.IsZero() {
		node = d.file.Thresholds
	} else if !d.file.Thresholds.IsZero() {
		d.l.problem(d.file.Origin.Key("thresholds"), "remove one of them", "decide: and thresholds: say the same")
	}
	var keys decideKeys
	d.l.problems = append(d.l.problems, node.Decode(&keys)...)
	d.e.Auto, d.e.Review = keys.Auto, keys.Review
	origin := node.Origin()
	for _, one := range []struct {
		key   string
		value float64
	}{{"auto", keys.Auto}, {"review", keys.Review}} {
		if origin.Has(one.key) && one.value <= 0 || one.value > 1 {
			d.l.problem(origin.At(one.key), "write auto: 0.98, review: 0.60", "%s: a probability is greater than 0, and 1 at most, found %g",
				one.key, one.value)
			return
		}
	}
	switch {
	case keys.Auto > 0 && keys.Review > keys.Auto:
		d.l.problem(origin.At("review"), "a steward is asked below the probability from which pairs match", "review: %g is greater than auto: %g",
			keys.Review, keys.Auto)
	case keys.Auto == 0 && keys.Review > d.usualAuto():
		d.l.problem(origin.At("review"), "write auto: too, above it", "review: %g is greater than auto:, which is %g unless it is written",
			keys.Review, d.usualAuto())
	}
}

// usualAuto is auto: where it is not written.
func (d *entityDraft) usualAuto() float64 {
	method := d.file.Cluster.Method
	again := slices.ContainsFunc(d.e.Sources, func(s *EntitySource) bool { return !s.DuplicateFree })
	if method == "one_to_one" || method == "" && len(d.e.Sources) > 1 && !again {
		return UsualAutoOne
	}
	return UsualAuto
}

func (d *entityDraft) clustering() {
	c := d.file.Cluster
	d.e.Cluster = Clustering{Method: c.Method, MinMeanWeight: c.MinMeanWeight, MaxSize: c.MaxSize, Pos: c.Origin.Pos()}
	if c.MaxSize != nil && (*c.MaxSize < 0 || *c.MaxSize == 1) {
		d.l.problem(c.Origin.At("max_size"), "", "max_size: must be 2 at least, or 0 for any number")
	}
	if c.Method == "one_to_one" && !slices.ContainsFunc(d.e.Sources, func(s *EntitySource) bool { return s.DuplicateFree }) {
		d.l.problem(c.Origin.At("method"), "add duplicate_free: true to them", "one_to_one needs sources without duplicates")
	}
	d.weights()
}

// weights adds the file to the project's definitions.
func (d *entityDraft) weights() {
	d.decisions()
	d.labels()
	w := d.file.Weights
	if d.e.Weights = w.From; !d.inProject("weights", w.From, "entities/"+d.e.Name+".match.json", w.pos) {
		return
	}
	if _, err := d.l.read(path.Clean(w.From)); err != nil {
		d.l.warning(w.pos, "millrace match train "+d.e.Name+" writes it; until then no run matches", "weights: %s is not there", w.From)
	}
}

// decisions are the file that stewards' decisions are written to: one in the project, of this entity alone.
func (d *entityDraft) decisions() {
	d.e.Decisions = path.Join(path.Dir(d.e.Path), d.e.Name+".decisions.csv")
	pos := d.file.Origin.At("decisions")
	if d.inProject("decisions", d.file.Decisions, d.e.Decisions, pos) {
		d.e.Decisions = path.Clean(d.file.Decisions)
	}
	for _, other := range d.l.p.Entities {
		if other.Decisions == d.e.Decisions {
			d.l.problem(pos, "give each a file of its own", "decisions: %s has those of entity %s", d.e.Decisions, other.Name)
		}
	}
}

// labels are the file that a run's figures on labels are counted against.
func (d *entityDraft) labels() {
	in := d.file.Labels
	d.e.Labels, d.e.Complete = in.From, in.Complete
	if !d.inProject("labels", in.From, "entities/"+d.e.Name+".labels.csv", in.pos) {
		return
	}
	switch ext := strings.ToLower(path.Ext(in.From)); ext {
	case ".csv", ".parquet":
	default:
		d.l.problem(in.pos, "write them as .csv or .parquet", "labels: %s is no file of a kind that is known", in.From)
		return
	}
	if _, err := d.l.read(path.Clean(in.From)); err != nil {
		d.l.problem(in.pos, "a CSV file with the columns source, key and cluster says which records are the same", "labels: %s is not there",
			in.From)
	}
}

// inProject refuses a file that lies elsewhere; false, too, when there is none to look at.
func (d *entityDraft) inProject(key, file, example string, pos config.Pos) bool {
	if file == "" || strings.Contains(file, "${") {
		return false
	}
	if clean := path.Clean(file); path.IsAbs(file) || clean == ".." || strings.HasPrefix(clean, "../") {
		d.l.problem(pos, "write "+example, "%s: the file lies in the project", key)
		return false
	}
	return true
}

func (d *entityDraft) relations() {
	for _, r := range d.file.Relate {
		out := &EntityRelation{Name: r.Name, Pos: r.Origin.At("name")}
		switch {
		case r.Name != "" && !fieldName.MatchString(r.Name):
			d.l.problem(out.Pos, "use letters, digits and _", "relation %q: it becomes a column's name", r.Name)
		case len(r.By) > 0 == (r.Hierarchy != ""):
			d.l.problem(r.Origin.Pos(), "write by: [last_name, address], or hierarchy: parent_id",
				"relation %s: golden records belong together by fields, or by a parent", r.Name)
		}
		for i, name := range r.By {
			out.By = append(out.By, d.field(name, r.Origin.Item("by", i)).Name)
		}
		if r.Hierarchy != "" {
			out.Hierarchy = d.field(r.Hierarchy, r.Origin.At("hierarchy")).Name
		}
		for _, other := range d.e.Relations {
			if strings.EqualFold(other.Name, r.Name) {
				d.l.problem(out.Pos, "rename one of them", "two relations are named %q", r.Name)
			}
		}
		d.e.Relations = append(d.e.Relations, out)
	}
}

// Column is what golden records have the relation in.
func (r *EntityRelation) Column() string { return r.Name + "_id" }

// columnsApart refuses what would give the golden records two columns of one name. It is called when all fields are known.
func (d *entityDraft) columnsApart() {
	for _, f := range d.e.Survive.Fields {
		if isAmong(f.Name, goldenColumns) && d.e.Field(f.Name) == nil { // of a field it was told
			d.l.problem(f.Pos, "give it another name", "survive: golden records have a column %s of their own", f.Name)
		}
	}
	for _, r := range d.e.Relations {
		switch column := r.Column(); {
		case isAmong(column, goldenColumns):
			d.l.problem(r.Pos, "give it another name", "relation %s: golden records have a column %s of their own", r.Name, column)
		case isAmong(column, d.e.GoldenFields()):
			d.l.problem(r.Pos, "rename one of the two", "relation %s: golden records have it as %s, and a field is named so too", r.Name, column)
		}
	}
}

var expectSyntax = regexp.MustCompile(`^\s*(=|==|!=|<>|>|>=|<|<=)\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*$`)

// expectations reads expect:.
func (d *entityDraft) expectations() {
	for metric, in := range d.file.Expect.All() {
		pos := d.file.Expect.Key(metric)
		if EntityMetrics[metric] == "" {
			d.l.problem(pos, suggested(metric, slices.Sorted(maps.Keys(EntityMetrics)), "metrics"), "expect: no figure is named %q", metric)
			continue
		}
		m := expectSyntax.FindStringSubmatch(in.Is)
		if m == nil {
			if in.pos != (config.Pos{}) && !strings.Contains(in.Is, "${") { // what is no condition at all was told
				d.l.problem(in.pos, `write "<= 50", or ">= 0.97", or "<= 2%"`, "expect: %q is no condition", in.Is)
			}
			continue
		}
		number, err := strconv.ParseFloat(m[2], 64)
		if m[3] == "%" {
			number /= 100
		}
		if strings.HasSuffix(metric, "_on_labels") && d.file.Labels.From == "" {
			d.l.problem(pos, "write labels: entities/"+d.e.Name+".labels.csv", "expect: %s is counted on labels, and the entity has none", metric)
			continue
		}
		share := strings.HasSuffix(metric, "_share") || strings.HasSuffix(metric, "_churn") || strings.HasSuffix(metric, "_labels")
		switch {
		case err != nil:
			d.l.problem(in.pos, "", "expect: %v", err)
		case share && number > 1:
			d.l.problem(in.pos, "write 0.02 for 2 %", "expect: %s is a share, between 0 and 1", metric)
		case !share && m[3] == "%":
			d.l.problem(in.pos, "write a number", "expect: %s is no share", metric)
		}
		op := map[string]string{"==": "=", "<>": "!="}[m[1]]
		if op == "" {
			op = m[1]
		}
		d.e.Expect = append(d.e.Expect, &Expectation{Metric: metric, Condition: Condition{Op: op}, Number: number, Severity: in.Severity,
			Pos: in.pos})
	}
}

// describe attaches what is said of fields. Whether their columns are personal is settled when those that they are read from are known.
func (d *entityDraft) describe() {
	known := slices.Clone(goldenColumns)
	for _, f := range d.e.Fields {
		known = append(known, f.Name)
	}
	for _, s := range d.e.Survive.Fields {
		known = append(known, s.Name)
	}
	for _, r := range d.e.Relations {
		known = append(known, r.Name, r.Column())
	}
	for name, in := range d.file.Describe.All() {
		if !isAmong(name, known) && !d.isPart(name) {
			d.l.problem(d.file.Describe.Key(name), suggested(name, known, "fields"), "describe: there is no field %q", name)
			continue
		}
		if f := d.e.Field(name); f != nil {
			f.Doc, f.PII = in.Meaning, in.PII != nil && *in.PII
		}
	}
}

// isPart says whether a name is that of a part of an address that nothing else has named, and makes it a field.
func (d *entityDraft) isPart(name string) bool {
	of, _ := d.partOf(name)
	if of == nil {
		return false
	}
	d.field(name, d.file.Describe.Key(name))
	return true
}

// Comparison returns the comparison of that name, or nil.
func (e *Entity) Comparison(name string) *Comparison {
	for _, c := range e.Comparisons {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

func (e *Entity) comparisonNames() []string {
	var names []string
	for _, c := range e.Comparisons {
		names = append(names, c.Name)
	}
	return names
}

// IsAddress says whether the field is an address line, which other fields are parts of.
func (f *Field) IsAddress() bool {
	return len(f.Steps) > 0 && f.Steps[len(f.Steps)-1].Func == StepAddress
}

// FieldArg is the field that an argument of the step names, "" when it is none.
func (s CleaningStep) FieldArg(name string) string {
	text, _ := s.Args[name].(string)
	field, is := strings.CutPrefix(text, "=")
	if !is {
		return ""
	}
	return field
}
