package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// What the ledger in Snowflake says, and who may write to the target.

// target is the row of the fence.
func (f *Follower) target() (sf.Target, error) {
	t, err := f.cfg.Naming.In(f.cfg.Naming.DefaultSchema, "T")
	return sf.Target{Project: f.cfg.Project, Schema: t.Schema}, err
}

// Standing reads the ledger.
func (f *Follower) Standing(ctx context.Context) (*load.Standing, error) {
	s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return f.standing(ctx, s)
}

// fence is the target's row in the ledger.
type fence struct {
	epoch, snapshot int64
	load, run       string
	local           string // the target that follows
	at              time.Time
	published       bool
}

// seen reads the fence; nil when there is none.
func (f *Follower) seen(ctx context.Context, s *snowflake.Session) (*fence, error) {
	t, err := f.target()
	if err != nil {
		return nil, err
	}
	rows, err := f.ask(ctx, s, f.ledger.Seen(t))
	var e *snowflake.Error
	if errors.As(err, &e) && e.Kind == snowflake.KindMissing || err == nil && len(rows) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(rows) > 1 {
		return nil, fmt.Errorf("the ledger has %d rows of project %s with schema %s, and no load can take the fence: two have entered it at once; this leaves the last: %s", len(rows), t.Project, t.Schema, f.ledger.Single())
	}
	row := rows[0]
	return &fence{epoch: number(row["epoch"]), snapshot: number(row["snapshot"]), load: row["load_id"], run: row["run_id"], local: row["local_target"],
		at: instant(row["committed_us"]), published: row["snapshot"] != ""}, nil
}

// standing is ErrNothing when nothing was ever brought.
func (f *Follower) standing(ctx context.Context, s *snowflake.Session) (*load.Standing, error) {
	at, err := f.seen(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if at == nil {
		return nil, load.ErrNothing
	}
	t, err := f.target()
	if err != nil {
		return nil, err
	}
	rows, err := f.rowsHeld(ctx, s, t)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if !at.published && len(rows) == 0 {
		return nil, load.ErrNothing
	}
	out := &load.Standing{Snapshot: at.snapshot, Run: at.run, Target: at.local, Load: at.load, At: at.at}
	as := map[warehouse.Name]string{}
	for _, row := range rows {
		if row["state"] == sf.StateUnproven {
			name := warehouse.Name{Schema: row["node_schema"], Table: row["node_table"]}
			out.Unproven = append(out.Unproven, load.StandingTable{Version: warehouse.Version{Name: name}, As: row["table_as"], Load: row["load_id"]})
			continue
		}
		table := load.StandingTable{As: row["table_as"], Fingerprint: row["fingerprint"], Mode: load.Mode(strings.ToLower(row["mode"])), Load: row["load_id"], At: instant(row["committed_us"])}
		if err := json.Unmarshal([]byte(row["version"]), &table.Version); err != nil {
			return nil, fmt.Errorf("read the ledger: the version of %s.%s: %w", row["node_schema"], row["node_table"], err)
		}
		out.Tables, as[table.Name] = append(out.Tables, table), row["table_as"]
	}
	return out, f.gone(ctx, s, out, as)
}

// rowsHeld are the ledger's rows of what the target holds, with their versions, by as many statements as it takes.
func (f *Follower) rowsHeld(ctx context.Context, s *snowflake.Session, t sf.Target) ([]map[string]string, error) {
	var rows []map[string]string
	for from := int64(0); ; {
		some, err := f.ask(ctx, s, f.ledger.Standing(t, from, from+f.chunk))
		if err != nil {
			return nil, err
		}
		if rows == nil {
			rows = some
		}
		before, lacks := from, false
		for i, row := range rows {
			if i < len(some) && some[i]["version"] != "" && some[i]["load_id"] == row["load_id"] && some[i]["node_table"] == row["node_table"] && some[i]["node_schema"] == row["node_schema"] {
				row["version"], from = some[i]["version"], number(some[i]["version_end"])
			}
			lacks = lacks || row["version"] == "" && row["state"] == sf.StateCommitted
		}
		switch {
		case !lacks:
			return rows, nil
		case from == before:
			return nil, errors.New("another load has written to it meanwhile: try again")
		}
	}
}

// gone marks the tables that are not there under the name that the ledger has, and that they still would be given.
func (f *Follower) gone(ctx context.Context, s *snowflake.Session, standing *load.Standing, as map[warehouse.Name]string) error {
	seen := listing{}
	for i := range standing.Tables {
		t := &standing.Tables[i]
		to, err := f.cfg.Naming.Table(t.Name)
		if err != nil || to.String() != as[t.Name] {
			continue
		}
		row, err := seen.table(ctx, s, to)
		if err != nil {
			return err
		}
		if row != nil {
			continue
		}
		there, err := f.find(ctx, s, to, t.Name.String()) // a list may have been cut
		if err != nil {
			return err
		}
		t.Gone = there == nil
	}
	return nil
}

// ask runs a statement of the ledger that answers with rows.
func (f *Follower) ask(ctx context.Context, s *snowflake.Session, st sf.Statement) ([]map[string]string, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger})
	if err != nil {
		return nil, err
	}
	rows := records(r)
	return rows, uncut(rows)
}

