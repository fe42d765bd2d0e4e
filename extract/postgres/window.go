package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// piece is what a slice's Spec holds.
type piece struct {
	What    string `json:"what"`              // rows, changed, nulls, keys
	AsOf    string `json:"as_of,omitempty"`   // the state that it must be read in; "": any later one shows the same rows
	From    int64  `json:"from,omitempty"`    // first page
	To      int64  `json:"to,omitempty"`      // first page behind; 0: to the end
	Lo      string `json:"lo,omitempty"`      // rows whose cursor is greater…
	Top     string `json:"top,omitempty"`     // …and not greater than this; "": no limit
	File    string `json:"file,omitempty"`    // pages mean the same rows only in these files
	Columns string `json:"columns,omitempty"` // fingerprint
	Paged   bool   `json:"paged,omitempty"`   // in pages, in the order of cursor and key
}

// What a piece reads.
const (
	allRows     = "rows"
	changedRows = "changed"
	nullRows    = "nulls"
	keysOnly    = "keys"
	rangeRows   = "range" // whose cursor is not less than Lo, and less than Top
	noRows      = "none"  // but the columns, of an append stream that has nothing to publish yet
)

// Sizes of ranges, in bytes of the table. A range is what is read again after a broken connection, and, of the first
// load of an append stream, what is kept after a crash.
// Only tests change them.
var (
	fullRange        int64 = 1 << 30
	incrementalRange int64 = 256 << 20
)

// Window implements extract.Source. Windows of full streams, and of first loads that read ranges, hold as long as the
// session that holds their snapshot; other windows of incremental and append streams for ever, because a row of theirs that
// changes gets a cursor beyond them: they are extended by what has changed since.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	h, err := s.hold(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	if fixed != nil && fixed.AsOf != nil && fixed.AsOf.ID == h.asOf.ID {
		return fixed, nil
	}
	var w *extract.Window
	err = h.try(ctx, func() error {
		rel, err := s.relation(ctx, h.session, h.facts, st)
		if err != nil {
			if ctx.Err() == nil && s.thereNow(ctx, st) {
				return fmt.Errorf("%s was replaced (%w): %w", st.Name, err, extract.ErrChanged)
			}
			return err
		}
		if err := rel.rewritten(ctx, h.session); err != nil {
			return err
		}
		p := &planner{source: s, h: h, rel: rel, stream: st, since: since, w: &extract.Window{Lo: since, Slices: []extract.Slice{}, AsOf: &h.asOf, Latest: true, Parallel: cap(s.slots) - 1}}
		w = p.w
		if w.Of, err = p.of(ctx); err != nil {
			return err
		}
		if st.Range != nil {
			if fixed != nil && fixed.Of == w.Of && rel.readsOn(fixed, since) {
				p.w, w = fixed, fixed
				p.freshKeys()
				return nil
			}
			return p.ranged()
		}
		if fixed != nil && fixed.Of == w.Of && fixed.Hi != "" && st.Mode != extract.Full && rel.readsOn(fixed, since) {
			p.since, rel.added = fixed.Hi, nil
			if err := p.plan(ctx); err != nil {
				return err
			}
			database.Extend(fixed, p.w)
			w = fixed
			return nil
		}
		return p.plan(ctx)
	})
	if errors.Is(err, extract.ErrChanged) {
		s.drop(h) // another snapshot will see the table as it is
		err = fmt.Errorf("%w: %w", extract.ErrTransient, err)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.explain(ctx, err))
	}
	return w, nil
}

// thereNow says whether the stream can be read as things are now, though not as they were at the snapshot.
func (s *source) thereNow(ctx context.Context, st extract.Stream) bool {
	c, err := s.connect(ctx)
	if err != nil {
		return false
	}
	defer c.close()
	f, err := c.facts(ctx)
	if err != nil {
		return false
	}
	_, err = s.relation(ctx, c, f, st)
	return err == nil
}

