package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

func (a *app) gcCommand() *cobra.Command {
	var apply, dryRun bool
	var rejectsAge string
	c := &cobra.Command{
		Use:   "gc",
		Short: "remove what no reader and no run needs any more",
		Long: "Finds snapshots past their retention, data files that no snapshot names, staging of runs that can no longer be\n" +
			"resumed, old rejects, what loads have left at the place that follows the target, and what of the journal is older than\n" +
			"the project's history:. It only shows them; --apply removes them. Rejects of a published table stay in the target with the table, and runs stay in the journal as long\n" +
			"as anything of theirs does.\n",
		Example: "  millrace gc\n  millrace gc --apply --rejects-older-than 90d",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var age config.Duration
			if err := age.UnmarshalText([]byte(rejectsAge)); err != nil {
				return usage("--rejects-older-than %s: %w", rejectsAge, err)
			}
			if apply && dryRun {
				return usage("--apply and --dry-run contradict each other")
			}
			e, closeEngine, err := a.engine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			defer a.lookFollower(c.Context(), e)()
			g, err := e.Collect(c.Context(), age.Std(), !apply)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(g)
			}
			a.printGarbage(g)
			return nil
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "remove what is shown")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show it: that is the default")
	c.Flags().StringVar(&rejectsAge, "rejects-older-than", "30d", "age at which rejects go")
	return c
}

func (a *app) printGarbage(g *pipeline.Garbage) {
	if t := g.Target; t != nil {
		if len(t.Snapshots) > 0 {
			var numbers []string
			for _, n := range t.Snapshots {
				numbers = append(numbers, fmt.Sprint(n))
			}
			a.out("snapshots: %s", strings.Join(numbers, ", "))
		}
		for _, f := range t.Files {
			a.out("file: %s", f)
		}
	}
	for _, f := range g.Staging {
		a.out("staging: %s, %s: %s", f.Path, bytesText(f.Bytes), f.Why)
	}
	for _, f := range g.Rejects {
		a.out("rejects: %s, %s: %s", f.Path, bytesText(f.Bytes), f.Why)
	}
	if t := g.There; t != nil {
		for _, name := range t.Tables {
			a.out("staging there: table %s", name)
		}
		for _, prefix := range t.Stages {
			a.out("staging there: files in %s", prefix)
		}
		for _, kept := range t.Kept {
			a.note("left alone: %s", kept)
		}
	}
	if h := g.History; h != (journal.Erased{}) {
		text := fmt.Sprintf("%s, %s and %s", plural(h.Runs, "run"), plural(h.Firings, "firing"), plural(h.Events, "event"))
		if h.Loads > 0 {
			text += fmt.Sprintf(", %s", plural(h.Loads, "load"))
		}
		a.out("history: %s", text)
	}
	for _, s := range g.Skipped {
		a.note("left alone: %s", s)
	}
	size := bytesText(g.Bytes())
	if g.Bytes() == 0 { // the journal's file does not shrink
		size = "all of this"
	}
	empty := len(g.Staging)+len(g.Rejects) == 0 && (g.There == nil || len(g.There.Tables)+len(g.There.Stages) == 0) && (g.Target == nil || len(g.Target.Snapshots)+len(g.Target.Files) == 0) && g.History == (journal.Erased{})
	switch {
	case empty:
		a.out("nothing to remove")
	case g.DryRun:
		a.out("%s would go; millrace gc --apply removes it", size)
	default:
		a.out("%s removed", size)
	}
}
