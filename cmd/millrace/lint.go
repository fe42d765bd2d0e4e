package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func (a *app) lintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint [checks files]",
		Short: "check the project's files, or checks files",
		Long: "Checks every project file and prints all problems at once. It opens no source and needs no secret: ${…} stays as\n" +
			"it is. Each model is rendered and must be one SELECT. Whether columns exist, `millrace plan` finds out, but for those\n" +
			"that an entity reads of sources whose columns are all listed in the project, or agreed on in a contract. Where the\n" +
			"target is in Snowflake, warnings tell what of a model's SQL would mean something else there than it does in DuckDB.\n\n" +
			"With arguments it looks at these checks files and at no project; see `millrace check --file`.\n",
		Example: "  millrace lint\n  millrace lint --json\n  millrace lint orders.checks.yml",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.lintTables(c.Context(), args)
			}
			p, problems, err := a.project(c.Context(), true)
			if err != nil {
				return err
			}
			if !problems.HasErrors() {
				if s := p.Target.Snowflake; s != nil && s.DialectWarnings {
					portable := p.Portable()
					problems = append(problems, portable...)
					if len(portable) > 0 && !a.json {
						a.note("models run locally: warnings of Snowflake's SQL are for those that are to run there one day; dialect_warnings: false of the target leaves them out")
					}
				}
				more, err := checkModels(c.Context(), p)
				if err != nil {
					return err
				}
				decided, err := pipeline.DecisionProblems(p)
				if err != nil {
					return err
				}
				read, err := checkEntities(c.Context(), p)
				if err != nil {
					return err
				}
				left, err := orphans(p)
				if err != nil {
					return err
				}
				bare, err := a.bareEngine(p)
				if err != nil {
					return err
				}
				personal, err := bare.PersonalProblems(c.Context())
				if err != nil {
					return err
				}
				problems = slices.Concat(problems, more, decided, read, left, personal, pipeline.WeightsProblems(p)).Sort()
			}
			return a.printProblems(problems, countFiles(a.dir))
		},
	}
}

// lintTables looks at checks files.
func (a *app) lintTables(ctx context.Context, names []string) error {
	var all config.Problems
	for _, name := range names {
		_, problems, err := a.tables(ctx, name, true)
		if err != nil {
			return err
		}
		all = append(all, problems...)
	}
	return a.printProblems(all, len(names))
}

// printProblems is lint's answer: the problems are the data.
func (a *app) printProblems(problems config.Problems, files int) error {
	switch {
	case a.json:
		if problems == nil {
			problems = config.Problems{}
		}
		for _, p := range problems {
			p.Message, p.Hint, p.Source = a.redactor.Redact(p.Message), a.redactor.Redact(p.Hint), a.redactor.Redact(p.Source)
		}
		if err := a.printJSON(problems); err != nil {
			return err
		}
	case len(problems) == 0:
		a.out("%s, no problems", plural(files, "file"))
	default:
		a.out("%s", problems.Error())
		warnings := 0
		for _, p := range problems {
			if p.Severity == config.SeverityWarning {
				warnings++
			}
		}
		a.note("%s, %s, %s", plural(files, "file"), plural(len(problems)-warnings, "error"), plural(warnings, "warning"))
	}
	if problems.HasErrors() {
		return &codeError{code: codeUsage}
	}
	return nil
}

// checkModels renders every model and has the engine parse it; no table need be there.
func checkModels(ctx context.Context, p *models.Project) (config.Problems, error) {
	if !slices.ContainsFunc(p.Nodes, func(n *models.Node) bool { return n.Model != nil }) {
		return nil, nil
	}
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 128 << 20, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	var problems config.Problems
	take := func(err error) error {
		var te *transform.Error
		if !errors.As(err, &te) {
			return err
		}
		problems = append(problems, placed(p.Dir, te))
		return nil
	}
	b := &transform.Builder{Project: p, Warehouse: w}
	if _, err := b.Begin(ctx, nil); take(err) != nil {
		return nil, err
	}
	for _, n := range p.Nodes {
		if n.Model == nil {
			continue
		}
		if err := take(b.Check(ctx, transform.Job{Node: n})); err != nil {
			return nil, err
		}
	}
	for _, left := range b.LeftOut() {
		problems = append(problems, placed(p.Dir, left))
	}
	return problems, nil
}

// placed is an error of a model as a problem of its file, with the line.
func placed(dir string, te *transform.Error) *config.Problem {
	file, line, column := splitPos(te.Pos)
	problem := &config.Problem{File: file, Line: line, Column: column, Length: 1, Message: te.Err.Error(), Hint: te.Hint, Severity: config.SeverityError}
	if te.Alone {
		problem.Severity, problem.Message = config.SeverityWarning, "the model cannot be built: "+problem.Message
	}
	if te.LeftOut {
		problem.Severity = config.SeverityWarning
	}
	if data, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
		if lines := strings.Split(string(data), "\n"); line >= 1 && line <= len(lines) {
			problem.Source = strings.TrimSuffix(lines[line-1], "\r")
		}
	}
	return problem
}

// splitPos takes file:line:column apart.
func splitPos(pos string) (file string, line, column int) {
	parts := strings.Split(pos, ":")
	if len(parts) < 3 {
		return pos, 0, 0
	}
	n := len(parts)
	return strings.Join(parts[:n-2], ":"), atoi(parts[n-2]), atoi(parts[n-1])
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// countFiles counts the files that make up the project.
func countFiles(dir string) int {
	n := 0
	if _, err := os.Stat(filepath.Join(dir, models.ProjectFile)); err == nil {
		n++
	}
	for _, below := range []string{"sources", "models", "entities", "terms", "macros"} {
		_ = filepath.WalkDir(filepath.Join(dir, below), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			switch filepath.Ext(path) {
			case ".yml", ".yaml", ".sql":
				n++
			}
			return nil
		})
	}
	return n
}
