package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// piece is what a slice's Spec holds.
type piece struct {
	What    string   `json:"what"`            // rows, changed, nulls, keys
	AsOf    string   `json:"as_of,omitempty"` // the state that it must be read in; "": any later one shows the same rows
	Lo      string   `json:"lo,omitempty"`    // rows whose cursor is greater…
	Top     string   `json:"top,omitempty"`   // …and not greater than this; "": no limit
	Columns string   `json:"columns"`         // fingerprint
	Order   []string `json:"order,omitempty"` // read in pages, in the order of these columns
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

// Window implements extract.Source. Windows of full streams hold as long as the session that holds their snapshot; those
// of incremental and append streams for ever, because a row of theirs that changes gets a cursor beyond them: they are
// extended by what has changed since.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	w, err := s.window(ctx, st, since, fixed)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.explain(ctx, err))
	}
	return w, nil
}

func (s *source) window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	h, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	if fixed != nil && fixed.AsOf != nil && fixed.AsOf.ID == h.asOf.ID {
		return fixed, nil
	}
	done, err := h.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rel, err := s.relation(ctx, h.session, st)
	if err != nil {
		return nil, err
	}
	// A look at the table keeps it from being altered until our transaction ends, and finds out whether it was already.
	// Not by DO, which tells no errors.
	var some int
	if err := h.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+rel.from+" LIMIT 1) AS t").Scan(&some); err != nil {
		if serverCode(err) == definitionChanged {
			defer s.drop(h) // another snapshot will see the table as it is
			return nil, fmt.Errorf("%s was altered or truncated just now: %w", rel.from, extract.ErrTransient)
		}
		return nil, err
	}
	p := &planner{source: s, h: h, rel: rel, stream: st, since: since, w: &extract.Window{Lo: since, Slices: []extract.Slice{}, AsOf: &h.asOf, Latest: true}}
	if st.Range != nil {
		if fixed != nil && rel.readsOn(fixed) {
			p.w = fixed
			p.freshKeys()
			return fixed, nil
		}
		return p.w, p.ranged()
	}
	if fixed != nil && fixed.Hi != "" && st.Mode != extract.Full && rel.readsOn(fixed) {
		p.since, rel.added = fixed.Hi, nil
		if err := p.plan(ctx); err != nil {
			return nil, err
		}
		database.Extend(fixed, p.w)
		return fixed, nil
	}
	return p.w, p.plan(ctx)
}

