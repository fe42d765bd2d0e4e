package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
)

func (a *app) pushCommand() *cobra.Command {
	var req pipeline.PushRequest
	c := &cobra.Command{
		Use:   "push",
		Short: "bring what is published to the place that follows the target",
		Long: "Brings the place that follows a target of type snowflake up to what is published locally, without a run: what a run\n" +
			"could not bring, or tables that are kept otherwise now. It asks the place itself what it lacks; when that is nothing,\n" +
			"no data is sent. --renew replaces all rows of a table, whatever is there: within the load's transaction, unless its\n" +
			"columns or its form have to change too. Then a new table takes its place, and loses the rights that were granted on\n" +
			"it alone; --dry-run says which, and ends with 0 whatever it finds. --anew takes over a place that follows another local target, or that holds\n" +
			"what this one does not know, as after a backup was restored: what differs from what is published here is replaced.\n" +
			"Exit code 0 when the place shows what is published, 5 when it does not, 2 when nothing follows the target or a table\n" +
			"is not published, 4 while another process loads it, 1 when nothing is published yet, or the target cannot be read.\n",
		Example: "  millrace push --target prod\n  millrace push --target prod --dry-run\n  millrace push --target prod --renew mart.orders --dry-run\n  millrace push --target prod --anew --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.supervise(c.Context(), func(ctx context.Context) error {
				return a.inWorker(ctx, func(ctx context.Context, e *pipeline.Engine) (func() error, error) { return a.push(ctx, e, req) })
			})
		},
	}
	c.Flags().StringArrayVar(&req.Renew, "renew", nil, "replace all rows of this table; may be repeated")
	c.Flags().BoolVar(&req.Anew, "anew", false, "take the place over from another target, or from what this one was")
	c.Flags().BoolVar(&req.DryRun, "dry-run", false, "say what would be brought, and bring nothing")
	return c
}

// push brings what is published, and gives what tells of it.
func (a *app) push(ctx context.Context, e *pipeline.Engine, req pipeline.PushRequest) (tell func() error, err error) {
	p, err := e.Push(ctx, req)
	if err != nil {
		switch {
		case p == nil || p.Load.ID == "":
		case a.json:
			err = errors.Join(err, a.printJSON(p))
		default:
			a.printLoadOf(p.Load)
		}
		return nil, pushed(err)
	}
	return func() error {
		l := &p.Load.Load
		if p.DryRun {
			l = p.Plan
		}
		switch {
		case a.json:
			return a.printJSON(p)
		case len(l.Differing()) == 0:
			a.out("%s shows snapshot %d: nothing to bring", p.Place, p.Snapshot)
			a.printLoaded(*l)
		case p.DryRun:
			a.out("to bring to %s: %s%s", p.Place, costText(l.LoadCost), momentText(*l))
			a.printLoaded(*l)
			if p.TooDear() {
				a.out("  %s", overText(l.Credits, p.MaxCredits))
			}
		default:
			a.printLoad(p.Load)
			a.note("millrace runs show %s --statements shows what was sent", p.Load.ID)
		}
		return nil
	}, nil
}
