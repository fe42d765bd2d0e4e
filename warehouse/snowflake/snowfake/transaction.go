package snowfake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A transaction's changes stand beside the committed rows until COMMIT: rows that it only adds in a table of their own, and once it has
// updated or deleted, which takes the table's lock, in a copy of the whole table. So every statement of every session reads what has been
// committed when it begins (read committed, https://docs.snowflake.com/en/sql-reference/transactions#read-committed-isolation), which one
// transaction of DuckDB, a snapshot, would not give.
type transaction struct {
	id      int64
	name    string
	session *Session
	began   time.Time
	changes map[*table]*change
}

type change struct {
	whole     bool            // rows is a copy of the whole table, which is locked
	rows      string          // DuckDB's table
	loaded    map[string]bool // files that COPY has brought in the transaction
	truncated bool            // the table's load metadata is gone
	query     string          // that took the lock
	since     time.Time
}

// lockedError is given when a statement needs a lock that another transaction holds.
type lockedError struct {
	table  *table
	holder *transaction
}

func (e *lockedError) Error() string { return "locked" }

func (s *Session) begin(_ context.Context, p *parser) (*Answer, error) {
	p.accept("TRANSACTION")
	name := ""
	if p.accept("NAME") {
		name = p.ident()
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.transaction != nil {
		return nil, unknownf("BEGIN within an open transaction")
	}
	s.open(name)
	return said("Statement executed successfully."), nil
}

func (s *Session) open(name string) {
	a := s.account
	id := a.number()
	if name == "" {
		name = fmt.Sprintf("tx-%d", id)
	}
	s.transaction = &transaction{id: id, name: name, session: s, began: a.cfg.Clock(), changes: map[*table]*change{}}
	a.open[id] = s.transaction
}

// dml is a statement that begins a transaction when none is open and AUTOCOMMIT is off
// (https://docs.snowflake.com/en/sql-reference/transactions#explicit-and-implicit-transactions).
func dml(run func(*Session, context.Context, *parser) (*Answer, error)) func(*Session, context.Context, *parser) (*Answer, error) {
	return func(s *Session, ctx context.Context, p *parser) (*Answer, error) {
		if s.transaction == nil && strings.EqualFold(s.parameters["AUTOCOMMIT"], "FALSE") {
			s.open("")
		}
		return run(s, ctx, p)
	}
}

// transactionID is how CURRENT_TRANSACTION tells it.
func (s *Session) transactionID() string {
	if s.transaction == nil {
		return ""
	}
	return strconv.FormatInt(s.transaction.id, 10)
}

func (s *Session) commit(ctx context.Context, p *parser) (*Answer, error) {
	return s.finish(ctx, p, true)
}

func (s *Session) rollback(ctx context.Context, p *parser) (*Answer, error) {
	return s.finish(ctx, p, false)
}

// finish ends the transaction; without one, COMMIT and ROLLBACK do nothing
// (https://docs.snowflake.com/en/sql-reference/sql/commit).
func (s *Session) finish(ctx context.Context, p *parser, keep bool) (*Answer, error) {
	_ = p.accept("WORK") || p.accept("TRANSACTION")
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.transaction != nil {
		if err := s.account.end(ctx, s.transaction, keep); err != nil {
			return nil, err
		}
	}
	return said("Statement executed successfully."), nil
}

// commitOpen commits the open transaction, as DDL does before it runs: it stands alone
// (https://docs.snowflake.com/en/sql-reference/transactions#ddl).
func (s *Session) commitOpen(ctx context.Context) error {
	if s.transaction == nil {
		return nil
	}
	return s.account.end(ctx, s.transaction, true)
}

// end ends a transaction, keeps or drops what it has changed, and wakes all who wait.
func (a *Account) end(ctx context.Context, tx *transaction, keep bool) error {
	err := a.atomic(ctx, func() error {
		for t, c := range tx.changes {
			if err := a.settle(ctx, tx, t, c, keep); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for t, c := range tx.changes {
		if !keep {
			continue
		}
		if c.whole {
			t.rows = c.rows
		}
		if c.truncated {
			clear(t.loaded)
		}
		maps.Copy(t.loaded, c.loaded)
	}
	delete(a.open, tx.id)
	if tx.session.transaction == tx {
		tx.session.transaction = nil
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return nil
}

// settle is the part of end that DuckDB does for one table.
func (a *Account) settle(ctx context.Context, tx *transaction, t *table, c *change, keep bool) error {
	if keep && c.whole {
		return a.dropRows(ctx, t.rows)
	}
	if keep {
		for _, rows := range a.copiesOf(t, tx) {
			if _, err := a.exec(ctx, "INSERT INTO "+rows+" BY NAME SELECT * FROM "+c.rows); err != nil {
				return err
			}
		}
	}
	return a.dropRows(ctx, c.rows)
}

// copiesOf are the tables that rows inserted by tx, or by no transaction, must reach: the committed ones, and the copy of another
// transaction that has t locked and whose next statement is to see them.
func (a *Account) copiesOf(t *table, tx *transaction) []string {
	all := []string{t.rows}
	for _, other := range a.open {
		if c := other.changes[t]; other != tx && c != nil && c.whole {
			all = append(all, c.rows)
		}
	}
	return all
}

func (a *Account) dropRows(ctx context.Context, rows string) error {
	_, err := a.exec(ctx, "DROP TABLE "+rows)
	return err
}

// makeRows makes an empty DuckDB table for t.
func (a *Account) makeRows(ctx context.Context, t *table) (string, error) {
	rows := fmt.Sprintf("t%d", a.number())
	_, err := a.exec(ctx, "CREATE TABLE "+rows+" "+t.definition())
	return rows, err
}

// reading is what a statement of s reads t from.
func (s *Session) reading(t *table) string {
	if s.transaction == nil || s.transaction.changes[t] == nil {
		return t.rows
	}
	c := s.transaction.changes[t]
	if c.whole {
		return c.rows
	}
	return "(SELECT * FROM " + t.rows + " UNION ALL BY NAME SELECT * FROM " + c.rows + ")"
}

// lock takes a table's lock, which UPDATE, DELETE, MERGE, TRUNCATE and INSERT OVERWRITE need until their transaction ends
// (https://docs.snowflake.com/en/sql-reference/transactions#resource-locking). It is the table's, as Snowflake's is in effect
// that of the partitions which a statement touches: a stricter rule here could only show a wait too many.
func (s *Session) lock(t *table) error {
	for _, tx := range s.account.open {
		if c := tx.changes[t]; tx != s.transaction && c != nil && c.whole {
			return &lockedError{t, tx}
		}
	}
	return nil
}

// writing is the DuckDB table that UPDATE and its like work on. The lock must be held.
func (s *Session) writing(ctx context.Context, t *table) (string, error) {
	tx := s.transaction
	if tx == nil {
		return t.rows, nil
	}
	c := tx.changes[t]
	if c != nil && c.whole {
		return c.rows, nil
	}
	rows, err := s.account.makeRows(ctx, t)
	if err != nil {
		return "", err
	}
	if _, err := s.account.exec(ctx, "INSERT INTO "+rows+" SELECT * FROM "+s.reading(t)); err != nil {
		return "", err
	}
	whole := &change{whole: true, rows: rows, loaded: map[string]bool{}, query: s.query, since: s.account.cfg.Clock()}
	if c != nil {
		maps.Copy(whole.loaded, c.loaded)
		if err := s.account.dropRows(ctx, c.rows); err != nil {
			return "", err
		}
	}
	tx.changes[t] = whole
	return rows, nil
}

// adding are the DuckDB tables that INSERT and COPY, which lock nothing, write to.
func (s *Session) adding(ctx context.Context, t *table) ([]string, error) {
	tx := s.transaction
	if tx == nil {
		return s.account.copiesOf(t, nil), nil
	}
	if c := tx.changes[t]; c != nil {
		return []string{c.rows}, nil
	}
	rows, err := s.account.makeRows(ctx, t)
	if err != nil {
		return nil, err
	}
	tx.changes[t] = &change{rows: rows, loaded: map[string]bool{}, query: s.query, since: s.account.cfg.Clock()}
	return []string{rows}, nil
}

// wait is how long a statement may wait for locks.
type wait struct {
	session       *Session
	lock, running <-chan time.Time
}

func (s *Session) newWait() *wait { return &wait{session: s} }

// forChange lets other statements run until a transaction ends.
func (w *wait) forChange(ctx context.Context, busy *lockedError) error {
	s, a := w.session, w.session.account
	limit, set := s.seconds("LOCK_TIMEOUT")
	// 0 means not to wait at all (https://docs.snowflake.com/en/sql-reference/parameters#lock-timeout). What is answered then is not known:
	// this is made after the answer when more than 20 statements wait for a lock, https://github.com/brooklyn-data/dbt_artifacts/issues/431.
	timeout := failf("000625", "57014", "Statement '%s' has locked table '%s' in transaction %d and this lock has not yet been released. "+
		"Your statement '%s' was aborted because it waited longer than LOCK_TIMEOUT.", busy.holder.changes[busy.table].query, busy.table.Name, busy.holder.id, s.query)
	if a.cfg.LockError != nil {
		timeout = a.cfg.LockError
	}
	if set && limit == 0 {
		return timeout
	}
	if set && w.lock == nil {
		w.lock = a.cfg.After(limit)
	}
	running, limited := s.seconds("STATEMENT_TIMEOUT_IN_SECONDS")
	if limited && running > 0 && w.running == nil {
		w.running = a.cfg.After(running)
	}
	var detached <-chan time.Time
	if busy.holder.session.closed {
		detached = a.cfg.After(detachedLimit)
	}
	changed := a.changed
	s.waiting = busy
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		s.waiting = nil
	}()
	a.cfg.Waits(s.query)
	select {
	case <-changed:
		return nil
	case <-detached:
		return a.abort(ctx, busy.holder)
	case <-ctx.Done():
		return failf("000604", "57014", "SQL execution canceled")
	case <-w.lock:
		return timeout
	case <-w.running:
		return failf("000630", "57014", "Statement reached its statement or warehouse timeout of %d second(s) and was canceled.", int(running.Seconds()))
	}
}

// abort rolls a transaction back that stands in the way.
func (a *Account) abort(ctx context.Context, tx *transaction) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[tx.id] == nil {
		return nil
	}
	return a.end(ctx, tx, false)
}

// detachedLimit is how long the transaction of a client that is gone may keep others waiting
// (https://docs.snowflake.com/en/sql-reference/transactions#aborting-transactions: 5 minutes when it blocks, and 4 hours otherwise, which is left out).
const detachedLimit = 5 * time.Minute

// abortTransaction is SYSTEM$ABORT_TRANSACTION.
func (p *parser) abortTransaction(args []string) string {
	id, err := strconv.ParseInt(args[0], 10, 64)
	a := p.session.account
	tx := a.open[id]
	if err != nil || tx == nil || tx.session.user != p.session.user && p.session.role != Admin {
		p.fail(failf("003053", "02000", "SQL execution error:\nTransaction %s does not exist or not authorized.", args[0]))
		return ""
	}
	p.effects = append(p.effects, func(ctx context.Context) error { return a.end(ctx, tx, false) })
	return quoteText("Aborted transaction id: " + args[0])
}

// transactions are the open ones, the oldest first.
func (a *Account) transactions() []*transaction {
	var all []*transaction
	for _, tx := range a.open {
		all = append(all, tx)
	}
	slices.SortFunc(all, func(x, y *transaction) int { return int(x.id - y.id) })
	return all
}

// atomic runs what a statement does to rows: all of it, or nothing and the transaction is as it was.
func (s *Session) atomic(ctx context.Context, f func() error) error {
	var before map[*table]*change
	if s.transaction != nil {
		before = map[*table]*change{}
		for t, c := range s.transaction.changes {
			kept := *c
			kept.loaded = maps.Clone(c.loaded)
			before[t] = &kept
		}
	}
	err := s.account.atomic(ctx, f)
	if s.transaction != nil && err != nil {
		s.transaction.changes = before
	}
	return err
}
