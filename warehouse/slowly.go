package warehouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SlowlyInput is one run's look at rows of which a table keeps every state that was seen: a slowly changing dimension of type 2, with
// the columns and values of dbt's snapshots.
type SlowlyInput struct {
	Name    Name
	Prev    *Version // paths absolute; nil: none
	Landed  File     // the rows as they are now, one a key
	Columns []Column // of Landed
	Key     []string // columns, or SQL over them
	// UpdatedAt is a column, or SQL, with the moment of a row's last change; "": a change was at Now.
	UpdatedAt string
	ByTime    bool     // a row has changed when UpdatedAt is later than the state that is kept; else when one of Check differs
	Check     []string // columns; nil: all
	Deletes   Deletes
	ValidTo   string // SQL of what the last state of each row has as the end of its validity; "": NULL
	Names     SlowlyNames
	Now       time.Time
	Dir       string // an existing folder that is this call's alone
}

// Deletes says what becomes of rows that are not landed any more.
type Deletes string

// What becomes of them, with dbt's names.
const (
	DeletesIgnored     Deletes = "ignore"     // they stay valid
	DeletesInvalidated Deletes = "invalidate" // their validity ends
	DeletesRecorded    Deletes = "new_record" // it ends, and another state says that the row is deleted
)

// SlowlyNames are the columns that are added to those of the rows.
type SlowlyNames struct{ ID, UpdatedAt, ValidFrom, ValidTo, Deleted string }

// DBTNames are dbt's.
var DBTNames = SlowlyNames{ID: "dbt_scd_id", UpdatedAt: "dbt_updated_at", ValidFrom: "dbt_valid_from", ValidTo: "dbt_valid_to", Deleted: "dbt_is_deleted"}

// SlowlyError says what is wrong with the rows, or with the table that they meet.
type SlowlyError struct{ Message, Hint string }

func (e *SlowlyError) Error() string { return e.Message }

// Slowly brings rows as they are now into the table of their states. It writes files into in.Dir and changes nothing else. The equations are
//
//	landed    = inserted + changed + unchanged
//	open      = changed + unchanged + ended + kept     (published states that were valid until now; kept: deletes are ignored)
//	closed    = changed + ended
//	published = before + inserted + changed + deleted  (deleted: states that say so)
//
// where the right sides are counted among the decisions and the left ones where the rows lie. Files of states whose validity is over
// stay as they are.
func Slowly(ctx context.Context, w Warehouse, in SlowlyInput) (*MergeResult, error) {
	s := &slowly{merger: merger{w: w, d: w.Dialect(), in: MergeInput{Name: in.Name, Dir: in.Dir}}, in: in}
	defer s.clean()
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	for _, e := range s.out.Equations {
		if !e.Closes() {
			return &s.out, fmt.Errorf("snapshot %s: %w: %s", in.Name, ErrUnbalanced, e)
		}
	}
	return &s.out, nil
}

// SlowlyColumns are the columns that a table of states gets when rows like those of a SELECT join it. Nothing is read.
func SlowlyColumns(ctx context.Context, w Warehouse, in SlowlyInput, query string) ([]Column, error) {
	s := &slowly{merger: merger{w: w, d: w.Dialect()}, in: in, rows: query}
	err := s.prepare(ctx)
	return s.columns, err
}

type slowly struct {
	merger
	in    SlowlyInput
	rows  string // a SELECT of them, where they are not landed
	whole bool   // every file is written anew: the table gets other columns

	landed, valids int64 // rows, counted
}

func (s *slowly) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	if s.in.Prev == nil {
		return s.begin(ctx)
	}
	return s.next(ctx)
}

