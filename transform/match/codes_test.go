package match

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// TestCodes: the SQL finds the codes, whatever stands between their parts, and the profile those that are one word.
func TestCodes(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	check(t, err)
	defer db.Close()
	for text, want := range map[string][2]string{
		"Sony BRAVIA KDL-32S5100 32\" TV": {"32s5100 32s510032 32tv kdl32s5100", "32S5100"},
		"sony kdl32s5100":                 {"kdl32s5100 sonykdl32s5100", "kdl32s5100"},
		"KDL32S5100":                      {"kdl32s5100", ""},
		"canon cli 8c ink, canon cli 8c":  {"8cink cli8c", ""},
		"tx sr806b receiver":              {"sr806b sr806breceiver txsr806b", "sr806b"},
		"2500 12 4th":                     {"124th", ""},
		"a plain text":                    {"", ""},
		"":                                {"", ""},
		"größe x100y":                     {"ex100y x100y", "x100y"},
	} {
		var got sql.NullString
		check(t, db.QueryRow("SELECT "+CodesSQL("x")+" FROM (SELECT ?::VARCHAR AS x)", text).Scan(&got))
		if alone := strings.Join(codesOf(text), " "); got.String != want[0] || alone != want[1] || got.Valid != (want[0] != "") {
			t.Errorf("%q: %q, alone %q", text, got.String, alone)
		}
	}
	var none sql.NullString
	check(t, db.QueryRow("SELECT "+CodesSQL("NULL::VARCHAR")).Scan(&none))
	if none.Valid {
		t.Errorf("codes of NULL: %q", none.String)
	}
}

// TestCodesByDefault: texts that mostly have codes, and seldom the same, are compared by those of all of them.
func TestCodesByDefault(t *testing.T) {
	for name, x := range map[string]struct {
		texts []string
		want  bool
	}{
		"model numbers":       {[]string{"lg range lrg30357wh white", "canon ink tank cli8c cyan", "sony case lcs20 black", "a red tent of four"}, true},
		"mostly without":      {[]string{"lg gas range in white", "canon ink tank cli8c cyan", "sony soft case black", "a red tent of four"}, false},
		"the same everywhere": {[]string{"tv of 1080p black", "tv in white 1080p", "big tv with 1080p", "1080p small tv red"}, false},
	} {
		var texts []*string
		for i := range x.texts {
			texts = append(texts, &x.texts[i])
		}
		columns := []Column{{Name: "name"}}
		profile := ProfileRecords(columns, &Records{N: len(texts), Columns: []Values{TextValues(texts)}})
		e := &models.Entity{Sources: []*models.EntitySource{{Name: "a", DuplicateFree: true}, {Name: "b", DuplicateFree: true}}, Fields: []*models.Field{{Name: "name"}}}
		Defaults(e, profile)
		p, err := Compile(e)
		check(t, err)
		at := slices.IndexFunc(p.Comparisons, func(c Comparison) bool { return c.Name == "codes of name" })
		if at >= 0 != x.want {
			t.Errorf("%s: codes are comparison %d of %d, codes in %g, distinct %g", name, at, len(p.Comparisons), profile.Fields["name"].Codes, profile.Fields["name"].CodesDistinct)
		}
		if at >= 0 && p.Columns[p.Comparisons[at].Columns[0]].Name != "name$codes" {
			t.Errorf("%s: %+v", name, p.Comparisons[at])
		}
		for _, rule := range e.Blocking {
			if len(slices.Compact(slices.Clone(rule.Similar))) != len(rule.Similar) {
				t.Errorf("%s: rule %s looks at a field twice", name, rule.Name)
			}
		}
	}
}

// TestCodesLevel: by itself the level looks at codes alone, so that texts without say nothing; among others it is one grade of many.
func TestCodesLevel(t *testing.T) {
	p, err := Compile(entityOf(t, "block: [[name]]\ncompare:\n  name: [exact, {cosine3: 0.5}, {codes: 0.5}]\n  model: {field: name, levels: [{codes: 0.7}, {codes: 0.3}]}\n"))
	check(t, err)
	name, codes := p.find("name"), p.find("name$codes")
	if c := p.Comparisons[0]; c.Columns[0] != name || c.Levels[2].Op != Cosine || c.Levels[2].Columns[0] != codes {
		t.Errorf("%+v", c)
	}
	if c := p.Comparisons[1]; c.Columns[0] != codes || c.Levels[1].Op != Cosine || c.Levels[1].Columns[0] != codes || c.Levels[1].Name != "codes_0.3" {
		t.Errorf("%+v", c)
	}
	if _, err := Compile(entityOf(t, "standardize: {born: date}\nblock: [[born]]\ncompare: {born: [exact, {codes: 0.5}]}\n")); err == nil || !strings.Contains(err.Error(), "no codes in born") {
		t.Error(err)
	}
}
