package snowflake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// What a load costs, before and after. The forecast of a table is
//
//	seconds = bytes / rate + 2 s for each of COPY, proof and publish
//	credits = seconds × credits an hour of the warehouse's size / 3600
//
// and that of a load the sum of its tables' seconds and 2 s for the ledger, 60 at least when the warehouse has to resume: that much is billed
// then. The bytes are those of the local files that have changed, which bound what is sent. The rate is that of earlier loads; without any
// it is plainRate for each credit an hour.
const (
	plainRate    = 20_000_000 // bytes a second
	eachBusy     = 2.0
	leastSeconds = 60.0
)

// credits an hour by size, as SHOW WAREHOUSES spells it (docs.snowflake.com/en/user-guide/warehouses-overview).
var sizes = map[string]float64{"X-SMALL": 1, "SMALL": 2, "MEDIUM": 4, "LARGE": 8, "X-LARGE": 16, "2X-LARGE": 32, "3X-LARGE": 64, "4X-LARGE": 128, "5X-LARGE": 256, "6X-LARGE": 512}

// What a warehouse costs for each credit of its size. Gen2 costs 1.35 on AWS and GCP and 1.25 on Azure, and which cloud it is SHOW WAREHOUSES
// does not tell: the dearer is counted (Snowflake's Service Consumption Table; docs.snowflake.com/en/user-guide/warehouses-snowpark-optimized).
const (
	secondGeneration = 1.35
	snowparkMemory   = 1.5 // of the memory that a Snowpark-optimized warehouse has unless it is given another
)

// hourly is what the warehouse of a row of SHOW WAREHOUSES costs an hour; ok says whether that is known.
func hourly(row map[string]string) (credits float64, ok bool) {
	credits, ok = sizes[strings.ToUpper(row["size"])]
	constraint := strings.ToUpper(row["resource_constraint"])
	switch strings.ToUpper(row["type"]) + " " + cmp.Or(row["generation"], strings.TrimPrefix(constraint, "STANDARD_GEN_"), "1") {
	case "STANDARD 1":
		return credits, ok
	case "STANDARD 2":
		return credits * secondGeneration, ok
	}
	if strings.EqualFold(row["type"], "SNOWPARK-OPTIMIZED") && (constraint == "" || strings.HasPrefix(constraint, "MEMORY_16X")) {
		return credits * snowparkMemory, ok
	}
	return credits, false
}

// engine is the virtual warehouse, as SHOW WAREHOUSES has it, which wakes none.
type engine struct {
	hourly float64 // credits
	asleep bool
	wakes  bool // when it is needed
	spared bool // it was not needed: it sleeps still
}

// engine looks at the warehouse.
func (f *Follower) engine(ctx context.Context, s *snowflake.Session) (*engine, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sf.ShowWarehouse(f.cfg.Conn.Warehouse), Step: stepLook})
	if err != nil {
		return nil, err
	}
	for _, row := range records(r) {
		if !strings.EqualFold(row["name"], f.cfg.Conn.Warehouse) {
			continue
		}
		costs, known := hourly(row)
		switch {
		case f.cfg.Hourly > 0:
			costs = f.cfg.Hourly
		case !known && f.cfg.MaxCredits > 0:
			return nil, fmt.Errorf("what warehouse %s costs is not known (size %s, type %s %s%s), so max_credits cannot be kept: write credits_per_hour: beside it, as Snowflake's consumption table has it, or leave max_credits out",
				f.cfg.Conn.Warehouse, row["size"], row["type"], row["generation"], row["resource_constraint"])
		case costs == 0:
			costs = 1
		}
		return &engine{hourly: costs, asleep: strings.HasPrefix(strings.ToUpper(row["state"]), "SUSPEND"), wakes: !strings.EqualFold(row["auto_resume"], "false")}, nil
	}
	return nil, fmt.Errorf("there is no warehouse %s, or role %s may not use it: GRANT USAGE ON WAREHOUSE %[1]s TO ROLE %[2]s", f.cfg.Conn.Warehouse, f.role())
}

// role is how errors name the role that the load works as.
func (f *Follower) role() string {
	if f.cfg.Conn.Role == "" {
		return "<the user's default role>"
	}
	return f.cfg.Conn.Role
}

// credits of so many seconds.
func (e *engine) credits(seconds float64) float64 {
	if e.spared {
		return 0
	}
	if e.asleep && seconds > 0 {
		seconds = max(seconds, leastSeconds)
	}
	return seconds * e.hourly / 3600
}

// seconds that so many bytes are forecast to take.
func (f *Follower) seconds(e *engine, bytes int64) float64 {
	rate := f.cfg.Rate
	if rate <= 0 {
		rate = plainRate * e.hourly
	}
	return float64(bytes)/rate + 3*eachBusy
}

// guess bounds what a change sends.
func (f *Follower) guess(m *load.Manifest, c *change) (bytes int64) {
	var before warehouse.Version
	if c.before != nil {
		before = c.before.Version
	}
	switch {
	case c.of.View != "":
		return bytesOf(read(m, c.Name.String(), map[string]bool{}))
	case c.Mode == load.ModeAppend:
		return bytesOf(unshared(c.of.Base, before.Base))
	case len(c.strays) > 0:
		return bytesOf(c.of.Files())
	case c.Mode == load.ModeMerge || c.Mode == load.ModeSCD2 || c.Mode == load.ModePartition:
		bytes, _ = changedBytes(&before, &c.of.Version)
		return bytes
	}
	return bytesOf(c.of.Files())
}

