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
}
