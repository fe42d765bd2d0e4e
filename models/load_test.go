package models_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
)

// fakeOptions stand for a source's own keys: models knows no source.
type fakeOptions struct {
	Host string `yaml:"host" doc:"Where it is."`
}

type fakeStream struct {
	Table string `yaml:"table" doc:"What to read."`
}

var fakeSource = models.SourceSpec{Type: "fake", Options: func() any { return &fakeOptions{} }, StreamOptions: func() any { return &fakeStream{} },
	Check: func(_ any, streams []*models.Stream) []models.Finding {
		var findings []models.Finding
		for _, s := range streams {
			if s.Options.(*fakeStream).Table == "forbidden" {
				findings = append(findings, models.Finding{Stream: s.Name, Key: "table", Message: "that table is forbidden", Hint: "take another"})
			}
		}
		return findings
	}}

const head = "name: p\nsources:\n  erp:\n    type: fake\n    streams:\n      - { name: orders, key: [id] }\n"

// pipelines is a project with these.
func pipelines(lines ...string) map[string]string {
	return map[string]string{"millrace.yml": head + "pipelines:\n  " + strings.Join(lines, "\n  ") + "\n"}
}

func load(files map[string]string) (*models.Project, string) {
	fs := fstest.MapFS{}
	for name, content := range files {
		fs[name] = &fstest.MapFile{Data: []byte(content)}
	}
	p, problems := models.Load(models.Loading{Dir: "/p", Files: fs, Sources: []models.SourceSpec{fakeSource}, SeedType: seedType, Env: os.LookupEnv, Now: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)})
	text := ""
	if problems != nil {
		text = problems.Error()
	}
	return p, text
}

// TestUnsetSecrets: of what could not be had nothing more is said than that.
func TestUnsetSecrets(t *testing.T) {
	files := pipelines("a: { webhook: { secrets: [\"${MILLRACE_TEST_UNSET}\"] } }", "serve: { tokens: { ci: { token: \"${MILLRACE_TEST_UNSET}\" } } }")
	files["millrace.yml"] = strings.Replace(files["millrace.yml"], "  serve:", "serve:", 1)
	if _, text := load(files); strings.Count(text, "MILLRACE_TEST_UNSET is not set") != 2 || strings.Contains(text, "fewer") || strings.Contains(text, "shorter") {
		t.Error(text)
	}
	fs := fstest.MapFS{"millrace.yml": {Data: []byte(files["millrace.yml"])}}
	if _, problems := models.Load(models.Loading{Dir: "/p", Files: fs, Sources: []models.SourceSpec{fakeSource}, SeedType: seedType, Env: os.LookupEnv, Lenient: true}); problems != nil {
		t.Error(problems)
	}
	if _, problems := models.Load(models.Loading{Dir: "/p", Files: fs, Sources: []models.SourceSpec{fakeSource}}); problems != nil {
		t.Error(problems)
	}
}

// TestOnce: what is told once is not told again in other words.
func TestOnce(t *testing.T) {
	for _, yaml := range []string{"scheduler: { concurrency: two }\n", "scheduler: { concurrency: \"${MILLRACE_TEST_UNSET}\" }\n", "pipelines:\n  a: { schedule: \"${MILLRACE_TEST_UNSET}\", timezone: \"${MILLRACE_TEST_UNSET}\" }\n",
		"pipelines:\n  a: { schedule: \"30 2 * * *\", timezone: Europe/Berlin }\n"} {
		_, text := load(map[string]string{"millrace.yml": head + yaml})
		if n := strings.Count(text, "millrace.yml:"); n != strings.Count(yaml, "MILLRACE_TEST_UNSET") && n != 1 {
			t.Errorf("%s%d problems:\n%s", yaml, n, text)
		}
	}
}

