package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file is about flags that people type who come from dbt: those that do the same here, those that have nothing to do here, and those
// that have another name. None of them is shown by --help.

// dbtIdle are flags of dbt that are about what Millrace does not have: they are taken, and change nothing.
var dbtIdle = []string{"partial-parse", "no-partial-parse", "version-check", "no-version-check", "populate-cache", "no-populate-cache",
	"cache-selected-only", "no-cache-selected-only", "send-anonymous-usage-stats", "no-send-anonymous-usage-stats", "anonymous-usage-stats",
	"no-anonymous-usage-stats", "static-parser", "no-static-parser", "use-experimental-parser", "no-use-experimental-parser", "write-json",
	"no-write-json", "use-colors", "use-colors-file", "no-use-colors-file", "show-all-deprecations", "no-show-all-deprecations", "no-defer",
	"no-fail-fast", "no-favor-state", "no-quiet", "no-debug", "no-empty", "introspect", "print", "store-failures", "log-cache-events",
	"no-log-cache-events"}

const ownTables = "what is not selected is read as it is published in the target; to begin with another target's tables, copy its folder"

// dbtElsewhere are flags of dbt that do not do here what is meant, with what to do instead.
var dbtElsewhere = []struct {
	name, short, instead string
	bare                 bool // it has no value
}{
	{"fail-fast", "x", "a node that fails stops what reads it and nothing else; what does not pass is not published", true},
	{"defer", "", ownTables, true},
	{"favor-state", "", ownTables, true},
	{"defer-state", "", "what is not selected is read as it is published in the target; --state says what state: compares with", false},
	{"empty", "", "millrace plan checks the SQL of every model against the tables that it reads, and builds nothing", true},
	{"sample", "", "there is no sample of sources: give the models a condition by --vars", false},
	{"resource-type", "", "write it into the selector: orders+,resource_type:model", false},
	{"resource-types", "", "write it into the selector: orders+,resource_type:model", false},
	{"exclude-resource-type", "", "write --exclude resource_type:seed", false},
	{"exclude-resource-types", "", "write --exclude resource_type:seed", false},
	{"selector", "", "this command takes selectors, if any: write selector:NAME", false},
	{"indirect-selection", "", "a test is run with the table that it is about", false},
	{"target-path", "", "write target-path: into dbt_project.yml", false},
	{"log-path", "", "millrace runs logs shows what a run has logged; --log-format json writes it to stderr", false},
	{"log-level", "", "write --verbose for more", false},
	{"quiet", "q", "send stderr and stdout to /dev/null; the exit code says how it ended", true},
	{"warn-error", "", "millrace lint --json names the warnings; checks of severity error fail a run", true},
	{"warn-error-options", "", "millrace lint --json names the warnings; checks of severity error fail a run", false},
	{"output-keys", "", "--json has all that is known", false},
	{"inline", "", "millrace query runs SQL over what is published", false},
}

// dbtFlags adds them to those of every command.
func (a *app) dbtFlags(f *pflag.FlagSet) {
	f.StringVar(&a.dir, "project-dir", ".", "the same as --project")
	f.StringVar(&a.dbtProfile, "profile", "", "profile of profiles.yml to use")
	f.StringVar(&a.profilesDir, "profiles-dir", "", "folder of profiles.yml")
	f.BoolVar(&a.noColor, "no-use-colors", false, "the same as --no-color")
	f.BoolVarP(&a.verbose, "debug", "d", false, "the same as --verbose")
	hidden := []string{"project-dir", "profile", "profiles-dir", "no-use-colors", "debug"}
	for _, name := range dbtIdle {
		f.Bool(name, false, "of dbt; has nothing to do here")
		hidden = append(hidden, name)
	}
	for _, w := range dbtElsewhere {
		flag := f.VarPF(&otherFlag{a: a, name: w.name, instead: w.instead}, w.name, w.short, "of dbt")
		if w.bare {
			flag.NoOptDefVal = "true"
		}
		hidden = append(hidden, w.name)
	}
	for _, name := range hidden {
		f.Lookup(name).Hidden = true
	}
}

// otherFlag is a flag of dbt that is something else here.
type otherFlag struct {
	a             *app
	name, instead string
}

// Set notes what to say when the command line is read.
func (o *otherFlag) Set(string) error {
	if o.a.misused == nil {
		o.a.misused = usage("there is no --%s: %s", o.name, o.instead)
	}
	return nil
}

func (o *otherFlag) String() string { return "" }

// Type is of pflag.Value.
func (o *otherFlag) Type() string { return "string" }

// selectFlag are the selectors of a command that takes them as arguments too: --select, or dbt's older --models.
func selectFlag(c *cobra.Command, into *[]string) {
	c.Flags().StringArrayVarP(into, "select", "s", nil, "select these nodes; may be repeated")
	c.Flags().AddFlag(&pflag.Flag{Name: "models", Shorthand: "m", Usage: "the same as --select", Value: c.Flags().Lookup("select").Value,
		Hidden: true})
}

// excludedToo refuses --exclude a b: to dbt both are left out, and here b would be what is selected.
func (a *app) excludedToo(c *cobra.Command, args []string) error {
	if c.Flags().Lookup("exclude") == nil {
		return nil
	}
	for i, word := range a.line {
		if word != "--exclude" || i+2 >= len(a.line) || !slices.Contains(args, a.line[i+2]) {
			continue
		}
		first, second := a.line[i+1], a.line[i+2]
		return usage("--exclude %s %s: is %s to be left out too? Write --exclude '%s %s', or %s before --exclude to select it",
			first, second, second, first, second, second)
	}
	return nil
}

// typed is a command line as people would type it again.
func typed(words ...string) string {
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " '\"{}*?$&|<>()#;\\") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
