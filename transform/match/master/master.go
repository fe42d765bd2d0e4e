package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// Job is an entity to match in a warehouse in which its sources, its code maps and its table of overrides are exposed.
type Job struct {
	Entity    *models.Entity
	Warehouse warehouse.Warehouse
	Dir       string        // new, empty: for what is written
	Before    golden.Tables // as published; they are exposed too
	Run       string
	At        time.Time       // logical time: what trust decays up to, and what xref says
	Rulings   steward.Rulings // of the file and the table of overrides
	Weights   *match.Weights  // nil trains
	Labels    string          // file of what people know to be the same, where the warehouse may read it; "" for none
	Full      bool            // compares everything, whatever has changed
	// AllowEmpty and AllowShrunken let tables be replaced by such that have lost all, or much, of what they had.
	AllowEmpty    bool
	AllowShrunken bool
	Threads       int
	Memory        int64 // bytes for edges: a quarter holds those that are found, before they are written to a file; 0 is a little
	Log           *slog.Logger
	// Together says when the files of the tables that each run adds to become one.
	Together warehouse.Together
	// Progress is told how many of the predicted pairs have been compared.
	Progress func(done, of int64)
}

// Matched is what an entity's tables are now.
type Matched struct {
	golden.Built
	Read warehouse.Equation // of the sources' rows
	// Quarantined are rows that are no records, in a file with Columns and those of every quarantine; nil when there are none.
	Quarantined *warehouse.File
	Columns     []warehouse.Column
	Expected    []golden.Expected
	Notes       []string
	Doubts      []string          // of the notes: reasons to think that clusters are not what they should be
	Decided     []string          // ids of all decisions that there were, whatever became of them
	Standing    map[string]string // those of the file that hold: see steward.Standing
	Weights     *match.Weights    // that were used
}

