package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

func (a *app) checkCommand() *cobra.Command {
	var exclude []string
	c := &cobra.Command{
		Use:   "check [selectors]",
		Short: "judge published tables by their checks, without loading anything",
		Long: "Runs all checks of the selected nodes, all nodes when none is named, over the tables that are published now. Nothing is\n" +
			"loaded, published or diverted: rows that a run would quarantine are counted.\n",
		Example: "  millrace check\n  millrace check orders tag:finance --json",
		RunE: func(c *cobra.Command, args []string) error {
			e, closeEngine, err := a.engine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			nodes, err := e.Project.Select(args, exclude)
			if err != nil {
				return usage("%w", err)
			}
			found, err := e.Check(c.Context(), nodes)
			if err != nil {
				return err
			}
			if err := a.printChecked(found); err != nil {
				return err
			}
			if found.Failed() {
				return &codeError{code: codeChecks}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&exclude, "exclude", nil, "leave these nodes out; may be repeated")
	return c
}

func (a *app) printChecked(found *pipeline.Checked) error {
	if a.json {
		return a.printJSON(found)
	}
	byNode := map[string][]check.Result{}
	var nodes []string
	for _, r := range found.Checks {
		if byNode[r.Node] == nil {
			nodes = append(nodes, r.Node)
		}
		byNode[r.Node] = append(byNode[r.Node], r)
	}
	counts := map[check.Status]int{}
	for _, n := range nodes {
		mark := "ok  "
		for _, r := range byNode[n] {
			counts[r.Status]++
			if r.Status.Bad() {
				mark = "FAIL"
			}
		}
		fmt.Fprintf(a.stdout, "%s %s\n", mark, n)
		a.printChecks(byNode[n])
	}
	for _, n := range found.Skipped {
		fmt.Fprintf(a.stdout, "skip %s: it is not published yet\n", n)
	}
	if len(found.Checks) == 0 {
		a.note("no published table that is selected has checks: write checks: on a stream, or data_tests: in models/*.yml")
		return nil
	}
	fmt.Fprintf(a.stdout, "\nsnapshot %d: %s; %d pass, %d warn, %d fail, %d could not be run\n", found.Snapshot, plural(len(found.Checks), "check"),
		counts[check.StatusPass], counts[check.StatusWarn], counts[check.StatusFail], counts[check.StatusError])
	return nil
}
