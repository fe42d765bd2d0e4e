package warehouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Strategy is how landed rows meet published ones.
type Strategy string

const (
	// ByKey keeps one row per key: the greatest by (cursor is there, cursor, whole row), so that windows may be
	// merged in any order, or twice. Latest and Later prefer the landed row; without a cursor it always wins.
	ByKey Strategy = "merge"
	// DeleteInsert replaces all rows of the landed keys; keys may repeat, in the result too, whose Key is empty. A row with a NULL in
	// its key is added and replaces none.
	DeleteInsert Strategy = "delete+insert"
	// OverwritePartitions is DeleteInsert by the columns that say which partition a row is of, for which NULL is one like others.
	OverwritePartitions Strategy = "insert_overwrite"
	// ReplaceWhere takes out the rows of which the predicates are true, whatever has landed; it has no key.
	ReplaceWhere Strategy = "replace_where"
)

// MergeInput is one run's share of a keyed table.
type MergeInput struct {
	Name     Name
	Prev     *Version // the published version, paths absolute; nil: none
	Landed   []File   // this run's rows; none has a NULL key
	Columns  []Column // of Landed; nil: they are asked from the files
	Key      []string
	Cursor   string   // a column, or "": the order of arrival decides
	Strategy Strategy // "" is ByKey
	// Predicates are conditions, as SQL, on the published rows that may be touched: see Dialect.Touched. By ByKey they must be true of each
	// row whose key is landed, or the key would be there twice.
	Predicates []string
	// Keep are columns that published rows, one a key, keep as they are where a landed row updates the others.
	Keep    []string
	Deleted []File // key columns: rows to take out, present or not, unless the key is landed as well
	Dir     string // an existing folder that is this merge's alone; kept files are named base-*, upserts-*…

	// Latest says that the landed rows are the source's state at one moment, later than that of every merge before:
	// they replace published rows whatever the cursors are, for a DATE cursor stands still and a clock may be set back.
	Latest bool

	// Later says that the landed rows were read later than published ones of an equal cursor: they replace those. It is for
	// rows that may be older than what was published since, which their cursor tells.
	Later bool

	// Present are files with the key of every row that the source has, as of the same moment as Landed. Keys may
	// repeat, and be of a narrower type; a row without a key is passed over. Published rows that are neither there nor
	// landed are gone. HasPresent says that the keys were taken: they may be none, and then all rows are gone.
	Present    []File
	HasPresent bool

	// Mark is a column, the table's last, for the moment at which a row was found to be gone: such a row (by Present
	// or Deleted) stays, and gets MarkedAt there. A row that lands again loses its mark. "": gone rows are deleted.
	Mark     string
	MarkedAt time.Time

	SmallBytes int64   // a base of at most so many bytes is rewritten rather than given a delta; 0: 64 MB
	DeltaShare float64 // delta rows beyond this share of the base's are folded in; 0: 0.15
}

// MergeResult is the next version and the account of its rows.
type MergeResult struct {
	Version   Version
	Written   []File // the version's files that Merge wrote
	Equations []Equation
	// Missed counts the keys in Present of which the new version has no row, or a marked one: the source has a row
	// that never landed, because the cursor does not see it.
	Missed int64
}

// ErrUnbalanced is wrapped by the error of a Merge whose equations do not close: rows were lost or doubled on the way.
var ErrUnbalanced = errors.New("rows are not accounted for")

// Get is a term of one of the result's equations, 0 when there is none.
func (r *MergeResult) Get(equation, term string) int64 {
	for _, e := range r.Equations {
		if e.Name == equation {
			return e.Get(term)
		}
	}
	return 0
}

