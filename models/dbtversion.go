package models

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads require-dbt-version: a project that was written for a dbt that nothing here is like is told so.

// release is major, minor and patch.
type release [3]int

func (r release) less(other release) bool {
	for i := range r {
		if r[i] != other[i] {
			return r[i] < other[i]
		}
	}
	return false
}

// next is the release behind it.
func (r release) next() release { return release{r[0], r[1], r[2] + 1} }

// The releases of dbt that projects are read like: from the first on, before the second.
var releasesFrom, releasesBefore = release{1, 0, 0}, release{1, 12, 0}

var releaseDemand = regexp.MustCompile(`^\s*(>=|<=|>|<|==?)?\s*v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-.]?[a-z]\w*(?:\.\w+)*)?\s*$`)

// meets says whether a release of dbt that projects are read like meets all demands; bad is one that is none.
func meets(demands []string) (ok bool, bad string) {
	from, before := releasesFrom, releasesBefore
	for _, all := range demands {
		for _, one := range strings.Split(all, ",") {
			m := releaseDemand.FindStringSubmatch(one)
			if m == nil {
				return false, one
			}
			var r release
			for i := range r {
				r[i], _ = strconv.Atoi(m[i+2]) // digits, or nothing
			}
			least, end := releasesFrom, releasesBefore
			switch m[1] {
			case ">=":
				least = r
			case ">":
				least = r.next()
			case "<":
				end = r
			case "<=":
				end = r.next()
			default:
				least, end = r, r.next()
			}
			if from.less(least) {
				from = least
			}
			if end.less(before) {
				before = end
			}
		}
	}
	return from.less(before), ""
}

// requireVersion warns of a demand that cannot be met.
func (l *loader) requireVersion(p *dbtPackage) {
	demands := p.keys.Require
	if len(demands) == 0 {
		return
	}
	at := p.keys.At("require-dbt-version")
	switch ok, bad := meets(demands); {
	case bad != "":
		l.warning(at, `write require-dbt-version: [">=1.6.0", "<2.0.0"]`, "require-dbt-version: %q is no version of dbt, and has no effect", bad)
	case !ok:
		l.warning(at, "look at what it uses that is newer or older, and set another require-dbt-version",
			"%s wants dbt %s: projects are read here as dbt %s reads them",
			nameOf(p), strings.Join(demands, ", "), jinja.Version)
	}
}

// nameOf is what people call a package.
func nameOf(p *dbtPackage) string {
	if p.isRoot() {
		return "the project"
	}
	return "the package " + p.name
}

// flagsElsewhere are flags of dbt_project.yml that would change what runs do, and what is done here instead.
var flagsElsewhere = map[string]string{
	"fail_fast":                        "a node that fails stops what reads it and nothing else",
	"warn_error":                       "checks of severity error fail a run; millrace lint --json names the warnings",
	"warn_error_options":               "checks of severity error fail a run; millrace lint --json names the warnings",
	"indirect_selection":               "a test is run with the table that it is about",
	"skip_nodes_if_on_run_start_fails": "a run whose on-run-start fails builds nothing",
}

// dbtKeysValid checks the keys of a dbt_project.yml against each other.
func (l *loader) dbtKeysValid(p *dbtPackage) {
	l.requireVersion(p)
	if v := p.keys.ConfigVersion; v.IsScalar() && v.Text() != "2" {
		l.warning(v.Pos(), "look at the trees of configuration, which had another shape then", "config-version %s is read as 2", v.Text())
	}
	for key, value := range p.keys.Flags.All() {
		if why := flagsElsewhere[key]; why != "" && p.isRoot() && !value.IsNull() && value.Text() != "false" {
			l.warning(p.keys.Flags.Origin().Key(key), why, "flags: %s has no effect", key)
		}
	}
	has := func(n config.Node) bool {
		for range n.All() {
			return true
		}
		return false
	}
	if has(p.keys.Tests) && has(p.keys.DataTests) {
		l.problem(p.keys.At("tests"), "put what it says below data_tests:",
			"tests: and data_tests: say the same by two names: dbt takes one of them")
	}
}