// readsOn says whether a window of an earlier session still means the same rows.
func (r *relation) readsOn(w *extract.Window) bool {
	for _, slice := range w.Slices {
		var pc piece
		if json.Unmarshal([]byte(slice.Spec), &pc) != nil || pc.Columns != r.fingerprint() {
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
	// ripening: nothing shows how far a number is complete; what was seen counts when it is old enough.
	ripening bool
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
		p.slice("all", piece{What: allRows, AsOf: p.h.asOf.ID}, max(p.rel.bytes, 0))
		return nil
	}
	return p.changes(ctx)
}

func (p *planner) slice(id string, pc piece, bytes int64) {
	pc.Columns = p.rel.fingerprint()
	text, _ := json.Marshal(pc) // a plain struct
	p.w.Slices = append(p.w.Slices, extract.Slice{ID: id, Spec: string(text), Bytes: bytes, Keys: pc.What == keysOnly})
}

// whole adds everything that is there: in pages of the primary key, in which InnoDB keeps its rows, so that a first load
// that was cut off goes on there.
func (p *planner) whole(top string) {
	pc := piece{What: allRows, Top: top}
	if p.rel.pageable(p.rel.primary) {
		pc.Order = p.rel.primary
	}
	p.slice("all", pc, max(p.rel.bytes, 0))
}

// changes plans an incremental or append stream: rows whose cursor is beyond the mark of the last run.
func (p *planner) changes(ctx context.Context) error {
	c := p.rel.cursor
	if c == nil {
		return &database.Trouble{Message: "there is no cursor", Advice: "add cursor: to the stream"}
	}
	mark, err := database.ParseMark(p.since)
	if err != nil {
		return err
	}
	if _, err := p.zone(); err != nil {
		return err
	}
	b, err := p.bounds(ctx, mark)
	if err != nil {
		return err
	}
	p.w.Hi = mark.Next(p.since, p.mark(), b.hi, b.top, p.ripening)
	p.w.Overlaps = b.overlaps
	if p.stream.Mode == extract.Append {
		if p.ripening {
			return &database.Trouble{Message: fmt.Sprintf("how far %s is complete cannot be seen (%s): mode: append would lose rows that are committed late", c.name, p.h.unproven),
				Advice: "use mode: incremental with a key, a cursor that is a timestamp, or the primary"}
		}
		if some, err := p.someNull(ctx); err != nil || some {
			return errors.Join(err, &database.Trouble{Message: fmt.Sprintf("there are rows whose %s is NULL: mode: append would leave them out", c.name),
				Advice: "take a cursor that is NOT NULL, use mode: incremental with a key, or leave them out on purpose with a query:"})
		}
		p.w.Overlaps = false
		switch {
		case b.hi == "" && p.stream.Fresh:
			p.nothingYet(b.top)
		case b.hi == "" || b.hi == mark.Value:
		case mark.Value == "":
			p.whole(b.hi)
		default:
			p.slice("changed", p.changed(b.lo, b.hi), 0)
		}
		return nil
	}
	if mark.Value == "" || len(p.rel.added) > 0 { // everything that is there, rows without a cursor among it
		p.whole("")
		p.w.Overlaps = p.w.Overlaps || mark.Value != ""
		// A mark that stays where it was has the next run, too, begin at the start: it would never see what is gone.
		if p.stream.Deletes && (mark.Value != "" || b.hi == "" || len(p.stream.Known) > 0) {
			p.slice("keys", piece{What: keysOnly}, 0)
		}
		return nil
	}
	if b.fresh {
		p.slice("changed", p.changed(b.lo, b.top), 0)
	}
	if c.nullable && !(c.unindexedNulls() && b.fresh) {
		some, err := p.someNull(ctx)
		if err != nil {
			return err
		}
		if some {
			p.note("rows without a %s are read in every run: nothing tells when they change", c.name)
			p.w.Overlaps = true
			p.slice("nulls", piece{What: nullRows}, 0)
		}
	}
	if p.stream.Deletes {
		p.slice("keys", piece{What: keysOnly}, 0)
	}
	return nil
}

// nothingYet has the table published without rows: its columns are known.
func (p *planner) nothingYet(top string) {
	if top != "" {
		p.note("no row is old enough to be known to be complete: the next run reads them")
	}
	p.slice("none", piece{What: noRows}, 0)
}

// changed is the piece of changed rows, in pages where an index gives them in order.
func (p *planner) changed(lo, top string) piece {
	return p.paged(piece{What: changedRows, Lo: lo, Top: top})
}

func (p *planner) paged(pc piece) piece {
	order := append([]string{p.stream.Cursor}, p.stream.Key...)
	if p.rel.cursor.indexed && p.rel.unique && p.rel.notNull && p.rel.pageable(order) {
		pc.Order = order
	}
	return pc
}

// unindexedNulls says that rows without a cursor come out of the same scan as the changed ones.
func (c *cursorColumn) unindexedNulls() bool { return c.nullable && !c.indexed }

func (p *planner) someNull(ctx context.Context) (some bool, err error) {
	if !p.rel.cursor.nullable {
		return false, nil
	}
	err = p.h.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+p.rel.from+" WHERE "+quoteName(p.rel.cursor.name)+" IS NULL)").Scan(&some)
	return some, err
}

// zone is that of the writers' local time, for cursors without one. Where nobody names it, it is taken to be what the
// server's clock shows now, and a change of that is noticed when it has happened.
func (p *planner) zone() (*time.Location, error) {
	c := p.rel.cursor
	if c.class != database.LocalMoments && c.class != database.Days {
		return time.UTC, nil
	}
	if name := p.rel.option.CursorTimezone; name != "" {
		place, err := time.LoadLocation(name)
		if err != nil {
			return nil, &database.Trouble{Message: fmt.Sprintf("unknown time zone %q", name), Advice: "cursor_timezone: takes a name of the IANA database, such as Europe/Berlin", Err: err}
		}
		return place, nil
	}
	now := time.FixedZone("", int(p.h.session.zone.Seconds()))
	if name := p.h.session.zoneName; strings.Contains(name, "/") { // not EST, which means another thing to each
		if place, err := time.LoadLocation(name); err == nil && wall(p.h.now, place).Equal(wall(p.h.now, now)) {
			return place, nil
		}
	}
	return now, nil
}

