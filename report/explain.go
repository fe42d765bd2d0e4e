package report

import (
	_ "embed" // the page is a file of its own
	"fmt"
	"html/template"
	"io"
	"math"

	"github.com/millrace/millrace/pipeline"
)

//go:embed explain.gohtml
var explainText string

// PairHTML writes why two records are one or two as a page that needs nothing else.
func PairHTML(w io.Writer, p *pipeline.PairExplanation) error {
	return explainPage(w, map[string]any{"Pair": p, "Title": p.A + " and " + p.B})
}

// GoldenHTML writes what a golden record is made of as a page that needs nothing else.
func GoldenHTML(w io.Writer, g *pipeline.GoldenExplanation) error {
	return explainPage(w, map[string]any{"Golden": g, "Title": g.Entity + " " + g.ID})
}

func explainPage(w io.Writer, page map[string]any) error {
	page["Style"] = template.CSS(reportStyle())
	t, err := Parts(template.New("explain"))
	if err == nil {
		t, err = t.Funcs(template.FuncMap{"bits": func(x float64) string { return fmt.Sprintf("%+.2f", x) }, "waterfall": waterfall}).Parse(explainText)
	}
	if err != nil {
		return fmt.Errorf("parse explanation page: %w", err)
	}
	if err := t.Execute(w, page); err != nil {
		return fmt.Errorf("write explanation page: %w", err)
	}
	return nil
}

// drawnBar is a bar of a waterfall in a drawing of 160 by 12, in which Zero is where nothing speaks for or against.
type drawnBar struct {
	pipeline.Bar
	Zero, X, Width float64
	Colour         template.CSS
}

// waterfall draws the bars to one scale, that of the least and the greatest sum.
func waterfall(bars []pipeline.Bar) []drawnBar {
	least, most := 0.0, 0.0
	for _, b := range bars {
		least, most = math.Min(least, b.Sum), math.Max(most, b.Sum)
	}
	at := func(bits float64) float64 { return 159 * (bits - least) / math.Max(1, most-least) }
	out := make([]drawnBar, len(bars))
	for i, b := range bars {
		x, y := at(b.Sum-b.Bits), at(b.Sum)
		out[i] = drawnBar{Bar: b, Zero: at(0), X: math.Min(x, y), Width: math.Max(1, math.Abs(x-y)), Colour: "fill:var(--bar-pass)"}
		if b.Bits < 0 {
			out[i].Colour = "fill:var(--bar-fail)"
		}
	}
	return out
}
