package fsx_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/fsx"
)

// TestTempFolder: what a killed process has left is removed by the next that makes such a folder, and what one holds is not. What an
// earlier version has made is left alone, for it locked nothing; so is what has such a name and is no folder of ours, and a pipe is not
// waited for.
func TestTempFolder(t *testing.T) {
	parent := t.TempDir()
	at := func(name string) string { return filepath.Join(parent, name) }
	left, earlier, pipe, link, elsewhere := at("match-123.held"), at("match-123"), at("match-1.held"), at("match-2.held"), t.TempDir()
	for _, err := range []error{os.Mkdir(left, 0o700), os.Mkdir(earlier, 0o700), syscall.Mkfifo(pipe, 0o600), os.Symlink(elsewhere, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(dir string) bool { _, err := os.Lstat(dir); return err == nil }
	first, remove, err := fsx.TempFolder(parent, "match-")
	if err != nil || there(left) || !there(earlier) || !there(pipe) || !there(link) || !there(elsewhere) {
		t.Fatalf("%v; there are what was left: %t, an earlier version's: %t, a pipe: %t, a link: %t to a folder: %t", err,
			there(left), there(earlier), there(pipe), there(link), there(elsewhere))
	}
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	second, also, err := fsx.TempFolder(parent, "match-")
	if err != nil || !there(first) || !there(second) || !there(left) {
		t.Fatalf("%v; the first is there: %t; one look is enough: %t", err, there(first), there(left))
	}
	if fsx.SweepFolders(parent, "match-"); there(left) || !there(first) {
		t.Errorf("swept anew, what was left is there: %t, the first: %t", there(left), there(first))
	}
	remove()
	also()
	if there(first) || there(second) {
		t.Error("they stay")
	}
}