// TestMistakes: each mistake is told with its place, the reason, and what to do. All of a project come at once.
func TestMistakes(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no project", map[string]string{}, []string{"there is no millrace.yml", "millrace init"}},
		{"unknown key", map[string]string{"millrace.yml": "nmae: p\n"}, []string{`millrace.yml:1:1: unknown key "nmae"`, `did you mean "name"?`, "name"}},
		{"wrong type", map[string]string{"millrace.yml": strings.Replace(head, "key: [id]", "allow_empty: maybe", 1)}, []string{"millrace.yml:6:38", "allow_empty"}},
		{"unknown type of source", map[string]string{"millrace.yml": strings.Replace(head, "fake", "fakee", 1)}, []string{"millrace.yml:4:11", `unknown type of source "fakee"`, `did you mean "fake"?`}},
		{"incremental without a key", map[string]string{"millrace.yml": strings.Replace(head, "key: [id]", "mode: incremental", 1)}, []string{"millrace.yml:6:31", "needs a key"}},
		{"the source's own check", map[string]string{"millrace.yml": strings.Replace(head, "key: [id]", "table: forbidden", 1)}, []string{"millrace.yml:6:32", "that table is forbidden", "take another"}},
		{"unknown target", map[string]string{"millrace.yml": head + "target: prdo\ntargets:\n  prod: { type: local }\n  dev: { type: local }\n"}, []string{"millrace.yml:7:9", `unknown target "prdo"`, `did you mean "prod"?`}},
		{"snowflake", map[string]string{"millrace.yml": head + "targets:\n  prod: { type: snowflake }\n"}, []string{"millrace.yml:8:9", `missing key "account"`, `missing key "database"`}},
		{"models in snowflake", map[string]string{"millrace.yml": head + "targets:\n  prod: { type: snowflake, account: a-b, warehouse: w, database: d, transform: pushdown }\n"},
			[]string{"millrace.yml:8:80: running models in Snowflake is not built yet: models run locally and their tables follow", "remove transform: or write transform: local"}},
		{"unknown ref", map[string]string{"millrace.yml": head, "models/a.sql": "select *\nfrom {{ ref('ordres') }}", "models/orders.sql": "select 1"}, []string{"models/a.sql:2:9", `ref("ordres")`, `did you mean "orders"?`}},
		{"ref to a stream", map[string]string{"millrace.yml": head, "models/a.sql": "select * from {{ ref('orders') }}"}, []string{"models/a.sql:1:18", "source('erp', 'orders')"}},
		{"unknown source", map[string]string{"millrace.yml": head, "models/a.sql": "select * from {{ source('epr', 'orders') }}"}, []string{"models/a.sql:1:18", `did you mean "erp"?`}},
		{"unknown stream", map[string]string{"millrace.yml": head, "models/a.sql": "select * from {{ source('erp', 'order') }}"}, []string{"models/a.sql:1:18", `did you mean "orders"?`}},
		{"cyclic refs", map[string]string{"millrace.yml": head, "models/a.sql": "select * from {{ ref('b') }}", "models/b.sql": "select *\nfrom {{ ref('a') }}"}, []string{"models/b.sql:2:9", "cyclic refs: a → b → a"}},
		{"refs in a branch count", map[string]string{"millrace.yml": head, "models/a.sql": "select 1 {% if is_incremental() %} from {{ ref('gone') }} {% endif %}"}, []string{"models/a.sql:1:44", `ref("gone")`}},
		{"two nodes, one name", map[string]string{"millrace.yml": head, "models/erp_orders.sql": "{{ config(schema='ERP', alias='Orders') }} select 1"}, []string{"two nodes are named ERP.Orders", "millrace.yml:6:"}},
		{"two models, one file name", map[string]string{"millrace.yml": head, "models/x/a.sql": "select 1", "models/y/a.sql": "select 1"}, []string{"models/y/a.sql:1:1", "two models are named \"a\"", "models/x/a.sql"}},
		{"a node in two pipelines", map[string]string{"millrace.yml": head + "pipelines:\n  a: { select: [orders] }\n  b: { select: [\"*\"] }\n"}, []string{"millrace.yml:9:16", "erp.orders belongs to pipeline \"a\" already"}},
		{"selector without a node", map[string]string{"millrace.yml": head + "pipelines:\n  a: { select: [ordrs] }\n"}, []string{"millrace.yml:8:16", `did you mean "orders"?`}},
		{"bad cron", map[string]string{"millrace.yml": head + "pipelines:\n  a: { schedule: \"61 * * * *\" }\n"}, []string{"millrace.yml:8:18", "61 is not between 0 and 59"}},
		{"an empty schedule", pipelines("a: { schedule: \"\" }"), []string{"millrace.yml:8:18: schedule: is empty"}},
		{"a long jitter", pipelines("a: { schedule: \"*/10 9-17 * * *\", jitter: 6m }"), []string{"warning: jitter: 6m is more than half of the 10m between"}},
		{"many retries", pipelines("a: { retries: 1000 }"), []string{"millrace.yml:8:17: warning: retries: 1000 would go on"}},
		{"many runs at once", map[string]string{"millrace.yml": head + "scheduler: { concurrency: 1001 }\n"}, []string{"millrace.yml:7:27: warning: scheduler.concurrency: 1001"}},
		{"no window", pipelines("a: { schedule: \"0 2 * * *\", misfire_window: 0s }"), []string{"misfire_window: a firing also waits", "misfire: skip"}},
		{"no catch-up", pipelines("a: { schedule: \"0 2 * * *\", misfire: all, max_catchup: 0 }"), []string{"warning: max_catchup: 0 makes up for nothing"}},
		{"a catch-up that nothing asks for", pipelines("a: { schedule: \"0 2 * * *\", max_catchup: 0 }"), []string{"millrace.yml:8:44: warning: max_catchup: has no effect", "misfire: is one", "write misfire: all"}},
		{"a freshness that no schedule keeps", pipelines("a: { schedule: \"0 2 * * *\", freshness: 1h }"), []string{"millrace.yml:8:42: warning: freshness: 1h is shorter than the 1d that may pass"}},
		{"a zone that no run goes by", pipelines("a: { timezone: Europe/Berlin }"), []string{"millrace.yml:8:8: warning: no run goes by timezone: there is no schedule"}},
		{"days of two zones", pipelines("a: { select: [orders], schedule: \"0 4 * * *\", timezone: Europe/Berlin }", "b: { exclude: [\"*\"], schedule: \"0 4 * * *\" }", "c: { exclude: [\"*\"], after: [a, b] }"),
			[]string{"warning: after: the days of a are those of Europe/Berlin, and of b those of UTC", "write timezone:"}},
		{"time zone in the schedule", map[string]string{"millrace.yml": head + "pipelines:\n  a: { schedule: \"TZ=UTC\" }\n"}, []string{"millrace.yml:8:18", "timezone:"}},
		{"six fields", pipelines("a: { schedule: \"0 0 2 * * *\" }"), []string{"millrace.yml:8:18", "seconds", "leave the first away"}},
		{"a schedule that never fires", pipelines("a: { schedule: \"0 0 30 2 *\" }"), []string{"millrace.yml:8:18: warning: the schedule never fires"}},
		{"a clock put forward", pipelines("a: { schedule: \"30 2 * * *\", timezone: Europe/Berlin }"), []string{"millrace.yml:8:18: warning: the clock of Europe/Berlin skips 2027-03-28 02:30"}},
		{"after itself", pipelines("a: { after: [a] }"), []string{"millrace.yml:8:15", "circle: a after a"}},
		{"after in a circle", pipelines("a: { select: [orders], after: b }", "b: { exclude: [\"*\"], after: [c] }", "c: { exclude: [\"*\"], after: [a] }"), []string{"millrace.yml:8:33", "circle: a after b after c after a"}},
		{"after an unknown pipeline", pipelines("nightly: { select: [orders] }", "b: { exclude: [\"*\"], after: [nigthly] }"), []string{"millrace.yml:9:32", `there is no pipeline "nigthly"`, `did you mean "nightly"?`}},
		{"fewer than no retries", pipelines("a: { retries: -1 }"), []string{"millrace.yml:8:17", "retries: -1"}},
		{"no runs at once", map[string]string{"millrace.yml": head + "scheduler: { concurrency: 0 }\n"}, []string{"millrace.yml:7:27", "scheduler.concurrency: 0"}},
		{"a history of days", map[string]string{"millrace.yml": head + "history: 3d\n"}, []string{"millrace.yml:7:10: history: 3d is too short", "write 7d or more"}},
		{"a history that is none", map[string]string{"millrace.yml": head + "history: a year\n"}, []string{"millrace.yml:7:10", "must be a time span"}},
		{"a step longer than its run", pipelines("a: { timeout: 1h, step_timeout: 2h }"), []string{"millrace.yml:8:35: warning: step_timeout has no effect"}},
		{"a token called as the link", map[string]string{"millrace.yml": head + "serve:\n  tokens:\n    login link: { token: \"0123456789012345678901234567890123456789\" }\n"}, []string{"millrace.yml:9:5", `"login link" is no name for a token`, "letters, digits"}},
		{"the name of a lock", pipelines("_serve: { select: [orders] }"), []string{"millrace.yml:8:3", "not _manual or _serve"}},
		{"a webhook's secrets", pipelines("a: { webhook: { secrets: [short, whsec_!!!] } }"), []string{"millrace.yml:8:29: webhook of a: a secret has fewer than 24 bytes", "millrace.yml:8:36: webhook of a: a secret that begins with whsec_"}},
		{"a webhook's secret twice", pipelines("a: { webhook: { secrets: [0123456789012345678901234] } }", "b: { exclude: [\"*\"], webhook: { secrets: [0123456789012345678901234] } }"), []string{"millrace.yml:9:", "warning: webhook of b: the secret is that of a, too"}},
		{"a webhook without secrets", pipelines("a: { webhook: { secrets: [] } }"), []string{"millrace.yml:8:28: webhook of a: there is no secret"}},
		{"unknown time zone", map[string]string{"millrace.yml": head + "pipelines:\n  a: { timezone: Europe/Berlim }\n"}, []string{"millrace.yml:8:18", "unknown time zone"}},
		{"template syntax", map[string]string{"millrace.yml": head, "models/a.sql": "select 1\n{% if x %}"}, []string{"models/a.sql:2:"}},
		{"unknown config key", map[string]string{"millrace.yml": head, "models/a.sql": "{{ config(materialised='table') }} select 1"}, []string{"models/a.sql:1:", `config() has no key "materialised"`, `did you mean "materialized"?`}},
		{"unknown materialization", map[string]string{"millrace.yml": head, "models/a.sql": "{{ config(materialized='tabel') }} select 1"}, []string{"models/a.sql:1:", "view, table, incremental, external or ephemeral"}},
		{"merge without a key", map[string]string{"millrace.yml": head, "models/a.sql": "{{ config(materialized='incremental', incremental_strategy='merge') }} select 1"}, []string{"models/a.sql:1:1", "needs a unique_key"}},
		{"unset variable in a model", map[string]string{"millrace.yml": head, "models/a.sql": "select {{ var('x') }}"}, []string{"models/a.sql:1:", "variable 'x' is not set"}},
		{"unset environment variable", map[string]string{"millrace.yml": strings.Replace(head, "type: fake", "type: fake\n    host: ${MILLRACE_TEST_UNSET}", 1)}, []string{"millrace.yml:5:11", "MILLRACE_TEST_UNSET"}},
		{"bad properties", map[string]string{"millrace.yml": head, "models/m.yml": "version: 2\nmodels:\n  - { name: a, descripton: x }\n", "models/a.sql": "select 1"}, []string{"models/m.yml:3:16", `did you mean "description"?`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, text := load(c.files)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said in:\n%s", want, text)
				}
			}
		})
	}
}