// Build makes the tables of an entity: standardizes its records, compares them, clusters them, and takes golden records from the clusters.
func Build(ctx context.Context, job Job) (*Matched, error) {
	m := &matching{Job: job}
	for _, step := range []func(context.Context) error{m.read, m.guardRecords, m.settle, m.records, m.weigh, m.decide, m.unchanged, m.compare, m.cluster, m.golden} {
		if err := errors.Join(fault.Point("match"), ctx.Err()); err != nil {
			return nil, err
		}
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &m.out, nil
}

// matching is one Build.
type matching struct {
	Job
	out     Matched
	reading *standardize.Reading
	rows    string   // what was read, as a table expression
	values  string   // and its records, with their numbers
	keptOut []string // why rows are no records, by source
	entity  *models.Entity
	*Prepared
	recordsFile warehouse.File
	engine      *match.Matcher
	scoring     *match.Scoring
	since       []bool // records that are new or have changed; nil compares all
	compared    int    // how many these are
	now         basis
	number      float64                   // of the basis
	named       map[steward.Record]uint32 // records that decisions name
	pairs       map[[2]uint32]match.Verdict
	counts      []match.Count // of all candidates, where training has counted them
	edges       []match.Edge
	labels      []uint32
	pushed      []golden.Pushed // pairs that what is forced keeps apart
}

// Prepared is an entity with its defaults, its plan and its records.
type Prepared struct {
	Plan    *match.Plan
	Records *match.Records
}

// path is a new file of the job.
func (m *matching) path(name string) string { return filepath.Join(m.Dir, name+".parquet") }

// from is a file as a table expression.
func (m *matching) from(f warehouse.File) string {
	return m.Warehouse.Dialect().Files([]string{f.Path})
}

// read reads the sources once, and keeps out what is no record.
func (m *matching) read(ctx context.Context) (err error) {
	if m.reading, err = standardize.NewReading(ctx, m.Warehouse, m.Entity); err != nil {
		return err
	}
	rows, err := m.Warehouse.Scratch(ctx, m.reading.Rows, m.path("rows"))
	if err != nil {
		return fmt.Errorf("standardize: %w", err)
	}
	m.rows = m.from(rows)
	equation, err := m.account(ctx)
	if err != nil {
		return err
	}
	m.out.Read = equation
	again, err := m.numbers(ctx, rows, equation.Get("records"))
	if err != nil {
		return err
	}
	out := equation.Get("quarantined")
	if again || out > 0 { // a row that is no record may have the key of one that is
		if err := m.unique(ctx); err != nil {
			return err
		}
	}
	return m.keepOut(ctx, out)
}

// account adds up the rows of the sources.
func (m *matching) account(ctx context.Context) (warehouse.Equation, error) {
	taken, err := m.Warehouse.Query(ctx, m.reading.Taken)
	if err != nil {
		return warehouse.Equation{}, fmt.Errorf("count the rows of the sources: %w", err)
	}
	counts, err := m.Warehouse.Query(ctx, m.reading.Counts(m.rows))
	if err != nil {
		return warehouse.Equation{}, err
	}
	equation := m.reading.Equation(taken, counts)
	if !equation.Closes() {
		hint := ""
		if equation.Get(standardize.FilteredTerm) > 0 {
			hint = "the where: of a source must say the same of a row whenever it is asked: without random(), nor times to the second"
		}
		return equation, match.Wrong(m.Entity.Pos, hint, "%w: %s", warehouse.ErrUnbalanced, equation)
	}
	return equation, nil
}

// unique refuses sources whose keys do not tell their rows apart.
func (m *matching) unique(ctx context.Context) error {
	repeated, err := m.Warehouse.Query(ctx, m.reading.Repeated(m.rows))
	if err != nil {
		return err
	}
	return m.reading.Unique(repeated)
}

// numbers numbers the records among the rows. again says that some have the key of another.
func (m *matching) numbers(ctx context.Context, rows warehouse.File, records int64) (again bool, err error) {
	f, err := m.Warehouse.Scratch(ctx, m.reading.Numbers(rows.Path), m.path("numbers"))
	if err != nil {
		return false, fmt.Errorf("number the records: %w", err)
	}
	if f.Rows != records {
		return false, fmt.Errorf("%w: of %d records %d were numbered", warehouse.ErrUnbalanced, records, f.Rows)
	}
	m.values = m.reading.NumberedBy(rows.Path, m.from(f))
	twice, err := m.Warehouse.Query(ctx, m.reading.Again(m.from(f)))
	if err != nil {
		return false, err
	}
	return twice.Rows[0][0] != int64(0), nil
}

// keepOut writes the rows that are no records where the quarantine is made of.
func (m *matching) keepOut(ctx context.Context, rows int64) error {
	if rows == 0 {
		return nil
	}
	query := m.reading.Quarantined(m.rows, m.Run, m.At)
	columns, err := m.Warehouse.Describe(ctx, query)
	if err != nil {
		return err
	}
	f, err := m.Warehouse.Write(ctx, query, m.path("quarantined"))
	if err != nil {
		return fmt.Errorf("keep rows out: %w", err)
	}
	if f.Rows != rows {
		return fmt.Errorf("%w: of %d rows that are no records %d were kept", warehouse.ErrUnbalanced, rows, f.Rows)
	}
	m.out.Quarantined, m.out.Columns = &f, columns[:len(columns)-quarantineColumns]
	reasons, err := m.Warehouse.Query(ctx, m.reading.Reasons(m.rows))
	if err != nil {
		return err
	}
	m.keptOut = m.reading.KeptOut(reasons)
	m.out.Notes = append(m.out.Notes, m.keptOut...)
	return nil
}

// quarantineColumns is how many columns a quarantine has behind those of its rows: see Reading.Quarantined.
const quarantineColumns = 5

// settle fills in what the entity's file leaves open, by what the records look like.
func (m *matching) settle(ctx context.Context) (err error) {
	m.entity = m.Entity.Clone()
	m.Prepared = &Prepared{}
	if match.Settled(m.entity) {
		match.Defaults(m.entity, match.Profile{})
		m.reading.Entity = m.entity
		m.Plan, err = match.Compile(m.entity)
		return err
	}
	fields := match.FieldsPlan(m.entity)
	records, _, err := m.readRecords(ctx, fields, "fields", m.Warehouse.Scratch)
	if err != nil {
		return err
	}
	profile := match.ProfileRecords(fields.Columns, records)
	match.Defaults(m.entity, profile)
	m.reading.Entity = m.entity
	m.out.Notes = append(m.out.Notes, profile.Warnings(m.entity)...)
	m.Plan, err = match.Compile(m.entity)
	return err
}

// readRecords writes the records of a plan to a file, by Write or Scratch of the warehouse, and reads it.
func (m *matching) readRecords(ctx context.Context, p *match.Plan, name string, write func(ctx context.Context, query, path string) (warehouse.File, error)) (*match.Records, warehouse.File, error) {
	query, err := m.reading.Records(p, m.values)
	if err != nil {
		return nil, warehouse.File{}, err
	}
	f, err := write(ctx, query, m.path(name))
	if err != nil {
		return nil, f, fmt.Errorf("write the records: %w", err)
	}
	r, err := match.ReadRecords(ctx, f.Path, p)
	return r, f, err
}

// records reads what is compared.
func (m *matching) records(ctx context.Context) (err error) {
	if m.Records, m.recordsFile, err = m.readRecords(ctx, m.Plan, "records", m.Warehouse.WriteAnew); err != nil {
		return err
	}
	if match.Settled(m.Entity) { // else settle has told
		profile := match.ProfileUse(m.Plan, m.Records)
		m.out.Notes = append(m.out.Notes, profile.Warnings(m.entity)...)
	}
	if m.engine, err = match.NewEngine(ctx, match.Config{Threads: m.Threads, Memory: m.Memory / 4, MostEdges: m.Memory / edgeCost, Temp: m.Dir,
		Progress: m.Progress}, m.Plan, m.Records); err != nil {
		return err
	}
	m.overflowed()
	return m.refused()
}

// weigh takes the weights of the file, or trains.
func (m *matching) weigh(ctx context.Context) (err error) {
	w := m.Job.Weights
	if w == nil {
		if w, err = match.Train(ctx, m.Plan, m.Records, &counting{Engine: m.engine, of: m}); err != nil {
			return fmt.Errorf("train: %w", err)
		}
		w.Plan = m.Plan.Hash
		for _, warning := range w.Training.Warnings {
			m.out.Notes = append(m.out.Notes, "training: "+warning)
		}
	}
	if err := m.fits(w); err != nil {
		return err
	}
	m.out.Weights = w
	m.scoring, err = match.NewScoring(m.Plan, w, m.Records)
	return err
}

// fits refuses weights that were found for other comparisons; nil fits.
func (m *matching) fits(w *match.Weights) error {
	if w == nil || w.Plan == m.Plan.Hash {
		return nil
	}
	return match.Wrong(m.Entity.Pos, fmt.Sprintf("millrace match train %s trains again", m.Entity.Name),
		"%s holds weights for other comparisons than entity %s has now", m.Entity.Weights, m.Entity.Name)
}

// decide finds the records that people have decided about.
func (m *matching) decide(ctx context.Context) error {
	m.pairs = map[[2]uint32]match.Verdict{}
	m.out.Decided, m.out.Standing = m.Rulings.Known, m.Rulings.Standing
	m.out.Notes = append(m.out.Notes, m.Rulings.Notes...)
	all := slices.Concat(m.Rulings.Match, m.Rulings.Split, m.Rulings.Pins)
	if len(all) == 0 {
		return nil
	}
	numbers, err := m.numbersOf(ctx, all)
	if err != nil {
		return err
	}
	m.named = numbers
	for verdict, decisions := range map[match.Verdict][]steward.Decision{match.Decided: m.Rulings.Match, match.Split: m.Rulings.Split} {
		for _, d := range decisions {
			a, hasA := numbers[d.A]
			b, hasB := numbers[d.B]
			if !hasA || !hasB {
				m.waits(d)
				continue
			}
			m.pairs[[2]uint32{min(a, b), max(a, b)}] = verdict
		}
	}
	for _, d := range m.Rulings.Pins {
		if _, has := numbers[d.A]; !has {
			m.waits(d)
		}
	}
	slices.Sort(m.out.Notes)
	return nil
}

// waits notes that a decision cannot be obeyed yet.
func (m *matching) waits(d steward.Decision) {
	told := d.String()
	if d.Place != "" {
		told += " (" + d.Place + ")"
	}
	var sources []string
	for _, s := range m.Plan.Sources {
		sources = append(sources, s.Name)
	}
	for _, r := range []steward.Record{d.A, d.B} {
		if r.Source != "" && !slices.Contains(sources, r.Source) {
			m.out.Notes = append(m.out.Notes, fmt.Sprintf("a decision waits for a source %q, which the entity does not have: %s: its sources are %s; revoke %s if it is gone for good",
				r.Source, told, strings.Join(sources, ", "), d.ID))
			return
		}
	}
	m.out.Notes = append(m.out.Notes, "a decision waits for a record that is not there: "+told)
}

// numbersOf are the numbers of the records that decisions name.
func (m *matching) numbersOf(ctx context.Context, decisions []steward.Decision) (map[steward.Record]uint32, error) {
	d := m.Warehouse.Dialect()
	bySource := map[string]int{}
	for i, s := range m.Plan.Sources {
		bySource[s.Name] = i
	}
	names := map[int]string{}
	var tuples []string
	for _, one := range decisions {
		records := []steward.Record{one.A, one.B}
		if one.Kind == steward.Pin {
			records = records[:1]
		}
		for _, r := range records {
			i, ok := bySource[r.Source]
			if !ok { // it was renamed, or taken away: see waits
				continue
			}
			names[i] = r.Source
			tuples = append(tuples, fmt.Sprintf("(%d, %s)", i, d.QuoteLiteral(r.Key)))
		}
	}
	slices.Sort(tuples)
	found := map[steward.Record]uint32{}
	for part := range slices.Chunk(slices.Compact(tuples), 10_000) {
		rows, err := m.Warehouse.Query(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s WHERE (%[1]s, %[2]s) IN (%[5]s)", d.QuoteIdent(match.SourceColumn), d.QuoteIdent(match.KeyColumn),
			d.QuoteIdent(match.RecColumn), m.from(m.recordsFile), strings.Join(part, ", ")))
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			found[steward.Record{Source: names[int(row[0].(int64))], Key: fmt.Sprint(row[1])}] = uint32(row[2].(int64))
		}
	}
	return found, nil
}

