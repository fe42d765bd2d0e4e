package models_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// notAsDBT are the selectors that mean something else here than to dbt, or nothing, and why.
var notAsDBT = map[string]string{
	"test_type:": "checks belong to their tables", "test_name:": "checks belong to their tables", "config.severity": "checks belong to their tables",
	"not_null_stg_orders_id": "a check is no node", "orders_belong_to_customers": "a check is no node", "--indirect-selection": "checks belong to their tables",
	"--resource-type test": "checks belong to their tables", "--resource-type analysis": "analyses are no nodes",
	"--resource-type unit_test": "unit tests are no nodes",
	"unit_test:":                "unit tests belong to their models", "totals_by_dict": "a unit test is no node",
	"--select exposure:": "here it means what the exposure reads, since the exposure itself is nothing to build",
	"@source:landing":    "an exposure, which is no node here, reads it and other tables",
	"no_such_tag":        "what means nothing is a mistake", "never_built": "what is not enabled is a mistake", "none_such": "what means nothing is a mistake",
	"people.v*":     "dbt takes no pattern for versions",
	"access:public": "what means nothing is a mistake", "prerelease": "what means nothing is a mistake", "config.schema:": "of what has no setting here it is the schema that it is in",
}

// asDBTArgs are the selectors of dbt's arguments: a --resource-type is one more that must hold.
func asDBTArgs(args string) (include, exclude []string) {
	kind, to := "", &include
	words := strings.Fields(args)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--select":
			to = &include
		case "--exclude":
			to = &exclude
		case "--resource-type":
			i++
			kind = "resource_type:" + words[i]
		case "--selector":
			i++
			include = append(include, "selector:"+words[i])
		default:
			*to = append(*to, words[i])
		}
	}
	for i := range include {
		if kind != "" {
			include[i] += "," + kind
		}
	}
	if kind != "" && len(include) == 0 {
		include = []string{kind}
	}
	return include, exclude
}

// someFile is what a source of files or of a database is told.
type someFile struct {
	Path string `yaml:"path"`
	CSV  any    `yaml:"csv"`
}

// TestSelectAsDBT holds selectors to what real dbt selects of the same project, but for its tests (testdata/dbt/selection.py).
func TestSelectAsDBT(t *testing.T) {
	var cases []struct {
		Args     string
		Selected []string
	}
	data, err := os.ReadFile("../testdata/dbt/selection.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fixture.duckdb"), nil, 0o600); err != nil { // that it is there makes streams of the source's tables
		t.Fatal(err)
	}
	some := func() any { return &someFile{} }
	specs := []models.SourceSpec{{Type: "duckdb", Options: some, StreamOptions: some}, {Type: "files", Options: some, StreamOptions: some}}
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS("../testdata/dbt/fixture"), SeedType: seedType, Sources: specs, Env: os.LookupEnv})
	for _, problem := range problems {
		if strings.Contains(problem.File, "selectors.yml") {
			t.Error(problem)
		}
	}
	compared := 0
	for _, c := range cases {
		if slices.ContainsFunc(sorted(notAsDBT), func(part string) bool { return strings.Contains(c.Args, part) }) {
			continue
		}
		compared++
		nodes, err := p.Select(asDBTArgs(c.Args))
		if err != nil {
			t.Errorf("%s: %v, want %v", c.Args, err, ofDBT(c.Selected))
			continue
		}
		if got, want := asDBT(nodes), ofDBT(c.Selected); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.Args, got, want)
		}
	}
	if compared < 80 {
		t.Errorf("only %d of %d cases are compared", compared, len(cases))
	}
}

