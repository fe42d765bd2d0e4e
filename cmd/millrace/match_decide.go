package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match/steward"
)

func (a *app) matchDecideCommand() *cobra.Command {
	var by, why string
	var null bool
	decide := func(kind steward.Kind, use, short, long, example string) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Long: long, Example: "  millrace match decide " + example, Args: named,
			RunE: func(c *cobra.Command, args []string) error {
				d := steward.Decision{Kind: kind, By: by, Why: why}
				var err error
				if d.A, err = steward.ParseRecord(args[1]); err != nil {
					return usage("%w", err)
				}
				if kind == steward.Pin {
					field, value, given := strings.Cut(args[2], "=")
					d.Field = field
					if given && null {
						return usage("pin %s %s: --null pins no value, and =%s is one: give one of the two", args[1], field, value)
					}
					if d.Null = null; given {
						d.Value = &value
					}
				} else if d.B, err = steward.ParseRecord(args[2]); err != nil {
					return usage("%w", err)
				}
				return a.decide(c, args[0], d)
			}}
	}
	pin := decide(steward.Pin, "pin ENTITY RECORD FIELD[=VALUE]", "choose a value of a golden record",
		"From the next run on the golden record that the record belongs to has this value; without =VALUE, that of the record; with --null, none.\n", "pin customer crm:17 email=ada@example.com")
	pin.Flags().BoolVar(&null, "null", false, "the golden record has no value in the field: NULL")
	c := group("decide", "decide about records, for the runs from now on",
		decide(steward.Match, "match ENTITY RECORD RECORD", "two records are the same thing",
			"From the next run on the two records are in one cluster, whatever they look like.\n", "match customer crm:17 shop:4711 --why \"phoned, same person\""),
		decide(steward.Split, "split ENTITY RECORD RECORD", "two records are not the same thing",
			"From the next run on the two records are never in one cluster.\n", "split customer crm:17 shop:4711 --why \"father and son\""),
		pin)
	c.PersistentFlags().StringVar(&by, "by", "", "who decides (default the user of this process)")
	c.PersistentFlags().StringVar(&why, "why", "", "why, for those who read the decision")
	c.Example = "  millrace match decide split customer crm:17 shop:4711 --why \"father and son\""
	return c
}

// decide writes a decision down and tells it.
func (a *app) decide(c *cobra.Command, name string, d steward.Decision) error {
	return a.withEntity(c, name, func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
		made, err := e.Decide(ctx, entity, d)
		if err != nil {
			return err
		}
		shown := pipeline.MaskDecision(entity, *made)
		if a.json {
			return a.printJSON(shown)
		}
		a.out("%s: %s, in %s; the next run of %s obeys it", shown.ID, oneLine(shown.String()), shown.Place, entity.Name)
		if over := shown.Over; over != nil {
			a.note("until now %s %s held, in %s: it does not any more", over.ID, oneLine(over.Told()), over.Place)
		}
		return nil
	})
}

func (a *app) matchRevokeCommand() *cobra.Command {
	var by, why string
	c := &cobra.Command{
		Use:   "revoke ENTITY ID",
		Short: "take a decision back",
		Long: "The decision does not hold any more, from the next run on. Both stay on record. ID is what `millrace match decisions` lists, or\n" +
			"FILE:LINE of its row.\n",
		Example: "  millrace match revoke customer 1f2e3d4c --why \"it was the other Ada\"",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			return a.decide(c, args[0], steward.Decision{Kind: steward.Revoke, Of: args[1], By: by, Why: why})
		},
	}
	c.Flags().StringVar(&by, "by", "", "who decides (default the user of this process)")
	c.Flags().StringVar(&why, "why", "", "why, for those who read the decision")
	return c
}

func (a *app) matchDecisionsCommand() *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "decisions ENTITY",
		Short: "list what was decided about the records of an entity",
		Long: "Lists the decisions of the file, and of the table of overrides, in their order. Values of pins of fields that are tagged pii, and keys made of such, are shown as ***,\n" +
			"unless --plain.\n",
		Example: "  millrace match decisions customer",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				all, err := e.AllDecisions(ctx, entity)
				if err != nil {
					return err
				}
				if all == nil {
					all = []steward.Decision{}
				}
				for i := range all {
					if all[i].Personal = nil; !plain {
						all[i] = pipeline.MaskDecision(entity, all[i])
					}
				}
				if a.json {
					return a.printJSON(all)
				}
				return a.printDecisions(all)
			})
		},
	}
	c.Flags().BoolVar(&plain, "plain", false, "show values and keys that are personal as they are")
	return c
}

func (a *app) printDecisions(all []steward.Decision) error {
	if len(all) == 0 {
		a.out("no decisions")
		return nil
	}
	revoked := map[string]string{}
	for _, d := range all {
		if d.Kind == steward.Revoke {
			revoked[d.Of] = d.ID
		}
	}
	g := &grid{header: []string{"ID", "AT", "BY", "DECISION", "WHY"}, width: a.terminalWidth()}
	for _, d := range all {
		what := d.String()
		if d.Value != nil {
			what += " = " + *d.Value
		}
		if by := revoked[d.ID]; by != "" && d.ID != "" {
			what += " (revoked by " + by + ")"
		}
		at := ""
		if !d.At.IsZero() {
			at = d.At.UTC().Format(time.DateTime)
		}
		g.add(d.ID, at, oneLine(d.By), oneLine(what), oneLine(d.Why))
	}
	return g.print(a.stdout)
}
