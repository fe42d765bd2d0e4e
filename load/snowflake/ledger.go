package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	t, err := f.cfg.Naming.Table(warehouse.Name{Schema: f.cfg.Naming.DefaultSchema, Table: "T"})
	return sf.Target{Project: f.cfg.Project, Schema: t.Schema}, err
}

// Standing reads the ledger.
func (f *Follower) Standing(ctx context.Context) (*load.Standing, error) {
	s, err := f.quick.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
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
	row := rows[0]
	return &fence{epoch: number(row["epoch"]), snapshot: number(row["snapshot"]), load: row["load_id"], run: row["run_id"],
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
	rows, err := f.ask(ctx, s, f.ledger.Standing(t))
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if !at.published && len(rows) == 0 {
		return nil, load.ErrNothing
	}
	out := &load.Standing{Snapshot: at.snapshot, Run: at.run, Load: at.load, At: at.at}
	for _, row := range rows {
		if row["state"] != sf.StateCommitted {
			continue
		}
		table := load.StandingTable{Fingerprint: row["fingerprint"], Mode: load.Mode(strings.ToLower(row["mode"])), Load: row["load_id"], At: instant(row["committed_us"])}
		if err := json.Unmarshal([]byte(row["version"]), &table.Version); err != nil {
			return nil, fmt.Errorf("read the ledger: the version of %s.%s: %w", row["node_schema"], row["node_table"], err)
		}
		out.Tables = append(out.Tables, table)
	}
	return out, nil
}

// ask runs a statement of the ledger that answers with rows.
func (f *Follower) ask(ctx context.Context, s *snowflake.Session, st sf.Statement) ([]map[string]string, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger})
	if err != nil {
		return nil, err
	}
	return records(r), nil
}

// take gets the fence. An earlier attempt whose COMMIT may still be under way holds its lock: when it is taken, that one has been
// decided.
func (x *bringing) take(ctx context.Context) error {
	for range 3 {
		at, err := x.entered(ctx)
		if err != nil {
			return err
		}
		now := x.cfg.Clock()
		st := x.ledger.Fence(x.target, x.b.Load, at.epoch, now)
		r, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger})
		var e *snowflake.Error
		switch {
		case err == nil && r.Affected == 1:
			x.epoch = at.epoch + 1
			return nil
		case err == nil:
			continue // another has taken it meanwhile: it goes on from there
		case errors.As(err, &e) && (e.Kind == snowflake.KindLock || e.Kind == snowflake.KindTimeout) && ctx.Err() == nil:
			if err := x.abortDetached(ctx, err); err != nil {
				return err
			}
		case snowflake.Unsure(err) && ctx.Err() == nil:
			if err := x.reconnect(ctx); err != nil {
				return err
			}
		default:
			return fmt.Errorf("take the fence: %w", err)
		}
	}
	return fmt.Errorf("%w: the fence could not be taken three times in a row", load.ErrFenced)
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

// abortDetached ends transactions of loads into the target that hold the fence longer than fenceWait: their client has died, or is
// fenced by this load in any case. What they have not committed is brought by this one.
func (x *bringing) abortDetached(ctx context.Context, locked error) error {
	r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.ShowTransactions(), Step: stepLedger})
	if err != nil {
		return err
	}
	_, ours := x.transactionName()
	aborted := 0
	for _, row := range records(r) {
		id, err := strconv.ParseInt(row["id"], 10, 64)
		if err != nil || !strings.HasPrefix(row["name"], ours) {
			continue
		}
		x.cfg.Log.Warn("a transaction that an earlier load has left open is aborted", "load", x.b.Load, "transaction", row["name"])
		if _, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.AbortTransaction(id), Step: stepLedger}); err != nil {
			return fmt.Errorf("abort the transaction %s of an earlier load: %w", row["name"], err)
		}
		aborted++
	}
	if aborted == 0 {
		return fmt.Errorf("take the fence: %w", locked)
	}
	return nil
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
	return sf.Entry{Target: x.target, Load: x.b.Load, Node: c.Name, As: c.As, Mode: string(c.Mode), Attempt: max(1, x.b.Attempt), Epoch: x.epoch,
		Snapshot: x.m.Snapshot, Run: x.m.Run, Fingerprint: c.print.String(), Version: string(text), Expected: c.of.Rows, Started: x.cfg.Clock()}, nil
}

// begin writes down what the load is about to do.
func (x *bringing) begin(ctx context.Context) error {
	x.begun = x.epoch
	for _, c := range x.changes {
		e, err := x.entry(c)
		if err != nil {
			return fmt.Errorf("load %s: %w", c.Name, err)
		}
		c.entry = e
		st := x.ledger.Begin(e)
		if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger, Table: c.Name.String()}); err != nil {
			return fmt.Errorf("load %s: note it in the ledger: %w", c.Name, err)
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