// rewritten finds tables that were rewritten, truncated or replaced by others of their name between the snapshot and the
// locks that now keep them as they are: from the snapshot they would look empty. Functions see the catalog as it is now,
// queries as it was at the snapshot. A new index is no matter, and neither is a new partition; a table that was there and
// was attached since has rows that the snapshot shows: ranges that were read before lack them.
func (r *relation) rewritten(ctx context.Context, c *session) error {
	var name string
	err := c.QueryRow(ctx, `WITH mine AS (
  SELECT l.relation FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database
  WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND d.datname = pg_catalog.current_database()
) SELECT coalesce(l.relation, t.oid)::regclass::text
FROM pg_catalog.unnest($1::oid[]) AS t(oid) FULL JOIN mine AS l ON l.relation = t.oid LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
WHERE l.relation IS NULL
  OR c.oid IS NULL AND pg_catalog.pg_get_indexdef(l.relation) IS NULL AND coalesce(pg_catalog.pg_partition_root(l.relation)::oid, l.relation) = l.relation
  OR t.oid IS NULL AND c.oid IS NOT NULL AND EXISTS (SELECT 1 FROM pg_catalog.pg_partition_ancestors(c.oid) AS a WHERE a.relid = ANY($1))
  OR c.relkind IN ('r', 'm') AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
LIMIT 1`, r.tree).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s was rewritten, truncated, replaced or attached: %w", name, extract.ErrChanged)
}

// readsOn says whether a window of an earlier session still means the same rows. Changed rows do: one that changes again
// comes again with its new cursor. Ranges of pages do only where rows never change: one that is updated without its cursor
// may move, from a range yet to be read to one that was, and would never come. Where all rows are read to find those that
// are gone, it would be taken for one of them.
func (r *relation) readsOn(w *extract.Window, since extract.Cursor) bool {
	if since == "" && len(r.stream.Known) > 0 && r.stream.Mode != extract.Append && r.stream.Range == nil {
		return false
	}
	for _, slice := range w.Slices {
		var sp piece
		if json.Unmarshal([]byte(slice.Spec), &sp) != nil || sp.Columns != r.fingerprint() || sp.File != "" && sp.File != r.file {
			return false
		}
		if r.stream.Mode != extract.Append && (sp.AsOf != "" || sp.From > 0 || sp.To > 0) {
			return false
		}
	}
	return true
}

// planner makes one window.
type planner struct {
	*source
	h      *holder
	rel    *relation
	stream extract.Stream
	since  extract.Cursor
	w      *extract.Window
	// present is a mark of now, without a value.
	present database.Mark
	// ripening: nothing shows how far a number is complete; what was seen counts when it is old enough.
	ripening bool
	// There are rows whose cursor is NULL; is NaN or infinite.
	hasNulls, hasOdd bool
}

func (p *planner) note(format string, args ...any) {
	p.w.Notes = append(p.w.Notes, fmt.Sprintf(format, args...))
}

func (p *planner) plan(ctx context.Context) error {
	p.w.Notes = append(p.w.Notes, p.rel.notes...)
	p.w.Notes = append(p.w.Notes, p.rel.remarks()...)
	if len(p.rel.added) > 0 && p.stream.Mode != extract.Full {
		p.note("%s", database.AddedNote(p.rel.added, p.stream.Mode))
	}
	if p.stream.Mode == extract.Full {
		p.ranges(piece{What: allRows, AsOf: p.h.asOf.ID}, fullRange)
		return nil
	}
	return p.changes(ctx)
}

// slice adds one piece to the window.
func (p *planner) slice(id string, sp piece, bytes int64) {
	sp.Columns = p.rel.fingerprint()
	text, _ := json.Marshal(sp) // a plain struct
	p.w.Slices = append(p.w.Slices, extract.Slice{ID: id, Spec: string(text), Bytes: bytes, Keys: sp.What == keysOnly})
}