// prepare finds the columns of the next version.
func (s *slowly) prepare(ctx context.Context) error {
	for _, n := range []string{s.in.Names.ID, s.in.Names.UpdatedAt, s.in.Names.ValidFrom, s.in.Names.ValidTo, s.in.Names.Deleted} {
		if hasColumn(s.in.Columns, n) && (n != s.in.Names.Deleted || s.in.Deletes == DeletesRecorded) {
			return &SlowlyError{fmt.Sprintf("the SELECT has a column %s, which the snapshot makes", n), "leave it out of the SELECT, or name the snapshot's own by snapshot_meta_column_names"}
		}
	}
	for _, c := range s.in.Check {
		if !hasColumn(s.in.Columns, c) {
			return &SlowlyError{fmt.Sprintf("check_cols: the SELECT has no column %q", c), "the columns are: " + strings.Join(Names(s.in.Columns), ", ")}
		}
	}
	made, err := s.w.Describe(ctx, s.inserted(s.now(), nil))
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.in.Name, err)
	}
	if made, err = StoredColumns(made); err != nil {
		return err
	}
	if s.in.Prev == nil {
		s.columns = made
		return nil
	}
	prev := s.in.Prev.Columns
	for _, n := range []string{s.in.Names.ID, s.in.Names.UpdatedAt, s.in.Names.ValidFrom, s.in.Names.ValidTo} {
		if s.in.Prev.View != "" || !slices.Contains(Names(prev), n) {
			return &SlowlyError{fmt.Sprintf("%s is published and is no snapshot with these names: it has no column %s", s.in.Name, n), "give the snapshot another name, or the alias of another table"}
		}
	}
	for i, c := range made { // what the table has of its own keeps its type, as dbt leaves it
		for _, p := range prev {
			if s.own(c.Name) && strings.EqualFold(p.Name, c.Name) {
				made[i] = p
			}
		}
	}
	if s.columns, err = UnionColumns(prev, made); err != nil {
		return fmt.Errorf("snapshot %s: %w", s.in.Name, err)
	}
	s.whole = !slices.Equal(s.columns, prev)
	return nil
}

func hasColumn(columns []Column, name string) bool {
	return slices.ContainsFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

func (s *slowly) own(column string) bool {
	n := s.in.Names
	return containsFold([]string{n.ID, n.UpdatedAt, n.ValidFrom, n.ValidTo, n.Deleted}, column)
}

// The columns that the statements of this file work with.
const (
	slowlyKey     = "_millrace_key"
	slowlyUpdated = "_millrace_updated"
)

func (s *slowly) keys() []string {
	names := make([]string, len(s.in.Key))
	for i := range s.in.Key {
		names[i] = fmt.Sprint(slowlyKey, i+1)
	}
	return names
}

// moment is Now as SQL: dbt's current time without a zone.
func (s *slowly) moment() string {
	return "TIMESTAMP " + s.d.QuoteLiteral(s.in.Now.UTC().Format("2006-01-02 15:04:05.999999"))
}

// expression is a column, quoted, or else SQL.
func (s *slowly) expression(text string) string {
	if hasColumn(s.in.Columns, text) {
		return s.d.QuoteIdent(text)
	}
	return "(" + text + ")"
}

func (s *slowly) keyed() string {
	items := make([]string, len(s.in.Key))
	for i, k := range s.in.Key {
		items[i] = fmt.Sprintf("%s AS %s%d", s.expression(k), slowlyKey, i+1)
	}
	return strings.Join(items, ", ")
}

// now are the landed rows, with their key and the moment of their last change.
func (s *slowly) now() string {
	rows := s.rows
	if rows == "" {
		rows = s.d.Scan([]File{s.in.Landed}, s.in.Columns)
	}
	updated := s.moment()
	if s.in.UpdatedAt != "" {
		updated = s.expression(s.in.UpdatedAt)
	}
	return fmt.Sprintf("SELECT *, %s, %s AS %s FROM (\n%s\n) AS q", s.keyed(), updated, slowlyUpdated, indent(rows))
}

// valid is a condition on published states.
func (s *slowly) valid() string {
	to := s.d.QuoteIdent(s.in.Names.ValidTo)
	if s.in.ValidTo == "" {
		return to + " IS NULL"
	}
	return fmt.Sprintf("(%s IS NULL OR %[1]s = (%s))", to, s.in.ValidTo)
}

// open are the published states that are valid until now, with their key.
func (s *slowly) open() string {
	return fmt.Sprintf("SELECT *, %s FROM (\n%s\n) AS q WHERE %s", s.keyed(), indent(s.d.Select(*s.in.Prev)), s.valid())
}

// hash is dbt's: of the texts of values.
func (s *slowly) hash(values ...string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = "coalesce(CAST(" + v + " AS VARCHAR), '')"
	}
	return "md5(" + strings.Join(texts, " || '|' || ") + ")"
}

