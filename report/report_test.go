package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/pipeline/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// formats are all renderers, by the ending of their golden files.
func formats() map[string]func(io.Writer, *Run) error {
	return map[string]func(io.Writer, *Run) error{"html": HTML, "json": JSON, "xml": JUnit, "md": Markdown}
}

func render(t testing.TB, f func(io.Writer, *Run) error, r *Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	green := newLab(t)
	runs := map[string]*Run{"bad_night": shop(t), "unknown": green.gather(journal.Run{ID: "20261121T040000-00abcd"})}
	runs["green_night"] = green.gather(green.run("succeeded", shopSteps(0, false), shopChecks(0, false), nil))
	runs["judgement"] = judgement("")
	for name, r := range runs {
		for ending, f := range formats() {
			got, path := render(t, f, r), filepath.Join("testdata", name+"."+ending)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs: run the test with -update and read the diff", path)
			}
		}
	}
}