// ranges cuts a table into ranges of pages. The last has no end: the table may have grown when it is read.
func (p *planner) ranges(sp piece, size int64) {
	pages := size / p.h.block
	n := max(1, (p.rel.pages+pages-1)/pages)
	if !p.rel.ranges || n == 1 {
		p.slice("all", sp, p.rel.bytes)
		return
	}
	for i := range n {
		one := sp
		one.File, one.From = p.rel.file, i*pages
		if p.stream.Mode != extract.Append {
			one.AsOf = p.h.asOf.ID
		}
		if i < n-1 {
			one.To = (i + 1) * pages
		}
		p.slice(fmt.Sprintf("range-%05d", i), one, p.rel.bytes/n)
	}
}

// changes plans an incremental or append stream: rows whose cursor is beyond the mark of the last run.
func (p *planner) changes(ctx context.Context) error {
	if p.rel.cursor == nil {
		return &database.Trouble{Message: "there is no cursor", Advice: "add cursor: to the stream"}
	}
	mark, err := database.ParseMark(p.since)
	if err != nil {
		return err
	}
	if p.present, err = p.mark(ctx); err != nil {
		return err
	}
	if err := p.lookOutside(ctx); err != nil {
		return err
	}
	b, err := p.bounds(ctx, mark)
	if err != nil {
		return err
	}
	p.w.Hi = mark.Next(p.since, p.present, b.hi, b.top, p.ripening)
	p.w.Overlaps = b.overlaps
	sp := piece{Lo: b.lo, Top: b.top}
	if p.stream.Mode == extract.Append {
		if p.ripening {
			return &database.Trouble{Message: fmt.Sprintf("how far %s is complete cannot be seen (%s): mode: append would lose rows that are committed late", p.rel.cursor.name, p.h.unprovenNumbers(p.rel)),
				Advice: "use mode: incremental with a key, a cursor that is a timestamp or that a sequence with INCREMENT 1 and CACHE 1 feeds, or the table itself at the primary"}
		}
		if err := p.refuseOutside(); err != nil {
			return err
		}
		sp.Top, p.w.Overlaps = b.hi, false
		switch {
		case b.hi == "" && p.stream.Fresh:
			p.nothingYet(b.top)
			return nil
		case b.hi == "" || !b.moved:
			return nil
		}
		if mark.Value == "" {
			sp.What = allRows
			p.ranges(sp, incrementalRange)
			return nil
		}
	}
	if mark.Value == "" || len(p.rel.added) > 0 { // everything that is there, rows without a cursor among it
		p.ranges(piece{What: allRows}, incrementalRange)
		p.w.Overlaps = p.w.Overlaps || mark.Value != ""
		// A mark that stays where it was has the next run, too, begin at the start: it would never see what is gone.
		if p.stream.Deletes && (mark.Value != "" || b.hi == "" || len(p.stream.Known) > 0) {
			p.slice("keys", piece{What: keysOnly}, 0)
		}
		return nil
	}
	if b.fresh {
		sp.What = changedRows
		sp.Paged = p.rel.cursor.indexed && p.rel.keyIs.notNull && len(p.stream.Key) > 0 && !p.rel.cursor.oneScan()
		p.slice("changed", sp, 0)
	}
	p.readOutside(b.fresh)
	if p.stream.Deletes {
		p.slice("keys", piece{What: keysOnly}, 0)
	}
	return nil
}

// of names what is read as the server has looked it up: of a query, it is where the names in it are looked for.
func (p *planner) of(ctx context.Context) (name string, err error) {
	if p.rel.name != "" {
		return p.rel.name, nil
	}
	err = p.h.QueryRow(ctx, "SELECT 'a query with search_path ' || pg_catalog.array_to_string(pg_catalog.current_schemas(false), ', ')").Scan(&name)
	return name, err
}

// nothingYet has the table published without rows: its columns are known.
func (p *planner) nothingYet(top string) {
	if top != "" {
		p.note("no row is old enough to be known to be complete: the next run reads them")
	}
	p.slice("none", piece{What: noRows}, 0)
}

// oneScan says that rows that no mark passes come out of the same scan as the changed ones.
func (c *cursorColumn) oneScan() bool { return len(c.outside()) > 0 && !c.indexed }

