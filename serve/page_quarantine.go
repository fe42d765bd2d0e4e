package serve

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

// quarantineLine is a table with rows in quarantine.
type quarantineLine struct {
	Node string
	pipeline.TableStatus
}

func (p *site) quarantine(w http.ResponseWriter, r *http.Request) error {
	status, err := p.Engine().Status(r.Context())
	if err != nil {
		return err
	}
	var lines []quarantineLine
	for _, t := range status.Tables {
		if t.Kind == kindQuarantine && t.Rows > 0 {
			lines = append(lines, quarantineLine{strings.TrimSuffix(t.Name, models.QuarantineSuffix), t})
		}
	}
	slices.SortStableFunc(lines, func(a, b quarantineLine) int { return int(b.Rows - a.Rows) })
	return p.show(w, r, "quarantine", view{Title: "Quarantine", Section: "Quarantine", Data: lines})
}

// quarantinePage is what one table has in quarantine.
type quarantinePage struct {
	Node        string
	Rows        int64
	Rules       []ruleRows
	Latest      *pipeline.QuarantineSet // of the latest run that checked it
	Rule        string                  // whose rows are shown; "" for all
	Sample      *report.SampleView
	SampleError string
	Command     string
}

// ruleRows is how many rows failed a rule. One row may fail several.
type ruleRows struct {
	Rule  string
	Rows  int64
	Share string
}

// quarantineRows is how many of them are shown.
const quarantineRows = 20

func (p *site) quarantined(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	page := &quarantinePage{Node: r.PathValue("table"), Rule: r.URL.Query().Get("rule")}
	if e.Project.Node(page.Node) == nil {
		return errNoPage(fmt.Sprintf("the project has no node %q", page.Node))
	}
	err := p.look(ctx, func(ctx context.Context, e *pipeline.Engine) error { return page.fill(ctx, e) })
	if err != nil {
		return err
	}
	page.SampleError = p.redact(page.SampleError)
	page.Command = "millrace rejects replay " + page.Node
	if page.Rule != "" {
		page.Command += " --rule " + quoteWord(page.Rule)
	}
	return p.show(w, r, "quarantined", view{Title: "Quarantine of " + page.Node, Section: "Quarantine", Data: page})
}

// fill asks the published quarantine.
func (page *quarantinePage) fill(ctx context.Context, e *pipeline.Engine) error {
	set, err := e.InQuarantine(ctx, page.Node)
	if err != nil || set == nil {
		return err
	}
	page.Rows = set.Rows
	for _, rule := range slices.Sorted(maps.Keys(set.Rules)) {
		page.Rules = append(page.Rules, ruleRows{rule, set.Rules[rule], share(float64(set.Rules[rule]) / float64(max(set.Rows, 1)))})
	}
	slices.SortStableFunc(page.Rules, func(a, b ruleRows) int { return int(b.Rows - a.Rows) })
	if page.Rule != "" && set.Rules[page.Rule] == 0 {
		page.Rule = ""
	}
	latest, err := e.Quarantined(ctx, page.Node, "")
	if err != nil {
		return err
	}
	if len(latest) > 0 {
		page.Latest = &latest[0]
	}
	sample, err := e.ShowQuarantined(ctx, *set, page.Rule, quarantineRows, false)
	if err != nil {
		page.SampleError, err = optional(err)
		return err
	}
	page.Sample = report.NewSample(sample)
	return nil
}

// quoteWord quotes what a shell would take apart.
func quoteWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:", c)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