// Merge brings landed rows into a keyed table. It writes files into in.Dir and changes nothing else; what it needed
// on the way is removed. The equations are
//
//	landed    = inserted + updated + unchanged + superseded
//	changed   = inserted + updated         (+ marked, with a Mark)
//	before    = kept + deleted             (or + marked; with Present or Deleted)
//	upserts   = kept + changed             (when a delta was merged into an older one)
//	published = before + inserted − deleted
//	present   = found + missed + keyless   (with Present)
//	merged    = landed                     (with Keep: rows that were given what they keep)
//
// and no term comes from another: landed is what the writers of the parts counted, inserted, deleted… are counted
// among the decisions, changed in the files of changes, published in the new version, found there too. When one does
// not close, the error wraps ErrUnbalanced and the result is there to be shown.
func Merge(ctx context.Context, w Warehouse, in MergeInput) (*MergeResult, error) {
	m := &merger{w: w, d: w.Dialect(), in: in}
	defer m.clean()
	if err := m.prepare(ctx); err != nil {
		return nil, fmt.Errorf("merge %s: %w", in.Name, err)
	}
	run := m.byKey
	if in.replaces() {
		run = m.deleteInsert
	}
	if err := run(ctx); err != nil {
		return nil, fmt.Errorf("merge %s: %w", in.Name, err)
	}
	for _, e := range m.out.Equations {
		if !e.Closes() {
			return &m.out, fmt.Errorf("merge %s: %w: %s", in.Name, ErrUnbalanced, e)
		}
	}
	return &m.out, nil
}

// replaces says whether rows are replaced by groups, and not one by one.
func (in *MergeInput) replaces() bool {
	return in.Strategy == DeleteInsert || in.Strategy == OverwritePartitions || in.Strategy == ReplaceWhere
}

type merger struct {
	w       Warehouse
	d       *Dialect
	in      MergeInput
	columns []Column // of the next version
	stats   keyStats
	scratch []string // files to remove
	out     MergeResult
}

type keyStats struct{ rows, keys, repeated, nulls int64 }

// prepare checks the input and counts the landed keys.
func (m *merger) prepare(ctx context.Context) error {
	in := &m.in
	if in.SmallBytes == 0 {
		in.SmallBytes = 64 << 20
	}
	if in.DeltaShare == 0 {
		in.DeltaShare = 0.15
	}
	landed := in.Columns
	if landed == nil && len(in.Landed) > 0 {
		var err error
		if landed, err = m.w.Describe(ctx, "SELECT * FROM "+m.d.Files(Paths(in.Landed))); err != nil {
			return err
		}
	}
	var prev []Column
	if p := in.Prev; p != nil {
		switch {
		case p.View != "":
			return errors.New("the published version is a view")
		case !in.replaces() && !slices.EqualFunc(p.Key, in.Key, strings.EqualFold):
			return fmt.Errorf("the key was (%s) and is (%s): reload the table in full", strings.Join(p.Key, ", "), strings.Join(in.Key, ", "))
		}
		prev = p.Columns
	}
	var err error
	if m.columns, err = UnionColumns(prev, landed); err != nil {
		return err
	}
	if in.Strategy == ReplaceWhere {
		m.stats.rows, err = m.count(ctx, m.d.Scan(in.Landed, m.columns))
		return err
	}
	if err := m.resolveNames(); err != nil {
		return err
	}
	if err := m.prepareGone(ctx); err != nil {
		return err
	}
	if len(in.Landed) == 0 {
		return nil
	}
	return m.countKeys(ctx)
}

// resolveNames spells key and cursor as the columns do.
func (m *merger) resolveNames() error {
	find := func(name string) (string, error) {
		for _, c := range m.columns {
			if strings.EqualFold(c.Name, name) {
				return c.Name, nil
			}
		}
		return "", fmt.Errorf("there is no column %q", name)
	}
	if len(m.in.Key) == 0 {
		return errors.New("a key is needed")
	}
	key := make([]string, len(m.in.Key))
	for i, k := range m.in.Key {
		name, err := find(k)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		key[i] = name
	}
	m.in.Key = key
	if m.in.Cursor != "" {
		name, err := find(m.in.Cursor)
		if err != nil {
			return fmt.Errorf("cursor: %w", err)
		}
		m.in.Cursor = name
	}
	return nil
}

func (m *merger) countKeys(ctx context.Context) error {
	row, err := m.row(ctx, m.d.KeyStats(m.d.Scan(m.in.Landed, m.only(m.in.Key...)), m.in.Key))
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	m.stats = keyStats{row[0], row[1], row[2], row[3]}
	if m.stats.nulls > 0 && !m.in.replaces() {
		return fmt.Errorf("%d landed rows have no key", m.stats.nulls)
	}
	return nil
}