// lookOutside finds out whether there are rows that no mark passes. Each kind has a query of its own: an index answers it.
func (p *planner) lookOutside(ctx context.Context) error {
	c := p.rel.cursor
	null, odd, from := "false", "false", ""
	for _, where := range c.outside() {
		exists := "EXISTS (SELECT 1 FROM " + p.rel.from + " WHERE " + where + ")"
		if strings.HasSuffix(where, " IS NULL") {
			null = exists
		} else {
			odd += " OR " + exists
		}
	}
	if c.oneScan() {
		null, odd, from = "coalesce(bool_or("+quoteIdent(c.name)+" IS NULL), false)", "coalesce(bool_or(NOT ("+c.finite()+")), false)", " FROM "+p.rel.from
	}
	if err := p.h.QueryRow(ctx, "SELECT "+null+", "+odd+from).Scan(&p.hasNulls, &p.hasOdd); err != nil {
		return err
	}
	if p.hasOdd && p.stream.Mode == extract.Incremental {
		p.note("rows whose %s is NaN or infinite are read in every run, and do not move the cursor", c.name)
	}
	return nil
}

// readOutside adds the rows that no mark passes: it never shows when they change, so that they are read in each run.
func (p *planner) readOutside(changed bool) {
	if !p.hasNulls && !p.hasOdd {
		return
	}
	p.w.Overlaps = true
	if p.rel.cursor.oneScan() && changed {
		return
	}
	if p.hasNulls {
		p.note("rows without a %s are read in every run: nothing tells when they change", p.rel.cursor.name)
	}
	p.slice("nulls", piece{What: nullRows}, 0)
}

// refuseOutside: of an append stream, a row that no mark passes would never be read, or again and again.
func (p *planner) refuseOutside() error {
	what := "NULL"
	switch {
	case p.hasOdd:
		what = "NaN or infinite"
	case !p.hasNulls:
		return nil
	}
	return &database.Trouble{Message: fmt.Sprintf("there are rows whose %s is %s: mode: append would leave them out", p.rel.cursor.name, what),
		Advice: "take a cursor that is NOT NULL and finite, use mode: incremental with a key, or leave them out on purpose with a query:"}
}

// mark is the present, for the cursor.
func (p *planner) mark(ctx context.Context) (database.Mark, error) {
	m := database.Mark{At: p.h.now.UTC(), Ahead: p.h.ahead}
	if c := p.rel.cursor.class; c == database.LocalMoments || c == database.Days {
		var seconds int
		// Summer time is left out: localEdge sees to it.
		err := p.h.QueryRow(ctx, `SELECT extract(epoch FROM min((t AT TIME ZONE $1) - (t AT TIME ZONE 'UTC')))::int
FROM pg_catalog.generate_series($2::timestamptz, $2::timestamptz + interval '11 months', '1 month') AS t`, p.zone(), p.h.now).Scan(&seconds)
		if err != nil {
			return m, p.noZone(err)
		}
		m.Offset = time.Duration(seconds) * time.Second
	}
	return m, nil
}

// zone is that of a cursor without one.
func (p *planner) zone() string {
	if z := p.rel.option.CursorTimezone; z != "" {
		return z
	}
	return p.h.zone
}

func (p *planner) noZone(err error) error {
	if code(err) != badParameter {
		return err
	}
	return &database.Trouble{Message: fmt.Sprintf("the server knows no time zone %q", p.zone()), Advice: "cursor_timezone: takes a name such as Europe/Berlin", Err: err}
}

// localEdge is the least local time that can still come after a moment. In the hour before clocks go back that is the
// time that they will go back to. Zones change at full minutes, and by less than three hours.
func localEdge(ctx context.Context, c *pgx.Conn, edge time.Time, zone string) (text string, err error) {
	err = c.QueryRow(ctx, `SELECT min(t AT TIME ZONE $2)::text FROM (SELECT $1::timestamptz
UNION ALL SELECT pg_catalog.generate_series(date_trunc('minute', $1::timestamptz) + interval '1 minute', $1::timestamptz + interval '3 hours', '1 minute')) AS later(t)`, edge, zone).Scan(&text)
	return text, err
}