// TestZones: a pipeline that only follows others counts the days that they count, along a chain too, unless it names a zone.
func TestZones(t *testing.T) {
	files := pipelines("d: { exclude: [\"*\"], after: [c], timezone: Asia/Tokyo }", "c: { exclude: [\"*\"], after: [b] }", "b: { exclude: [\"*\"], after: [a] }",
		"a: { select: [orders], schedule: \"0 4 * * *\", timezone: Europe/Berlin }", "e: { exclude: [\"*\"], after: [a], schedule: \"0 4 * * *\" }")
	p, text := load(files)
	if text != "" {
		t.Fatal(text)
	}
	for name, want := range map[string]string{"a": "Europe/Berlin", "b": "Europe/Berlin", "c": "Europe/Berlin", "d": "Asia/Tokyo", "e": "UTC"} {
		if got := p.Pipeline(name).Timezone; got != want {
			t.Error(name, got)
		}
	}
}

// TestAllMistakesAtOnce has one in each of three files.
func TestAllMistakesAtOnce(t *testing.T) {
	_, text := load(map[string]string{
		"millrace.yml":  "name: p\nmemry: 1GB\nsources:\n  erp: { type: fake, streams: [ { name: orders, mod: full } ] }\n",
		"models/a.sql":  "select * from {{ ref('nothing') }}",
		"models/b.yml":  "modls: []\n",
		"sources/x.yml": "type: fake\nstraems: []\n",
	})
	for _, want := range []string{"memry", "mod", "nothing", "modls", "straems"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not said in:\n%s", want, text)
		}
	}
}

