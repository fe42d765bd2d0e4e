package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// session is one connection with our manners: it reads only, says who it is, and gives its slot back when it ends.
type session struct {
	*pgx.Conn
	defaultZone string // the default of this user in this database
	release     func()
}

// manners are the settings of every session. Time zone and styles make text exact and independent of the server's taste;
// row_security=off makes the server refuse to hide rows; the timeouts of idle sessions would end a snapshot. A SQL_ASCII
// server, asked for UTF8, ends a COPY at the first byte that is none: it is we who look.
const manners = `SET default_transaction_read_only = on;
SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmloption = 'content'; SET standard_conforming_strings = on;
SET row_security = off; SET statement_timeout = %d; SET lock_timeout = %d;
SELECT set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, false);
SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`

// connect opens a session. It waits for a slot, and tries a server that was never reached a few times only.
func (s *source) connect(ctx context.Context) (*session, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := pgx.ConnectConfig(ctx, s.config.Copy())
	for try := 0; err != nil && try < 2 && !s.wasReached() && database.Broken(err) && code(err) == "" && ctx.Err() == nil; try++ {
		database.Pause(ctx, try)
		conn, err = pgx.ConnectConfig(ctx, s.config.Copy())
	}
	if err != nil {
		<-s.slots
		return nil, s.explain(ctx, err)
	}
	s.mu.Lock()
	s.reached = true
	s.mu.Unlock()
	out := &session{Conn: conn, release: sync.OnceFunc(func() { <-s.slots })}
	err = conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('TimeZone')").Scan(&out.defaultZone)
	if err == nil {
		_, err = conn.PgConn().Exec(ctx, fmt.Sprintf(manners, s.options.StatementTimeout.Std().Milliseconds(), s.options.LockTimeout.Std().Milliseconds())).ReadAll()
	}
	if err != nil {
		out.close()
		return nil, s.explain(ctx, err)
	}
	return out, nil
}

func (s *source) wasReached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reached
}

func (c *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = c.Close(ctx)
	c.release()
}

// facts are what a server says of itself and of us.
type facts struct {
	version  int // 150018
	standby  bool
	monitors bool // we see when others' transactions began
	encoding string
	block    int64 // bytes of a page
	user     string
	zone     string
}

