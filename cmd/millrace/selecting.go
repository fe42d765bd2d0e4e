package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

// selection is what the flags of a command that works on nodes say.
type selection struct {
	include, exclude []string
	state            string // a warehouse's folder or a manifest; "" is what is published
	selector         string // of selectors.yml
}

// selectorFlag is the name of a selection of selectors.yml.
func selectorFlag(c *cobra.Command, s *string) {
	c.Flags().StringVar(s, "selector", "", "select what this selector of selectors.yml means")
}

// stateFlag is what state: compares with.
func stateFlag(c *cobra.Command, s *string) {
	c.Flags().StringVar(s, "state", "", "what state: compares with: another target's folder, or a manifest.json of Millrace; by default what is published")
}

// toRun are the nodes that are meant, with the sources of dbt's that they read where selectors mean them.
func (a *app) toRun(ctx context.Context, e *pipeline.Engine, s selection) ([]*models.Node, error) {
	a.asked = s
	nodes, err := a.selected(ctx, e, s)
	if err != nil || len(nodes) == 0 {
		return nodes, err
	}
	return e.Project.WithSources(nodes, s.include, s.exclude)
}

// selected are the nodes that are meant. Where it is what has changed that was asked for, there may be none: that is no mistake.
func (a *app) selected(ctx context.Context, e *pipeline.Engine, s selection) ([]*models.Node, error) {
	if err := a.bySelector(e.Project, &s); err != nil {
		return nil, err
	}
	all := slices.Concat(s.include, s.exclude)
	if e.Project.NeedsStanding(all...) {
		m, err := compared(ctx, s.state)
		if err != nil {
			return nil, err
		}
		standing, err := e.Standing(ctx, m)
		if err != nil {
			return nil, err
		}
		e.Project.StandsAt(standing)
	} else if s.state != "" {
		return nil, usage("--state says what state: compares with: name such a selector, as state:modified+")
	}
	nodes, err := e.Project.Select(s.include, s.exclude)
	if err != nil {
		return nil, usage("%w", err)
	}
	if len(nodes) == 0 && !e.Project.NeedsStanding(all...) {
		return nil, usage("nothing is selected: the project has no nodes, or --exclude leaves none")
	}
	return nodes, nil
}

// bySelector puts a selector in the place of the other words; of a project that has a default one it holds where nothing is said.
func (a *app) bySelector(p *models.Project, s *selection) error {
	switch chosen := p.DefaultSelector(); {
	case s.selector != "" && len(s.include)+len(s.exclude) > 0:
		return usage("--selector stands alone: --select selector:%s joins it with others", s.selector)
	case s.selector != "":
		s.include = []string{"selector:" + s.selector}
	case chosen != nil && len(s.include)+len(s.exclude) == 0:
		fmt.Fprintf(a.stderr, "selecting by %s, the default of %s (%s)\n", chosen.Name, models.SelectorsFile, chosen.Pos)
		s.include = []string{"selector:" + chosen.Name}
	}
	return nil
}

// selectedChecks are the nodes to check, and by which of their checks; nil means all of them.
func (a *app) selectedChecks(ctx context.Context, e *pipeline.Engine, s selection) ([]*models.Node, map[*models.Check]bool, error) {
	all := slices.Concat(s.include, s.exclude)
	if !e.Project.SelectsChecks(all...) {
		nodes, err := a.selected(ctx, e, s)
		return nodes, nil, err
	}
	if err := a.bySelector(e.Project, &s); err != nil {
		return nil, nil, err
	}
	if e.Project.NeedsStanding(all...) {
		return nil, nil, usage("state: and result: select nodes, with all their checks: name no checks beside them")
	}
	chosen, err := e.Project.SelectChecks(s.include, s.exclude)
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	if len(chosen) == 0 {
		return nil, nil, usage("no check is selected: none meets all of that")
	}
	return slices.DeleteFunc(slices.Clone(e.Project.Nodes), func(n *models.Node) bool {
		return !slices.ContainsFunc(n.Checks, func(c *models.Check) bool { return chosen[c] })
	}), chosen, nil
}

// compared reads the manifest that --state means; nil without one.
func compared(ctx context.Context, path string) (*load.Manifest, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, usage("--state: %w", err)
	}
	var m *load.Manifest
	if info.IsDir() {
		m, err = local.New(local.Config{Root: path}).Current(ctx)
	} else {
		m, err = local.ReadManifest(path)
	}
	if err != nil {
		return nil, usage("--state %s: %w: name the folder of a target, which has current in it, or a manifest.json of Millrace", path, err)
	}
	return m, nil
}

// nothingChanged tells that a selector by state or result means nothing now.
func (a *app) nothingChanged() error {
	if a.json {
		return a.printJSON(map[string]any{"selected": []string{}})
	}
	fmt.Fprintln(a.stdout, "nothing is selected: no node is in that state")
	return nil
}