// inserted selects new states of rows like those of now(). With columns they are given those, else their own and those that are added.
func (s *slowly) inserted(rows string, columns []Column) string {
	n := s.in.Names
	items := []string{}
	for _, c := range s.in.Columns {
		items = append(items, "w."+s.d.QuoteIdent(c.Name))
	}
	updated := "w." + slowlyUpdated
	items = append(items,
		s.hash(append(s.d.ofAlias("w", s.keys()), updated)...)+" AS "+s.d.QuoteIdent(n.ID),
		updated+" AS "+s.d.QuoteIdent(n.UpdatedAt), updated+" AS "+s.d.QuoteIdent(n.ValidFrom),
		fmt.Sprintf("coalesce(nullif(%s, %[1]s), %s) AS %s", updated, cmp.Or(s.in.ValidTo, "NULL"), s.d.QuoteIdent(n.ValidTo)))
	if s.in.Deletes == DeletesRecorded {
		items = append(items, "'False' AS "+s.d.QuoteIdent(n.Deleted))
	}
	return s.as(columns, "SELECT "+strings.Join(items, ", ")+" FROM (\n"+indent(rows)+"\n) AS w", func(name string) bool {
		return hasColumn(s.in.Columns, name) || s.own(name) && (name != n.Deleted || s.in.Deletes == DeletesRecorded)
	})
}

// as gives the rows of a SELECT these columns; those that it does not have are NULL.
func (s *slowly) as(columns []Column, sql string, has func(name string) bool) string {
	if columns == nil {
		return sql
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		value := "NULL"
		if has(c.Name) {
			value = s.d.QuoteIdent(c.Name)
		}
		items[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", value, s.d.Type(c.Type), s.d.QuoteIdent(c.Name))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n" + indent(sql) + "\n) AS s"
}

// look counts the rows that meet, and refuses those without a key, several of one, and a Now that is before what is noted already.
func (s *slowly) look(ctx context.Context) error {
	landed := s.d.KeyStats("SELECT "+s.d.Idents(s.keys())+" FROM (\n"+s.now()+"\n) AS k", s.keys())
	open, later := "SELECT 0, 0, 0, 0", "SELECT 0"
	if s.in.Prev != nil {
		open = s.d.KeyStats("SELECT "+s.d.Idents(s.keys())+" FROM (\n"+s.open()+"\n) AS k", s.keys())
		if !s.in.ByTime && s.in.UpdatedAt == "" {
			later = fmt.Sprintf("SELECT count(*) FROM (\n%s\n) AS o WHERE %s > %s", s.open(), s.d.QuoteIdent(s.in.Names.ValidFrom), s.moment())
		}
	}
	row, err := s.row(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) AS l CROSS JOIN (\n%s\n) AS o CROSS JOIN (\n%s\n) AS t", landed, open, later))
	if err != nil {
		return fmt.Errorf("snapshot %s: unique_key: %w", s.in.Name, err)
	}
	s.landed, s.valids = row[0], row[4]
	if err := s.oneEach(row[:4], "the SELECT", "a snapshot follows each row by its unique_key: let the SELECT give one row a key"); err != nil {
		return err
	}
	if err := s.oneEach(row[4:8], "the published table, among its valid rows,", "was the unique_key changed? A snapshot goes on with the one that it began with"); err != nil {
		return err
	}
	if row[8] > 0 {
		return &SlowlyError{fmt.Sprintf("the run stands for %s, and %d rows of the snapshot are of a later time", s.in.Now.UTC().Format(time.RFC3339), row[8]),
			"what the rows were then cannot be seen any more: run it for a time behind the last one"}
	}
	return nil
}

// oneEach refuses rows without a key, or several of one, as KeyStats counts them.
func (s *slowly) oneEach(row []int64, who, hint string) error {
	key := strings.Join(s.in.Key, ", ")
	switch {
	case row[3] > 0:
		return &SlowlyError{fmt.Sprintf("%s has %d rows without a unique_key (%s)", who, row[3], key), hint}
	case row[2] > 0:
		return &SlowlyError{fmt.Sprintf("%d rows of %s repeat a unique_key (%s)", row[2], who, key), hint}
	}
	return nil
}

// begin makes the first version: every row is valid.
func (s *slowly) begin(ctx context.Context) error {
	f, err := s.write(ctx, "base-open", s.inserted(s.now(), s.columns))
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.in.Name, err)
	}
	s.version([]File{f}, nil, nil, f.Rows)
	inserted := Term{Name: "inserted", Rows: s.landed}
	s.account("landed", s.in.Landed.Rows, inserted, Term{Name: "changed"}, Term{Name: "unchanged"})
	s.account("published", f.Rows, Term{Name: "before"}, inserted, Term{Name: "changed"}, Term{Name: "deleted"})
	return nil
}

