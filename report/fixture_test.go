package report

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// lab is a journal that tests fill with runs, one a night.
type lab struct {
	t    testing.TB
	j    *journal.Journal
	last journal.Run
	n    int
}

func newLab(t testing.TB) *lab {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return &lab{t: t, j: j}
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

var night = time.Date(2026, 8, 24, 2, 0, 0, 0, time.UTC)

// run journals a run of the night with its steps and the checks of each node.
func (l *lab) run(status journal.Status, steps []journal.Step, checks map[string][]check.Result, change func(*journal.Run)) journal.Run {
	l.t.Helper()
	at := night.AddDate(0, 0, l.n)
	l.n++
	r := journal.Run{ID: at.Format("20060102T150405") + fmt.Sprintf("-%06x", l.n*40503%0xffffff), Pipeline: "nightly", LogicalTime: at, Attempt: 1, Status: status,
		Started: at.Add(3 * time.Second), ProjectHash: "4f1d7c2b90aa55e1", Version: "1.4.0", PID: 7, Selection: journal.Selection{Target: "local"}}
	if change != nil {
		change(&r)
	}
	for _, s := range steps {
		r.Selection.Nodes = append(r.Selection.Nodes, s.Node)
	}
	l.must(l.j.BeginRun(l.t.Context(), r))
	start := r.Started
	for _, s := range steps {
		end := start.Add(time.Duration(1200+len(s.Node)*70) * time.Millisecond)
		s.Run, s.Attempt, s.Started, s.Finished = r.ID, 1, start, &end
		l.must(l.j.SaveStep(l.t.Context(), s))
		start = end
	}
	for node, results := range checks {
		l.must(l.j.SaveChecks(l.t.Context(), r.ID, node, r.LogicalTime, results, nil))
	}
	if status != journal.Running {
		end := start.Add(time.Duration(400+l.n%7*150) * time.Millisecond)
		r.Finished = &end
		if status != journal.Failed {
			snapshot := int64(100 + l.n)
			r.Snapshot = &snapshot
		}
		code := map[journal.Status]int{journal.Succeeded: 0, journal.Partial: 5, journal.Failed: 1}[status]
		r.ExitCode = &code
		l.must(l.j.FinishRun(l.t.Context(), r, nil))
	}
	l.last = r
	return r
}

func (l *lab) gather(r journal.Run) *Run {
	l.t.Helper()
	out, err := Gather(l.t.Context(), l.j, r, Options{Project: "shop", Version: "1.4.0", Now: r.LogicalTime.Add(time.Hour)})
	l.must(err)
	return out
}

func text(s string) *string { return &s }

func equation(name string, rows int64, terms ...any) warehouse.Equation {
	e := warehouse.Equation{Name: name, Rows: rows}
	for i := 0; i < len(terms); i += 2 {
		e.Terms = append(e.Terms, warehouse.Term{Name: terms[i].(string), Rows: int64(terms[i+1].(int))})
	}
	return e
}

// shopSteps are the nodes of a small shop. bad is the night on which orders fail their checks.
func shopSteps(i int, bad bool) []journal.Step {
	orders := int64(48_210 + i*37)
	customers := int64(9_120 + i*3)
	steps := []journal.Step{
		{Node: "erp.orders", Kind: "stream", Status: journal.Succeeded, Rows: orders, Rejected: 2, Equations: []warehouse.Equation{equation("read", orders+2, "landed", int(orders), "rejected", 2)}},
		{Node: "erp.customers", Kind: "stream", Status: journal.Succeeded, Rows: customers, Equations: []warehouse.Equation{equation("read", customers, "landed", int(customers), "rejected", 0)}},
		{Node: "mart.dim_customer", Kind: "model", Status: journal.Succeeded, Rows: customers - 4, Equations: []warehouse.Equation{equation("built", customers, "kept", int(customers-4), "quarantined", 4)},
			Notes: []string{"column phone was added"}},
	}
	fct := journal.Step{Node: "mart.fct_orders", Kind: "model", Status: journal.Succeeded, Rows: orders, Equations: []warehouse.Equation{equation("built", orders, "kept", int(orders))}}
	if !bad {
		return append(steps, fct, journal.Step{Node: "mart.revenue_by_day", Kind: "model", Status: journal.Succeeded, Rows: int64(700 + i), Equations: []warehouse.Equation{equation("built", int64(700+i), "landed", 700+i)}},
			journal.Step{Node: "mart.top_customers", Kind: "model", Status: journal.Succeeded, Rows: 100})
	}
	fct.Status, fct.Error, fct.Hint = journal.ChecksFailed, "2 checks failed: one; another", "millrace report shows the rows and the SQL"
	return append(steps, fct, journal.Step{Node: "mart.revenue_by_day", Kind: "model", Status: journal.UpstreamFailed, Error: "mart.fct_orders failed"},
		journal.Step{Node: "mart.top_customers", Kind: "model", Status: journal.UpstreamFailed, Error: "mart.revenue_by_day failed"})
}

func shopChecks(i int, bad bool) map[string][]check.Result {
	orders := int64(48_210 + i*37)
	fct := func(name, kind string, columns ...string) check.Result {
		return check.Result{Node: "mart.fct_orders", Name: name, Kind: kind, Columns: columns, Severity: models.SeverityError, Status: check.StatusPass, Checked: orders,
			How: check.HowScan, Owner: "sales-data@example.com", Pos: "models/marts/schema.yml:31:9", Message: "no row fails"}
	}
	unique, notNull := fct("unique_order_id", "unique", "order_id"), fct("not_null_order_id", "not_null", "order_id")
	notNull.How = check.HowStatistics
	unique.How = check.HowQuery
	unique.SQL = "SELECT order_id, count(*) AS n\nFROM mart.fct_orders\nGROUP BY order_id\nHAVING count(*) > 1"
	relation, accepted := fct("relationships_customer_id", "relationships", "customer_id"), fct("accepted_values_status", "accepted_values", "status")
	volume := fct("volume", "volume")
	volume.Severity, volume.How = models.SeverityWarn, check.HowHistory
	value := float64(orders)
	volume.Value, volume.Expected, volume.Message = &value, "between 46,000 and 51,000 rows (90 runs, 2 sigma)", "as many rows as usual"
	if bad {
		relation.Status, relation.Failing, relation.Keys, relation.Message = check.StatusFail, 118, 3, "118 rows have a customer_id that mart.dim_customer does not have"
		relation.Description = "Revenue without a customer is counted nowhere in the regional reports."
		relation.SQL = "SELECT f.order_id, f.customer_id, f.status, f.amount\nFROM mart.fct_orders f\nWHERE f.customer_id IS NOT NULL\n  AND f.customer_id NOT IN (SELECT customer_id FROM mart.dim_customer)"
		relation.Sample = &check.Sample{Columns: []string{"order_id", "customer_id", "status", "amount", "email"}, Rows: [][]*string{
			{text("90211"), text("C-7741"), text("paid"), text("129.90"), text("••••")}, {text("90212"), text("C-7741"), text("paid"), text("18.00"), text("••••")},
			{text("90377"), text("C-8002"), text(""), text("54.50"), nil}}}
		accepted.Status, accepted.Failing, accepted.Keys, accepted.Threshold, accepted.Message = check.StatusFail, 14, 1, "> 10", "14 rows have a status that is not allowed: \"refnd\" (14)"
		accepted.SQL = "SELECT order_id, status\nFROM mart.fct_orders\nWHERE status NOT IN ('new', 'paid', 'sent', 'refund')"
		accepted.Sample = &check.Sample{Columns: []string{"order_id", "status"}, Rows: [][]*string{{text("90150"), text("refnd")}, {text("90158"), text("refnd")}}}
		volume.Status, volume.Message = check.StatusWarn, "more rows than usual, by 2.4 sigma"
	}
	email := check.Result{Node: "mart.dim_customer", Name: "regex_email", Kind: "regex", Columns: []string{"email"}, Severity: models.SeverityQuarantine, Status: check.StatusWarn, Failing: 4, Quarantined: 4,
		Checked: int64(9_120 + i*3), How: check.HowScan, Owner: "crm@example.com", Pos: "models/marts/schema.yml:12:9", Message: "4 rows fail and are in quarantine", Threshold: "> 10%",
		Sample: &check.Sample{Columns: []string{"customer_id", "email"}, Rows: [][]*string{{text("C-12"), text("••••")}, {text("C-99"), text("••••")}}}}
	key := check.Result{Node: "mart.dim_customer", Name: "unique_customer_id", Kind: "unique", Columns: []string{"customer_id"}, Severity: models.SeverityError, Status: check.StatusPass,
		Checked: int64(9_120 + i*3), How: check.HowQuery, Owner: "crm@example.com", Pos: "models/marts/schema.yml:8:9", Message: "no row fails", Took: 31 * time.Millisecond}
	return map[string][]check.Result{"mart.fct_orders": {unique, notNull, relation, accepted, volume}, "mart.dim_customer": {key, email}}
}

// judgement is the report of tables that were judged without a run; every text is what it is told to be, where that is not "".
func judgement(evil string) *Run {
	say := func(s string) string {
		if evil != "" {
			return evil
		}
		return s
	}
	table := func(name, from string, rows int64) pipeline.CheckedTable {
		return pipeline.CheckedTable{Name: say(name), Kind: "table", From: say(from), Rows: rows, Notes: []string{}, Started: night, Finished: night.Add(1250 * time.Millisecond)}
	}
	orders, customers := table("main.orders", "data/orders*.parquet", 48_210), table("main.gone", "postgres public.gone", 0)
	orders.Notes = []string{say("volume compares with earlier runs: there are none without a project, and it passes")}
	customers.Error, customers.Hint = say(`relation "gone" does not exist`), say("the tables are customers, orders")
	checks := shopChecks(0, true)["mart.fct_orders"]
	for i := range checks {
		checks[i].Node, checks[i].Message = orders.Name, say(checks[i].Message)
	}
	tables := []pipeline.CheckedTable{orders, customers}
	if evil != "" { // else two tables had one name
		tables = tables[:1]
		tables[0].Error, tables[0].Hint = customers.Error, customers.Hint
	}
	return Judgement(&pipeline.Checked{Tables: tables, Checks: checks, Skipped: []string{say("main.plain")}}, say("orders.checks.yml"), Options{Version: "1.4.0", Now: night.Add(time.Minute)})
}

// shop is the report of a bad night after nights of all sorts.
func shop(t testing.TB) *Run {
	l := newLab(t)
	for i := range 84 {
		bad := i == 20 || i == 21 || i == 57
		status := journal.Succeeded
		if bad {
			status = journal.Partial
		}
		l.run(status, shopSteps(i, bad), shopChecks(i, bad), nil)
	}
	steps, checks := shopSteps(140, true), shopChecks(140, true)
	checks["mart.revenue_by_day"] = []check.Result{{Node: "mart.revenue_by_day", Name: "not_null_day", Kind: "not_null", Severity: models.SeverityError, Status: check.StatusSkipped, Message: "the table was not built"}}
	return l.gather(l.run(journal.Partial, steps, checks, func(r *journal.Run) {
		r.ProjectHash, r.Error = "9be0331fd7c14a02", "1 node failed, 2 were skipped"
	}))
}