// uncut refuses an answer of the ledger with fewer rows than it says that there are.
func uncut(rows []map[string]string) error {
	for _, row := range rows {
		if all, counted := row["rows_in_all"]; counted && all != strconv.Itoa(len(rows)) {
			return fmt.Errorf("the ledger has %s rows of the target, and %d came: nothing is done by a part of it; is there a ROWS_PER_RESULTSET that the session may not set to 0?", all, len(rows))
		}
	}
	return nil
}

// take gets the fence, once, or anew as long as no other load has. An earlier attempt whose COMMIT may still be under way holds its lock:
// when it is taken, that one has been decided. That is waited for up to fenceWait, and for other projects, which write to the same
// table, up to lock_timeout. Then the session is another one: Snowflake need not show a session what others have committed since it was
// opened (READ_CONSISTENCY_MODE).
func (x *bringing) take(ctx context.Context) error {
	patience, last := min(fenceWait, x.cfg.Conn.LockTimeout), error(nil)
	for range attempts {
		at, err := x.entered(ctx)
		if err != nil {
			return err
		}
		if x.epoch > 0 && at.load != x.b.Load {
			return fmt.Errorf("%w: %s holds the fence", load.ErrFenced, at.load)
		}
		if at.load == x.b.Load && !x.leaving { // a try of this load that was cut off before its COMMIT: nothing is to be waited for
			own, _ := x.transactionName()
			if _, err := x.abort(ctx, own); err != nil {
				return err
			}
		}
		got, err := x.enclose(ctx, at, patience)
		switch {
		case got && err == nil:
			x.epoch = at.epoch + 1
			return x.reconnect(ctx)
		case err == nil: // another has taken it meanwhile: it goes on from there
		case ctx.Err() != nil || final(err):
			return fmt.Errorf("take the fence: %w", err)
		case snowflake.Unsure(err):
			err = x.reconnect(ctx)
		default:
			last = err
			patience, err = x.makeWay(ctx, patience, err)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(fmt.Errorf("%w: the fence could not be taken %d times in a row", load.ErrFenced, attempts), last)
}

// enclose raises the target's epoch, unless it has been raised since at was read. It waits for a lock no longer than patience.
func (x *bringing) enclose(ctx context.Context, at *fence, patience time.Duration) (bool, error) {
	if err := x.wait(ctx, patience); err != nil {
		return false, err
	}
	st := x.ledger.Fence(x.target, x.b.Load, at.epoch, x.cfg.Clock())
	r, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger})
	if err != nil {
		return false, err
	}
	return r.Affected == 1, nil
}

// wait says how long the session's statements wait for locks from now on.
func (x *bringing) wait(ctx context.Context, most time.Duration) error {
	_, err := x.s.Exec(ctx, snowflake.Statement{SQL: sf.LockTimeout(most), Step: stepLedger})
	return err
}

// final says of an error that it is not by a lock that somebody holds. What a statement is answered that has waited for LOCK_TIMEOUT is
// not known for sure: all but these may be that.
func final(err error) bool {
	var e *snowflake.Error
	return !errors.As(err, &e) || slices.Contains([]snowflake.Kind{snowflake.KindGrant, snowflake.KindMissing, snowflake.KindWarehouse}, e.Kind)
}

// makeWay ends the transactions of loads into the target that hold the fence longer than is waited for them: their client has died, or is
// fenced by this load in any case, and what they have not committed is brought by it. When there is none, another project holds the
// ledger: it is waited for longer, once.
func (x *bringing) makeWay(ctx context.Context, patience time.Duration, locked error) (time.Duration, error) {
	_, ours := x.transactionName()
	aborted, err := x.abort(ctx, ours)
	var e *snowflake.Error
	switch {
	case err != nil:
		return 0, errors.Join(fmt.Errorf("take the fence: %w", locked), err)
	case aborted > 0:
		return patience, nil
	case errors.As(locked, &e) && (e.Kind == snowflake.KindLock || e.Kind == snowflake.KindTimeout) && patience < x.cfg.Conn.LockTimeout:
		return x.cfg.Conn.LockTimeout, nil
	}
	return 0, fmt.Errorf("take the fence: %w", locked)
}