func (c *session) facts(ctx context.Context) (facts, error) {
	f := facts{zone: c.defaultZone}
	err := c.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.pg_is_in_recovery(),
  pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
  pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('block_size')::bigint, current_user`).
		Scan(&f.version, &f.standby, &f.monitors, &f.encoding, &f.block, &f.user)
	return f, err
}

// holder is the session whose transaction all streams read from. Its methods are used one at a time.
type holder struct {
	*session
	facts
	snapshot string // as pg_export_snapshot gave it
	asOf     extract.AsOf
	ahead    time.Duration // the server's clock before ours

	// now is the server's clock before anything else was looked at, edge the time before which every transaction has
	// ended whose rows the snapshot lacks. It is proven only where unproven is "".
	now, edge time.Time
	unproven  string
	oldest    *blocker
	prepared  []*blocker            // transactions that were prepared and not ended when the snapshot was taken
	numbers   map[string]numberEdge // by stream, for cursors that are numbers

	mu sync.Mutex
}

// blocker is a transaction that holds an edge back.
type blocker struct {
	PID               int
	User, App, State  string
	GID               string // of a prepared transaction, which has no process
	Start             time.Time
	relationsOfStream []uint32
}

func (b *blocker) String() string {
	if b.GID != "" {
		return fmt.Sprintf("the prepared transaction %q of %s, prepared %s: COMMIT or ROLLBACK PREPARED ends it", b.GID, b.User, b.Start.UTC().Format(time.DateTime))
	}
	name := b.App
	if name != "" {
		name = ", " + name
	}
	return fmt.Sprintf("a transaction of pid %d (%s%s, %s), open since %s", b.PID, b.User, name, b.State, b.Start.UTC().Format(time.DateTime))
}

// margin is how long a transaction may take from the time that its now() will say to being seen in pg_stat_activity.
const margin = time.Second

// hold gives the session that holds the snapshot, and takes a new snapshot where there is none, or its session has died.
func (s *source) hold(ctx context.Context) (*holder, error) {
	s.mu.Lock()
	h, closed := s.holder, s.closed
	s.mu.Unlock()
	if closed {
		return nil, errors.New("the source is closed")
	}
	if h != nil {
		if h.alive(ctx) {
			return h, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.drop(h)
	}
	fresh, err := s.takeSnapshot(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != nil || s.closed { // another was quicker
		go fresh.close()
		if s.closed {
			return nil, errors.New("the source is closed")
		}
		return s.holder, nil
	}
	s.holder = fresh
	return fresh, nil
}

// drop forgets a holder whose session is of no more use.
func (s *source) drop(h *holder) {
	s.mu.Lock()
	if s.holder == h {
		s.holder = nil
	}
	s.mu.Unlock()
	h.close()
}

func (h *holder) alive(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.IsClosed() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := h.Exec(ctx, "SELECT 1")
	return err == nil
}

func (h *holder) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.session.close()
}

// takeSnapshot opens the session and its transaction. The order is the proof: first the clock, then who is active, then
// who is prepared, then the snapshot. A transaction that the snapshot does not see was active when we looked, and is known
// with its start, or prepared, and is known, or began after the clock was read; what it will commit carries its start or
// a later time.
func (s *source) takeSnapshot(ctx context.Context) (_ *holder, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	h := &holder{session: c, numbers: map[string]numberEdge{}}
	if h.facts, err = c.facts(ctx); err != nil {
		return nil, err
	}
	position := "pg_catalog.pg_current_wal_lsn()"
	if h.standby {
		position = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	var lsn pgtype.Text // before the snapshot, and early: a transaction stands in the log before others see that it has ended
	if err := c.QueryRow(ctx, "SELECT "+position+"::text").Scan(&lsn); err != nil {
		return nil, err
	}
	h.asOf.Position = lsn.String
	if err := s.numberEdges(ctx, h); err != nil {
		return nil, err
	}
	ours := time.Now()
	if err := c.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&h.now); err != nil {
		return nil, err
	}
	h.ahead = h.now.Sub(ours.Add(time.Since(ours) / 2))
	if err := h.findEdge(ctx); err != nil {
		return nil, err
	}
	if err := h.awaitPrepared(ctx); err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		return nil, err
	}
	err = c.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp()").Scan(&h.snapshot, &h.asOf.Time)
	if err != nil {
		return nil, err
	}
	token := make([]byte, 6)
	_, _ = rand.Read(token)
	h.asOf.ID = h.snapshot + "/" + hex.EncodeToString(token)
	return h, nil
}

// findEdge looks who is active. Only sessions of this database can write to its tables; ours only read. A procedure that
// commits has a new transaction each time, and none for a moment, while statement_timestamp() and what it has kept in
// variables are as old as its CALL: a statement under way counts from its own start.
func (h *holder) findEdge(ctx context.Context) error {
	h.edge = h.now.Add(-margin)
	switch {
	case h.standby:
		h.unproven = "the server is a standby, which does not show the primary's transactions"
		return nil
	case !h.monitors:
		h.unproven = fmt.Sprintf("%q may not see when other sessions' transactions began: GRANT pg_monitor TO %[1]q", h.user)
		return nil
	}
	rows, err := h.Query(ctx, `WITH writing AS (
  SELECT pid, usename, application_name, state,
    CASE WHEN state IN ('active', 'fastpath function call') THEN least(xact_start, query_start) ELSE xact_start END AS start
  FROM pg_catalog.pg_stat_activity
  WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
    AND backend_type NOT IN ('autovacuum launcher', 'autovacuum worker', 'walsender', 'walwriter', 'checkpointer', 'background writer', 'archiver', 'startup')
    AND application_name NOT LIKE $1 || ' %'
) SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''), coalesce(start, '-infinity')
FROM writing WHERE start IS NOT NULL OR state = 'disabled'
ORDER BY state = 'disabled' DESC, start LIMIT 1`, appName)
	if err != nil {
		return err
	}
	b, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (blocker, error) {
		var b blocker
		var start pgtype.Timestamptz
		err := row.Scan(&b.PID, &b.User, &b.App, &b.State, &start)
		b.Start = start.Time // that of one who does not tell is -infinity
		return b, err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	case b.State == "disabled":
		h.unproven = fmt.Sprintf("pid %d (%s) does not tell when its transactions begin: track_activities is off for it", b.PID, b.User)
		return nil
	}
	if h.oldest = &b; b.Start.Add(-margin).Before(h.edge) {
		h.edge = b.Start.Add(-margin)
	}
	return nil
}

// findPrepared lists the transactions that are prepared and have written to tables. The lock on its own id leads from
// such a transaction to its others; that on a virtual id may be that of the session that prepared it.
func (h *holder) findPrepared(ctx context.Context) (map[string]*blocker, error) {
	rows, err := h.Query(ctx, `SELECT p.gid, p.owner, p.prepared, l.relation FROM pg_catalog.pg_prepared_xacts AS p
