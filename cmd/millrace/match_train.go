package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match"
)

func (a *app) matchTrainCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "train ENTITY",
		Short: "learn from the records what agreement and disagreement are worth",
		Long: "Learns the weights of an entity's comparisons from what is published of its sources, without labels: by EM (Fellegi and Sunter)\n" +
			"within the candidates of each blocking rule. They go to the file that the entity names under weights:, to be reviewed and\n" +
			"committed; runs then use them as they are. Without such a file each run trains for itself.\n",
		Example: "  millrace match train customer\n  millrace match train customer --out models/customer.match.json",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				return a.train(ctx, e, entity, out)
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write, - for stdout (default the entity's weights:)")
	return c
}

func (a *app) train(ctx context.Context, e *pipeline.Engine, entity *models.Entity, out string) error {
	path := out
	switch {
	case out == "" && entity.Weights == "" && !a.json:
		return usage("entity %s names no file of weights: write `weights: { from: entities/%s.weights.json }` into %s, or give --out", entity.Name, entity.Name, entity.Path)
	case out == "" && entity.Weights != "":
		path = filepath.Join(e.Project.Dir, entity.Weights)
	}
	weights, notes, err := e.Train(ctx, entity, nil)
	if err != nil {
		return err
	}
	for _, n := range notes {
		a.note("%s", n)
	}
	if path != "" && path != "-" {
		if err := e.WriteWeights(entity, weights, path); err != nil {
			return err
		}
	}
	if a.json || path == "-" {
		return a.printJSON(weights)
	}
	if err := a.printWeights(weights); err != nil {
		return err
	}
	a.out("written to %s", path)
	return nil
}

// printWeights shows what each level is worth.
func (a *app) printWeights(w *match.Weights) error {
	a.out("of 2 records taken by chance 1 in %.0f match; %d records, %d candidates", 1/w.Prior, w.Training.Records, w.Training.Pairs)
	g := &grid{header: []string{"COMPARISON", "LEVEL", "BITS", "M", "U", "FROM"}, right: []bool{false, false, true, true, true}, width: a.terminalWidth()}
	for _, c := range w.Comparisons {
		for _, l := range c.Levels {
			g.add(c.Name, l.Name, fmt.Sprintf("%+.1f", math.Log2(l.M/l.U)), fmt.Sprintf("%.4f", l.M), fmt.Sprintf("%.6f", l.U), l.From)
		}
	}
	return g.print(a.stdout)
}
