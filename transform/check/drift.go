package check

import (
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// WhenRight is what to do about columns that may not change, and did.
const WhenRight = "when the change is right: on_schema_change: evolve, or run with --full-refresh to begin the table anew"

// Drift is what becomes of a stream whose columns differ from the published ones.
type Drift struct {
	Fitting
	// Check judges the new rows; nil when there is nothing in them to judge.
	Check  *models.Check
	result models.Check
	policy string
}

// drifted are the arguments of a Drift's Check.
type drifted struct {
	extra  []string                // columns in which a row must have no value
	narrow []models.ContractColumn // types that must hold its values
}

// NewDrift compares a stream's columns with the published ones and decides by its policy; nil when they are the same.
func NewDrift(n *models.Node, published, have []warehouse.Column) *Drift {
	policy := n.Stream.OnSchemaChange
	f := &fitter{contract: &models.Contract{}, says: "published is", new: "new", gone: "gone", converted: "converted"}
	for _, p := range published {
		f.contract.Columns = append(f.contract.Columns, models.ContractColumn{Name: p.Name, Type: p.Type, Nullable: true})
	}
	if policy == models.SchemaDiscards || policy == models.SchemaQuarantines {
		f.contract.Extra, f.contract.Gone = models.ExtraDiscarded, true
		f.may = func(warehouse.Fit) bool { return true }
	}
	d := &Drift{Fitting: *f.fit(n, have), policy: policy}
	if len(d.Wrong)+len(d.Diff) == 0 {
		return nil
	}
	if policy == models.SchemaEvolves {
		d.Wrong, d.Diff = nil, append(d.Wrong, d.Diff...)
	}
	_ = config.Node{}.Decode(&d.result.CheckSettings) // the defaults
	d.result.Name, d.result.Kind, d.result.Node, d.result.Pos = models.SchemaCheck, models.KindSchema, n, n.Stream.Origin.At("on_schema_change")
	d.result.Owner, d.result.Description = n.Owner, "on_schema_change: "+policy
	args := &drifted{narrow: d.Narrow}
	if policy == models.SchemaQuarantines {
		d.result.Severity, d.result.ErrorIf, args.extra = models.SeverityQuarantine, models.DefaultQuarantineError, d.Extra
	}
	if len(args.extra)+len(args.narrow) > 0 {
		for _, c := range args.narrow {
			d.result.Columns = append(d.result.Columns, c.Name)
		}
		d.result.Columns = append(d.result.Columns, args.extra...)
		d.result.Args, d.Check = args, &d.result
	}
	return d
}

// Evolves says whether the table follows.
func (d *Drift) Evolves() bool { return d.policy == models.SchemaEvolves }

// Quarantines says whether rows may be kept out.
func (d *Drift) Quarantines() bool { return d.policy == models.SchemaQuarantines }

// Message is the difference in words, and the policy.
func (d *Drift) Message() string {
	return d.Fitting.Message() + " (on_schema_change: " + d.policy + ")"
}

// Result is what is told of the difference, where no row decides.
func (d *Drift) Result() Result {
	r := result(&d.result)
	r.How, r.Message = HowStatistics, d.Message()
	switch {
	case len(d.Wrong) > 0:
		r.Message += ": " + WhenRight
		graded(&r, StatusFail)
	case d.policy == models.SchemaDiscards:
		r.Status = StatusWarn
	}
	return r
}

// Tell adds the difference to the result of Check.
func (d *Drift) Tell(r *Result) {
	r.Message = d.Message() + ": " + r.Message
	if d.policy == models.SchemaDiscards && r.Status == StatusPass {
		r.Status = StatusWarn
	}
}

// schemaKept compiles what a policy asks of rows whose columns differ from the published ones.
func (c *compiler) schemaKept(r *rule, args *drifted) error {
	var parts []string
	for _, name := range args.extra {
		parts = append(parts, c.d.QuoteIdent(name)+" IS NOT NULL")
	}
	for _, want := range args.narrow {
		column, err := c.column(want.Name)
		if err != nil {
			return err
		}
		parts = append(parts, c.d.Changes(c.d.QuoteIdent(column.Name), column.Type, want.Type))
	}
	r.fails = strings.Join(parts, " OR ")
	return nil
}