// changed is a condition on a row w and its valid state e.
func (s *slowly) changed() string {
	condition := fmt.Sprintf("e.%s < w.%s", s.d.QuoteIdent(s.in.Names.ValidFrom), slowlyUpdated)
	if !s.in.ByTime {
		condition = s.differ()
	}
	if s.in.Deletes == DeletesRecorded && hasColumn(s.in.Prev.Columns, s.in.Names.Deleted) {
		condition += fmt.Sprintf(" OR e.%s = 'True'", s.d.QuoteIdent(s.in.Names.Deleted))
	}
	return condition
}

// differ compares the columns that are looked at. One that the table does not have yet makes every row another.
func (s *slowly) differ() string {
	check := s.in.Check
	if check == nil {
		check = Names(s.in.Columns)
	}
	var parts []string
	for _, c := range check {
		if !hasColumn(s.in.Prev.Columns, c) {
			return "TRUE"
		}
		name := s.d.QuoteIdent(c)
		parts = append(parts, fmt.Sprintf("e.%s IS DISTINCT FROM w.%[1]s", name))
	}
	return strings.Join(parts, " OR ")
}

// decide writes what becomes of each key, landed or valid.
func (s *slowly) decide(ctx context.Context) (decisions string, counts map[string]int64, err error) {
	gone := "'ended'"
	switch {
	case s.in.Deletes == DeletesRecorded && hasColumn(s.in.Prev.Columns, s.in.Names.Deleted):
		gone = fmt.Sprintf("CASE WHEN e.%s = 'True' THEN 'kept' ELSE 'ended' END", s.d.QuoteIdent(s.in.Names.Deleted))
	case s.in.Deletes == DeletesIgnored || s.in.Deletes == "":
		gone = "'kept'"
	}
	items := make([]string, len(s.in.Key))
	for i, k := range s.keys() {
		items[i] = fmt.Sprintf("coalesce(w.%s, e.%[1]s) AS %[1]s", k)
	}
	sql := fmt.Sprintf(`SELECT %s, CASE WHEN e.%s1 IS NULL THEN 'inserted' WHEN w.%[2]s1 IS NULL THEN %s WHEN %s THEN 'changed' ELSE 'unchanged' END AS %s,
  w.%s AS %[6]s
FROM (
%s
) AS w
FULL JOIN (
%s
) AS e ON %s`, strings.Join(items, ", "), slowlyKey, gone, s.changed(), outcome, slowlyUpdated, indent(s.now()), indent(s.open()), s.d.match(s.keys(), "w", "e"))
	f, err := s.temp(ctx, "decisions", sql)
	if err != nil {
		return "", nil, fmt.Errorf("snapshot %s: compare with what is published: %w", s.in.Name, err)
	}
	decisions = "SELECT * FROM " + s.d.Files([]string{f.Path})
	counts, err = s.outcomes(ctx, decisions)
	return decisions, counts, err
}

// next brings the rows into the states that are there.
func (s *slowly) next(ctx context.Context) error {
	decisions, n, err := s.decide(ctx)
	if err != nil {
		return err
	}
	s.account("landed", s.in.Landed.Rows, Term{Name: "inserted", Rows: n["inserted"]}, Term{Name: "changed", Rows: n["changed"]}, Term{Name: "unchanged", Rows: n["unchanged"]})
	s.account("open", s.valids, Term{Name: "changed", Rows: n["changed"]}, Term{Name: "unchanged", Rows: n["unchanged"]}, Term{Name: "ended", Rows: n["ended"]}, Term{Name: "kept", Rows: n["kept"]})
	deleted := Term{Name: "deleted"}
	if s.in.Deletes == DeletesRecorded {
		deleted.Rows = n["ended"]
	}
	terms := []Term{{Name: "before", Rows: s.in.Prev.Rows}, {Name: "inserted", Rows: n["inserted"]}, {Name: "changed", Rows: n["changed"]}, deleted}
	if n["inserted"]+n["changed"]+n["ended"] == 0 && !s.whole {
		s.out.Version = *s.in.Prev
		s.account("published", s.in.Prev.Rows, terms...)
		return nil
	}
	base, over, err := s.over(ctx)
	if err != nil {
		return err
	}
	if n["changed"]+n["ended"] > 0 {
		f, err := s.write(ctx, "base-closed", s.closed(decisions))
		if err != nil {
			return fmt.Errorf("snapshot %s: end the validity of rows: %w", s.in.Name, err)
		}
		base = append(base, f)
		s.account("closed", f.Rows, Term{Name: "changed", Rows: n["changed"]}, Term{Name: "ended", Rows: n["ended"]})
	}
	f, err := s.write(ctx, "base-open", s.d.Union(s.states(decisions, over)...))
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.in.Name, err)
	}
	base = append(base, f)
	s.version(base, nil, nil, rowsOf(base))
	s.account("published", rowsOf(base), terms...)
	return nil
}

