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
		t, err = t.Funcs(template.FuncMap{"bits": func(x float64) string { return fmt.Sprintf("%+.2f", x) }, "bar": bitsBar}).Parse(explainText)
	}
	if err != nil {
		return fmt.Errorf("parse explanation page: %w", err)
	}
	if err := t.Execute(w, page); err != nil {
		return fmt.Errorf("write explanation page: %w", err)
	}
	return nil
}

// bitsBar is a bar of a waterfall in a drawing of 200 by 12, with zero in the middle and 80 bits on either side.
func bitsBar(b pipeline.Bar) map[string]any {
	at := func(bits float64) float64 { return 100 + max(-100, min(100, 1.25*bits)) }
	x, y := at(b.Sum-b.Bits), at(b.Sum)
	class := "var(--bar-pass)"
	if b.Bits < 0 {
		class = "var(--bar-fail)"
	}
	return map[string]any{"X": math.Min(x, y), "Width": math.Max(1, math.Abs(x-y)), "Colour": template.CSS("fill:" + class)}
}