// bounds are the limits of a window as the server spells them.
type bounds struct {
	lo  string // rows beyond it are read
	top string // the greatest value that there is
	// hi is where the next window begins: no row can appear at or below it any more. "": nowhere yet.
	hi       string
	fresh    bool // there are rows beyond lo
	moved    bool // hi is beyond the mark
	overlaps bool // rows beyond hi are read, and will be again
}

// defaultLookback is how far behind the clock the edge stays where open transactions cannot be seen.
const defaultLookback = 10 * time.Minute

// heldLong is when a transaction that holds the edge back is worth a warning. Only tests change it.
var heldLong = time.Minute

func (p *planner) bounds(ctx context.Context, mark database.Mark) (b bounds, err error) {
	c := p.rel.cursor
	safe := ""
	if c.class == database.Numbers {
		safe, err = p.safeNumber(mark)
	} else {
		safe, err = p.safeMoment(ctx, mark)
	}
	if err != nil {
		return b, err
	}
	if b.top, err = p.rel.maxCursor(ctx, p.h.session, ""); err != nil {
		return b, err
	}
	if b.lo, err = p.low(ctx, mark, b.top); err != nil {
		return b, err
	}
	if b.top == "" {
		b.hi = mark.Value
		return b, nil
	}
	setBack := b.lo != mark.Value
	value := func(text string) string {
		if text == "" {
			return "NULL::" + c.sqlType
		}
		return c.value(text)
	}
	var hi *string
	// A mark is never taken back, except when the clock was: what is at or below it was read, and was proven complete.
	keep := "greatest(m.hi, m.mark)"
	if setBack {
		keep = "m.hi"
	}
	err = p.h.QueryRow(ctx, fmt.Sprintf(`SELECT k.hi::text, m.top > m.lo IS NOT FALSE, k.hi > m.mark IS NOT FALSE AND k.hi IS NOT NULL, k.hi IS NULL OR m.top > k.hi
FROM (SELECT %s AS top, %s AS lo, %s AS mark, %s AS hi) AS m, LATERAL (SELECT %s AS hi) AS k`,
		value(b.top), value(b.lo), value(mark.Value), value(safe), keep)).Scan(&hi, &b.fresh, &b.moved, &b.overlaps)
	if hi != nil {
		b.hi = *hi
	}
	return b, err
}

// past refuses a mark that was set by hand to the future, and beyond what the table has: a clock that was set back may have
// left rows there.
func (p *planner) past(ctx context.Context, mark database.Mark, expr, top string) error {
	c := p.rel.cursor
	if (c.class == database.LocalMoments || c.class == database.Days) && !plainMoment.MatchString(mark.Value) {
		return &database.Trouble{Message: fmt.Sprintf("the cursor %q is no plain value of %s (%s)", mark.Value, c.name, c.sqlType), Advice: "write 2026-01-31 or 2026-01-31 12:00:00, without a zone: local time at " + p.zone() + " is meant"}
	}
	beyond := "true"
	if top != "" {
		beyond = expr + " > " + c.value(top)
	}
	var future bool
	if c.class == database.Numbers {
		if top == "" {
			return nil
		}
		if err := p.h.QueryRow(ctx, "SELECT "+beyond).Scan(&future); err != nil || !future {
			return err
		}
		return mark.TooFar(p.stream, top)
	}
	now := literal(p.h.now.Format(time.RFC3339Nano)) + "::timestamptz"
	if c.class != database.Moments {
		now = "pg_catalog.timezone(" + literal(p.zone()) + ", " + now + ")"
	}
	var there string
	if err := p.h.QueryRow(ctx, "SELECT "+expr+" > n AND "+beyond+", n::timestamp(0)::text FROM (SELECT "+now+" AS n) AS n").Scan(&future, &there); err != nil {
		return p.noZone(err)
	}
	if future || movingWord.MatchString(mark.Value) {
		return mark.InFuture(p.stream, there)
	}
	return nil
}

// plainMoment is how a moment without a zone is written: the server passes over a zone that it finds there.
var plainMoment = regexp.MustCompile(`^\d{4,}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?$`)

