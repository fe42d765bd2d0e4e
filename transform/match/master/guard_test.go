package master

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/warehouse"
)

// TestGuard: what is lost is held against max_shrink of the entity, whichever yes there is.
func TestGuard(t *testing.T) {
	half := config.Threshold{Percent: 50, IsPercent: true}
	for _, c := range []struct {
		name         string
		entity       models.Entity
		job          Job
		before, rows int64
		want         string
	}{
		{"half may go", models.Entity{MaxShrink: half}, Job{}, 10, 5, ""},
		{"more may not", models.Entity{MaxShrink: half}, Job{}, 10, 4, "golden records of e have shrunk from 10 to 4"},
		{"a count", models.Entity{MaxShrink: config.Threshold{Count: 2}}, Job{}, 10, 7, "more than max_shrink: 2"},
		{"the run's yes", models.Entity{MaxShrink: half}, Job{AllowShrunken: true}, 10, 1, ""},
		{"which is none to an empty one", models.Entity{MaxShrink: half}, Job{AllowShrunken: true}, 10, 0, "e has no golden records any more, and 10 are published"},
		{"the run's yes to that", models.Entity{MaxShrink: half}, Job{AllowEmpty: true}, 10, 0, ""},
		{"the file's", models.Entity{MaxShrink: half, AllowEmpty: true}, Job{}, 10, 0, ""},
		{"nothing is there to lose", models.Entity{MaxShrink: half}, Job{}, 0, 0, ""},
	} {
		c.entity.Name, c.job.Entity = "e", &c.entity
		c.job.Before = golden.Tables{models.PartGolden: &warehouse.Version{Rows: c.before}}
		m := &matching{Job: c.job}
		err := m.guard("golden records", models.PartGolden, c.rows)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
