package main

import (
	"slices"
	"testing"
)

// TestVarTexts: what --vars says is passed on as it was said. The folder is no project of dbt, where a text has no quotes.
func TestVarTexts(t *testing.T) {
	a := &app{dir: t.TempDir(), varsYAML: "{a: 1.0e+3, b: {z: 2.0, a: [x, 1e22, null]}, c: plain, d: '1'}"}
	got, err := a.allVars()
	want := []string{"a=1000.0", `b={"z": 2.0, "a": ["x", 10000000000000000000000.0, null]}`, "c=plain", "d=1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