// byKey is the strategy of one row per key.
func (m *merger) byKey(ctx context.Context) error {
	winners, err := m.winners(ctx)
	if err != nil {
		return err
	}
	prev := m.in.Prev
	if prev == nil || prev.Rows == 0 && len(prev.Files()) == 0 {
		m.first(winners)
		return m.missed(ctx)
	}
	if err := m.untouched(ctx, winners); err != nil {
		return err
	}
	if winners, err = m.keeping(ctx, winners); err != nil {
		return err
	}
	counts, changes, err := m.changes(ctx, winners)
	if err != nil {
		return err
	}
	inserted, updated := Term{Name: "inserted", Rows: counts["inserted"]}, Term{Name: "updated", Rows: counts["updated"]}
	m.account("landed", rowsOf(m.in.Landed), inserted, updated,
		Term{Name: "unchanged", Rows: counts["unchanged"]}, Term{Name: "superseded", Rows: counts["superseded"] + m.stats.repeated})
	deletes, err := m.gone(ctx, winners)
	if err != nil {
		return err
	}
	terms := []Term{inserted, updated}
	if m.in.Mark != "" {
		marked, err := m.mark(ctx, deletes)
		if err != nil {
			return err
		}
		terms = append(terms, Term{Name: "marked", Rows: rowsOf(deletes)})
		changes, deletes = slices.Concat(changes, marked), nil
	}
	m.account("changed", rowsOf(changes), terms...)
	published, err := m.publish(ctx, changes, deletes)
	if err != nil {
		return err
	}
	m.account("published", published, Term{Name: "before", Rows: prev.Rows}, inserted, Term{Name: "deleted", Rows: rowsOf(deletes), Minus: true})
	return m.missed(ctx)
}

// winners are files with one row for each landed key: the landed ones themselves when no key repeats.
func (m *merger) winners(ctx context.Context) ([]File, error) {
	if m.stats.repeated == 0 {
		return m.in.Landed, nil
	}
	f, err := m.write(ctx, "base-winners", m.d.Winners(m.d.Scan(m.in.Landed, m.columns), m.columns, m.in.Key, m.in.Cursor))
	if err != nil {
		return nil, fmt.Errorf("pick the row of each key: %w", err)
	}
	return []File{f}, nil
}

// first makes the first version: the winners are the table.
func (m *merger) first(winners []File) {
	m.version(winners, nil, nil, rowsOf(winners))
	m.account("landed", rowsOf(m.in.Landed), Term{Name: "inserted", Rows: m.stats.keys}, Term{Name: "updated"},
		Term{Name: "unchanged"}, Term{Name: "superseded", Rows: m.stats.repeated})
	m.account("published", rowsOf(winners), Term{Name: "before"}, Term{Name: "inserted", Rows: m.stats.keys}, Term{Name: "deleted", Minus: true})
}

// changes decides what becomes of each winner and gives the files with those that change the table. Whole published
// rows are read only where the cursor and the mark do not decide.
func (m *merger) changes(ctx context.Context, winners []File) (map[string]int64, []File, error) {
	if rowsOf(winners) == 0 {
		return map[string]int64{}, nil, nil
	}
	order := Order{Cursor: m.in.Cursor, Latest: m.in.Latest, Later: m.in.Later, Mark: m.in.Mark}
	read := m.columns
	if c := m.in.Cursor; c != "" {
		if read = m.only(m.in.Key...); !slices.Contains(m.in.Key, c) {
			read = append(read, m.only(c)...)
		}
		read = append(read, m.only(m.in.Mark)...)
	}
	decided, err := m.temp(ctx, "decisions", m.d.Classify(m.d.Scan(winners, read), m.published(read), read, m.in.Key, order))
	if err != nil {
		return nil, nil, fmt.Errorf("compare with what is published: %w", err)
	}
	decisions := m.d.Scan([]File{decided}, m.decisionColumns())
	counts, err := m.outcomes(ctx, decisions)
	if err != nil {
		return nil, nil, err
	}
	if counts["tie"] > 0 {
		settled, err := m.temp(ctx, "ties", m.d.Ties(m.d.Scan(winners, m.columns), m.published(m.columns), decisions, m.columns, m.in.Key, order))
		if err != nil {
			return nil, nil, fmt.Errorf("compare rows: %w", err)
		}
		ties := m.d.Scan([]File{settled}, m.decisionColumns())
		more, err := m.outcomes(ctx, ties)
		if err != nil {
			return nil, nil, err
		}
		for o, n := range more {
			counts[o] += n
		}
		decisions = m.d.Union(m.d.Having(decisions, "inserted", "updated"), ties)
	}
	switch counts["inserted"] + counts["updated"] {
	case 0:
		return counts, nil, nil
	case rowsOf(winners): // all of them: the bytes are written already
		return counts, winners, nil
	}
	f, err := m.write(ctx, "upserts-changes", m.d.Among(m.d.Scan(winners, m.columns), m.d.Having(decisions, "inserted", "updated"), m.in.Key))
	if err != nil {
		return nil, nil, fmt.Errorf("collect changes: %w", err)
	}
	return counts, []File{f}, nil
}

