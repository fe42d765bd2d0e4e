package report

import (
	"context"
	"crypto/sha256"
	_ "embed" // the page, its style and its script are files of their own
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

var (
	//go:embed docs.gohtml
	docsText string
	//go:embed docs.css
	docsStyle string
	//go:embed docs.js
	docsScript string
)

// Docs is a project told for the people who work with its tables.
type Docs struct {
	Project string
	Target  string
	MadeBy  string
	Made    time.Time
	Tables  []DocsTable
	Terms   []*models.Term
	Uses    []*models.Exposure
	Graph   *Graph // nil where it would be too large to read
}

// DocsTable is a table with all that is known of it.
type DocsTable struct {
	*models.Node
	Lineage *pipeline.LineageNode
	Columns []DocsColumn
	Results map[string]check.Result // of checks, by name, as they were judged last
	Source  string                  // the model's file
	Tests   []*models.UnitTest
	Personal,
	Untagged int // columns
}

// DocsColumn is a column with what the project says of it.
type DocsColumn struct {
	pipeline.LineageColumn
	Description string
	Tags        []string
	Term        string
	Key         bool
	Checks      []string
}

// mostDrawn is the number of nodes up to which the whole graph is drawn.
const mostDrawn = 150

// GatherDocs collects what is known of a project's tables. The journal may be without runs.
func GatherDocs(ctx context.Context, e *pipeline.Engine) (*Docs, error) {
	l, err := e.Lineage(ctx)
	if err != nil {
		return nil, err
	}
	d := &Docs{Project: e.Project.Name, Made: e.Clock(), MadeBy: e.Version, Terms: e.Project.Terms, Uses: e.Project.Exposures}
	if e.Project.Target != nil {
		d.Target = e.Project.Target.Name
	}
	results, err := lastResults(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, n := range e.Project.Nodes {
		t := DocsTable{Node: n, Lineage: l.Node(n.Name()), Results: results[n.Name()]}
		if n.Model != nil {
			text, err := os.ReadFile(filepath.Join(e.Project.Dir, n.Path))
			if err != nil && !errors.Is(err, os.ErrNotExist) { // while millrace serve has another state of the project, the file may be gone
				return nil, fmt.Errorf("read %s: %w", n.Path, err)
			}
			t.Source = redacted(e, string(text))
			t.Lineage.SQL = redacted(e, t.Lineage.SQL)
		}
		t.Lineage.Error = redacted(e, t.Lineage.Error)
		for _, test := range e.Project.UnitTests {
			if test.Node == n {
				t.Tests = append(t.Tests, test)
			}
		}
		t.columns()
		d.Tables = append(d.Tables, t)
	}
	if drawn := OneOfEach(e.Project.Nodes, ""); len(drawn) > 0 && len(drawn) <= mostDrawn {
		d.Graph = DrawGraph(drawn, "", nil)
	}
	return d, nil
}

func redacted(e *pipeline.Engine, text string) string {
	if e.Redact == nil {
		return text
	}
	return e.Redact(text)
}

// lastResults are the checks' last results by table and name.
func lastResults(ctx context.Context, e *pipeline.Engine) (map[string]map[string]check.Result, error) {
	results := map[string]map[string]check.Result{}
	if e.Journal == nil {
		return results, nil
	}
	names, err := e.Journal.CheckNames(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n := e.Project.Node(name.Node)
		if n == nil || n.Check(name.Name) == nil {
			continue
		}
		result, _, err := e.Journal.LatestCheck(ctx, name, pipeline.TargetOf(e.Project))
		if errors.Is(err, journal.ErrNotFound) { // it ran for another target
			continue
		}
		if err != nil {
			return nil, err
		}
		if results[name.Node] == nil {
			results[name.Node] = map[string]check.Result{}
		}
		results[name.Node][name.Name] = result
	}
	return results, nil
}

// columns joins what lineage and what the project's files say of the columns.
func (t *DocsTable) columns() {
	said := map[string]models.Column{}
	for _, c := range t.Node.Columns {
		said[strings.ToLower(c.Name)] = c
	}
	key := t.Key()
	if len(key) == 0 && t.Stream != nil {
		key = t.Stream.Key
	}
	for _, c := range t.Lineage.Columns {
		s := said[strings.ToLower(c.Name)]
		column := DocsColumn{LineageColumn: c, Description: s.Description, Tags: s.Tags,
			Key: slices.ContainsFunc(key, func(k string) bool { return strings.EqualFold(k, c.Name) })}
		if s.Term != "none" {
			column.Term = s.Term
		}
		for _, check := range t.Checks {
			if slices.ContainsFunc(check.Columns, func(name string) bool { return strings.EqualFold(name, c.Name) }) {
				column.Checks = append(column.Checks, check.Name)
			}
		}
		switch c.Personal {
		case pipeline.PersonalTagged:
			t.Personal++
		case pipeline.PersonalMade:
			t.Untagged++
		}
		t.Columns = append(t.Columns, column)
	}
}

// How is how the table is made, in words.
func (t DocsTable) How() string {
	if t.Lineage.Mode == "" {
		return t.Lineage.Kind
	}
	return t.Lineage.Kind + ", " + t.Lineage.Mode
}

// Words are what the page's search looks at.
func (t DocsTable) Words() string {
	words := []string{t.Name(), t.Owner, t.Description}
	words = append(append(words, t.Tags...), t.Lineage.Exposures...)
	for _, c := range t.Columns {
		words = append(words, c.Name, c.Term)
	}
	return strings.ToLower(strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
}

// Result is the last result of a check, nil when it never ran.
func (t DocsTable) Result(name string) *check.Result {
	r, ran := t.Results[name]
	if !ran {
		return nil
	}
	return &r
}

// HTML writes the page. It needs no other file and no network; without script it is read as it stands.
func (d *Docs) HTML(w io.Writer) error {
	t, err := Parts(template.New("docs"))
	if err == nil {
		t, err = t.Funcs(template.FuncMap{"anchor": anchor, "markdown": described,
			"term": func(name string) string { return "term~." + anchorPart(name) },
			"web":  func(url string) bool { return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") },
			"use":  func(name string) string { return "exposure~." + anchorPart(name) }}).Parse(docsText)
	}
	if err != nil {
		return fmt.Errorf("parse docs page: %w", err)
	}
	sum := sha256.Sum256([]byte(docsScript))
	page := struct {
		*Docs
		Style      template.CSS
		Script     template.JS
		ScriptHash string
	}{d, template.CSS(look + graphStyle + "@media (prefers-color-scheme: dark) {\n" + dark + "}\n" + docsStyle), template.JS(docsScript),
		base64.StdEncoding.EncodeToString(sum[:])}
	if err := t.Execute(w, page); err != nil {
		return fmt.Errorf("write docs page: %w", err)
	}
	return nil
}

// anchor is the id of a table on the page, or of one of its columns.
func anchor(table string, column ...string) string {
	id := anchorPart(table)
	for _, c := range column {
		id += "~." + anchorPart(c)
	}
	return id
}

// anchorPart writes a name with letters that ids and links have in common; two names never become one.
func anchorPart(name string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(name)) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "~%02x", c)
		}
	}
	return b.String()
}