// wall is the local time of a moment, written as if it were UTC.
func wall(t time.Time, zone *time.Location) time.Time {
	_, seconds := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(seconds) * time.Second)
}

// localEdge is the least local time that can still come after a moment. In the hour before clocks go back that is the
// time that they will go back to. Zones change at full minutes, and by less than three hours.
func localEdge(edge time.Time, zone *time.Location) time.Time {
	least := wall(edge, zone)
	for t := edge.Truncate(time.Minute).Add(time.Minute); t.Before(edge.Add(3 * time.Hour)); t = t.Add(time.Minute) {
		if w := wall(t, zone); w.Before(least) {
			least = w
		}
	}
	return least
}

// mark is the present, for the cursor. Summer time is left out of its offset: localEdge sees to it.
func (p *planner) mark() database.Mark {
	m := database.Mark{At: p.h.now.UTC(), Ahead: p.h.ahead}
	if zone, err := p.zone(); err == nil { // the plan has asked before
		for month := range 12 {
			t := p.h.now.AddDate(0, month, 0)
			if offset := wall(t, zone).Sub(t); month == 0 || offset < m.Offset {
				m.Offset = offset
			}
		}
	}
	return m
}

// bounds are the limits of a window as the server spells them.
type bounds struct {
	lo       string // rows beyond it are read
	top      string // the greatest value that there is
	hi       string // where the next window begins: no row can appear at or below it any more; "": nowhere yet
	fresh    bool   // there are rows beyond lo
	overlaps bool   // rows beyond hi are read, and will be again
}

func (p *planner) bounds(ctx context.Context, mark database.Mark) (b bounds, err error) {
	if b.top, err = p.max(ctx, ""); err != nil {
		return b, err
	}
	if b.lo, err = p.low(ctx, mark, b.top); err != nil {
		return b, err
	}
	b.hi = mark.Value
	if b.top == "" {
		return b, nil
	}
	safe := ""
	if p.rel.cursor.class == database.Numbers {
		safe, err = p.safeNumber(ctx, mark, b)
	} else {
		safe, err = p.safeMoment(ctx, b.lo)
	}
	if err != nil {
		return b, err
	}
	// A mark is never taken back, except when the clock was: what is at or below it was read, and was proven complete.
	further, err := p.greater(ctx, safe, mark.Value)
	if err != nil {
		return b, err
	}
	if further || b.lo != mark.Value {
		b.hi = safe
	}
	if b.fresh, err = p.greater(ctx, b.top, b.lo); err != nil {
		return b, err
	}
	b.overlaps, err = p.greater(ctx, b.top, b.hi)
	return b, err
}

// max is the greatest value of the cursor, as text; "" when there is none. below restricts it to smaller ones.
func (p *planner) max(ctx context.Context, below string) (string, error) {
	column, where := quoteName(p.rel.cursor.name), ""
	if below != "" {
		where = " WHERE " + column + " < " + p.rel.cursor.value(below)
	}
	var value sql.NullString
	err := p.h.QueryRowContext(ctx, "SELECT MAX("+column+") FROM "+p.rel.from+where).Scan(&value)
	if strings.HasPrefix(value.String, "0000-") { // the zero date: no moment, and no literal
		return "", err
	}
	return value.String, err
}

// greater compares two values of the cursor as the server does; "" is less than all.
func (p *planner) greater(ctx context.Context, a, b string) (yes bool, err error) {
	if a == "" || b == "" {
		return a != "", nil
	}
	err = p.h.QueryRowContext(ctx, "SELECT "+p.rel.cursor.value(a)+" > "+p.rel.cursor.value(b)).Scan(&yes)
	return yes, err
}

