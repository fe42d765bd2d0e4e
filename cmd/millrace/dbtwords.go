package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

const checkSources = "millrace check 'source:*' judges the tables of sources; " +
	"write - freshness: { column: loaded_at, error_after: 48h } among their checks"

// dbtWords are the commands of dbt that have another name here, with what to type instead.
var dbtWords = []struct {
	word, instead string
	as            []string // the words that do the same here, with the rest of the command line as it is
}{
	{"build", "millrace run builds seeds, snapshots and models, checks them and publishes what passes", []string{"run"}},
	{"seed", "millrace run resource_type:seed loads the seeds; millrace run loads them before the models that read them", nil},
	{"snapshot", "millrace run resource_type:snapshot brings the snapshots up to date; millrace run does so too", nil},
	{"compile", "millrace plan --sql shows the SQL of each model; millrace docs keeps it in one page", []string{"plan", "--sql"}},
	{"ls", "millrace plan lists the nodes that a run would build, and takes selectors", []string{"plan"}},
	{"list", "millrace plan lists the nodes that a run would build, and takes selectors", []string{"plan"}},
	{"parse", "millrace lint reads the project's files", []string{"lint"}},
	{"debug", "millrace doctor looks at the sources, the target and what runs lean on", []string{"doctor"}},
	{"deps", "packages are read from dbt_packages/, a folder for each with its dbt_project.yml: run dbt deps once, or " +
		"git clone --branch VERSION the package's repository to dbt_packages/NAME", nil},
	{"clean", "millrace gc removes what nothing needs any more; target/ may be deleted at any time", nil},
	{"source", checkSources, nil},
	{"freshness", checkSources, nil},
	{"show", "millrace query 'select * from orders limit 5' reads what is published", nil},
	{"clone", "a target is a folder: copy it, or give the project another target", nil},
	{"run-operation", "macros run where models, tests and hooks call them", nil},
	{"sl", "there is no semantic layer: write the aggregate as a model", nil},
}

// dbtCommands answer those who type a command of dbt.
func (a *app) dbtCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, w := range dbtWords {
		all = append(all, &cobra.Command{Use: w.word, Hidden: true, DisableFlagParsing: true, Short: "dbt's name for something else",
			RunE: func(_ *cobra.Command, args []string) error {
				if len(w.as) > 0 && len(args) > 0 {
					return usage("there is no command %q: %s: %s", w.word, w.instead, typed(slices.Concat([]string{"millrace"}, w.as, args)...))
				}
				return usage("there is no command %q: %s", w.word, w.instead)
			}})
	}
	return all
}

// allVars are the variables of the command line: those of --var, and those of dbt's --vars, a mapping in YAML.
func (a *app) allVars() ([]string, error) {
	if a.varsYAML == "" {
		return a.vars, nil
	}
	f, problems := config.Parse("--vars", []byte(a.varsYAML))
	var vars config.Map[config.Node]
	if !problems.HasErrors() {
		if a.isDBT() {
			f.Read11()
		}
		problems = f.Decode(&vars, nil)
	}
	if problems.HasErrors() {
		return nil, usage("--vars: %s: write --vars '{name: value}', or --var name=value", problems[0].Message)
	}
	all := a.vars
	for name, value := range vars.All() {
		text, err := varText(value)
		if err != nil {
			return nil, usage("--vars: %s: %w", name, err)
		}
		var plain any
		if _ = value.Decode(&plain); !a.isDBT() {
			if of, isText := plain.(string); isText {
				text = of
			}
		}
		all = append(all, name+"="+text)
	}
	return all, nil
}

// varText writes a value as JSON, which is YAML as values of variables are: mappings keep their order, and a number its point.
func varText(n config.Node) (string, error) {
	var parts []string
	switch {
	case n.IsMapping():
		for key, value := range n.All() {
			text, err := varText(value)
			if err != nil {
				return "", err
			}
			name, err := json.Marshal(key)
			if err != nil {
				return "", err
			}
			parts = append(parts, string(name)+": "+text)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case n.IsList():
		for _, item := range n.Items() {
			text, err := varText(item)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	}
	var value any
	if problems := n.Decode(&value); problems.HasErrors() {
		return "", problems
	}
	if x, isFloat := value.(float64); isFloat {
		text := strconv.FormatFloat(x, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text, nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}

// isDBT says whether the folder is a project of dbt, where a variable's value is YAML.
func (a *app) isDBT() bool {
	_, err := os.Stat(filepath.Join(a.dir, models.DBTFile))
	return err == nil
}
