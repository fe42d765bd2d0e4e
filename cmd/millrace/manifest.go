package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

func (a *app) manifestCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "manifest",
		Short: "tell the project as dbt's manifest.json, for orchestrators",
		Long: "Prints the project as dbt's manifest.json has it: models, seeds, snapshots, sources, tests, unit tests and exposures\n" +
			"with their ids, and who reads whom. Nothing is read but the project's files. A run of a dbt project writes the same\n" +
			"file to target/, or to its target-path, with run_results.json beside it.\n",
		Example: "  millrace manifest\n  millrace manifest -o target/manifest.json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.loaded(c.Context())
			if err != nil {
				return err
			}
			text, err := a.artifact(p.Manifest(models.Invocation{ID: invocationID(), At: clock.System(), Version: version()}))
			if err != nil {
				return err
			}
			return a.deliver(text, reportFlags{format: "json", output: output}, map[string]any{})
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write it to this file; - is stdout")
	return c
}

// invocationID is an id as dbt makes them: a random UUID.
func invocationID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// artifact is one of dbt's files as text, without secrets.
func (a *app) artifact(v map[string]any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write what dbt's tools read: %w", err)
	}
	return append([]byte(a.redactor.Redact(string(text))), '\n'), nil
}

// writeArtifacts writes what dbt's tools read of a run. The run is over: what goes wrong here is told, and changes nothing.
func (a *app) writeArtifacts(e *pipeline.Engine, r *pipeline.Report) {
	if !e.Project.DBT {
		return
	}
	// What templates saw is what the files say: audit tables join by it.
	in := models.Invocation{ID: r.Run.ID, Began: r.Run.Begun(), At: clock.System(), Version: version()}
	took, end := time.Duration(0), time.Time{}
	if r.Run.Finished != nil {
		took, end = r.Run.Finished.Sub(r.Run.Begun()), *r.Run.Finished
	}
	results := pipeline.NodeResults(e.Project, r.Outcome(end))
	in.Compiled = map[string]string{}
	for _, one := range results {
		in.Compiled[one.ID] = one.SQL
	}
	for name, v := range map[string]map[string]any{"manifest.json": e.Project.Manifest(in),
		"run_results.json": report.RunResults(e.Project, results, took, in, a.argsOf(e.Project, r))} {
		text, err := a.artifact(v)
		path := filepath.Join(e.Project.Dir, filepath.FromSlash(e.Project.Artifacts), name)
		if err == nil {
			err = fsx.MkdirAll("artifacts", filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = fsx.Write("artifacts", path, text, 0o644)
		}
		if err != nil {
			a.note("%s is not written: %v", name, err)
		}
	}
}

// argsOf is what a run was asked for, in dbt's words.
func (a *app) argsOf(p *models.Project, r *pipeline.Report) map[string]any {
	args := map[string]any{"which": "build", "select": append([]string{}, a.asked.include...), "exclude": append([]string{}, a.asked.exclude...),
		"target": p.Target.Name, "full_refresh": r.Run.Selection.FullRefresh, "vars": p.GivenVars()}
	if a.asked.selector != "" {
		args["selector"] = a.asked.selector
	}
	return args
}