// past refuses a mark that was set by hand to the future, and beyond what the table has: a clock that was set back may have
// left rows there.
func (p *planner) past(ctx context.Context, mark database.Mark, top string) error {
	if p.rel.cursor.class == database.Numbers {
		if top == "" {
			return nil
		}
		if beyond, err := p.greater(ctx, mark.Value, top); err != nil || !beyond {
			return err
		}
		return mark.TooFar(p.stream, top)
	}
	zone, err := p.zone()
	if err != nil {
		return err
	}
	layout := timeLayout
	if p.rel.cursor.class == database.Days {
		layout = time.DateOnly
	}
	there := wall(p.h.now, zone).Format(layout)
	future, err := p.greater(ctx, mark.Value, there)
	if err == nil && future && top != "" {
		future, err = p.greater(ctx, mark.Value, top)
	}
	if err == nil && future {
		err = mark.InFuture(p.stream, there)
	}
	return err
}

// low is the mark, or, when the clock was set back since, as far before it as rows may have been written since. top is the
// greatest value that there is.
func (p *planner) low(ctx context.Context, mark database.Mark, top string) (string, error) {
	c := p.rel.cursor
	if mark.Value == "" {
		return "", nil
	}
	present := p.mark()
	back := mark.SetBack(present)
	if p.stream.Mode == extract.Append && back > 0 && c.class != database.Numbers {
		// Two clocks of which none was set drift apart by less than this.
		if drift := max(0, present.At.Sub(mark.At)) / 5000; back > drift {
			return "", &database.Trouble{Message: fmt.Sprintf("the server's clock was set back by about %s since the last run: of rows whose %s is up to %s it cannot be told whether they were read already", back.Round(time.Second), c.name, mark.Value),
				Advice: fmt.Sprintf("mode: incremental with a key reads them again and merges them; cursor_timezone: knows when summer ends; to go on as if it had not happened: millrace state set %s '%s'", p.stream.Node, mark.Value)}
		}
		back = 0
	}
	expr := c.value(mark.Value)
	switch {
	case back == 0 || c.class == database.Numbers:
		back = 0
	case c.class == database.Days:
		expr += fmt.Sprintf(" - INTERVAL %d DAY", int(math.Ceil(back.Hours()/24)))
	default:
		expr += fmt.Sprintf(" - INTERVAL %d MICROSECOND", (back + margin).Microseconds())
	}
	var lo sql.NullString
	err := p.h.QueryRowContext(ctx, "SELECT "+expr).Scan(&lo)
	if err != nil || !lo.Valid || c.class == database.Numbers && !plainNumber.MatchString(mark.Value) {
		return "", &database.Trouble{Message: fmt.Sprintf("the cursor %q is no value of %s (%s)", mark.Value, c.name, c.typ), Advice: "millrace state show tells it; state set gives another, state reset reads everything again", Err: err}
	}
	if mark.ByHand() {
		if err := p.past(ctx, mark, top); err != nil {
			return "", err
		}
	}
	if back > 0 {
		p.note("the server's clock was set back by about %s since the last run: read again from %s", back.Round(time.Second), lo.String)
		return lo.String, nil
	}
	return mark.Value, nil
}

// defaultLookback is how far behind the clock the edge stays where running statements cannot be seen, and how far back
// the first window looks for rows that are not committed.
const (
	defaultLookback = 10 * time.Minute
	firstLook       = 24 * time.Hour
)

