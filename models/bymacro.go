package models

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file decides which tests of dbt are kinds of ours, which cost less, and which are their macros: those that say what a kind of ours
// takes otherwise, or not at all.

// byMacro says whether a test with the name of a kind of ours is its macro's all the same.
func (l *loader) byMacro(n *Node, kind, name string, body config.Node, file, column string) bool {
	if l.overridden(name) && kind == name || said(body, "fail_calc") || nullsEqual(name, body) {
		return true
	}
	if !l.isDBT() {
		return false
	}
	for _, of := range []config.Node{body, body.Get("config")} {
		for key, value := range of.All() {
			if value.IsNull() && slices.Contains(testSettings, key) || inSQL(key, value.Text()) { // which a kind of ours takes for a mistake
				return true
			}
		}
	}
	for _, s := range l.testSettings(n, file, name) {
		if s.key == "fail_calc" || inSQL(s.key, fmt.Sprint(s.value)) {
			return true
		}
	}
	args := testFacts(name, body, column).Args
	return strange(kind, name, args) || kind == "relationships" && l.ofEphemeral(n, args)
}

// ofEphemeral says whether a test compares with a model that has no table.
func (l *loader) ofEphemeral(n *Node, args *jinja.Dict) bool {
	v, _ := args.Get("to")
	to, _ := v.(string)
	source, name, ok := relation(to)
	if !ok || source != "" {
		return false
	}
	other := l.p.Lookup(n.testsOf(), "", name, "")
	return other != nil && other.Model != nil && other.Model.Materialized == Ephemeral
}

// inSQL says whether a key is a condition on the number of failures that only the engine can judge.
func inSQL(key, text string) bool {
	if key != "warn_if" && key != "error_if" {
		return false
	}
	_, err := readCondition(text)
	return err != nil
}

// overridden says whether the project has a test macro of its own with the name of one of ours, or what dispatch calls in its place.
func (l *loader) overridden(name string) bool {
	if ref, found := l.testMacro(name); found && ref.Package != jinja.Builtin {
		return true
	}
	return slices.ContainsFunc([]string{"default__test_", "duckdb__test_"}, func(prefix string) bool {
		ref, found := l.p.Macros.Macro(prefix + name)
		return found && ref.Package == l.p.root
	})
}

// nullsEqual says whether a test takes two NULLs for the same, which our kind does not; it must be ours to quarantine.
func nullsEqual(name string, body config.Node) bool {
	severity := body.Get("severity").Text() + body.Get("config").Get("severity").Text()
	return name == "dbt_utils.unique_combination_of_columns" && !strings.EqualFold(severity, string(SeverityQuarantine))
}

// strange says whether the arguments of a test mean something else in SQL that a macro makes of them than they do to our kind.
func strange(kind, name string, args *jinja.Dict) bool {
	arg := func(key string) any { v, _ := args.Get(key); return v }
	column, _ := arg("column_name").(string)
	switch kind {
	case "accepted_values", "rejected_values":
		return !plainValues(arg("values"), arg("quote"))
	case "relationships":
		to, isText := arg("to").(string)
		_, _, isTable := relation(to)
		field, isName := arg("field").(string)
		return !isText || !isTable || arg("field") != nil && (!isName || !bareName.MatchString(field))
	case "range":
		return name != kind && (!plainBound(arg("min_value")) || !plainBound(arg("max_value")) || strings.ContainsAny(column, `"'().`))
	case "expression":
		text, isText := arg("expression").(string)
		return name != kind && (!isText || isTemplate(text) || !balanced(text) || strings.ContainsAny(column, `"'().`))
	}
	return slices.ContainsFunc(flat(args), func(v any) bool { text, ok := v.(string); return ok && isTemplate(text) })
}

var bareName = regexp.MustCompile(`^\w+$`)

// plainValues says whether a list of values means the same in quotes and as our kind compares them.
func plainValues(v, quote any) bool {
	list, isList := v.(*jinja.List)
	quoted, isBool := quote.(bool)
	if !isList || quote != nil && !isBool {
		return false
	}
	numbers := isBool && !quoted
	return !slices.ContainsFunc(list.Items, func(v any) bool {
		text, isText := v.(string)
		if !isText { // dbt writes True and None, and 1.0 for 1.00
			_, isInt := v.(int64)
			return !isInt
		}
		if _, err := strconv.ParseInt(text, 10, 64); numbers && err != nil {
			return true
		}
		return isTemplate(text) || strings.Contains(text, "'")
	})
}

// plainBound says whether a bound is a constant, and not SQL.
func plainBound(v any) bool {
	switch v := v.(type) {
	case nil, int64, float64:
		return true
	case string:
		bound := Text(v)
		return bound.constant()
	}
	return false
}
