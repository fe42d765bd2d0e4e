package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
)

// ErrEdited says that a project file was changed while a plan was made of it.
var ErrEdited = errors.New("the file was changed meanwhile")

// ProjectText reads the YAML files that pins may be written to. It is called before the project is loaded, so that
// Pin can tell whether they were edited since.
func ProjectText(dir string) (map[string][]byte, error) {
	text := map[string][]byte{}
	files := []string{models.ProjectFile}
	for _, pattern := range []string{"sources/*.yml", "sources/*.yaml", "sources/*/*.yml", "sources/*/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			rel, err := filepath.Rel(dir, f)
			if err != nil {
				return nil, err
			}
			files = append(files, rel)
		}
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // loading the project says so better
		}
		if err != nil {
			return nil, err
		}
		text[name] = data
	}
	return text, nil
}

// Pinned is one key that Pin wrote.
type Pinned struct {
	Node string `json:"node"`
	File string `json:"file"`
	Key  string `json:"key"`
	YAML string `json:"yaml"`
}

// Pin writes the plan's pins under their streams and keeps every other byte of the files. text is what ProjectText
// gave before the project was loaded. Nothing is written when one of them cannot be.
func Pin(p *models.Project, plan *Plan, text map[string][]byte) ([]Pinned, error) {
	edited := map[string][]byte{}
	written := []Pinned{}
	for _, planned := range plan.Nodes {
		n := p.Node(planned.Name)
		if n == nil || n.Stream == nil || len(planned.Pins) == 0 {
			continue
		}
		file := filepath.FromSlash(n.Path)
		src, known := edited[file]
		if !known {
			if src, known = text[file]; !known {
				return nil, fmt.Errorf("pin %s: %s: %w", n.Name(), file, ErrEdited)
			}
		}
		path := streamPath(n)
		for _, pin := range planned.Pins {
			out, err := config.SetKey(src, path, pin.Key, pin.YAML)
			if err != nil {
				return nil, fmt.Errorf("pin %s: %s: %w; write it by hand: %s: %s", n.Name(), file, err, pin.Key, pin.YAML)
			}
			src = out
			written = append(written, Pinned{Node: n.Name(), File: n.Path, Key: pin.Key, YAML: pin.YAML})
		}
		edited[file] = src
	}
	for name := range edited {
		now, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("pin: %w", err)
		}
		if !bytes.Equal(now, text[name]) {
			return nil, fmt.Errorf("pin: %s: %w: nothing was written, plan again", name, ErrEdited)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(edited)) {
		if err := replace(filepath.Join(p.Dir, name), edited[name]); err != nil {
			return nil, fmt.Errorf("pin: write %s: %w", name, err)
		}
	}
	return written, nil
}

// streamPath leads from the top of the stream's file to the stream.
func streamPath(n *models.Node) []any {
	at := 0
	for i, s := range n.Stream.Source.Streams {
		if s == n.Stream {
			at = i
		}
	}
	if n.Path == models.ProjectFile {
		return []any{"sources", n.Stream.Source.Name, "streams", at}
	}
	return []any{"streams", at}
}

// replace writes the file in one step, keeps its permissions, and follows a link to it.
func replace(path string, data []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if strings.HasSuffix(real, string(filepath.Separator)) || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", real)
	}
	return fsx.Write("pin", real, data, info.Mode().Perm())
}
