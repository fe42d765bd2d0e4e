package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/extract"
)

// facts are what a server says of itself and of us.
type facts struct {
	version string
	maria   bool
	sees    bool // the statements of other sessions: the right PROCESS
	replica bool
	hidden  bool // it may be a replica that stands still: we may not look
	account string
	// functions are the names, in lower case, of stored functions that are not said to write nothing.
	functions []string
}

// holder is the session whose transaction all streams are read in, one after the other: MySQL cannot show one snapshot
// to two sessions.
type holder struct {
	*session
	facts
	probe *session // looks at what is not committed
	asOf  extract.AsOf
	ahead time.Duration // the server's clock before ours

	// now is the server's clock before anything else was looked at; no statement that began before edge still runs, so
	// that what may yet appear below it is in the tables already, not committed. It is proven only where unproven is "".
	now, edge time.Time
	unproven  string
	running   string // the statement that holds the edge back, for people

	busy chan struct{} // holds one token while somebody uses the sessions
}

// use waits for the sessions; done gives them back.
func (h *holder) use(ctx context.Context) (done func(), err error) {
	select {
	case h.busy <- struct{}{}:
		return sync.OnceFunc(func() { <-h.busy }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// margin is by how much a statement may have begun before it is seen, and what whole seconds hide.
const margin = time.Second

// hold gives the session that holds the snapshot, and takes a new snapshot where there is none, or its session has died.
// One at a time: two that wait for their second connection, each with the other's first, would wait for ever.
func (s *source) hold(ctx context.Context) (*holder, error) {
	select {
	case s.taking <- struct{}{}:
		defer func() { <-s.taking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
	if closed = s.closed; !closed {
		s.holder = fresh
	}
	s.mu.Unlock()
	if closed {
		fresh.close()
		return nil, errors.New("the source is closed")
	}
	return fresh, nil
}

// borrow gives a session to look at the catalog with: the snapshot's where there is one, as there may be no connection left
// for another.
func (s *source) borrow(ctx context.Context) (c *session, done func(), err error) {
	s.mu.Lock()
	h := s.holder
	s.mu.Unlock()
	if h != nil && h.alive(ctx) {
		done, err := h.use(ctx)
		return h.session, done, err
	}
	c, err = s.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c, c.close, nil
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

// alive says whether the snapshot can still be read. A session that is being read from is.
func (h *holder) alive(ctx context.Context) bool {
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, c := range []*session{h.session, h.probe} {
		if _, err := c.ExecContext(ctx, "DO 1"); err != nil {
			return false
		}
	}
	return true
}

// close ends the sessions, whoever uses them.
func (h *holder) close() {
	h.session.close()
	h.probe.close()
}

// takeSnapshot opens the sessions and the transaction. The order is the proof: first the statements that run, then the
// transactions that have written, then the snapshot, and for each stream what is written and not committed. A row that the
// snapshot lacks was written by a statement that ran when we looked, whose start is known; or one that came later, whose
// NOW() is later; or one that had ended, of a transaction that was open still. Such a row a dirty read shows, unless the
// transaction has changed it again and takes that back later: its start is the bound then.
func (s *source) takeSnapshot(ctx context.Context) (_ *holder, err error) {
	h := &holder{busy: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			for _, c := range []*session{h.session, h.probe} {
				if c != nil {
					c.close()
				}
			}
		}
	}()
	if h.session, err = s.connect(ctx); err != nil {
		return nil, err
	}
	if h.probe, err = s.connect(ctx); err != nil {
		return nil, err
	}
	// It looks at tables that our snapshot has locked: it waits for one only who waits for us.
	patience := 5 * time.Second
	if own := s.options.LockTimeout.Std(); own > 0 {
		patience = min(patience, max(own, time.Second))
	}
	if _, err := h.probe.ExecContext(ctx, fmt.Sprintf("SET lock_wait_timeout = %d", int(patience.Seconds()))); err != nil {
		return nil, err
	}
	if h.facts, err = h.session.facts(ctx); err != nil {
		return nil, err
	}
	if err := h.findEdge(ctx); err != nil {
		return nil, err
	}
	if h.unproven == "" {
		if err := h.boundByWriters(ctx); err != nil {
			return nil, err
		}
	}
	if !h.maria { // what is committed now is in the snapshot; later it would be a promise that the snapshot may not keep
		h.asOf.Position = h.executed(ctx)
	}
	if _, err := h.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return nil, err
	}
	var now string
	if err := h.QueryRowContext(ctx, "SELECT SYSDATE(6)").Scan(&now); err != nil {
		return nil, err
	}
	if h.asOf.Time, err = time.Parse(timeLayout, now); err != nil {
		return nil, err
	}
	if h.maria {
		h.asOf.Position = h.snapshotPosition(ctx)
	}
	token := make([]byte, 8)
	_, _ = rand.Read(token)
	h.asOf.ID = hex.EncodeToString(token)
	return h, nil
}

const timeLayout = "2006-01-02 15:04:05.999999"

func (c *session) facts(ctx context.Context) (f facts, err error) {
	if err := c.QueryRowContext(ctx, "SELECT VERSION(), CURRENT_USER()").Scan(&f.version, &f.account); err != nil {
		return f, err
	}
	f.maria = strings.Contains(strings.ToLower(f.version), "mariadb")
	// Without the right PROCESS the list of statements is cut to our own, without a word; this table is refused.
	var one sql.NullInt64
	switch err := c.QueryRowContext(ctx, "SELECT 1 FROM information_schema.innodb_trx LIMIT 1").Scan(&one); {
	case serverCode(err) == needRight:
		return f, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return f, err
	}
	f.sees = true
	if err := each(ctx, c, `SELECT LOWER(ROUTINE_NAME) FROM information_schema.ROUTINES
WHERE ROUTINE_TYPE = 'FUNCTION' AND SQL_DATA_ACCESS NOT IN ('NO SQL', 'READS SQL DATA') AND ROUTINE_SCHEMA NOT IN ('sys', 'mysql')`, nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		f.functions = append(f.functions, name)
		return err
	}); err != nil {
		return f, err
	}
	// A replica that stands still has no threads, and goes on later with rows of old times; read_only gives it away.
	err = c.QueryRowContext(ctx, "SELECT @@read_only OR EXISTS (SELECT 1 FROM information_schema.processlist WHERE user = 'system user' AND command NOT IN ('Daemon'))").Scan(&f.replica)
	if err != nil || f.replica {
		return f, err
	}
	rows, err := c.QueryContext(ctx, map[bool]string{true: "SHOW ALL SLAVES STATUS", false: "SHOW REPLICA STATUS"}[f.maria])
	switch {
	case err == nil:
		defer rows.Close()
		f.replica = rows.Next()
		return f, rows.Err()
	case serverCode(err) == 0:
		return f, err
	case f.maria: // we may not see it; where nothing was ever replicated, it is none
		err = c.QueryRowContext(ctx, "SELECT @@gtid_slave_pos <> ''").Scan(&f.hidden)
		return f, err
	}
	return f, nil
}

// statement is one that runs in another session.
type statement struct {
	id      int64
	query   int64 // number of the statement; 0 where the server does not tell
	user    string
	seconds float64
	text    string
}

// findEdge looks which statements run. NOW() is when a statement began, however long it waited since.
func (h *holder) findEdge(ctx context.Context) error {
	var now string
	ours := time.Now()
	if err := h.QueryRowContext(ctx, "SELECT NOW(6)").Scan(&now); err != nil {
		return err
	}
	var err error
	if h.now, err = time.Parse(timeLayout, now); err != nil {
		return err
	}
	h.ahead = h.now.Sub(ours.Add(time.Since(ours) / 2))
	h.edge = h.now.Add(-margin)
	switch {
	case !h.sees:
		h.unproven = fmt.Sprintf("%s may not see the statements of other sessions: GRANT PROCESS ON *.* TO it", h.account)
		return nil
	case h.replica:
		h.unproven = "the server is a replica, or read-only: its rows bear the time of another server"
		return nil
	case h.hidden:
		h.unproven = fmt.Sprintf("the server is or was a replica, and %s may not see which: GRANT SLAVE MONITOR ON *.* TO it", h.account)
		return nil
	}
	running, err := h.statements(ctx)
	if err != nil {
		return err
	}
	for _, st := range running {
		// time is in whole seconds, and counts from when the server last looked.
		began := h.now.Add(-time.Duration((st.seconds + 1) * float64(time.Second))).Add(-margin)
		if began.Before(h.edge) {
			h.edge = began
			h.running = fmt.Sprintf("a statement of session %d (%s), running for %.0f s: %.60q", st.id, st.user, st.seconds, st.text)
		}
	}
	return nil
}

// The server renews its list of transactions when nobody has read it for 100 ms.
const (
	trxPause = 110 * time.Millisecond
	trxTries = 4
)

// boundByWriters holds the edge at the start of the oldest transaction that has written and is open. A dirty read shows
// the latest version of a row only; ROLLBACK TO SAVEPOINT, or a statement that fails, brings an earlier one back, whose
// time is not before the transaction's start. The list tells no tables: one that wrote to others holds the edge as well.
//
// The list may be an old one. It is not when it has a transaction that we began just now; where somebody reads it all the
// time, so that it never does, the dirty read must be enough.
func (h *holder) boundByWriters(ctx context.Context) error {
	if _, err := h.probe.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return err
	}
	defer func() { _, _ = h.probe.ExecContext(context.WithoutCancel(ctx), "COMMIT") }()
	for try := range trxTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(trxPause):
			}
		}
		writers, fresh, err := h.writers(ctx)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		for _, w := range writers {
			if began := w.began.Add(-margin); began.Before(h.edge) {
				h.edge, h.running = began, fmt.Sprintf("a transaction of session %d, open since %s, has written", w.session, w.began.Format(time.DateTime))
				if w.session == 0 {
					h.running = fmt.Sprintf("a prepared transaction (XA RECOVER lists it), open since %s, has written", w.began.Format(time.DateTime))
				}
			}
		}
		return nil
	}
	return nil
}