func sorted(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// asDBT are the names of models, seeds, snapshots and tables of sources.
func asDBT(nodes []*models.Node) []string {
	all := []string{}
	for _, n := range nodes {
		switch {
		case n.Stream != nil:
			all = append(all, n.Name())
		case n.Seed != nil:
			all = append(all, n.Seed.Name)
		case n.Model != nil && n.Model.Version != "":
			all = append(all, n.Model.Name+".v"+n.Model.Version)
		case n.Model != nil:
			all = append(all, n.Model.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ofDBT are those of dbt's unique ids.
func ofDBT(ids []string) []string {
	all := []string{}
	for _, id := range ids {
		if kind, rest, _ := strings.Cut(id, "."); slices.Contains([]string{"model", "seed", "snapshot", "source"}, kind) {
			_, name, _ := strings.Cut(rest, ".")
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestWithSources: what dbt's sources hold is read with the models that show it, whatever is selected.
func TestWithSources(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"dbt_project.yml": "name: shop\n",
		"models/s.yml": "sources: [{name: s, config: {external_location: '/data/{name}.csv'}, " +
			"tables: [{name: a}, {name: b}, {name: c}]}]\n",
		"models/seen.sql":    "{{ config(materialized='view') }} select * from {{ source('s', 'a') }}",
		"models/within.sql":  "{{ config(materialized='ephemeral') }} select * from {{ ref('seen') }} cross join {{ source('s', 'b') }}",
		"models/kept.sql":    "{{ config(materialized='table') }} select * from {{ source('s', 'c') }}",
		"models/mart.sql":    "{{ config(materialized='table') }} select * from {{ ref('within') }} cross join {{ ref('kept') }}",
		"models/behind.sql":  "{{ config(materialized='table') }} select * from {{ ref('mart') }}",
		"models/another.sql": "{{ config(materialized='table') }} select * from {{ source('s', 'c') }} cross join {{ source('s', 'b') }}",
	}, nil, nil)
	if p == nil {
		t.Fatal(text)
	}
	for _, c := range []struct{ include, exclude, want string }{
		{"mart", "", "s.a s.b main.mart"},
		{"behind", "", "main.behind"},
		{"another seen", "", "s.a s.b s.c main.another main.seen"},
		{"another", "source:s.b", "s.c main.another"},
		{"+behind", "", "s.a s.b s.c main.behind main.kept main.mart main.seen main.within"},
	} {
		if got := selectedToRun(t, p, c.include, c.exclude); got != c.want {
			t.Errorf("--select %q --exclude %q runs %v", c.include, c.exclude, got)
		}
	}
}

// selectedToRun are the names of what a run of the selected nodes reads and builds, streams first.
func selectedToRun(t *testing.T, p *models.Project, include, exclude string) string {
	t.Helper()
	nodes, err := p.Select([]string{include}, strings.Fields(exclude))
	if err == nil {
		nodes, err = p.WithSources(nodes, []string{include}, strings.Fields(exclude))
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range nodes {
		got = append(got, n.Name())
	}
	slices.SortFunc(got, func(a, b string) int {
		return cmp.Or(-cmp.Compare(strings.Count(a, "s."), strings.Count(b, "s.")), cmp.Compare(a, b))
	})
	return strings.Join(got, " ")
}

// TestWithSourcesOfPipelines: pipelines that read one source of dbt's do not wait for one another, whoever of them has it.
func TestWithSourcesOfPipelines(t *testing.T) {
	for _, c := range []struct{ one, include, want string }{
		{"[slow]", "one", "main.slow"},
		{"[slow]", "two", "main.slow2"},
		{"[slow]", "slow2", "s.a main.slow2"},
		{"[slow]", "one slow2", "s.a main.slow main.slow2"},
		{"[slow]", "two free", "s.a s.b main.free main.slow2"}, // for free
		{"[slow, 's.a']", "one", "s.a main.slow"},
		{"[slow, 's.a']", "two", "main.slow2"},
		{"[slow, 's.a']", "slow2", "main.slow2"}, // s.a is read by the runs of one
		{"[slow, 's.a']", "slow", "s.a main.slow"},
		{"[slow, 's.a']", "free", "s.b main.free"},
	} {
		p, text := loadDBT(map[string]string{
			"millrace.yml":     "name: shop\npipelines:\n  one: { select: " + c.one + " }\n  two: { select: [slow2] }\n",
			"models/s.yml":     "sources: [{name: s, config: {external_location: '/data/{name}.csv'}, tables: [{name: a}, {name: b}]}]\n",
			"models/slow.sql":  "{{ config(materialized='table') }} select * from {{ source('s', 'a') }}",
			"models/slow2.sql": "{{ config(materialized='table') }} select * from {{ source('s', 'a') }}",
			"models/free.sql":  "{{ config(materialized='table') }} select * from {{ source('s', 'a') }} cross join {{ source('s', 'b') }}",
		}, nil, nil)
		if p == nil {
			t.Fatal(text)
		}
		if got := selectedToRun(t, p, c.include, ""); got != c.want {
			t.Errorf("pipeline one is %s: run %s runs %s", c.one, c.include, got)
		}
	}
}
