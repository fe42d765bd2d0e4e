// Package golden compares what tests make with files that a human has read.
package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// Check fails when the file is not this text, and writes it when it is to be updated.
func Check(t *testing.T, path, text string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s: -update rewrites it, if this is right (%v):\n%s", path, err, text)
	}
}