// edgeCost is how many bytes of Job.Memory there must be for an edge: until its cluster is known it is in a list, a map and an order.
const edgeCost = 64

// compare finds the edges.
func (m *matching) compare(ctx context.Context) error {
	edges, err := m.engine.Edges(ctx, m.since, m.keep)
	if errors.Is(err, match.ErrTooManyEdges) {
		return &match.Error{Pos: m.Entity.Pos, Err: err, Hint: fmt.Sprintf("compare what tells records apart, give blocking rules more keys, or let less be asked: decide: review is %g now; --memory gives more room", m.Plan.Review)}
	}
	if err != nil {
		return err
	}
	if m.since != nil {
		kept, err := m.kept(ctx)
		if err != nil {
			return err
		}
		edges = append(edges, kept...)
	}
	m.edges = m.withDecided(edges)
	return nil
}

// keep is the scoring's answer, unless somebody has decided about the pair.
func (m *matching) keep(a, b uint32, p match.Pattern) (float64, match.Verdict, bool) {
	if len(m.pairs) > 0 {
		if decided, known := m.pairs[[2]uint32{a, b}]; known {
			return m.scoring.Weight(a, b, p), decided, true
		}
	}
	return m.scoring.Keep(a, b, p)
}

// withDecided adds the pairs that somebody has decided about and no rule has made candidates.
func (m *matching) withDecided(edges []match.Edge) []match.Edge {
	there := map[[2]uint32]bool{}
	for i := range edges {
		if _, decided := m.pairs[[2]uint32{edges[i].A, edges[i].B}]; decided {
			there[[2]uint32{edges[i].A, edges[i].B}] = true
		}
	}
	for pair, verdict := range m.pairs {
		if !there[pair] {
			p := m.engine.Pattern(pair[0], pair[1])
			edges = append(edges, match.Edge{A: pair[0], B: pair[1], Pattern: p, Rules: m.engine.RulesOf(pair[0], pair[1]), Weight: m.scoring.Weight(pair[0], pair[1], p), Verdict: verdict})
		}
	}
	match.SortEdges(edges)
	return edges
}