func (m *merger) decisionColumns() []Column {
	return append(m.only(m.in.Key...), Column{outcome, "VARCHAR"})
}

func (m *merger) outcomes(ctx context.Context, decisions string) (map[string]int64, error) {
	r, err := m.w.Query(ctx, m.d.Outcomes(decisions))
	if err != nil {
		return nil, fmt.Errorf("count outcomes: %w", err)
	}
	counts := map[string]int64{}
	for _, row := range r.Rows {
		name, _ := row[0].(string)
		counts[name], _ = row[1].(int64)
	}
	return counts, nil
}

// publish makes the next version of the changes and counts its rows.
func (m *merger) publish(ctx context.Context, changes, deletes []File) (int64, error) {
	prev, key := m.in.Prev, m.only(m.in.Key...)
	if len(changes)+len(deletes) == 0 {
		m.out.Version = *prev
		m.out.Version.Name = m.in.Name
		m.out.Version.Columns = m.withMark(prev.Columns)
		return m.count(ctx, m.published(key))
	}
	hidden := m.keys(changes, deletes)
	delta := float64(rowsOf(prev.Upserts) + rowsOf(prev.Deletes) + rowsOf(changes) + rowsOf(deletes))
	if bytesOf(prev.Base) <= m.in.SmallBytes || delta > m.in.DeltaShare*float64(rowsOf(prev.Base)) {
		base, err := m.write(ctx, "base-folded", m.d.Union(m.d.Without(m.published(m.columns), hidden, m.in.Key), m.d.Scan(changes, m.columns)))
		if err != nil {
			return 0, fmt.Errorf("rewrite: %w", err)
		}
		m.version([]File{base}, nil, nil, base.Rows)
		return base.Rows, nil
	}
	upserts := changes
	if len(prev.Upserts) > 0 {
		kept, err := m.count(ctx, m.d.Without(m.d.Scan(prev.Upserts, key), hidden, m.in.Key))
		if err != nil {
			return 0, err
		}
		f, err := m.write(ctx, "upserts-folded", m.d.Union(m.d.Without(m.d.Scan(prev.Upserts, m.columns), hidden, m.in.Key), m.d.Scan(changes, m.columns)))
		if err != nil {
			return 0, fmt.Errorf("join deltas: %w", err)
		}
		m.account("upserts", f.Rows, Term{Name: "kept", Rows: kept}, Term{Name: "changed", Rows: rowsOf(changes)})
		upserts = []File{f}
	}
	m.version(prev.Base, upserts, append(slices.Clone(prev.Deletes), deletes...), 0)
	next := m.out.Version
	next.Columns = key
	published, err := m.count(ctx, m.d.Select(next))
	m.out.Version.Rows = published
	return published, err
}

// deleteInsert replaces all rows of the landed keys, or those that a condition names.
func (m *merger) deleteInsert(ctx context.Context) error {
	if len(m.in.Deleted) > 0 || m.in.HasPresent || m.in.Mark != "" {
		return fmt.Errorf("%s takes no deleted keys, no key set and no mark", m.in.Strategy)
	}
	var before, deleted, published int64
	key, landed := m.only(m.in.Key...), m.in.Landed
	if m.in.Prev != nil {
		var err error
		if landed, err = m.keeping(ctx, landed); err != nil {
			return err
		}
	}
	switch prev := m.in.Prev; {
	case prev == nil:
		published = rowsOf(landed)
		m.version(landed, nil, nil, published)
	default:
		before = prev.Rows
		var keys string
		if len(m.in.Key) > 0 {
			keys = m.keys(m.in.Landed)
		}
		var err error
		t := Touch{Key: m.in.Key, Nulls: m.in.Strategy == OverwritePartitions, Predicates: m.in.Predicates}
		if t.Predicates != nil {
			key = m.columns // the predicates may speak of any
		}
		if deleted, err = m.count(ctx, m.d.Touched(m.published(key), keys, t)); err != nil {
			return err
		}
		if deleted == 0 && len(prev.Upserts)+len(prev.Deletes) == 0 { // nothing to rewrite
			base := slices.Clone(prev.Base)
			for _, f := range landed {
				if f.Rows > 0 || len(base) == 0 { // an empty part would make another version of the same rows
					base = append(base, f)
				}
			}
			published = rowsOf(base)
			m.version(base, nil, nil, published)
			break
		}
		base, err := m.write(ctx, "base-replaced", m.d.Union(m.d.Untouched(m.published(m.columns), keys, t), m.d.Scan(landed, m.columns)))
		if err != nil {
			return fmt.Errorf("rewrite: %w", err)
		}
		published = base.Rows
		m.version([]File{base}, nil, nil, published)
	}
	m.out.Version.Key = nil
	m.account("landed", rowsOf(m.in.Landed), Term{Name: "inserted", Rows: m.stats.rows}, Term{Name: "updated"}, Term{Name: "unchanged"}, Term{Name: "superseded"})
	m.account("published", published, Term{Name: "before", Rows: before}, Term{Name: "inserted", Rows: m.stats.rows}, Term{Name: "deleted", Rows: deleted, Minus: true})
	return nil
}