// entered is the fence as it is, made when it is not there.
func (x *bringing) entered(ctx context.Context) (*fence, error) {
	at, err := x.seen(ctx, x.s)
	if at != nil || err != nil {
		return at, err
	}
	st := x.ledger.Enter(x.target)
	if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger}); err != nil {
		return nil, fmt.Errorf("enter the target into the ledger: %w", err)
	}
	if at, err = x.seen(ctx, x.s); at == nil && err == nil {
		err = errors.New("the ledger does not keep what is written to it")
	}
	return at, err
}

// transactionName is the name of the load's transaction, and what those of all loads into the target begin with.
func (x *bringing) transactionName() (name, all string) {
	all = "MR_" + strings.ToUpper(digest(x.target)[:12]) + "_"
	return all + x.b.Load, all
}

// abort ends open transactions whose names begin so, and says how many. One that has ended by itself meanwhile is one of them.
func (x *bringing) abort(ctx context.Context, prefix string) (aborted int, err error) {
	r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.ShowTransactions(), Step: stepLedger})
	if err != nil {
		return 0, err
	}
	for _, row := range records(r) {
		id, err := strconv.ParseInt(row["id"], 10, 64)
		if err != nil || !strings.HasPrefix(row["name"], prefix) {
			continue
		}
		x.cfg.Log.Warn("a transaction that a load has left open is aborted", "load", x.b.Load, "transaction", row["name"])
		if _, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.AbortTransaction(id), Step: stepLedger}); snowflake.Unsure(err) {
			return aborted, fmt.Errorf("abort the transaction %s: %w", row["name"], err)
		} else if err != nil {
			x.cfg.Log.Warn("it was not aborted", "load", x.b.Load, "transaction", row["name"], "error", err)
		}
		aborted++
	}
	return aborted, nil
}

// entry is the row of the ledger for a change.
func (x *bringing) entry(c *change) (sf.Entry, error) {
	v, err := relative(c.of.Version, x.cfg.Root)
	if err != nil {
		return sf.Entry{}, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return sf.Entry{}, err
	}
	rows := c.of.Rows
	if c.of.View != "" {
		rows = -1 // not known yet
	}
	return sf.Entry{Target: x.target, Load: x.b.Load, Node: c.Name, As: c.As, Mode: string(c.Mode), Attempt: max(1, x.b.Attempt), Epoch: x.epoch,
		Snapshot: x.m.Snapshot, Run: x.m.Run, Fingerprint: c.print.String(), Version: string(text), Expected: rows, Started: x.cfg.Clock()}, nil
}

// atOnce is how many rows of the ledger one statement writes.
const atOnce = 100

// begin writes down what the load is about to do.
func (x *bringing) begin(ctx context.Context) error {
	x.begun = x.epoch
	for some := range slices.Chunk(x.changes, atOnce) {
		var entries []sf.Entry
		for _, c := range some {
			var err error
			if c.entry, err = x.entry(c); err != nil {
				return fmt.Errorf("load %s: %w", c.Name, err)
			}
			entries = append(entries, c.entry)
		}
		st := x.ledger.Begin(entries...)
		if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger}); err != nil {
			return fmt.Errorf("note the load in the ledger: %w", err)
		}
	}
	return nil
}

// committed notes, in the session's transaction if it has one, that the table holds its version.
func (x *bringing) committed(ctx context.Context, s *snowflake.Session, c *change) error {
	e := c.entry
	e.Loaded, e.Committed, e.QueryIDs = c.Rows, x.cfg.Clock(), "[]"
	if len(c.queries) > 0 {
		text, err := json.Marshal(c.queries)
		if err != nil {
			return err
		}
		e.QueryIDs = string(text)
	}
	if len(c.cargo) > 0 {
		e.Expected = c.expected() // a view's rows are known only when they are written
		e.Checksum = c.cargo[0].proof["hash"]
	}
	st := x.ledger.Commit(e)
	r, err := s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepPublish, Table: c.Name.String()})
	if err != nil {
		return err
	}
	if r.Affected != 1 {
		return fmt.Errorf("%w: the ledger has no row of this load for %s", load.ErrFenced, c.Name)
	}
	return nil
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // a column of whole numbers; NULL is 0
	return n
}

func instant(micros string) time.Time {
	if micros == "" {
		return time.Time{}
	}
	return time.UnixMicro(number(micros)).UTC()
}
