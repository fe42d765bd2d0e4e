package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

func (a *app) stateCommand() *cobra.Command {
	show := &cobra.Command{Use: "show", Short: "show journal, cursors and staging", Example: "  millrace state show --json", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.withEngine(c, a.showState) }}
	cursor := &cobra.Command{Use: "cursor [NODE]", Short: "print the published cursors in full", Example: "  millrace state cursor erp.orders", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEngine(c, func(ctx context.Context, e *pipeline.Engine) error { return a.showCursors(ctx, e, args) })
		}}
	c := group("state", "show and mend what runs remember", show, cursor, a.setCursorCommand(), a.resetCursorCommand(), a.dropCommand(), a.backupCommand(), a.rebuildCommand())
	c.Long = "Cursors stand in the manifest of the target, beside the data that they belong to; the journal (.millrace/state.db)\n" +
		"is an index of them and the history of runs.\n"
	c.Example = "  millrace state show\n  millrace state reset erp.orders"
	return c
}

func (a *app) withEngine(c *cobra.Command, f func(context.Context, *pipeline.Engine) error) error {
	e, closeEngine, err := a.engine(c.Context())
	if err != nil {
		return err
	}
	defer closeEngine()
	return f(c.Context(), e)
}

// withFollower is withEngine for what publishes.
func (a *app) withFollower(c *cobra.Command, f func(context.Context, *pipeline.Engine) error) error {
	return a.withEngine(c, func(ctx context.Context, e *pipeline.Engine) error {
		closeFollower, err := a.openFollower(ctx, e)
		if err != nil {
			return err
		}
		defer closeFollower()
		return f(ctx, e)
	})
}

func (a *app) showState(ctx context.Context, e *pipeline.Engine) error {
	s, err := e.State(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(s)
	}
	a.out("journal   %s, version %d, %s, %s", s.Journal, s.Version, bytesText(s.Bytes), plural(s.Runs, "run"))
	a.out("rejects   %s", bytesText(s.Rejects))
	for _, f := range s.Staging {
		a.out("staging   %s, %s: %s", f.Path, bytesText(f.Bytes), f.Why)
	}
	a.out("snapshot  %d", s.Snapshot)
	if len(s.Cursors) == 0 {
		return nil
	}
	a.out("")
	g := grid{header: []string{"STREAM", "CURSOR", "RUN", "INDEXED"}}
	for _, c := range s.Cursors {
		g.add(c.Node, cut(oneLine(c.Cursor), 60), c.Run, map[bool]string{true: "yes", false: "no"}[c.Indexed])
	}
	return g.print(a.stdout)
}

func (a *app) showCursors(ctx context.Context, e *pipeline.Engine, args []string) error {
	cursors, _, err := e.Cursors(ctx)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		n, err := oneNode(e, args[0])
		if err != nil {
			return err
		}
		for _, c := range cursors {
			if c.Node == n {
				cursors = []pipeline.CursorState{c}
				if !a.json {
					a.out("%s", c.Cursor)
					return nil
				}
				return a.printJSON(cursors)
			}
		}
		return usage("%s has no cursor: it is read in full, or was never published", n)
	}
	if a.json {
		return a.printJSON(cursors)
	}
	for _, c := range cursors {
		a.out("%s\t%s", c.Node, c.Cursor)
	}
	return nil
}

func oneNode(e *pipeline.Engine, selector string) (string, error) {
	nodes, err := e.Project.Select([]string{selector}, nil)
	if err != nil {
		return "", usage("%w", err)
	}
	if len(nodes) != 1 {
		return "", usage("%q means %d nodes: name one", selector, len(nodes))
	}
	return nodes[0].Name(), nil
}

func (a *app) setCursorCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "set NODE VALUE", Short: "set a stream's cursor",
		Long: "Publishes the stream's table as it is, with another cursor: the next run reads what comes after it. The value is\n" +
			"what `millrace state cursor NODE` prints; the source checks it. A stream that was pointed elsewhere, or has another\n" +
			"cursor column, goes on with the rows that are there. Nothing is done without --yes.\n",
		Example: "  millrace state set erp.orders '2026-01-01' --yes", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] == "" {
				return usage("an empty cursor means from the start: that is `millrace state reset %s`", args[0])
			}
			return a.withFollower(c, func(ctx context.Context, e *pipeline.Engine) error { return a.setCursor(ctx, e, args[0], args[1], yes) })
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do it")
	return c
}

func (a *app) resetCursorCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "reset NODE", Short: "forget a stream's cursor: the next run reads from the start",
		Long: "Publishes the stream's table as it is, without a cursor: the next run reads the stream from its start. Nothing is\n" +
			"done without --yes. To rebuild the table from nothing, use `millrace run NODE --full-refresh`.\n",
		Example: "  millrace state reset erp.orders --yes", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withFollower(c, func(ctx context.Context, e *pipeline.Engine) error { return a.setCursor(ctx, e, args[0], "", yes) })
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do it")
	return c
}