// safeMoment is the greatest value of the cursor below the edge, which is the start of the oldest running statement, that
// of the oldest transaction that has written, or the least value among the rows that are written and not committed.
func (p *planner) safeMoment(ctx context.Context, lo string) (string, error) {
	o, c, h := p.rel.option, p.rel.cursor, p.h
	zone, err := p.zone()
	if err != nil {
		return "", err
	}
	edge, lookback := h.edge, o.Lookback.Std()
	if h.unproven != "" {
		if lookback == 0 {
			lookback = defaultLookback
		}
		p.note("%s: the cursor stays %s behind the clock instead (lookback), and what is newer is read again; a transaction that takes longer could be missed", h.unproven, lookback)
	}
	if back := h.now.Add(-lookback); back.Before(edge) {
		edge = back
	}
	if h.running != "" && h.unproven == "" && h.now.Sub(edge) > time.Minute {
		p.note("warning: %s; it holds the safe edge at %s: rows after it are read again in the next run", h.running, edge.Format(time.DateTime))
	}
	spell := func(t time.Time) string {
		if c.class == database.Days {
			return t.Format(time.DateOnly)
		}
		if c.whole {
			return t.Format(time.DateTime)
		}
		return t.Format("2006-01-02 15:04:05.000000")
	}
	local := localEdge(edge, zone)
	below := spell(local)
	if lo == "" {
		lo = spell(local.Add(-firstLook))
	}
	open, err := p.uncommitted(ctx, lo, below)
	if err != nil {
		return "", err
	}
	if open != "" {
		if at, err := time.Parse(timeLayout, open); err == nil && local.Sub(at) > time.Minute {
			p.note("warning: rows of %s that are written and not committed hold the safe edge at %s (SELECT * FROM information_schema.innodb_trx shows whose): rows after it are read again in the next run", p.rel.from, open)
		}
		below = open
	}
	return p.max(ctx, below)
}

// safeNumber is how far a cursor that is a number is complete: numbers are given out in order while a row is written, so
// that what is missing below the greatest is written and not committed, or about to be by a statement that runs.
func (p *planner) safeNumber(ctx context.Context, mark database.Mark, b bounds) (string, error) {
	h := p.h
	if h.unproven != "" {
		p.ripening = true
		lookback := p.rel.option.Lookback.Std()
		if lookback == 0 {
			lookback = defaultLookback
		}
		p.note("%s: of %s, what was there %s ago counts as complete, and later rows are read again", h.unproven, p.rel.cursor.name, lookback)
		if mark.Seen != "" && h.now.Sub(mark.SeenAt) >= lookback {
			return mark.Seen, nil
		}
		return mark.Value, nil
	}
	still, err := h.outlast(ctx)
	if err != nil {
		return "", err
	}
	if still != "" {
		p.note("warning: %s may have taken smaller values of %s than are there: the cursor stays where it is, and rows are read again in the next run", still, p.rel.cursor.name)
		return mark.Value, nil
	}
	open, err := p.uncommitted(ctx, b.lo, "")
	if err != nil || open == "" {
		return b.top, err
	}
	return p.max(ctx, open)
}

// patience is how long outlast waits.
const patience = 5 * time.Second

// outlast waits for the statements that run now to end, and names one that does not.
func (h *holder) outlast(ctx context.Context) (string, error) {
	first, err := h.statements(ctx)
	if err != nil {
		return "", err
	}
	left := map[int64]statement{}
	for _, st := range first {
		left[st.id] = st
	}
	for begin := time.Now(); len(left) > 0 && time.Since(begin) < patience; {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		now, err := h.statements(ctx)
		if err != nil {
			return "", err
		}
		running := map[int64]statement{}
		for _, st := range now {
			running[st.id] = st
		}
		for id, st := range left {
			if other, ok := running[id]; !ok || other.query != st.query || other.text != st.text || other.seconds < st.seconds {
				delete(left, id)
			}
		}
	}
	for _, st := range left {
		return fmt.Sprintf("a statement of session %d (%s), running for %.0f s: %.60q", st.id, st.user, st.seconds, st.text), nil
	}
	return "", nil
}