JOIN pg_catalog.pg_locks AS x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.mode = 'ExclusiveLock' AND x.granted
JOIN pg_catalog.pg_locks AS l ON l.virtualtransaction = x.virtualtransaction AND l.locktype = 'relation' AND l.mode IN `+writeLocks+`
WHERE p.database = pg_catalog.current_database()`)
	if err != nil {
		return nil, err
	}
	out := map[string]*blocker{}
	var relation uint32
	var b blocker
	_, err = pgx.ForEachRow(rows, []any{&b.GID, &b.User, &b.Start, &relation}, func() error {
		if out[b.GID] == nil {
			one := b
			out[b.GID] = &one
		}
		out[b.GID].relationsOfStream = append(out[b.GID].relationsOfStream, relation)
		return nil
	})
	return out, err
}

// awaitPrepared gives transactions that were prepared just now the time to end, and keeps those that do not. When they
// began is not told: while one is open, no edge moves that was found before it.
func (h *holder) awaitPrepared(ctx context.Context) error {
	left, err := h.findPrepared(ctx)
	if err != nil {
		return err
	}
	young := func(b *blocker) bool { return h.now.Sub(b.Start) < patience }
	for begin := time.Now(); time.Since(begin) < patience && slices.ContainsFunc(slices.Collect(maps.Values(left)), young); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		now, err := h.findPrepared(ctx)
		if err != nil {
			return err
		}
		maps.DeleteFunc(left, func(gid string, b *blocker) bool { return now[gid] == nil || !now[gid].Start.Equal(b.Start) })
	}
	h.prepared = slices.Collect(maps.Values(left))
	return nil
}

// holdsBack gives a prepared transaction that has written to one of the tables; none named: to any table.
func (h *holder) holdsBack(relations []uint32) *blocker {
	for _, b := range h.prepared {
		if len(relations) == 0 || b.touches(relations) {
			return b
		}
	}
	return nil
}

func (b *blocker) touches(relations []uint32) bool {
	return slices.ContainsFunc(b.relationsOfStream, func(r uint32) bool { return slices.Contains(relations, r) })
}

// writeLocks are the modes of table locks that go with writing rows.
const writeLocks = `('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`

// numberEdge is how far a cursor that is a number is complete: to Value, or not at all while someone who may have taken
// smaller numbers has not ended.
type numberEdge struct {
	Value     string
	Blocker   *blocker
	Unordered string // why numbers may come that are smaller than those that are there; "": none do
}

// patience is how long a snapshot waits for transactions that are under way. Only tests change it.
var patience = 5 * time.Second

// numberEdges finds, before the snapshot is taken, how far the cursors that are numbers are complete. Numbers are given
// out in order while a row is written, so whoever holds no lock for writing now, after the greatest number was read, will
// be given a greater one. The others are waited for, and hold the edge back when they do not end.
func (s *source) numberEdges(ctx context.Context, h *holder) error {
	tables := map[string][]uint32{}
	var all []uint32
	for _, st := range s.env.Streams {
		if st.Cursor == "" || st.Mode == extract.Full || h.standby {
			continue
		}
		rel, err := s.relation(ctx, h.session, h.facts, st)
		if err != nil || rel.cursor == nil || rel.cursor.class != database.Numbers {
			continue // whoever asks for the stream's window is told
		}
		value, err := rel.maxCursor(ctx, h.session, "")
		if err != nil || len(rel.tree) == 0 {
			continue
		}
		unordered, err := rel.unordered(ctx, h.session)
		if err != nil {
			return err
		}
		h.numbers[edgeOf(st)] = numberEdge{Value: value, Unordered: unordered}
		if unordered != "" {
			continue
		}
		tables[edgeOf(st)] = rel.tree
		all = append(all, rel.tree...)
	}
	if len(all) == 0 {
		return nil
	}
	before, err := h.writers(ctx, all)
	if err != nil {
		return err
	}
	left := before
	for begin := time.Now(); len(left) > 0 && time.Since(begin) < patience; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		now, err := h.writers(ctx, all)
		if err != nil {
			return err
		}
		for id := range left {
			if _, still := now[id]; !still {
				delete(left, id)
			}
		}
	}
	for key, relations := range tables {
		for _, b := range left {
			if b.touches(relations) {
				h.numbers[key] = numberEdge{Blocker: b}
			}
		}
	}
	return nil
}

