package report

import (
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

// TestJudgementStray: a check of a table that is not told is not put down to another one.
func TestJudgementStray(t *testing.T) {
	r := Judgement(&pipeline.Checked{Tables: []pipeline.CheckedTable{{Name: "erp.a"}}, Checks: []check.Result{{Node: "erp.b", Name: "unique_id", Status: check.StatusFail}}}, "x", Options{})
	if len(r.Nodes) != 2 || len(r.Nodes[0].Checks) != 0 || r.Nodes[1].Name != "erp.b" || len(r.Nodes[1].Checks) != 1 {
		t.Errorf("%+v", r.Nodes)
	}
	empty := Judgement(&pipeline.Checked{Checks: []check.Result{{Node: "erp.b"}}}, "x", Options{})
	if len(empty.Nodes) != 1 {
		t.Errorf("%+v", empty.Nodes)
	}
}
