package main

import (
	"context"
	"encoding/json"
	"errors"
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
				err := because(c, why)
				if err != nil {
					return err
				}
				if d.A, err = steward.ParseRecord(args[1]); err != nil {
					return usage("%w", err)
				}
				if kind == steward.Pin {
					field, value, given := strings.Cut(args[2], "=")
					d.Field = field
					if given && null { // the value may be personal, and so may the record's key
						return usage("pin %s: --null pins no value, and one is given: leave --null out, or the = and what follows it", field)
					}
					if d.Null = null; given {
						d.Value = &value
					}
				} else if d.B, err = steward.ParseRecord(args[2]); err != nil {
					return usage("%w", err)
				}
				if err := d.Check(); err != nil {
					return usage("%w", err)
				}
				return a.decide(c, args[0], d)
			}}
	}
	pin := decide(steward.Pin, "pin ENTITY RECORD FIELD[=VALUE]", "choose a value of a golden record",
		"From the next run on the golden record that the record belongs to has this value; without =VALUE, that of the record; with --null, none.\n", "pin customer crm:17 email=ada@example.com --why \"it is on her card\"")
	pin.Flags().BoolVar(&null, "null", false, "the golden record has no value in the field: NULL")
	c := group("decide", "decide about records, for the runs from now on",
		decide(steward.Match, "match ENTITY RECORD RECORD", "two records are the same thing",
			"From the next run on the two records are in one cluster, whatever they look like.\n", "match customer crm:17 shop:4711 --why \"phoned, same person\""),
		decide(steward.Split, "split ENTITY RECORD RECORD", "two records are not the same thing",
			"From the next run on the two records are never in one cluster.\n", "split customer crm:17 shop:4711 --why \"father and son\""),
		pin)
	c.PersistentFlags().StringVar(&by, "by", "", "who decides (default the user of this process)")
	c.PersistentFlags().StringVar(&why, "why", "", whyUse)
	c.Example = "  millrace match decide split customer crm:17 shop:4711 --why \"father and son\""
	return c
}

// whyUse says what --why is.
const whyUse = "why, for those who read the decision later; needed"

// because refuses a decision without a reason, and one that is no line: nobody can tell later what it was made for.
func because(c *cobra.Command, why string) error {
	what := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
	switch {
	case strings.TrimSpace(why) == "":
		return usage("%s: --why is missing: say in a line why it is decided so, for those who read the decision later", what)
	case len(why) > steward.MostWhy:
		return usage("%s: --why has %d bytes: say it in %d", what, len(why), steward.MostWhy)
	}
	return nil
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
			if err := because(c, why); err != nil {
				return err
			}
			return a.decide(c, args[0], steward.Decision{Kind: steward.Revoke, Of: args[1], By: by, Why: why})
		},
	}
	c.Flags().StringVar(&by, "by", "", "who decides (default the user of this process)")
	c.Flags().StringVar(&why, "why", "", whyUse)
	return c
}

func (a *app) matchDecisionsCommand() *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "decisions ENTITY",
		Short: "list what was decided about the records of an entity, and what became of it",
		Long: "Lists the decisions of the file, and of the table of overrides, in their order. STATE says which hold (in force), which a later one\n" +
			"about the same has overruled, which were revoked, and what waits for the next run (pending). Values of pins of fields that are tagged\n" +
			"pii, and keys made of such, are shown as ***, unless --plain.\n",
		Example: "  millrace match decisions customer",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				all, err := listed(ctx, e, entity)
				var contradiction *steward.ContradictionError
				if errors.As(err, &contradiction) { // they are listed all the same: one of them is to be revoked
					a.note("what holds cannot be told, and no run of %s obeys: %s", entity.Name, oneLine(err.Error()))
				} else if err != nil {
					return err
				}
				for i := range all {
					d := &all[i].Decision
					if d.Personal = nil; !plain {
						*d = pipeline.MaskDecision(entity, *d)
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

// decisionLine is a decision with what became of it.
type decisionLine struct {
	steward.Decision
	State       string // of pipeline.DecisionStatus; "" where that cannot be told
	Pending     bool
	RevokedBy   string
	OverruledBy string
}

// MarshalJSON puts what became of a decision behind its own fields.
func (l decisionLine) MarshalJSON() ([]byte, error) {
	type plain steward.Decision // which writes itself alone
	out := struct {
		ID string     `json:"id"`
		At *time.Time `json:"at"`
		plain
		State       string `json:"state,omitempty"`
		Pending     bool   `json:"pending"`
		RevokedBy   string `json:"revoked_by,omitempty"`
		OverruledBy string `json:"overruled_by,omitempty"`
	}{ID: l.ID, plain: plain(l.Decision), State: l.State, Pending: l.Pending, RevokedBy: l.RevokedBy, OverruledBy: l.OverruledBy}
	if !l.At.IsZero() {
		out.At = &l.At
	}
	return json.Marshal(out)
}

// fate is what became of the decision, in words.
func (l *decisionLine) fate() string {
	var told string
	switch l.State {
	case pipeline.DecisionInForce, pipeline.DecisionRevoke:
		told = "in force"
	case pipeline.DecisionRevoked:
		told = "revoked by " + l.RevokedBy
	case pipeline.DecisionOverruled:
		told = "overruled by " + l.OverruledBy
	default:
		told = "?"
	}
	if l.Pending {
		told += ", pending"
	}
	return told
}

// listed are the decisions about an entity, with what became of each. Those that contradict each other are given with the error.
func listed(ctx context.Context, e *pipeline.Engine, entity *models.Entity) ([]decisionLine, error) {
	out := []decisionLine{}
	all, err := e.DecisionStatuses(ctx, entity, true)
	var contradiction *steward.ContradictionError
	if errors.As(err, &contradiction) {
		plain, also := e.AllDecisions(ctx, entity)
		for _, d := range plain {
			out = append(out, decisionLine{Decision: d})
		}
		return out, errors.Join(also, err)
	}
	for _, s := range all {
		out = append(out, decisionLine{s.Decision, s.State, s.Pending, s.RevokedBy, s.OverruledBy})
	}
	return out, err
}

func (a *app) printDecisions(all []decisionLine) error {
	if len(all) == 0 {
		a.out("no decisions")
		return nil
	}
	g := &grid{header: []string{"ID", "AT", "BY", "STATE", "DECISION", "WHY"}, width: a.terminalWidth()}
	for _, d := range all {
		what := d.String()
		if d.Value != nil {
			what += " = " + *d.Value
		}
		at := ""
		if !d.At.IsZero() {
			at = d.At.UTC().Format(time.DateTime)
		}
		g.add(d.ID, at, oneLine(d.By), d.fate(), oneLine(what), oneLine(d.Why))
	}
	return g.print(a.stdout)
}
