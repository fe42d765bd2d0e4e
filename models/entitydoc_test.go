package models_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

const entitiesPage = "../docs/entities.md"

// inner names the keys of the second mapping of a table.
var inner = map[string]string{"sources": "`trust_decay` ", "survive": "`groups` "}

// TestEntitiesPage: what the page says of keys, steps, levels, rules and figures is printed from the code.
func TestEntitiesPage(t *testing.T) {
	tables := map[string]string{}
	for name, keys := range models.EntityKeys {
		text := "| key | default | |\n|---|---|---|\n" + keyLines("", keys[0])
		if len(keys) > 1 {
			text += keyLines(inner[name], keys[1])
		}
		tables[name] = text
	}
	steps := map[string]string{}
	for name, c := range models.Cleanings {
		steps[name] = c.Doc
	}
	rules := map[string]string{}
	for rule, doc := range models.SurviveRules {
		rules[string(rule)] = doc
	}
	for name, docs := range map[string]map[string]string{"steps": steps, "levels": models.LevelDocs(), "rules": rules, "expect": models.EntityMetrics} {
		text := "| | |\n|---|---|\n"
		for _, key := range slices.Sorted(maps.Keys(docs)) {
			text += fmt.Sprintf("| `%s` | %s |\n", key, docs[key])
		}
		tables[name] = text
	}
	printed(t, entitiesPage, tables)
}

// TestUsualProbabilities: what the page says of them is what runs take.
func TestUsualProbabilities(t *testing.T) {
	keys := config.Docs(models.EntityKeys["decide"][0])
	if !strings.Contains(keys[0].Doc, fmt.Sprintf("Default: %g; %g where", models.UsualAuto, models.UsualAutoOne)) || !strings.Contains(keys[1].Doc, fmt.Sprintf("Default: %g.", models.UsualReview)) {
		t.Errorf("%+v", keys)
	}
}

// TestEntitiesPageExamples: each file of the page is an entity that loads without a word.
func TestEntitiesPageExamples(t *testing.T) {
	src, err := os.ReadFile(entitiesPage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n# (entities/[a-z]+.yml)\n(.*?)```").FindAllStringSubmatch(string(src), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		project := strings.NewReplacer("erp", "shop", "orders", "customers").Replace(head)
		p, problems := load(map[string]string{"millrace.yml": project, b[1]: b[2], "models/stg_crm_contact.sql": "select 1",
			"entities/customer.labels.csv": "key,cluster\n"})
		if problems != "" || len(p.Entities) != 1 {
			t.Errorf("%s\n%s", b[2], problems)
		}
	}
}