// uncommitted is the least value of the cursor beyond lo and below an end ("": none) of a row that READ UNCOMMITTED
// shows and the snapshot does not; "" when there is none. Of a row that its transaction has changed twice it is the later
// value: boundByWriters is for the other. Rows that only the snapshot shows were changed since: what
// they became lies beyond the edge.
func (p *planner) uncommitted(ctx context.Context, lo, below string) (open string, failed error) {
	cursor := quoteName(p.rel.cursor.name)
	var where []string
	if lo != "" {
		where = append(where, cursor+" > "+p.rel.cursor.value(lo))
	}
	if below != "" {
		where = append(where, cursor+" < "+p.rel.cursor.value(below))
	}
	if len(where) == 0 {
		where = append(where, cursor+" IS NOT NULL")
	}
	from := " FROM " + p.rel.from + " WHERE " + strings.Join(where, " AND ")
	defer func() {
		if serverCode(failed) == lockWait {
			// Another session waits to alter the table, for the lock that our snapshot has: it goes first.
			p.drop(p.h)
			failed = fmt.Errorf("another session waits to alter %s, and goes first: %w", p.rel.from, extract.ErrTransient)
		}
	}()
	// A transaction, not one statement with that level: what the driver prepares is a statement too.
	for _, statement := range []string{"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "START TRANSACTION READ ONLY"} {
		if _, err := p.h.probe.ExecContext(ctx, statement); err != nil {
			return "", err
		}
	}
	defer func() { _, _ = p.h.probe.ExecContext(context.WithoutCancel(ctx), "COMMIT") }()
	row := p.rel.version()
	sums := "SELECT CONCAT_WS(' ', COUNT(*), BIT_XOR(CRC32(" + row + ")), SUM(CRC32(CONCAT_WS('~', " + row + ", " + cursor + "))))" + from
	var dirty, clean string
	if err := p.h.probe.QueryRowContext(ctx, sums).Scan(&dirty); err != nil {
		return "", err
	}
	if err := p.h.QueryRowContext(ctx, sums).Scan(&clean); err != nil || dirty == clean {
		return "", err
	}
	rows := "SELECT " + cursor + ", " + row + from + " ORDER BY " + joinNames(append([]string{p.rel.cursor.name}, p.stream.Key...))
	d, err := p.h.probe.QueryContext(ctx, rows)
	if err != nil {
		return "", err
	}
	defer d.Close()
	c, err := p.h.QueryContext(ctx, rows)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return p.rel.cursor.firstOnlyIn(d, c)
}

// version is an expression that tells a row's versions apart: by its cursor and its key, and where steps of the cursor
// are so coarse that two versions of a row may share one, by all columns that are read.
func (r *relation) version() string {
	names := append([]string(nil), r.stream.Key...)
	if r.cursor.coarse {
		for _, c := range r.columns {
			names = append(names, c.name)
		}
	}
	parts := []string{quoteName(r.cursor.name)}
	for _, name := range names { // checksums: texts of several collations do not go together, and may be long
		parts = append(parts, "COALESCE(CRC32("+quoteName(name)+"), 'NULL')")
	}
	return "CONCAT_WS('|', " + strings.Join(parts, ", ") + ")"
}

// firstOnlyIn is the cursor of the first row of d that c lacks; "" when it lacks none. Both have a cursor and a version,
// in the order of the cursor; how rows of one cursor are ordered is the server's business.
func (c *cursorColumn) firstOnlyIn(dirty, clean *sql.Rows) (string, error) {
	next := func(rows *sql.Rows) (at, version string, ok bool, err error) {
		if !rows.Next() {
			return "", "", false, rows.Err()
		}
		err = rows.Scan(&at, &version)
		return at, version, err == nil, err
	}
	snapshot, reached := map[string]int{}, ""
	for more := true; ; {
		at, version, ok, err := next(dirty)
		if err != nil || !ok {
			return "", err
		}
		for snapshot[version] == 0 && more && !c.less(at, reached) {
			var other string
			if reached, other, more, err = next(clean); err != nil {
				return "", err
			}
			if more {
				snapshot[other]++
			}
		}
		if snapshot[version] == 0 {
			return at, nil
		}
		if snapshot[version]--; snapshot[version] == 0 {
			delete(snapshot, version)
		}
	}
}

// less compares two values of the cursor as texts of the server; "" is less than all.
func (c *cursorColumn) less(a, b string) bool {
	if c.class != database.Numbers || a == "" || b == "" {
		return a < b
	}
	x, ok := new(big.Rat).SetString(a)
	y, also := new(big.Rat).SetString(b)
	return ok && also && x.Cmp(y) < 0
}

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	c, done, err := s.borrow(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	defer done()
	rel, err := s.relation(ctx, c, st)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.explain(ctx, err))
	}
	d := &extract.Description{Rows: rel.rows, Bytes: rel.bytes, Notes: append(rel.notes, rel.remarks()...)}
	for _, col := range rel.columns {
		d.Columns = append(d.Columns, extract.Column{Name: col.name, Type: col.duckType})
	}
	return d, nil
}
