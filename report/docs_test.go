package report

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// documented is a project on disk with hostile names and texts, and its docs.
func documented(t *testing.T) (*Docs, []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"millrace.yml": "name: shop <script>alert(1)</script>\ntargets: { local: { type: local, path: w } }\nsources:\n  erp:\n    type: fake\n    streams:\n" +
			"      - { name: orders, key: [id], contract: { columns: [ { name: id, type: BIGINT, term: order }, { name: email, type: VARCHAR }, { name: \"a b'<i>\", type: DATE } ] } }\n",
		"terms/shop.yml": "terms:\n  - { name: order, description: \"What **somebody** bought\", owner: sales, synonyms: [purchase], see: [customer] }\n  - { name: customer, description: Who buys }\n",
		"models/schema.yml": "models:\n  - name: sales\n    owner: sales\n    description: \"All *sales*. <img src=x onerror=alert(1)> ![pixel](http://evil.example/p.png) [bad](javascript:alert(1)) [good](https://example.com)\"\n" +
			"    columns:\n      - { name: id, data_tests: [not_null] }\nsources:\n  - name: erp\n    tables: [ { name: orders, columns: [ { name: email, tags: [pii] } ] } ]\n" +
			"exposures:\n  - { name: weekly, label: \"Week <b>\", type: dashboard, url: \"https://bi.example.com/1\", owner: { name: Ann }, description: \"For *Mondays*\", depends_on: [\"ref('sales')\"] }\n" +
			"  - { name: bad, type: ml, url: \"javascript:alert(2)\", owner: { name: Bob } }\n" +
			"unit_tests:\n  - { name: lowers, description: \"in small <i>\", model: sales, given: [ { input: \"ref('eph')\", rows: [ { id: 1 } ] } ], expect: { rows: [ { id: 1 } ] } }\n",
		"models/sales.sql": "{{ config(materialized='table', tags=['x']) }}\nselect id, lower(email) as contact, \"a b'<i>\" from {{ ref('eph') }} -- </script>",
		"models/eph.sql":   "{{ config(materialized='ephemeral') }} select * from {{ source('erp', 'orders') }} where id > 0",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fake := models.SourceSpec{Type: "fake", Options: func() any { return &struct{}{} }, StreamOptions: func() any { return &struct{}{} }}
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Sources: []models.SourceSpec{fake}, Env: os.LookupEnv})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	e := &pipeline.Engine{Project: p, Warehouse: duckdb.Open, Threads: 1, Memory: 256 << 20, Version: "1", Clock: func() time.Time { return time.Unix(0, 0) }}
	d, err := GatherDocs(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := d.HTML(&page); err != nil {
		t.Fatal(err)
	}
	return d, page.Bytes()
}

func TestDocs(t *testing.T) {
	d, page := documented(t)
	text := string(page)
	for _, want := range []string{
		`id="erp.orders~.email"`, `id="erp.orders~.a~20b~27~3ci~3e"`, `id="main.sales"`, `id="term~.order"`,
		`href="#main.eph~.email" data-how="computed"`, `href="#main.sales~.contact" data-how="computed"`,
		`made of personal columns, not tagged pii`, `<em>sales</em>`, `<strong>somebody</strong>`, `href="https://example.com"`,
		`id="exposure~.weekly"`, `href="#exposure~.weekly"`, `Week &lt;b&gt;`, `<em>Mondays</em>`, `href="https://bi.example.com/1"`, `javascript:alert(2)</dd>`, `It names no table`,
		`Unit tests`, `lowers</span>`, `in small &lt;i&gt;`, `2 exposures`,
		`never ran`, `not_null`, "Compiled SQL", `where id &gt; 0`, `1970-01-01 00:00:00 UTC`, `&lt;script&gt;alert(1)`, "-- &lt;/script&gt;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, never := range []string{"<img", "src=\"", "href=\"javascript", "<script>alert", "<i>"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %s", never)
		}
	}
	if n := strings.Count(text, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if ids[m[1]] {
			t.Errorf("two elements are called %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to %s, which is not there", m[1])
		}
	}
	var again bytes.Buffer
	if err := d.HTML(&again); err != nil || again.String() != text {
		t.Errorf("written anew it differs: %v", err)
	}
}

// TestDocsInABrowser opens the page from the disk: it asks for nothing, finds, and follows a column.
func TestDocsInABrowser(t *testing.T) {
	_, page := documented(t)
	ctx := browser(t)
	file := filepath.Join(t.TempDir(), "docs.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	tab, cancel := chromedp.NewContext(ctx)
	defer cancel()
	complaints := watch(t, tab, "file://"+file)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(390, 800), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	if over := eval[float64](t, tab, tooWide); over > 0 {
		t.Errorf("the page is %v px too wide", over)
	}
	found := eval[string](t, tab, `(() => { const box = document.querySelector("#find"); box.value = "contact"; box.dispatchEvent(new Event("input"));
		return [...document.querySelectorAll("details[data-find]")].filter(d => !d.hidden).map(d => d.id).join(" ") })()`)
	if found != "main.sales" {
		t.Errorf("found %q", found)
	}
	trace, err := chromedp.Run(tab, chromedp.Evaluate[string](`new Promise(done => { addEventListener("hashchange", () => setTimeout(() =>
		done(document.querySelector("#trace").innerText.replace(/\s+/g, " ")), 0)); location.hash = "#erp.orders~.email" })`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(trace, "main.eph.email copied main.sales.contact computed") || !strings.Contains(trace, "nothing that is known") {
		t.Errorf("the column's lineage: %s", trace)
	}
	if all := complaints(); len(all) > 0 {
		t.Errorf("%q", all)
	}
}
