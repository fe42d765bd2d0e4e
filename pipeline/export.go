package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
)

// This file brings the files of external models to their places. They were written where nobody looks, and come behind the swap of the
// pointer: before it, what the file shows would not be published. A process that dies between the two leaves them to the next run of
// its pipeline, which settles what earlier ones left.

// placeExports brings the files of models that a run has published to their places.
func (e *Engine) placeExports(run string, m *load.Manifest) error {
	var failed error
	for _, n := range e.Project.Nodes {
		if n.Model == nil || n.Model.Materialized != models.External {
			continue
		}
		t := m.Table(nameOf(n))
		staged := filepath.Join(e.runDir(run), fileName(n.Name()), transform.StagedExport)
		info, err := os.Stat(staged)
		if t == nil || t.Run != run || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		path := ""
		if err == nil {
			path, err = transform.ExportPath(e.Project, n)
		}
		if err == nil {
			beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+run)
			err = errors.Join(fsx.MkdirAll("export", filepath.Dir(path), 0o755), os.RemoveAll(beside))
			switch {
			case err != nil:
			case info.IsDir():
				err = placeFolder(staged, beside, path)
			default:
				err = placeFile(staged, beside, path)
			}
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("the file of %s is as it was, its table is published: %w; millrace run %s writes it", n.Name(), err, n.Table))
		}
	}
	return failed
}

// placeFile puts a file beside its place and renames it there.
func placeFile(staged, beside, path string) error {
	if err := os.Chmod(staged, 0o644); err != nil {
		return err
	}
	if err := fsx.Link("export", staged, beside); err != nil {
		return err
	}
	return fsx.Rename("export", beside, path)
}

// placeFolder does the same with a folder of partitions, in place of one that holds nothing else. For an instant there is none.
func placeFolder(staged, beside, path string) error {
	if err := onlyPartitions(path); err != nil {
		return err
	}
	err := filepath.WalkDir(staged, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(staged, file)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return fsx.MkdirAll("export", filepath.Join(beside, rel), 0o755)
		}
		if err := os.Chmod(file, 0o644); err != nil {
			return err
		}
		return fsx.Link("export", file, filepath.Join(beside, rel))
	})
	if err != nil {
		return err
	}
	old := beside + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		if err := fsx.Rename("export", path, old); err != nil {
			return err
		}
	}
	if err := fsx.Rename("export", beside, path); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// onlyPartitions refuses to replace a folder that has files which no export has written.
func onlyPartitions(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", path)
	}
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if rel, err := filepath.Rel(path, file); err != nil || !strings.Contains(filepath.Dir(rel), "=") {
			return fmt.Errorf("%s holds %s, which is no partition: it is not replaced", path, rel)
		}
		return nil
	})
}