// mostOver is how many files of states that are over a table may have before they are put together.
const mostOver = 8

// over parts the files of states whose validity is over, which stay, from the others. When all are to be written anew, it gives a SELECT
// of what is over.
func (s *slowly) over(ctx context.Context) (stay []File, anew string, err error) {
	var read []File
	for _, f := range s.in.Prev.Base {
		valid, known := int64(1), s.whole
		if stats, counted := f.Stats[s.in.Names.ValidTo]; counted && s.in.ValidTo == "" && !known {
			valid, known = stats.Nulls, true
		}
		if !known {
			if valid, err = s.count(ctx, s.d.Scan([]File{f}, s.only(s.in.Names.ValidTo))+" WHERE "+s.valid()); err != nil {
				return nil, "", err
			}
		}
		if valid == 0 {
			stay = append(stay, f)
		} else {
			read = append(read, f)
		}
	}
	if len(stay) > mostOver && bytesOf(stay) < int64(len(stay))*(16<<20) {
		stay, read = nil, s.in.Prev.Base
	}
	return stay, fmt.Sprintf("SELECT * FROM (\n%s\n) AS q WHERE NOT coalesce(%s, FALSE)", indent(s.d.Scan(read, s.in.Prev.Columns)), s.valid()), nil
}

// among joins rows with the decisions that had one of these outcomes.
func (s *slowly) among(what, rows, decisions string, outcomes ...string) string {
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS e JOIN (\n%s\n) AS g ON %s", what, indent(rows), indent(s.d.Having(decisions, outcomes...)), s.d.match(s.keys(), "g", "e"))
}

// previous gives published states the columns of the next version.
func (s *slowly) previous(sql string) string {
	n := s.in.Names
	if s.in.Deletes == DeletesRecorded && !hasColumn(s.in.Prev.Columns, n.Deleted) { // none of them says that a row is deleted
		sql = fmt.Sprintf("SELECT *, 'False' AS %s FROM (\n%s\n) AS p", s.d.QuoteIdent(n.Deleted), indent(sql))
		return s.as(s.columns, sql, func(name string) bool { return name == n.Deleted || hasColumn(s.in.Prev.Columns, name) })
	}
	return s.as(s.columns, sql, func(name string) bool { return hasColumn(s.in.Prev.Columns, name) })
}

// closed are the states that are not valid any more, with the end of their validity.
func (s *slowly) closed(decisions string) string {
	to := s.d.QuoteIdent(s.in.Names.ValidTo)
	typ := s.d.Type(s.only(s.in.Names.ValidTo)[0].Type)
	end := fmt.Sprintf("CASE WHEN g.%s = 'ended' THEN CAST(%s AS %s) ELSE CAST(g.%s AS %[3]s) END", outcome, s.moment(), typ, slowlyUpdated)
	return s.previous(s.among("e.* REPLACE ("+end+" AS "+to+")", s.open(), decisions, "changed", "ended"))
}

// states are the states that are valid now, those that were over already as over gives them, and those that say that a row is deleted.
func (s *slowly) states(decisions, over string) []string {
	all := []string{
		s.previous(over),
		s.previous(s.among("e.*", s.open(), decisions, "unchanged", "kept")),
		s.inserted(s.among("e.*", s.now(), decisions, "inserted", "changed"), s.columns),
	}
	if s.in.Deletes == DeletesRecorded {
		all = append(all, s.deleted(decisions))
	}
	return all
}

// deleted are states which say that a row is not there any more, with its last values.
func (s *slowly) deleted(decisions string) string {
	n := s.in.Names
	made := map[string]string{
		n.ID: s.hash("e."+s.d.QuoteIdent(n.ID), s.moment()), n.UpdatedAt: s.moment(), n.ValidFrom: s.moment(),
		n.ValidTo: "e." + s.d.QuoteIdent(n.ValidTo), n.Deleted: "'True'",
	}
	items := make([]string, len(s.columns))
	for i, c := range s.columns {
		value, own := made[c.Name]
		switch {
		case own:
		case hasColumn(s.in.Columns, c.Name) && hasColumn(s.in.Prev.Columns, c.Name):
			value = "e." + s.d.QuoteIdent(c.Name)
		default:
			value = "NULL"
		}
		items[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", value, s.d.Type(c.Type), s.d.QuoteIdent(c.Name))
	}
	return s.among(strings.Join(items, ", "), s.open(), decisions, "ended")
}
