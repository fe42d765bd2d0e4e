package transform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Exported is the file that an external model is written to besides its table, as long as nobody sees it: it takes its place when the
// table is published.
type Exported struct {
	Staged string // absolute; a folder when it is partitioned
	Path   string // where it belongs, absolute
}

// StagedExport is how the staged file is called, in the folder of the job.
const StagedExport = "external"

// external is a table that is also written to a file of the project's choice.
func (b *Builder) external(ctx context.Context, job Job, name warehouse.Name, sql string) (*Built, error) {
	path, err := ExportPath(b.Project, job.Node)
	if err != nil {
		return nil, err
	}
	options, err := exportOptions(b.Warehouse.Dialect(), job.Node)
	if err != nil {
		return nil, err
	}
	built, err := b.table(ctx, job, name, sql, nil)
	if err != nil {
		return nil, err
	}
	built.Exported = &Exported{Staged: filepath.Join(job.Dir, StagedExport), Path: path}
	rows, err := b.Warehouse.Export(ctx, b.Warehouse.Dialect().Select(built.Version), built.Exported.Staged, options)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	equation := warehouse.Equation{Name: "exported", Rows: rows, Terms: []warehouse.Term{{Name: "published", Rows: built.Version.Rows}}}
	if !equation.Closes() {
		return nil, fmt.Errorf("%w: %s", warehouse.ErrUnbalanced, equation)
	}
	built.Equations = append(built.Equations, equation)
	return built, nil
}

// location is where and how the model's file is written: the table's name and parquet, where it does not say.
func location(n *models.Node) models.Location {
	l := models.Location{}
	if n.Model.Location != nil {
		l = *n.Model.Location
	}
	if l.Format == "" {
		l.Format = "parquet"
		if ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(l.Path)), "."); ext == "csv" || ext == "json" {
			l.Format = ext
		}
	}
	if l.Path == "" {
		l.Path = n.Table + "." + l.Format
		if l.Options["partition_by"] != nil {
			l.Path = n.Table
		}
	}
	return l
}

// ownFolders are those of a project that no model may write into: what is there decides what runs do.
var ownFolders = []string{"models", "macros", "seeds", "snapshots", "checks", "tests", "entities", "sources", "analyses", "dbt_packages", ".git", ".millrace"}

// ExportPath is the absolute path of an external model's file: in the project's folder, and in none of those that are the project's own.
func ExportPath(p *models.Project, n *models.Node) (string, error) {
	l := location(n)
	refuse := func(format string, args ...any) (string, error) {
		return "", &Error{Pos: n.Pos.String(), Err: fmt.Errorf("location %q: "+format, append([]any{l.Path}, args...)...), Hint: "write a path below the project's folder, such as exports/" + n.Table + "." + l.Format}
	}
	clean := filepath.Clean(filepath.FromSlash(l.Path))
	switch {
	case strings.Contains(l.Path, "://"):
		return refuse("a model writes to files of the project only, not to another machine")
	case !filepath.IsLocal(clean) || clean == ".":
		return refuse("a model may not write outside of the project's folder")
	case !slices.Contains([]string{"parquet", "csv", "json"}, l.Format):
		return refuse("format %q is not known: parquet, csv or json", l.Format)
	}
	first, _, below := strings.Cut(filepath.ToSlash(clean), "/")
	if slices.Contains(ownFolders, strings.ToLower(first)) {
		return refuse("%s is the project's own folder", first)
	}
	if ext := strings.ToLower(filepath.Ext(clean)); !below && (ext == ".yml" || ext == ".yaml") {
		return refuse("it is a file of the project")
	}
	path := filepath.Join(p.Dir, clean)
	if p.Target != nil && within(path, p.TargetDir()) {
		return refuse("the target's folder holds what is published, and nothing else")
	}
	root, err := filepath.EvalSymlinks(p.Dir)
	if errors.Is(err, os.ErrNotExist) { // of a project that is not on this disk
		return path, nil
	}
	if err != nil {
		return "", err
	}
	for dir := path; ; dir = filepath.Dir(dir) { // the nearest folder that is there may be a link to elsewhere
		real, err := filepath.EvalSymlinks(dir)
		if errors.Is(err, os.ErrNotExist) && dir != p.Dir {
			if _, linkErr := os.Lstat(dir); linkErr == nil {
				return refuse("%s is a link to nowhere", dir)
			}
			continue
		}
		if err != nil {
			return "", err
		}
		if !within(real, root) {
			return refuse("it leads out of the project's folder, to %s", real)
		}
		return path, nil
	}
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Options of COPY that change nothing but the file, by format.
var (
	exportTexts = map[string][]string{
		"csv":     {"delimiter", "delim", "sep", "quote", "escape", "nullstr", "null", "dateformat", "timestampformat", "compression"},
		"json":    {"dateformat", "timestampformat", "compression"},
		"parquet": {"compression", "codec", "parquet_version"},
	}
	exportNumbers = map[string][]string{"parquet": {"compression_level", "row_group_size"}}
	exportFlags   = map[string][]string{"csv": {"header", "write_partition_columns"}, "json": {"array", "write_partition_columns"}, "parquet": {"write_partition_columns"}}
	// exportImplied are those that are so anyway: the file is written anew, in one piece.
	exportImplied = []string{"overwrite", "overwrite_or_ignore", "use_tmp_file"}
	plainWord     = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// exportOptions are the options of COPY.
func exportOptions(d *warehouse.Dialect, n *models.Node) (string, error) {
	l := location(n)
	items := []string{"FORMAT " + l.Format}
	for _, key := range slices.Sorted(maps.Keys(l.Options)) {
		item, err := exportOption(d, l.Format, strings.ToLower(key), l.Options[key])
		if err != nil {
			return "", &Error{Pos: n.Pos.String(), Err: fmt.Errorf("options: %w", err)}
		}
		if item != "" {
			items = append(items, item)
		}
	}
	return strings.Join(items, ", "), nil
}

func exportOption(d *warehouse.Dialect, format, key string, value any) (string, error) {
	text := fmt.Sprint(value)
	switch {
	case value == nil || slices.Contains(exportImplied, key) || key == "format" && strings.EqualFold(text, format):
		return "", nil
	case key == "partition_by":
		var names []string
		switch v := value.(type) {
		case string:
			for _, name := range strings.Split(strings.Trim(v, "()"), ",") {
				names = append(names, strings.Trim(strings.TrimSpace(name), `"`))
			}
		case []any:
			for _, name := range v {
				names = append(names, fmt.Sprint(name))
			}
		case []string:
			names = v
		}
		if len(names) == 0 {
			return "", fmt.Errorf("partition_by: %v names no columns", value)
		}
		return "PARTITION_BY (" + d.Idents(names) + ")", nil
	case slices.Contains(exportTexts[format], key):
		return strings.ToUpper(key) + " " + d.QuoteLiteral(text), nil
	case slices.Contains(exportNumbers[format], key) && plainWord.MatchString(text):
		return strings.ToUpper(key) + " " + text, nil
	case slices.Contains(exportFlags[format], key):
		switch cmp.Or(strings.ToLower(text), "true") {
		case "true", "1":
			return strings.ToUpper(key) + " true", nil
		case "false", "0":
			return strings.ToUpper(key) + " false", nil
		}
		return "", fmt.Errorf("%s: %v is not true or false", key, value)
	}
	known := slices.Sorted(slices.Values(slices.Concat(exportTexts[format], exportNumbers[format], exportFlags[format], []string{"partition_by"})))
	return "", fmt.Errorf("%s is not written for %s; known: %s", key, format, strings.Join(known, ", "))
}