// movingWord finds what PostgreSQL takes for a moment, and for another one each day.
var movingWord = regexp.MustCompile(`(?i)\b(now|today|tomorrow|yesterday|allballs)\b`)

// low is the mark, or, when the clock was set back since, as far before it as rows may have been written since. top is the
// greatest value that there is.
func (p *planner) low(ctx context.Context, mark database.Mark, top string) (string, error) {
	c := p.rel.cursor
	if mark.Value == "" {
		return "", nil
	}
	if v := strings.ToLower(strings.TrimLeft(mark.Value, "+-")); v == "nan" || v == "infinity" || v == "inf" {
		return "", &database.Trouble{Message: fmt.Sprintf("the cursor of %s stands at %s: nothing comes after it", c.name, mark.Value),
			Advice: fmt.Sprintf("millrace state reset %s reads everything again; state set gives another value", p.stream.Node)}
	}
	back := mark.SetBack(p.present)
	if p.stream.Mode == extract.Append && back > 0 && c.class != database.Numbers {
		// Two clocks of which none was set drift apart by less than this.
		if drift := max(0, p.present.At.Sub(mark.At)) / 5000; back > drift {
			return "", &database.Trouble{Message: fmt.Sprintf("the server's clock was set back by about %s since the last run: of rows whose %s is up to %s it cannot be told whether they were read already", back.Round(time.Second), c.name, mark.Value),
				Advice: fmt.Sprintf("mode: incremental with a key reads them again and merges them; to go on as if it had not happened: millrace state set %s '%s'", p.stream.Node, mark.Value)}
		}
		back = 0
	}
	expr := c.value(mark.Value)
	if back > 0 && c.class == database.Days {
		expr += fmt.Sprintf(" - %d", int(math.Ceil(back.Hours()/24)))
	} else if back > 0 && c.class != database.Numbers {
		expr += fmt.Sprintf(" - interval '%f seconds'", (back + margin).Seconds())
	}
	var lo string
	if err := p.h.QueryRow(ctx, "SELECT ("+expr+")::text").Scan(&lo); err != nil {
		return "", &database.Trouble{Message: fmt.Sprintf("the cursor %q is no value of %s (%s)", mark.Value, c.name, c.sqlType), Advice: "millrace state show tells it; state set gives another, state reset reads everything again", Err: err}
	}
	if mark.ByHand() {
		if err := p.past(ctx, mark, expr, top); err != nil {
			return "", err
		}
	}
	if back > 0 && c.class != database.Numbers {
		p.note("the server's clock was set back by about %s since the last run: read again from %s", back.Round(time.Second), lo)
		return lo, nil
	}
	return mark.Value, nil
}

// safeMoment is the greatest value of the cursor below the edge: no transaction that the snapshot does not see can
// write such a value any more.
func (p *planner) safeMoment(ctx context.Context, mark database.Mark) (string, error) {
	o, c, h := p.rel.option, p.rel.cursor, p.h
	edge, lookback := h.edge, o.Lookback.Std()
	unproven, err := p.unproven(ctx)
	if err != nil {
		return "", err
	}
	if unproven != "" && lookback == 0 {
		lookback = defaultLookback
	}
	if unproven != "" {
		p.note("%s: the cursor stays %s behind the clock instead (lookback), and what is newer is read again; a transaction that takes longer could be missed", unproven, lookback)
	}
	if back := h.now.Add(-lookback); back.Before(edge) {
		edge = back
	}
	if prepared := h.holdsBack(p.rel.tree); prepared != nil {
		p.note("warning: %s keeps the cursor where it is: rows are read again in the next run", prepared)
		return mark.Value, nil
	}
	if b := h.oldest; b != nil && h.now.Sub(b.Start) > heldLong && !b.Start.Add(-margin).After(edge) && unproven == "" {
		p.note("warning: %s holds the safe edge at %s: rows after it are read again in the next run", b, edge.UTC().Format(time.DateTime))
	}
	below := edge.UTC().Format("2006-01-02 15:04:05.000000-07")
	if c.class != database.Moments {
		if below, err = localEdge(ctx, h.Conn, edge, p.zone()); err != nil {
			return "", p.noZone(err)
		}
	}
	if c.class == database.Days { // a day goes on until it has ended
		below, _, _ = strings.Cut(below, " ")
	}
	return p.rel.maxCursor(ctx, h.session, below)
}

