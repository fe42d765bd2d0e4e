package match

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/models"
)

// TestWarnings: what is said of fields that tell nothing.
func TestWarnings(t *testing.T) {
	one, x := "1", "x"
	names := []string{"name", "same", "none"}
	r := &Records{N: 3, Columns: []Values{TextValues([]*string{&one, &x, nil}), TextValues([]*string{&x, nil, &x}), TextValues([]*string{nil, nil, nil})}}
	e := &models.Entity{Always: []*models.EntityCondition{{Text: "same same", Terms: []models.ConditionTerm{{Same: "same"}}}},
		Blocking: []*models.BlockingRule{{Name: "same + name", Keys: []models.BlockingKey{{Field: "same"}, {Field: "name"}}}}}
	var columns []Column
	for _, n := range names {
		columns = append(columns, Column{Name: n})
		e.Fields = append(e.Fields, &models.Field{Name: n})
		e.Comparisons = append(e.Comparisons, &models.Comparison{Name: n, Fields: []string{n}})
	}
	p := ProfileRecords(columns, r)
	want := []string{"field same has the same value in all records that have one: comparison same, rule same + name and condition same same are of no use",
		"field none has no value in any record: comparison none is of no use"}
	if got := p.Warnings(e); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	// What is read for matching alone tells the same.
	plan := &Plan{Columns: columns, Rules: []Rule{{Keys: []int{0, 1}}}, Comparisons: []Comparison{{Columns: []int{2}}}}
	brief := ProfileUse(plan, r)
	if got := brief.Warnings(e); !slices.Equal(got, want) {
		t.Errorf("of a plan's records: %q", got)
	}
}

// TestSettled: records are profiled unless the file says all that would be chosen by what they look like.
func TestSettled(t *testing.T) {
	said := func() *models.Entity {
		return &models.Entity{Blocking: []*models.BlockingRule{{Keys: []models.BlockingKey{{Field: "name"}}}},
			Comparisons: []*models.Comparison{{Name: "name", Fields: []string{"name"}, Levels: []models.Level{{Op: models.LevelExact}}}}}
	}
	if !Settled(said()) {
		t.Error("a file that says all is open")
	}
	for what, open := range map[string]func(*models.Entity){
		"no rules":            func(e *models.Entity) { e.Blocking = nil },
		"no comparisons":      func(e *models.Entity) { e.Comparisons = nil },
		"no levels":           func(e *models.Entity) { e.Comparisons[0].Levels = nil },
		"a key of SQL":        func(e *models.Entity) { e.Blocking[0].Keys = []models.BlockingKey{{SQL: "left(name, 1)"}} },
		"a joined comparison": func(e *models.Entity) { e.Comparisons[0].Fields = []string{"name", "other"} },
	} {
		e := said()
		if open(e); Settled(e) {
			t.Errorf("%s: nothing is open", what)
		}
	}
}
