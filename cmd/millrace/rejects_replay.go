package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

func (a *app) rejectsReplayCommand() *cobra.Command {
	var req pipeline.ReplayRequest
	var from origin
	c := &cobra.Command{
		Use:   "replay NODE",
		Short: "run quarantined rows through the checks of their table again, and bring in those that pass",
		Long: "Runs rows of the table's quarantine through the table's checks as they are now. Those that pass leave the quarantine for\n" +
			"the table, in one snapshot, in the way in which the rows of a run get there; the others stay, with the rules that they\n" +
			"fail now. Without flags all rows are replayed, of whichever run; with --file those that the file has, with what it says:\n" +
			"an export, corrected. Cursors do not move, and what reads the table is not rebuilt.\n\n" +
			"Records that could not be read (`millrace rejects list`) have no columns and cannot be replayed: correct them where\n" +
			"they come from and deliver them again.\n",
		Example: "  millrace rejects replay orders --dry-run\n  millrace rejects replay erp.orders --rule range_amount\n  millrace rejects replay orders --file corrected.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.supervise(c.Context(), func(ctx context.Context) error {
				if req.File != "" && req.Run+req.Rule != "" {
					return usage("--file says which rows are replayed: leave --run and --rule out")
				}
				return a.work(ctx, func(ctx context.Context, e *pipeline.Engine) (*pipeline.Report, error) {
					nodes, err := e.Project.Select(args, nil)
					if err != nil {
						return nil, usage("%w", err)
					}
					nodes = entityNode(nodes)
					if len(nodes) == 1 && nodes[0].Entity != nil {
						return nil, usage("%s is made anew of all records in each run: mend the rows where they come from and run it", nodes[0].Name())
					}
					if len(nodes) != 1 {
						return nil, usage("%q means %d nodes: name one", args[0], len(nodes))
					}
					req.Node, req.Trigger, req.Firing = nodes[0], journal.Trigger(from.trigger), from.firing
					return e.Replay(ctx, req)
				})
			})
		},
	}
	c.Flags().StringVar(&req.Run, "run", "", "only rows that this run kept out, by its id or the beginning of it")
	c.Flags().StringVar(&req.Rule, "rule", "", "only rows that failed this rule")
	c.Flags().StringVar(&req.File, "file", "", "replay the rows of this file: one that rejects export wrote, corrected")
	c.Flags().BoolVar(&req.DryRun, "dry-run", false, "say what would pass and what would fail again, and publish nothing")
	from.flags(c)
	return c
}

// printReplayed tells what is left to do after a replay.
func (a *app) printReplayed(r *pipeline.Report) {
	if len(r.Stale) == 0 {
		return
	}
	for _, name := range r.Stale {
		fmt.Fprintf(a.stdout, "  stale: %s was built without the replayed rows\n", name)
	}
	fmt.Fprintf(a.stdout, "  next: `%s` rebuilds what reads the table\n", r.Next)
}