// cluster makes clusters of the edges.
func (m *matching) cluster(ctx context.Context) (err error) {
	if m.labels, err = match.ClusterContext(ctx, m.Plan, m.scoring, m.engine, m.Records, m.edges); err != nil {
		return err
	}
	for _, doubt := range match.Doubts(m.Plan, m.scoring, m.engine, m.Records, m.edges, m.labels) {
		m.out.Doubts = append(m.out.Doubts, doubt)
		m.out.Notes = append(m.out.Notes, "clusters: "+doubt)
	}
	if err := m.obeyed(); err != nil {
		return err
	}
	return m.pushedOut(ctx)
}

// golden writes the tables.
func (m *matching) golden(ctx context.Context) error {
	found, err := m.found(ctx)
	if err != nil {
		return err
	}
	raw := m.reading.Values(m.values)
	columns, err := m.Warehouse.Describe(ctx, raw)
	if err != nil {
		return err
	}
	d := m.Warehouse.Dialect()
	g := &golden.Golden{Entity: m.entity, Plan: m.Plan, Dialect: d, Run: m.Run, At: m.At, Fields: goldenFields(columns), Levels: found.levels,
		Pins: m.pins(), Pushed: m.pushed, Cleaned: m.reading.Cleaned, Together: m.Together,
		From: golden.Relations{Records: m.from(m.recordsFile), Raw: "(\n" + raw + "\n)", Labels: m.from(found.labels), Edges: m.from(found.edges)}}
	if g.From.Blocks, err = m.blocks(ctx); err != nil {
		return err
	}
	known, err := m.onLabels(ctx)
	if err != nil {
		return err
	}
	built, err := g.Build(ctx, m.Warehouse, m.Dir, m.Before, append(found.figures, known...))
	if err != nil {
		return err
	}
	if err := m.guard("golden records", models.PartGolden, built.Tables[models.PartGolden].Rows); err != nil {
		return err
	}
	m.out.Built = *built
	m.out.Notes = append(m.out.Notes, built.Notes...)
	if err := m.publishRecords(ctx); err != nil {
		return err
	}
	m.out.Expected = golden.Expect(m.entity.Expect, built.Figures)
	return nil
}