func TestWarnings(t *testing.T) {
	p, text := load(map[string]string{
		"millrace.yml": head,
		"models/a.sql": "select 1",
		"models/a.yml": "version: 2\nmodels:\n  - name: a\n    columns: [ { name: id, data_tests: [unique] } ]\n",
		"seeds/s.sql":  "select 1",
	})
	if p == nil || p.Node("main.a") == nil {
		t.Fatalf("the project did not load: %s", text)
	}
	for _, want := range []string{"seeds/s.sql: warning: SQL in seeds/ is not read"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
}

func TestSelect(t *testing.T) {
	p, text := load(map[string]string{
		"millrace.yml":        head + "pipelines:\n  nightly: { select: [\"*\"], exclude: [lonely] }\n",
		"models/stg/o.sql":    "{{ config(tags=['core']) }} select * from {{ source('erp', 'orders') }}",
		"models/mart/rev.sql": "{{ config(schema='mart', tags='core') }} select * from {{ ref('o') }}",
		"models/lonely.sql":   "select 1",
	})
	if text != "" {
		t.Fatal(text)
	}
	for selector, want := range map[string]string{
		"":                 "[erp.orders main.lonely main.o mart.rev]",
		"rev":              "[mart.rev]",
		"+rev":             "[erp.orders main.o mart.rev]",
		"orders+":          "[erp.orders main.o mart.rev]",
		"erp.*":            "[erp.orders]",
		"tag:core":         "[main.o mart.rev]",
		"path:models/stg":  "[main.o]",
		"source:erp":       "[erp.orders]",
		"nightly":          "[erp.orders main.o mart.rev]",
		"pipeline:nightly": "[erp.orders main.o mart.rev]",
		"tag:core,mart.*":  "[mart.rev]",
	} {
		var include []string
		if selector != "" {
			include = []string{selector}
		}
		nodes, err := p.Select(include, nil)
		var names []string
		for _, n := range nodes {
			names = append(names, n.Name())
		}
		if got := fmt.Sprint(names); got != want || err != nil {
			t.Errorf("%q selects %s (%v), want %s", selector, got, err, want)
		}
	}
	for selector, want := range map[string]string{"ordrs": `did you mean "orders"?`, "tags:x": "unknown method", "tag:nothing": "matches no node",
		"sales.rev": `did you mean "mart.rev"?`, "shop.sales.Orders": `did you mean "erp.orders"?`, "+dbo.oo": "plan` lists them"} {
		if _, err := p.Select([]string{selector}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q says %v", selector, err)
		}
	}
}

// TestHash: the hash changes with the content of any project file, and with nothing else.
func TestHash(t *testing.T) {
	files := map[string]string{"millrace.yml": head, "models/a.sql": "select 1"}
	a, _ := load(files)
	b, _ := load(files)
	files["models/a.sql"] = "select 2"
	c, _ := load(files)
	if a.Hash != b.Hash || a.Hash == c.Hash {
		t.Errorf("%s %s %s", a.Hash, b.Hash, c.Hash)
	}
}
