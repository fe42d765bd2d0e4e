package models_test

import (
	"flag"
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

var update = flag.Bool("update", false, "rewrite what docs/checks.md has from the code")

const checksPage = "../docs/checks.md"

// TestChecksPage: what the page says of kinds and keys is printed from the code.
func TestChecksPage(t *testing.T) {
	src, err := os.ReadFile(checksPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(src)
	kinds, keys := "| kind | what holds | judges |\n|---|---|---|\n", "| kind | key | default | |\n|---|---|---|---|\n"
	for _, kind := range slices.Sorted(maps.Keys(models.CheckKinds())) {
		c := models.CheckKinds()[kind]
		kinds += fmt.Sprintf("| [`%s`](#%[1]s) | %s | %s |\n", kind, c.Doc, map[bool]string{true: "rows", false: "the table"}[c.ByRow])
		keys += keyLines("`"+kind+"` | ", c.Args)
		if !strings.Contains(page, "\n### "+kind+"\n\n```yaml\n- "+kind) {
			t.Errorf("%s has no section that begins with an example", kind)
		}
	}
	for name := range models.ForeignKinds() {
		if !strings.Contains(page, name) {
			t.Errorf("%s is not named", name)
		}
	}
	contract := "| key | default | |\n|---|---|---|\n" + keyLines("", models.ContractKeys) + keyLines("`columns` ", models.ContractColumnKeys)
	printed(t, checksPage, map[string]string{"contract": contract, "kinds": kinds, "keys": keys, "settings": "| key | default | |\n|---|---|---|\n" + keyLines("", models.CheckSettings{})})
}

// printed holds the parts of a page between its marks against what the code says of them, or writes them with -update.
func printed(t *testing.T, path string, parts map[string]string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(src)
	for name, part := range parts {
		between := regexp.MustCompile(`(?s)(<!-- ` + name + `: printed from the code -->\n).*?(<!-- end of ` + name + ` -->)`)
		if !between.MatchString(page) {
			t.Errorf("%s has no place for %s", path, name)
		}
		page = between.ReplaceAllStringFunc(page, func(old string) string {
			m := between.FindStringSubmatch(old)
			return m[1] + part + m[2]
		})
	}
	if page == string(src) {
		return
	}
	if !*update {
		t.Fatalf("%s differs from the code: go test ./models -run %s -update", path, t.Name())
	}
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func keyLines(before string, of any) string {
	text := ""
	for _, k := range config.Docs(of) {
		usual := k.Default
		if k.Required {
			usual = "required"
		}
		doc := k.Doc
		if len(k.Enum) > 0 {
			doc += " One of " + strings.Join(k.Enum, ", ") + "."
		}
		text += fmt.Sprintf("| %s`%s` | %s | %s |\n", before, k.Key, usual, doc)
	}
	return text
}

// TestChecksPageExamples: each YAML and SQL block of the page is part of a project that loads without a word.
func TestChecksPageExamples(t *testing.T) {
	src, err := os.ReadFile(checksPage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(yaml|sql)\n(.*?)```").FindAllStringSubmatch(string(src), -1)
	if len(blocks) < 20 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		if strings.Contains(b[2], "\ntables:") && !strings.Contains(b[2], "\nsources:") {
			fake := strings.Replace(b[2], `type: postgres, url: "${ERP_URL}"`, "type: fake", 1)
			if p, problems := loadTables(fake, map[string]string{}); problems != "" || len(p.Nodes[0].Checks) == 0 {
				t.Errorf("block %d:\n%s\n%s", i+1, b[2], problems)
			}
			continue
		}
		files := shop(map[string]string{"models/payments.sql": "select 1 as order_id"})
		table := "main.sales"
		switch language, text := b[1], b[2]; {
		case language == "sql":
			name, _, _ := strings.Cut(strings.TrimPrefix(text, "-- "), "\n")
			files[name] = text
		case strings.HasPrefix(text, "- "):
			files["models/m.yml"] = "models:\n  - name: sales\n    checks:\n" + indent(text, "      ")
		case strings.HasPrefix(text, "# millrace.yml"):
			files["millrace.yml"], table = "name: p\n"+strings.Replace(text, "type: postgres", "type: fake", 1), "erp.orders"
			delete(files, "models/sales.sql")
		default:
			files["models/m.yml"] = text
		}
		p, problems := load(files)
		if problems != "" {
			t.Errorf("block %d:\n%s\n%s", i+1, b[2], problems)
		} else if len(p.Node(table).Checks) == 0 {
			t.Errorf("block %d gives no check:\n%s", i+1, b[2])
		}
	}
}
