package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const hint = "run: go run ./examples/shop/generate"

// TestCommitted compares what the program writes with the committed example, byte for byte. Compressed files may differ
// when what is inside them does not: another version of Go or of zstd may compress differently, which is no mistake.
func TestCommitted(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, deliveries()); err != nil {
		t.Fatal(err)
	}
	got, want := tree(t, dir), tree(t, "..")
	for name, data := range got {
		committed, ok := want[name]
		switch {
		case !ok:
			t.Errorf("%s is not committed; %s", name, hint)
		case bytes.Equal(data, committed):
		case bytes.Equal(inside(t, name, data), inside(t, name, committed)):
			t.Logf("%s: same contents, compressed differently; %s", name, hint)
		default:
			t.Errorf("%s differs from the committed file; %s", name, hint)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is committed but no longer written (or night2 was copied into inbox); %s", name, hint)
		}
	}
}

func TestSameBytesEachTime(t *testing.T) {
	one, two := deliveries(), deliveries()
	for i := range one {
		a, err := one[i].encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := two[i].encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s/%s differs between two runs", one[i].folder(), one[i].path)
		}
	}
}

// TestEquations checks that the expected counts close, and that no stream passes its own max_rejects.
func TestEquations(t *testing.T) {
	for night, streams := range expect(deliveries()) {
		if len(streams) != len(modes) {
			t.Errorf("%s has %d streams, want %d", night, len(streams), len(modes))
		}
		for name, s := range streams {
			if s.Read != s.Landed+s.Rejected {
				t.Errorf("%s %s: read %d, landed %d, rejected %d", night, name, s.Read, s.Landed, s.Rejected)
			}
			if k := s.Keys; k != nil && s.Landed != k.Inserted+k.Updated+k.Unchanged+k.Superseded {
				t.Errorf("%s %s: landed %d, but %+v", night, name, s.Landed, *k)
			}
			limit := 0.01
			if name == "webshop.events" {
				limit = 0.02
			}
			if share := float64(s.Rejected) / float64(s.Read); share > limit {
				t.Errorf("%s %s: %.2f %% rejected", night, name, 100*share)
			}
			if s.Rejected == 0 {
				t.Errorf("%s %s: no dirt", night, name)
			}
		}
	}
}

// tree reads the generated files under dir by their relative names.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, top := range []string{"inbox", "night2", "expected.json"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files[filepath.ToSlash(name)], err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// inside returns the contents of a compressed file, and any other file as it is.
func inside(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(data)
	switch {
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r = z
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer z.Close()
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}
