package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

type backfillFlags struct {
	selectors, exclude           []string
	asked                        journal.Backfill
	noDownstream, dryRun, shrunk bool
	abandon                      string
}

func (a *app) backfillCommand() *cobra.Command {
	var req backfillFlags
	c := &cobra.Command{
		Use:   "backfill [selectors]",
		Short: "read a range of the past again, without moving a cursor",
		Long: "Reads what the selected streams have in a range of their cursor once more, slice by slice, brings it into what is\n" +
			"published, and builds the models behind them, all in one snapshot at the end. Of an incremental stream the rows are\n" +
			"merged by key; of an append stream they replace what is published of the range. Cursors stay where they are: the range\n" +
			"ends there at the latest, and the next run reads on as if nothing had happened.\n\n" +
			"Dates are of the pipeline's time zone, and a slice of days follows its calendar; where the cursor is a number, so are\n" +
			"--from, --to and --slice. A backfill that was interrupted or failed waits, whatever runs meanwhile: the same command\n" +
			"or `millrace retry RUN` reads the slices that are missing.\n",
		Example: "  millrace backfill erp.orders --from 2026-03-01 --to 2026-04-01 --dry-run\n  millrace backfill erp.orders --from 2026-03-01 --to 2026-04-01 --slice 7d --parallel 3\n" +
			"  millrace backfill erp.payments --from 100000 --to 200000 --slice 10000\n  millrace backfill --abandon 20261127T0300",
		RunE: func(c *cobra.Command, args []string) error {
			req.selectors = args
			switch {
			case req.abandon != "":
				if len(args) > 0 || req.asked.From != "" || req.dryRun {
					return usage("--abandon takes the run that is given up, and nothing else")
				}
				return a.abandonBackfill(c.Context(), req.abandon)
			case req.asked.From == "":
				return usage("--from says where the range begins: a date, a time, or a number where the cursor is one")
			case req.asked.Parallel < 0:
				return usage("--parallel %d: give the number of slices to read at once", req.asked.Parallel)
			case req.dryRun:
				return a.planBackfill(c.Context(), req)
			}
			return a.supervise(c.Context(), func(ctx context.Context) error {
				err := a.work(ctx, func(ctx context.Context, e *pipeline.Engine) (*pipeline.Report, error) {
					work, err := a.backfillRequest(e, req)
					if err != nil {
						return nil, err
					}
					return e.Backfill(ctx, work)
				})
				if errors.Is(err, pipeline.ErrInterrupted) {
					return &advice{err, "the same command reads the slices that are missing, whatever runs meanwhile"}
				}
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&req.asked.From, "from", "", "begin of the range: 2026-03-01, 2026-03-01T06:00, RFC 3339, or a number")
	f.StringVar(&req.asked.To, "to", "", "end of the range, which is not in it (default: where the cursor stands)")
	f.StringVar(&req.asked.Slice, "slice", "", "how much is read, and kept when the run breaks off, at a time (default 1d, or all of a range of numbers)")
	f.IntVar(&req.asked.Parallel, "parallel", 0, "slices of a stream to read at once, as far as its source lets (default: as in a run)")
	f.BoolVar(&req.dryRun, "dry-run", false, "say what would be read and built, and do nothing")
	f.BoolVar(&req.noDownstream, "no-downstream", false, "leave the models behind the streams as they are")
	f.BoolVar(&req.asked.Rebuild, "full-refresh", false, "build incremental models behind the streams from nothing")
	f.BoolVar(&req.shrunk, "allow-shrunken", false, "let a range be replaced although it has become much smaller")
	f.StringArrayVar(&req.exclude, "exclude", nil, "leave these nodes out; may be repeated")
	f.StringVar(&req.abandon, "abandon", "", "give this unfinished backfill up, by its id or the beginning of it")
	return c
}

// backfillRequest finds the streams that are meant and the models behind them. Where none is named, streams that have no range
// are left out.
func (a *app) backfillRequest(e *pipeline.Engine, req backfillFlags) (work pipeline.BackfillRequest, err error) {
	selected, err := e.Project.Select(req.selectors, req.exclude)
	if err != nil {
		return work, usage("%w", err)
	}
	chosen, behind := map[*models.Node]bool{}, []string{}
	for _, n := range selected {
		if n.Kind != models.KindStream {
			continue
		}
		if why, _ := pipeline.CannotBackfill(n); why != "" && len(req.selectors) == 0 {
			a.note("left out: %s", why)
			continue
		}
		chosen[n] = true
		behind = append(behind, n.Name()+"+")
	}
	if len(chosen) == 0 {
		return work, usage("no stream is selected that could be read again: name one that is incremental or append, and read from a database; "+
			"for one with mode: full write such a mode and its cursor: in %s first, and run it once", models.ProjectFile)
	}
	if !req.noDownstream {
		readers, err := e.Project.Select(behind, req.exclude)
		if err != nil {
			return work, usage("%w", err)
		}
		for _, n := range readers {
			chosen[n] = chosen[n] || n.Kind != models.KindStream
		}
	}
	for _, n := range e.Project.Nodes { // in dependency order
		if chosen[n] {
			work.Nodes = append(work.Nodes, n)
		}
	}
	work.Range, work.AllowShrunken = req.asked, req.shrunk
	return work, nil
}

func (a *app) abandonBackfill(ctx context.Context, id string) error {
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	old, err := e.AbandonBackfill(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(old)
	}
	a.out("run %s (%s) is given up; what it had landed is removed", old.ID, old.Selection.Backfill)
	return nil
}

func (a *app) planBackfill(ctx context.Context, req backfillFlags) error {
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	work, err := a.backfillRequest(e, req)
	if err != nil {
		return err
	}
	p, err := e.PlanBackfill(ctx, work)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(p)
	} else {
		a.printBackfillPlan(p)
	}
	if err == nil && p.Problems > 0 {
		return &codeError{code: codeFailed}
	}
	return err
}

func (a *app) printBackfillPlan(p *pipeline.BackfillPlan) {
	a.out("%s", &p.Range)
	if p.Resumes != "" {
		a.out("goes on with run %s", p.Resumes)
	}
	for _, s := range p.Streams {
		a.printPlannedRange(s)
	}
	var names []string
	for _, m := range p.Models {
		names = append(names, m.Node)
	}
	if len(names) > 0 {
		a.out("then builds: %s", strings.Join(names, ", "))
	}
	for _, m := range p.Models {
		if m.Incremental {
			a.out("     warning: %s is incremental, and takes up what its own condition lets through; --full-refresh builds it from all rows", m.Node)
		}
	}
}

func (a *app) printPlannedRange(s pipeline.PlannedRange) {
	const shown = 31
	if s.Error != "" {
		a.out("FAIL %s\n     %s", s.Node, s.Error)
		if s.Hint != "" {
			a.out("     → %s", s.Hint)
		}
		return
	}
	landed := 0
	for _, slice := range s.Slices {
		if slice.Landed {
			landed++
		}
	}
	text := "nothing to read"
	if len(s.Slices) > 0 {
		text = fmt.Sprintf("%s up to %s in %s", s.From, s.To, plural(len(s.Slices), "slice"))
	}
	if landed > 0 {
		text += fmt.Sprintf(", %d of them landed", landed)
	}
	if s.Rows >= 0 && len(s.Slices) > 0 {
		text += fmt.Sprintf("; the stream has about %d rows in all", s.Rows)
	}
	a.out("read %-32s %s", s.Node, text)
	for _, note := range s.Notes {
		a.out("     note: %s", note)
	}
	for i, slice := range s.Slices {
		if i == shown {
			a.out("     … and %d more", len(s.Slices)-shown)
			break
		}
		state := ""
		if slice.Landed {
			state = "  landed"
		}
		a.out("     from %s%s", slice.ID, state)
	}
}