// writer is an open transaction that has written.
type writer struct {
	session int64 // 0: a prepared one that its session has left
	began   time.Time
}

// writers are the open transactions that have written; fresh says that the list is not older than our own transaction.
// They began at a local time of the server, in whole seconds. In the hour that comes twice, the first is taken.
func (h *holder) writers(ctx context.Context) (out []writer, fresh bool, err error) {
	err = each(ctx, h.probe, `SELECT trx_mysql_thread_id, trx_mysql_thread_id = CONNECTION_ID(), LEAST(CONVERT_TZ(trx_started, 'SYSTEM', @@time_zone),
CONVERT_TZ(trx_started - INTERVAL 3 HOUR, 'SYSTEM', @@time_zone) + INTERVAL 3 HOUR)
FROM information_schema.innodb_trx WHERE trx_rows_modified > 0 OR trx_mysql_thread_id IN (0, CONNECTION_ID())`, nil, func(rows *sql.Rows) error {
		var w writer
		var own bool
		var began string
		if err := rows.Scan(&w.session, &own, &began); err != nil {
			return err
		}
		if own {
			fresh = true
			return nil
		}
		var err error
		w.began, err = time.Parse(timeLayout, began)
		out = append(out, w)
		return err
	})
	return out, fresh, err
}

// statements are those of other sessions that may write.
func (h *holder) statements(ctx context.Context) ([]statement, error) {
	rows, err := h.QueryContext(ctx, `SELECT id, /*M! query_id + */ 0, user, COALESCE(time, 0), COALESCE(info, '') FROM information_schema.processlist
WHERE id <> CONNECTION_ID() AND command NOT IN ('Sleep', 'Daemon') AND command NOT LIKE 'Binlog Dump%'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []statement
	for rows.Next() {
		var st statement
		if err := rows.Scan(&st.id, &st.query, &st.user, &st.seconds, &st.text); err != nil {
			return nil, err
		}
		if !readsOnly(st.text) || h.callsFunction(st.text) {
			out = append(out, st)
		}
	}
	return out, rows.Err()
}

// callsFunction says whether a statement may call a function that writes. Functions that the account may not see, it cannot
// tell.
func (f facts) callsFunction(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(f.functions, func(name string) bool { return strings.Contains(text, name) })
}

// readsOnly says of a running statement that it cannot write. One whose text is not told may be anything.
func readsOnly(text string) bool {
	for {
		text = strings.TrimLeft(text, " \t\r\n(")
		if rest, ok := strings.CutPrefix(text, "/*"); ok && !strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "M!") {
			_, after, found := strings.Cut(rest, "*/")
			if !found {
				return false
			}
			text = after
			continue
		}
		break
	}
	text = strings.ToUpper(text)
	if strings.Contains(text, "INTO") { // a step of a trigger or a function: what it belongs to may write when it is over
		return false
	}
	word, _, _ := strings.Cut(text, " ")
	return slices.Contains([]string{"SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"}, strings.TrimRight(word, "\r\n\t"))
}

// snapshotPosition is the snapshot's place in MariaDB's log; "" when the server does not tell.
func (h *holder) snapshotPosition(ctx context.Context) string {
	var name, file, place string
	rows, err := h.QueryContext(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return ""
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if rows.Scan(&name, &value) != nil {
			return ""
		}
		switch strings.ToLower(name) {
		case "binlog_snapshot_file":
			file = value
		case "binlog_snapshot_position":
			place = value
		}
	}
	if rows.Err() != nil || file == "" {
		return ""
	}
	_ = rows.Close()
	var gtid sql.NullString
	if h.QueryRowContext(ctx, "SELECT BINLOG_GTID_POS(?, ?)", file, place).Scan(&gtid) == nil && gtid.String != "" {
		return gtid.String
	}
	return file + ":" + place
}

// executed is MySQL's place in its log now; "" when the server does not tell. It knows none of a snapshot.
func (h *holder) executed(ctx context.Context) string {
	var gtid sql.NullString
	if h.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&gtid) != nil {
		return ""
	}
	return strings.ReplaceAll(gtid.String, "\n", "")
}
