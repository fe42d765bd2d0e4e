package fsx_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/fsx"
)

// TestTempFolder: what a killed process has left is removed by the next that makes such a folder, and what one holds is not.
func TestTempFolder(t *testing.T) {
	parent := t.TempDir()
	left := filepath.Join(parent, "match-123")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	there := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	first, remove, err := fsx.TempFolder(parent, "match-")
	if err != nil || there(left) {
		t.Fatalf("%v; what was left is there: %t", err, there(left))
	}
	second, also, err := fsx.TempFolder(parent, "match-")
	if err != nil || !there(first) || !there(second) {
		t.Fatalf("%v; the first is there: %t", err, there(first))
	}
	remove()
	also()
	if there(first) || there(second) {
		t.Error("they stay")
	}
}