// goldenFields are the columns of the raw file that golden records are made of.
func goldenFields(columns []warehouse.Column) []warehouse.Column {
	return slices.DeleteFunc(slices.Clone(columns), func(c warehouse.Column) bool {
		return slices.Contains([]string{match.RecColumn, match.SourceColumn, match.KeyColumn, match.UpdatedAtColumn}, c.Name) ||
			strings.HasSuffix(c.Name, standardize.ValidSuffix)
	})
}

// publishRecords makes a table of the standardized records.
func (m *matching) publishRecords(ctx context.Context) error {
	columns, err := m.Warehouse.Describe(ctx, "SELECT * FROM "+m.from(m.recordsFile))
	if err != nil {
		return err
	}
	rows, err := warehouse.CountRows(m.recordsFile.Path)
	if err != nil {
		return err
	}
	m.out.Tables[models.PartRecords] = &warehouse.Version{Name: warehouse.Name{Schema: m.entity.Schema, Table: m.entity.Table(models.PartRecords)},
		Columns: columns, Base: []warehouse.File{m.recordsFile}, Rows: rows}
	equation := warehouse.Equation{Name: "records", Rows: int64(m.Records.N), Terms: []warehouse.Term{{Name: "published", Rows: rows}}}
	m.out.Equations[models.PartRecords] = []warehouse.Equation{equation}
	if !equation.Closes() {
		return fmt.Errorf("%w: %s", warehouse.ErrUnbalanced, equation)
	}
	return nil
}

// Learn trains the weights of an entity from its records, and gives what there is to say about them. Of the job it needs the entity, the
// warehouse and the folder.
func Learn(ctx context.Context, job Job) (*match.Weights, []string, error) {
	job.Weights = nil
	m := &matching{Job: job}
	for _, step := range []func(context.Context) error{m.read, m.settle, m.records, m.weigh} {
		if err := step(ctx); err != nil {
			return nil, nil, err
		}
	}
	m.hideValues()
	return m.out.Weights, m.out.Notes, nil
}

// hideValues takes personal values out of weights that are to be a file.
func (m *matching) hideValues() {
	for i := range m.out.Weights.Comparisons {
		at := slices.IndexFunc(m.Plan.Comparisons, func(c match.Comparison) bool { return c.Name == m.out.Weights.Comparisons[i].Name })
		if at < 0 {
			continue
		}
		for _, column := range m.Plan.Comparisons[at].Columns {
			if slices.ContainsFunc(m.Plan.Columns[column].MadeOf(), m.entity.Node.IsPII) {
				m.out.Weights.Comparisons[i].Hide()
				break
			}
		}
	}
}