// unproven says why the edge proves nothing for this stream; "" when it does.
func (p *planner) unproven(ctx context.Context) (string, error) {
	if p.h.unproven != "" || len(p.rel.tree) == 0 {
		return p.h.unproven, nil
	}
	var replicated bool
	err := p.h.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_subscription_rel WHERE srrelid = ANY($1))`, p.rel.tree).Scan(&replicated)
	if err == nil && replicated {
		return "the table is filled by logical replication, whose rows bear another server's time", nil
	}
	return "", err
}

// safeNumber is how far a cursor that is a number is complete.
func (p *planner) safeNumber(mark database.Mark) (string, error) {
	edge, known := p.h.numbers[edgeOf(p.stream)]
	switch {
	case !known || edge.Unordered != "":
		p.ripening = true
		lookback := p.rel.option.Lookback.Std()
		if lookback == 0 {
			lookback = defaultLookback
		}
		p.note("how far %s is complete cannot be seen (%s): what was there %s ago counts as complete, and later rows are read again", p.rel.cursor.name, p.h.unprovenNumbers(p.rel), lookback)
		if mark.Seen != "" && p.h.now.Sub(mark.SeenAt) >= lookback {
			return mark.Seen, nil
		}
		return mark.Value, nil
	case edge.Blocker != nil:
		p.note("warning: %s may have taken smaller values of %s than are there: the cursor stays where it is, and rows are read again in the next run", edge.Blocker, p.rel.cursor.name)
		return mark.Value, nil
	}
	return edge.Value, nil
}

func (h *holder) unprovenNumbers(r *relation) string {
	switch {
	case h.standby:
		return h.unproven
	case h.numbers[edgeOf(r.stream)].Unordered != "":
		return h.numbers[edgeOf(r.stream)].Unordered
	case len(r.tree) == 0:
		return "it is a " + r.kind + ", whose writers are not known"
	}
	return "the table could not be looked at before the snapshot"
}

// remarks are what one who plans should know of the stream.
func (r *relation) remarks() []string {
	var out []string
	table := r.oid != 0 && r.kind != "view"
	if c := r.cursor; c != nil && table && !c.indexed {
		out = append(out, fmt.Sprintf("%s is not indexed: each run reads all of %s (%s) at the server; CREATE INDEX ON %s (%s) mends it", c.name, r.name, sizeText(r.pages*8), r.name, joinIdents("", database.IndexColumns(c.name, r.stream.Key))))
	}
	if c := r.cursor; c != nil && c.nullable {
		out = append(out, fmt.Sprintf("%s may be NULL: such rows are read in every run", c.name))
	}
	if table && r.stream.Mode == extract.Incremental && !r.keyIs.unique {
		out = append(out, fmt.Sprintf("no unique index covers the key (%s): of rows that share it, one is kept", joinIdents("", r.stream.Key)))
	}
	return out
}

func sizeText(kilobytes int64) string {
	if kilobytes < 10<<10 {
		return fmt.Sprintf("about %d kB", kilobytes)
	}
	return fmt.Sprintf("about %d MB", kilobytes>>10)
}

func joinIdents(prefix string, names []string) string {
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += prefix + quoteIdent(n)
	}
	return out
}

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	defer c.close()
	f, err := c.facts(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.explain(ctx, err))
	}
	rel, err := s.relation(ctx, c, f, st)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.explain(ctx, err))
	}
	d := &extract.Description{Rows: rel.rows, Bytes: rel.bytes, Notes: append(rel.notes, rel.remarks()...)}
	for _, col := range rel.columns {
		d.Columns = append(d.Columns, extract.Column{Name: col.name, Type: col.duckType})
	}
	return d, nil
}
