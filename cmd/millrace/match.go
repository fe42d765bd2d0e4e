package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

func (a *app) matchCommand() *cobra.Command {
	c := group("match", "master data: train, review and judge how records of an entity are matched",
		a.matchTrainCommand(), a.matchReviewCommand(), a.matchQualityCommand(), a.matchDecideCommand(), a.matchDecisionsCommand(), a.matchRevokeCommand(),
		a.matchEvaluateCommand(), a.matchDiffCommand())
	c.Example = "  millrace run customer               # match and publish\n  millrace match review customer\n  millrace match decide split customer crm:17 shop:4711 --why \"father and son\""
	return c
}

// entity is the entity that the argument names.
func entityOf(p *models.Project, name string) (*models.Entity, error) {
	var known []string
	for _, e := range p.Entities {
		if e.Name == name || e.Node.Name() == name || e.Node.Table == name {
			return e, nil
		}
		known = append(known, e.Name)
	}
	if len(known) == 0 {
		return nil, usage("the project has no entity: a file in entities/ makes one")
	}
	return nil, usage("no entity %q: %s", name, meant(name, known))
}

// named are the arguments that the command's Use names, of which optional ones stand in brackets: who leaves some out is told which.
func named(c *cobra.Command, args []string) error {
	var names []string
	for _, word := range strings.Fields(c.Use)[1:] {
		if strings.HasPrefix(word, "[") {
			break
		}
		names = append(names, word)
	}
	what := strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), c.Root().Name())) + " " + strings.Join(names, " ")
	switch missing := names[min(len(args), len(names)):]; {
	case len(missing) == 1:
		return usage("%s: %s is missing", what, missing[0])
	case len(missing) > 1:
		return usage("%s: %s and %s are missing", what, strings.Join(missing[:len(missing)-1], ", "), missing[len(missing)-1])
	case len(args) > len(names):
		return usage("%s: %q is one argument too many", what, args[len(names)])
	}
	return nil
}

// withEntity opens the project for a command about one of its entities, which opens no source.
func (a *app) withEntity(c *cobra.Command, name string, f func(context.Context, *pipeline.Engine, *models.Entity) error) error {
	return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error {
		entity, err := entityOf(e.Project, name)
		if err != nil {
			return err
		}
		return interruptible(ctx, func(ctx context.Context) error { return f(ctx, e, entity) })
	})
}

func (a *app) matchEvaluateCommand() *cobra.Command {
	var gold pipeline.Gold
	c := &cobra.Command{
		Use:   "evaluate ENTITY [--gold FILE]",
		Short: "compare the published clusters with what is known to be right",
		Long: "Counts pairs of records: those that the labels imply, those that the published clusters imply, and those that both do;\n" +
			"precision, recall and F1 follow from them. The labels are a CSV or Parquet file of clusters (source, key, cluster) or of\n" +
			"pairs that match (a_source, a_key, b_source, b_key); an entity of one source may leave the columns of sources out.\n" +
			"Records that the file does not name count as known to match nothing, unless --partial. Without --gold the labels are those\n" +
			"that the entity's file names. Keys of records that are made of personal columns are masked, unless --plain.\n",
		Example: "  millrace match evaluate customer --gold labels.csv\n  millrace match evaluate customer --gold sample.csv --partial --examples 20 --json",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			if gold.Examples < 0 {
				return usage("--examples %d: give a number from 0, which means none", gold.Examples)
			}
			if gold.Path != "" {
				path, err := readable(gold.Path)
				if err != nil {
					return err
				}
				gold.Path = path
			}
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				switch {
				case gold.Path != "":
				case entity.Labels == "":
					return usage("--gold: name the file of labels; or %s names one, as labels:", entity.Path)
				default:
					gold.Path, gold.Partial = filepath.Join(e.Project.Dir, entity.Labels), gold.Partial || !entity.Complete
				}
				found, err := e.Evaluate(ctx, entity, gold)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(found)
				}
				return a.printEvaluation(found)
			})
		},
	}
	c.Flags().StringVar(&gold.Path, "gold", "", "file of labels")
	c.Flags().BoolVar(&gold.Partial, "partial", false, "nothing is known about records that the file does not name")
	c.Flags().BoolVar(&gold.Plain, "plain", false, plainKeys)
	c.Flags().IntVar(&gold.Examples, "examples", 5, "pairs to show that are wrongly together, and wrongly apart; 0 for none")
	return c
}

func (a *app) printEvaluation(v *pipeline.Evaluation) error {
	a.out("%s, as run %s published it: %d records, the largest cluster has %d", v.Entity, v.Run, v.Records, v.Largest)
	a.out("labels: %d records, %d pairs that match", v.Labelled, v.Gold)
	if v.Unknown > 0 {
		a.out("warning: the labels name %s more, not published; pairs of theirs that count as missed: %d",
			plural(int(v.Unknown), "record"), v.Lost)
	}
	a.out("found:  %d pairs, %d of them right", v.Found, v.True)
	a.out("precision %s   recall %s   F1 %s", shareText(v.Precision), shareText(v.Recall), shareText(v.F1))
	if v.Note != "" {
		a.note("note: %s", v.Note)
	}
	for _, w := range v.Wrong {
		a.out("together, and should not be: %s  %s", oneLine(w.A), oneLine(w.B))
	}
	for _, w := range v.Missed {
		a.out("apart, and should not be:    %s  %s", oneLine(w.A), oneLine(w.B))
	}
	return nil
}

// shareText is a share with four digits, or "none" of nothing.
func shareText(share *float64) string {
	if share == nil {
		return "none"
	}
	return fmt.Sprintf("%.4f", *share)
}

func (a *app) matchDiffCommand() *cobra.Command {
	var examples int
	c := &cobra.Command{
		Use:   "diff ENTITY RUN1 RUN2",
		Short: "what became of the clusters between two runs",
		Long: "Compares what two runs have published: records that came, went or moved to another golden id, pairs of records that were\n" +
			"joined or parted, and golden ids that were minted (new, of records that had none), split (new, of records that had another),\n" +
			"merged (gone, their records have others) or retired (gone with their records). Of a run and the one before it these are the\n" +
			"rows that it has added to the merge log. Both snapshots must still be there.\n" +
			"Keys of records that are made of personal columns are masked.\n",
		Example: "  millrace match diff customer 20260301T020000Z-1a2b 20260302T020000Z-3c4d",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			if examples < 0 {
				return usage("--limit %d: give a number from 0, which means none", examples)
			}
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				found, err := e.MatchDiff(ctx, entity, args[1], args[2], examples)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(found)
				}
				return a.printMatchDiff(found)
			})
		},
	}
	c.Flags().IntVarP(&examples, "limit", "n", 10, "moved records to show; 0 for none")
	return c
}

func (a *app) printMatchDiff(d *pipeline.MatchDiff) error {
	a.out("%s: run %s → run %s", d.Entity, d.Before, d.After)
	a.out("records     %d added, %d removed, %d moved to another golden id", d.Added, d.Removed, d.Moved)
	a.out("golden ids  %d minted, %d split, %d merged, %d retired, %d with the same records", d.Minted, d.Split, d.Merged, d.Retired, d.Same)
	a.out("pairs       %d joined, %d parted", d.Joined, d.Parted)
	for _, m := range d.Moves {
		a.out("moved: %s:%s  %s → %s", m.Source, oneLine(m.Key), m.Before, m.After)
	}
	return nil
}