// read are a table's files, a view's those of all that it reads.
func read(m *load.Manifest, name string, seen map[string]bool) []warehouse.File {
	t := tableNamed(m, name)
	if t == nil || seen[name] {
		return nil
	}
	seen[name] = true
	files := t.Files()
	if t.View != "" {
		for _, need := range t.Needs {
			files = append(files, read(m, need, seen)...)
		}
	}
	return files
}

// forecast fills in what a load is expected to take.
func (f *Follower) forecast(m *load.Manifest, e *engine, changes []*change, l *load.Load) {
	l.Together = true
	for _, c := range changes {
		t := c.LoadedTable
		if c.pending() {
			t.Bytes = f.guess(m, c)
			t.Files = int(max(1, (t.Bytes+f.cfg.FileSize-1)/f.cfg.FileSize))
			// REMOVE and LIST before the files and after, the ledger twice; CREATE, COPY, proof, publish, count; DROP.
			t.Statements = t.Files + (t.Files+sf.MaxFiles-1)/sf.MaxFiles + 11
			t.Seconds = f.seconds(e, t.Bytes)
			t.Credits = t.Seconds * e.hourly / 3600
			l.Files += t.Files
			l.Bytes += t.Bytes
			l.Statements += t.Statements
			l.Seconds += t.Seconds
			l.Together = l.Together && c.together()
		}
		l.Tables = append(l.Tables, t)
	}
	if l.Seconds > 0 {
		l.Seconds += eachBusy
	}
	l.Credits = e.credits(l.Seconds)
}

// afford refuses a load that is expected to cost more than is allowed.
func (x *bringing) afford(context.Context) error {
	var l load.Load
	x.forecast(x.m, x.engine, x.changes, &l)
	return x.within(l.Credits, l.Bytes)
}

// recount does the same when it is known what is sent, before the warehouse has anything to do.
func (x *bringing) recount(context.Context) error {
	var seconds float64
	var bytes int64
	for _, c := range x.changes {
		for _, g := range c.cargo {
			bytes += g.bytes
		}
		if !c.idle() {
			seconds += x.seconds(x.engine, c.sent().bytes)
		}
	}
	if seconds > 0 {
		seconds += eachBusy
	}
	return x.within(x.engine.credits(seconds), bytes)
}

func (x *bringing) within(credits float64, bytes int64) error {
	if limit := x.cfg.MaxCredits; limit > 0 && credits > limit {
		return fmt.Errorf("%w: %s MB are expected to need %s credits, and max_credits of the target is %s: raise it, or load less at once",
			load.ErrTooDear, figures(float64(bytes)/1e6), figures(credits), strconv.FormatFloat(limit, 'f', -1, 64))
	}
	return nil
}

// figures is a number to three figures, however small or large.
func figures(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// shipment is what all cargo of a change comes to.
type shipment struct {
	files       int
	bytes, rows int64
}

func (c *change) sent() (s shipment) {
	for i, g := range c.cargo {
		s.files += len(g.files)
		s.bytes += g.bytes
		if i == 0 { // the second is a list of partitions
			s.rows = g.rows
		}
	}
	return s
}

// account says what the load has taken.
func (x *bringing) account() {
	l := x.out
	l.Together, l.Tables = true, []load.LoadedTable{}
	for _, c := range slices.Concat(x.changes, x.others) {
		t, sent := c.LoadedTable, c.sent()
		t.Sent, t.Files, t.Bytes = sent.rows, sent.files, sent.bytes
		t.Statements, t.Seconds = x.meter.spentOn(c.Name.String())
		if x.engine != nil {
			t.Credits = t.Seconds * x.engine.hourly / 3600
		}
		l.Files += t.Files
		l.Bytes += t.Bytes
		l.Together = l.Together && (!c.pending() || c.together())
		l.Tables = append(l.Tables, t)
	}
	l.Statements, l.Seconds = x.meter.total()
	if x.engine == nil {
		return
	}
	if l.Credits = x.engine.credits(l.Seconds); x.engine.spared {
		l.Seconds = 0
	}
}

// rest looks at the warehouse again where the load may have woken it, and suspends it if the target says so: after a load, and after one
// that was refused, or has failed, or had nothing to bring, if it was that which has woken it.
func (x *bringing) rest(ctx context.Context) {
	if x.engine == nil || !x.engine.asleep && !(x.cfg.Suspend && x.published) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	now, err := x.Follower.engine(ctx, x.s)
	if snowflake.Unsure(err) { // the session is of no more use
		if err = x.reconnect(ctx); err == nil {
			now, err = x.Follower.engine(ctx, x.s)
		}
	}
	if err != nil {
		x.cfg.Log.Warn("it is not known whether the warehouse sleeps", "load", x.b.Load, "error", err)
		return
	}
	x.engine.spared = x.engine.asleep && now.asleep && x.epoch == 0 // without the fence there were only a few SELECTs, just now
	if x.cfg.Suspend && !now.asleep {
		x.perhaps(ctx, sf.SuspendWarehouse(x.cfg.Conn.Warehouse), "")
	}
}