func (a *app) dropCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "drop SCHEMA.TABLE", Short: "take a table out that the project does not make any more",
		Long: "Publishes a snapshot without the table. It must be gone from the project, and no published view may read it.\n" +
			"Older snapshots keep it until retention takes them. Nothing is done without --yes.\n",
		Example: "  millrace state drop main.old_orders --yes", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withFollower(c, func(ctx context.Context, e *pipeline.Engine) error {
				if !yes {
					return usage("this takes %s out of what readers see: say --yes", args[0])
				}
				snapshot, err := e.Drop(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"dropped": args[0], "snapshot": snapshot})
				}
				fmt.Fprintf(a.stdout, "%s is gone as of snapshot %d\n", args[0], snapshot)
				return nil
			})
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do it")
	return c
}

func (a *app) setCursor(ctx context.Context, e *pipeline.Engine, selector, value string, yes bool) error {
	name, err := oneNode(e, selector)
	if err != nil {
		return err
	}
	change, err := e.PlanCursor(ctx, e.Project.Node(name), value)
	if errors.Is(err, pipeline.ErrNoCursor) {
		return usage("%w", err)
	}
	if err != nil {
		return err
	}
	if !a.json {
		a.note("%s: cursor %s → %s", change.Node, cursorText(change.From), cursorText(change.To))
		a.note("%s", change.Effect)
	}
	if !yes {
		return usage("nothing was done: repeat it with --yes")
	}
	if err := e.SetCursor(ctx, change); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(change)
	}
	a.out("published as snapshot %d (run %s)", change.Snapshot, change.Run)
	return nil
}

func cursorText(s string) string {
	if s == "" {
		return "(none)"
	}
	return cut(oneLine(s), 200)
}

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{Use: "backup FILE", Short: "write a consistent copy of the journal", Example: "  millrace state backup /backup/shop-state.db", Args: cobra.ExactArgs(1),
		Long: "Writes a consistent copy of the journal to a new file, also while a run goes on. To use it, put it back as\n.millrace/state.db while nothing runs.\n",
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			return a.withEngine(c, func(ctx context.Context, e *pipeline.Engine) error {
				if err := e.Journal.Backup(ctx, path); err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]string{"file": path})
				}
				a.out("%s", path)
				return nil
			})
		}}
}

// rebuilt is rebuild's answer.
type rebuilt struct {
	*pipeline.Rebuilt
	MovedAside string `json:"moved_aside,omitempty"`
}

func (a *app) rebuildCommand() *cobra.Command {
	return &cobra.Command{Use: "rebuild", Short: "restore the journal from the manifests of the target", Example: "  millrace state rebuild", Args: cobra.NoArgs,
		Long: "Restores runs, steps and cursors from the manifests of the target, for when state.db was lost or is damaged. A\n" +
			"damaged one is moved aside. What the journal still knows stays; it can be repeated.\n",
		RunE: func(c *cobra.Command, _ []string) error {
			out := rebuilt{}
			e, closeEngine, err := a.engine(c.Context())
			if errors.Is(err, journal.ErrCorrupt) {
				if out.MovedAside, err = a.setJournalAside(c.Context()); err != nil {
					return err
				}
				e, closeEngine, err = a.engine(c.Context())
			}
			if err != nil {
				return err
			}
			defer closeEngine()
			unlock, err := e.LockAll()
			if err != nil {
				return err
			}
			defer unlock()
			if out.Rebuilt, err = e.Rebuild(c.Context()); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(out)
			}
			if out.MovedAside != "" {
				a.out("the damaged journal is now %s", out.MovedAside)
			}
			a.out("restored from %s: %s, %s, %s", plural(out.Snapshots, "manifest"), plural(out.Runs, "run"), plural(out.Steps, "step"), plural(out.Cursors, "cursor"))
			for _, what := range out.Lost {
				a.out("  not in manifests: %s", what)
			}
			return nil
		}}
}

// setJournalAside moves a damaged journal out of the way, unless a run may be writing to it.
func (a *app) setJournalAside(ctx context.Context) (string, error) {
	p, err := a.loaded(ctx)
	if err != nil {
		return "", err
	}
	unlock, err := (&pipeline.Engine{Project: p, Clock: clock.System}).LockAll()
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(p.StateDir(), "state.db")
	to, err := journal.SetAside(path, clock.System())
	if err != nil {
		return "", fmt.Errorf("rebuild: %w", err)
	}
	return to, nil
}
