package fsx_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/fsx"
)

// TestMkdirAllModes: all that is made has exactly the mode that was asked for, and what is there already keeps its own.
func TestMkdirAllModes(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077} {
		for _, mode := range []fs.FileMode{0o700, 0o755} {
			t.Run(fmt.Sprintf("umask %03o, mode %03o", umask, mode), func(t *testing.T) {
				there := filepath.Join(t.TempDir(), "there")
				if err := errors.Join(os.Mkdir(there, 0o750), os.Chmod(there, 0o750)); err != nil {
					t.Fatal(err)
				}
				defer syscall.Umask(syscall.Umask(umask))
				if err := fsx.MkdirAll("test", filepath.Join(there, "a", "b", "c"), mode); err != nil {
					t.Fatal(err)
				}
				for dir, want := range map[string]fs.FileMode{".": 0o750, "a": mode, "a/b": mode, "a/b/c": mode} {
					info, err := os.Stat(filepath.Join(there, dir))
					if err != nil {
						t.Fatal(err)
					}
					if got := info.Mode().Perm(); got != want {
						t.Errorf("%s: mode %03o, want %03o", dir, got, want)
					}
				}
			})
		}
	}
}

func TestMkdirAllWhereAFileIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		if err := fsx.MkdirAll("test", dir, 0o700); !errors.Is(err, fsx.ErrInTheWay) {
			t.Errorf("%s: %v, want ErrInTheWay", dir, err)
		}
	}
}