// edgeOf is the key of a stream in holder.numbers: one table may be read as two streams, by two cursors.
func edgeOf(st extract.Stream) string {
	return strings.Join([]string{st.Node, st.Name, st.Cursor}, "\x00")
}

// unordered says why the cursor's numbers may not be given out in order; "" when one sequence gives them, one by one.
// Versions that applications count, and blocks of numbers that they take, show nothing of what is still to come.
func (r *relation) unordered(ctx context.Context, c *session) (string, error) {
	var sequences, cache, step int64
	err := c.QueryRow(ctx, `WITH feeding AS (
  SELECT DISTINCT s.seqrelid, s.seqcache, s.seqincrement FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_attribute AS a ON a.attrelid = ANY($1) AND a.attname = $2
  WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef AS f JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
      WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid)
) SELECT count(*), coalesce(max(seqcache), 1), coalesce(max(seqincrement) FILTER (WHERE seqincrement <> 1), 1) FROM feeding`, r.tree, r.cursor.name).Scan(&sequences, &cache, &step)
	switch {
	case err != nil:
		return "", err
	case sequences == 0:
		return "no sequence gives its numbers; where a trigger takes them from one, ALTER SEQUENCE … OWNED BY says so", nil
	case sequences > 1:
		return fmt.Sprintf("%d sequences give its numbers", sequences), nil
	case cache > 1:
		return fmt.Sprintf("its sequence has CACHE %d: a session may use a number long after greater ones", cache), nil
	case step != 1:
		return fmt.Sprintf("its sequence has INCREMENT %d: what is in between may be used at any time", step), nil
	}
	return "", nil
}

// writers are the transactions that hold a lock for writing to one of the tables, by virtual transaction id. Everybody
// may look at pg_locks.
func (h *holder) writers(ctx context.Context, relations []uint32) (map[string]*blocker, error) {
	rows, err := h.Query(ctx, `SELECT l.virtualtransaction, l.relation, coalesce(l.pid, 0), coalesce(a.usename, p.owner, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
  coalesce(p.gid, ''), coalesce(a.xact_start, p.prepared, now())
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN LATERAL (SELECT p.* FROM pg_catalog.pg_locks AS x JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
  WHERE x.virtualtransaction = l.virtualtransaction AND x.locktype = 'transactionid' AND l.pid IS NULL LIMIT 1) AS p ON true
WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY($1) AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND l.mode IN `+writeLocks+` AND coalesce(a.backend_type, '') <> 'autovacuum worker'`, relations)
	if err != nil {
		return nil, err
	}
	out := map[string]*blocker{}
	var id string
	var relation uint32
	var b blocker
	_, err = pgx.ForEachRow(rows, []any{&id, &relation, &b.PID, &b.User, &b.App, &b.State, &b.GID, &b.Start}, func() error {
		if out[id] == nil {
			one := b
			out[id] = &one
		}
		out[id].relationsOfStream = append(out[id].relationsOfStream, relation)
		return nil
	})
	return out, err
}

// try runs f behind a savepoint: what fails for one stream must not end the snapshot of all.
func (h *holder) try(ctx context.Context, f func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.Exec(ctx, "SAVEPOINT stream"); err != nil {
		return err
	}
	if err := f(); err != nil {
		if !h.IsClosed() {
			_, back := h.Exec(ctx, "ROLLBACK TO SAVEPOINT stream")
			err = errors.Join(err, back)
		}
		return err
	}
	_, err := h.Exec(ctx, "RELEASE SAVEPOINT stream")
	return err
}

// workerPatience is how long a session that reads waits for a lock on a table that the holder has locked already: only for
// one who waits to alter it, and for our holder.
func (s *source) workerPatience() time.Duration {
	const most = 5 * time.Second
	if own := s.options.LockTimeout.Std(); own > 0 {
		return min(own, most)
	}
	return most
}

// worker opens a session that sees what the holder sees.
func (s *source) worker(ctx context.Context, h *holder) (*session, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	_, err = c.PgConn().Exec(ctx, fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT %s; SET LOCAL lock_timeout = %d", literal(h.snapshot), s.workerPatience().Milliseconds())).ReadAll()
	if err != nil {
		c.close()
		if c := code(err); c == badParameter || c == objectState || c == undefinedObject {
			return nil, fmt.Errorf("%w: the session that held the snapshot is gone (%w)", errLost, err)
		}
		return nil, s.explain(ctx, err)
	}
	return c, nil
}

// errLost says that the holder's snapshot cannot be read from any more.
var errLost = errors.New("the snapshot is gone")

// literal quotes a text for SQL; standard_conforming_strings is on.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
