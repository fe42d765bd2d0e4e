package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

// dbtWords are the commands of dbt that have another name here, with what to type instead.
var dbtWords = []struct{ word, instead string }{
	{"build", "millrace run builds seeds, snapshots and models, checks them and publishes what passes"},
	{"seed", "millrace run resource_type:seed loads the seeds; millrace run loads them before the models that read them"},
	{"snapshot", "millrace run resource_type:snapshot brings the snapshots up to date; millrace run does so too"},
	{"compile", "millrace plan --sql shows the SQL of each model; millrace docs keeps it in one page"},
	{"ls", "millrace plan lists the nodes that a run would build, and takes selectors"},
	{"list", "millrace plan lists the nodes that a run would build, and takes selectors"},
	{"parse", "millrace lint reads the project's files"},
	{"debug", "millrace doctor looks at the sources, the target and what runs lean on"},
	{"deps", "packages are read from dbt_packages/: put them there, or run dbt deps once"},
	{"clean", "millrace gc removes what nothing needs any more; target/ may be deleted at any time"},
	{"source", "millrace check 'source:*' judges the tables of sources; write - freshness: { column: loaded_at, error_after: 48h } among their checks"},
	{"show", "millrace query 'select * from orders limit 5' reads what is published"},
	{"clone", "a target is a folder: copy it, or give the project another target"},
	{"run-operation", "macros run where models, tests and hooks call them"},
}

// dbtCommands answer those who type a command of dbt.
func (a *app) dbtCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, w := range dbtWords {
		all = append(all, &cobra.Command{Use: w.word, Hidden: true, DisableFlagParsing: true, Short: "dbt's name for something else",
			RunE: func(*cobra.Command, []string) error { return usage("there is no command %q: %s", w.word, w.instead) }})
	}
	return all
}

// allVars are the variables of the command line: those of --var, and those of dbt's --vars, a mapping in YAML.
func (a *app) allVars() ([]string, error) {
	if a.varsYAML == "" {
		return a.vars, nil
	}
	f, problems := config.Parse("--vars", []byte(a.varsYAML))
	var vars config.Map[any]
	if !problems.HasErrors() {
		problems = f.Decode(&vars, nil)
	}
	if problems.HasErrors() {
		return nil, usage("--vars: %s: write --vars '{name: value}', or --var name=value", problems[0].Message)
	}
	all := a.vars
	for name, value := range vars.All() {
		text, err := json.Marshal(value) // JSON is YAML, which is how values are read
		if err != nil {
			return nil, usage("--vars: %s: %w", name, err)
		}
		if plain, isText := value.(string); isText && !a.isDBT() {
			text = []byte(plain)
		}
		all = append(all, fmt.Sprintf("%s=%s", name, text))
	}
	return all, nil
}

// isDBT says whether the folder is a project of dbt, where a variable's value is YAML.
func (a *app) isDBT() bool {
	_, err := os.Stat(filepath.Join(a.dir, models.DBTFile))
	return err == nil
}
