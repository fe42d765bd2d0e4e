package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

func (a *app) rejectsCommand() *cobra.Command {
	var run, reason string
	var limit int
	var plain bool
	list := &cobra.Command{
		Use:   "list [NODE]",
		Short: "list records that could not be landed, and count rows that checks kept out",
		Long: "Lists what the latest run of each stream rejected: how many records for which reason, and the records with file,\n" +
			"line and what is wrong; how many rows the checks of each table, or an entity, quarantined; and how many are in quarantine now,\n" +
			"of whichever runs. --run asks another run. Records of tables with columns that are tagged pii are masked, unless --plain.\n",
		Example: "  millrace rejects list\n  millrace rejects list erp.orders --reason bad_cast --limit 20 --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit %d: give a number from 0, which means all", limit)
			}
			e, closeEngine, err := a.engine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			if _, err := e.EnsureJournal(c.Context()); err != nil {
				return err
			}
			node, err := rejectsNode(e, args)
			if err != nil {
				return err
			}
			return a.listRejects(c, e, node, run, reason, limit, plain)
		},
	}
	list.Flags().StringVar(&run, "run", "", "the rejects of this run, by its id or the beginning of it")
	list.Flags().StringVar(&reason, "reason", "", "only records rejected for this reason")
	list.Flags().BoolVar(&plain, "plain", false, "show records of tables with columns that are tagged pii as they are")
	list.Flags().IntVarP(&limit, "limit", "n", 20, "records to show of each stream; 0 for all")
	c := group("rejects", "records that could not be landed, and rows that checks kept out of tables", list, a.rejectsShowCommand(), a.rejectsExportCommand(), a.rejectsReplayCommand())
	c.Example = "  millrace rejects list"
	return c
}

// rejectsNode is the table that the argument names; one that has left the project is named in full.
func rejectsNode(e *pipeline.Engine, args []string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	nodes, err := e.Project.Select(args, nil)
	nodes = entityNode(nodes)
	switch {
	case err != nil && strings.Contains(args[0], "."):
		return args[0], nil
	case err != nil:
		return "", usage("%w", err)
	case len(nodes) != 1:
		return "", usage("%q means %d nodes: name one", args[0], len(nodes))
	}
	return nodes[0].Name(), nil
}

// rejectsAnswer is the answer for machines.
type rejectsAnswer struct {
	Sets    []pipeline.RejectSet      `json:"sets"`
	Records []pipeline.RejectedRecord `json:"records"`
	// Quarantined are rows that landed and failed a check.
	Quarantined []pipeline.QuarantineSet `json:"quarantined"`
	// InQuarantine is how many rows are in the tables' quarantines now, of whichever runs.
	InQuarantine map[string]int64 `json:"in_quarantine"`
}

func (a *app) listRejects(c *cobra.Command, e *pipeline.Engine, node, run, reason string, limit int, plain bool) error {
	sets, err := e.Rejects(c.Context(), node, run)
	if err != nil {
		return err
	}
	quarantined, err := e.Quarantined(c.Context(), node, run)
	if err != nil {
		return err
	}
	inside, err := e.QuarantineRows(c.Context(), node)
	if err != nil {
		return err
	}
	out := rejectsAnswer{Sets: sets, Records: []pipeline.RejectedRecord{}, Quarantined: quarantined, InQuarantine: inside}
	if !a.json {
		a.printRejectCounts(sets, len(quarantined) > 0)
		a.printQuarantineCounts(quarantined, inside)
	}
	for _, s := range sets {
		n := e.Project.Node(s.Node)
		masked := !plain && n != nil && len(check.Secrets(n)) > 0 // where a record's columns begin, nobody knows
		var records []pipeline.RejectedRecord
		err := s.Each(c.Context(), func(r pipeline.RejectedRecord) bool {
			if reason != "" && r.Reason != reason {
				return true
			}
			r.Raw, r.Message = a.redactor.Redact(r.Raw), a.redactor.Redact(r.Message)
			if masked {
				r.Raw, r.Message = "***", "masked: the table has columns that are tagged pii; --plain shows it"
			}
			records = append(records, r)
			return limit == 0 || len(records) < limit
		})
		if err != nil {
			return err
		}
		if a.json {
			out.Records = append(out.Records, records...)
			continue
		}
		a.printRejects(s, records)
	}
	if a.json {
		return a.printJSON(out)
	}
	return nil
}

func (a *app) printRejectCounts(sets []pipeline.RejectSet, others bool) {
	switch {
	case len(sets) == 0 && others:
		a.out("no rejects of streams")
		return
	case len(sets) == 0:
		a.out("no rejects")
		return
	}
	g := grid{header: []string{"NODE", "REASON", "RECORDS", "RUN"}, right: []bool{false, false, true}}
	for _, s := range sets {
		for _, r := range s.ByReason() {
			g.add(s.Node, r.Reason, fmt.Sprint(r.Rows), s.Run)
		}
	}
	_ = g.print(a.stdout)
}

func (a *app) printRejects(s pipeline.RejectSet, records []pipeline.RejectedRecord) {
	if s.Gone {
		a.out("\n%s: some of the files have been collected: only the counts are left", s.Node)
	}
	if len(records) == 0 {
		return
	}
	a.out("\n%s", s.Node)
	for _, r := range records {
		place := r.File
		if r.Line > 0 {
			place += fmt.Sprintf(":%d", r.Line)
		} else if r.Offset >= 0 && r.File != "" {
			place += fmt.Sprintf(" at byte %d", r.Offset)
		}
		if r.Column != "" {
			place = strings.TrimSpace(place + " column " + r.Column)
		}
		a.out("  %s: %s: %s", strings.TrimSpace(place), r.Reason, oneLine(r.Message))
		if r.Raw != "" {
			a.out("      %s", cut(oneLine(r.Raw), 160))
		}
	}
}

// entityNode is the node of an entity's golden records, which has its quarantine, where nodes are the tables of that entity and nothing else.
func entityNode(nodes []*models.Node) []*models.Node {
	if len(nodes) == 0 || nodes[0].Entity == nil {
		return nodes
	}
	for _, n := range nodes {
		if n.Entity != nodes[0].Entity {
			return nodes
		}
	}
	return []*models.Node{nodes[0].Entity.Node}
}