// published reads the previous version, as if it had the columns of the next one.
func (m *merger) published(columns []Column) string {
	v := *m.in.Prev
	v.Columns = columns
	return m.d.Select(v)
}

// keys reads the key columns of several lists of files.
func (m *merger) keys(lists ...[]File) string {
	var selects []string
	for _, files := range lists {
		if len(files) > 0 {
			selects = append(selects, m.d.Scan(files, m.only(m.in.Key...)))
		}
	}
	if selects == nil {
		return m.d.empty(m.only(m.in.Key...))
	}
	return m.d.Union(selects...)
}

// only are the columns of these names.
func (m *merger) only(names ...string) []Column {
	var out []Column
	for _, n := range names {
		for _, c := range m.columns {
			if c.Name == n {
				out = append(out, c)
			}
		}
	}
	return out
}

func (m *merger) version(base, upserts, deletes []File, rows int64) {
	m.out.Version = Version{Name: m.in.Name, Columns: m.columns, Key: m.in.Key, Base: base, Upserts: upserts, Deletes: deletes, Rows: rows}
}

func (m *merger) account(name string, rows int64, terms ...Term) {
	m.out.Equations = append(m.out.Equations, Equation{Name: name, Rows: rows, Terms: terms})
}

// write makes a file that the version may keep.
func (m *merger) write(ctx context.Context, name, query string) (File, error) {
	f, err := m.w.Write(ctx, query, filepath.Join(m.in.Dir, name+".parquet"))
	if err == nil {
		m.out.Written = append(m.out.Written, f)
	}
	return f, err
}

// temp makes a file that clean removes.
func (m *merger) temp(ctx context.Context, name, query string) (File, error) {
	path := filepath.Join(m.in.Dir, "scratch-"+name+".parquet")
	m.scratch = append(m.scratch, path)
	return m.w.Write(ctx, query, path)
}

// clean removes what the version does not keep.
func (m *merger) clean() {
	kept := map[string]bool{}
	for _, f := range m.out.Version.Files() {
		kept[f.Path] = true
	}
	m.out.Written = slices.DeleteFunc(m.out.Written, func(f File) bool {
		if !kept[f.Path] {
			m.scratch = append(m.scratch, f.Path)
		}
		return !kept[f.Path]
	})
	for _, path := range m.scratch {
		_ = os.Remove(path) // the folder is a run's own, and goes with it
	}
}

func (m *merger) count(ctx context.Context, rows string) (int64, error) {
	row, err := m.row(ctx, m.d.Count(rows))
	if err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return row[0], nil
}

// row runs a query that answers with one row of whole numbers.
func (m *merger) row(ctx context.Context, query string) ([]int64, error) {
	r, err := m.w.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(r.Rows) != 1 {
		return nil, fmt.Errorf("expected one row, got %d", len(r.Rows))
	}
	out := make([]int64, len(r.Rows[0]))
	for i, v := range r.Rows[0] {
		n, ok := v.(int64)
		if !ok {
			return nil, fmt.Errorf("expected a whole number, got %v", v)
		}
		out[i] = n
	}
	return out, nil
}

func rowsOf(files []File) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

func bytesOf(files []File) (n int64) {
	for _, f := range files {
		n += f.Bytes
	}
	return n
}
