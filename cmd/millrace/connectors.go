package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

// connector is a type of source, with everything that can be set.
type connector struct {
	Type          string            `json:"type"`
	Summary       string            `json:"summary"`
	Options       []config.FieldDoc `json:"options,omitempty"`
	StreamOptions []config.FieldDoc `json:"stream_options,omitempty"`
	CommonOptions []config.FieldDoc `json:"common_stream_options,omitempty"`
}

func (a *app) connectorsCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "list the types of sources", Example: "  millrace connectors list", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listConnectors() }}
	show := &cobra.Command{Use: "show TYPE", Short: "show the keys of a type of source", Example: "  millrace connectors show files", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.showConnector(args[0]) }}
	c := group("connectors", "list the types of sources, their keys, and what a source has to read", list, show, a.discoverCommand())
	c.Example = "  millrace connectors\n  millrace connectors show files\n  millrace connectors discover erp"
	inner := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.listConnectors()
		}
		return inner(c, args)
	}
	return c
}

func (a *app) listConnectors() error {
	all := []connector{}
	g := grid{header: []string{"TYPE", "WHAT IT READS"}, width: a.terminalWidth()}
	for _, s := range specs() {
		all = append(all, connector{Type: s.Type, Summary: s.Summary})
		g.add(s.Type, s.Summary)
	}
	if a.json {
		return a.printJSON(all)
	}
	return g.print(a.stdout)
}

func (a *app) showConnector(typ string) error {
	var known []string
	for _, s := range specs() {
		if s.Type != typ {
			known = append(known, s.Type)
			continue
		}
		c := connector{s.Type, s.Summary, config.Docs(s.Options()), config.Docs(s.StreamOptions()), config.Docs(models.StreamKeys{})}
		if a.json {
			return a.printJSON(c)
		}
		a.out("%s: %s", c.Type, c.Summary)
		a.fieldDocs("Keys of the source", c.Options)
		a.fieldDocs("Keys of each stream", c.StreamOptions)
		a.fieldDocs("Keys of any stream", c.CommonOptions)
		return nil
	}
	hint := "known types: " + strings.Join(known, ", ")
	if guess := config.Suggest(typ, known); guess != "" {
		hint = "did you mean " + guess + "?"
	}
	return usage("no type of source is called %q: %s", typ, hint)
}

func (a *app) fieldDocs(title string, docs []config.FieldDoc) {
	if len(docs) == 0 {
		return
	}
	a.out("\n%s:", title)
	for _, d := range docs {
		facts := d.Type
		if d.Required {
			facts += ", required"
		}
		if len(d.Enum) > 0 {
			facts += ": " + strings.Join(d.Enum, ", ")
		}
		if d.Default != "" {
			facts += ", default " + d.Default
		}
		a.out("  %s (%s)", d.Key, facts)
		a.out("      %s", d.Doc)
		if d.Example != "" {
			a.out("      for example: %s", d.Example)
		}
	}
}
