package models

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// Table says how a node's table is kept: by the last pattern that fits, or by the defaults.
func (s *Snowflake) Table(node string) SnowflakeTable {
	kept := SnowflakeTable{Mode: "auto", Strategy: "overwrite", Deletes: "hard"}
	for pattern, t := range s.Tables.All() {
		if ok, _ := path.Match(pattern, node); ok {
			kept = t
		}
	}
	return kept
}

// snowflakeName is a table's name in Snowflake: schema and table, in upper case. as is schema.table, table, or "" for the node's own name.
func (t *Target) snowflakeName(n *Node, as string) (schema, table string) {
	schema, table = n.Schema, n.Table
	if as != "" {
		parts := NameParts(as)
		table = parts[len(parts)-1]
		if len(parts) == 2 {
			schema = parts[0]
		}
	}
	return strings.ToUpper(t.Snowflake.SchemaPrefix + schema), strings.ToUpper(table)
}

// published are the nodes whose tables a target shows: all but ephemeral models, which have none.
func (p *Project) published() []*Node {
	return slices.DeleteFunc(slices.Clone(p.Nodes), func(n *Node) bool {
		return n.Model != nil && n.Model.Materialized == Ephemeral
	})
}

// snowflakeTables holds the tables: of each target of type snowflake against the project's nodes.
func (l *loader) snowflakeTables() {
	for _, t := range l.p.Targets {
		if t.Snowflake == nil {
			continue
		}
		for pattern, kept := range t.Snowflake.Tables.All() {
			l.snowflakePattern(t.Snowflake.Tables.Key(pattern), pattern, kept)
		}
		if l.problems.HasErrors() {
			return // nodes may be missing for another reason
		}
		for _, n := range l.p.published() {
			l.snowflakeNode(n, t.Snowflake.Table(n.Name()))
		}
		l.snowflakeNames(t)
	}
}

// asForm is TABLE or SCHEMA.TABLE: what it fits, NameParts and the naming of warehouse/snowflake take apart alike.
var asForm = regexp.MustCompile(`^(?:[^".]+|"(?:[^"]|"")+")(?:\.(?:[^".]+|"(?:[^"]|"")+"))?$`)

// snowflakePattern validates one entry by itself.
func (l *loader) snowflakePattern(at config.Pos, pattern string, kept SnowflakeTable) {
	if _, err := path.Match(pattern, ""); err != nil {
		l.problem(at, "write schema.table, or a pattern such as mart.*", "%q is no pattern: %v", pattern, err)
		return
	}
	o := kept.Origin
	if kept.Mode == "partition" && len(kept.PartitionBy) == 0 && !l.told(o.At("partition_by")) {
		l.problem(o.At("mode"), "add partition_by: [column]", "mode: partition needs the columns whose values make a partition")
	}
	once := func(key string, columns []string) {
		for i, column := range columns {
			if slices.ContainsFunc(columns[:i], func(c string) bool { return strings.EqualFold(c, column) }) {
				l.problem(o.Item(key, i), "remove it", "%s: %s is there twice", key, column)
			}
		}
	}
	once("partition_by", kept.PartitionBy)
	once("cluster_by", kept.ClusterBy)
	noEffect := func(key, with string, modes ...string) {
		if o.Has(key) && !slices.Contains(modes, kept.Mode) {
			l.warning(o.Key(key), with, "%s has no effect with mode: %s", key, kept.Mode)
		}
	}
	noEffect("partition_by", "write mode: partition, or remove it", "partition")
	noEffect("strategy", "it is for mode: full", "auto", "full")
	noEffect("deletes", "it is for mode: merge", "auto", "merge")
	if kept.As != "" {
		switch {
		case strings.ContainsAny(pattern, "*?["):
			l.problem(o.At("as"), "name one table by schema.table", "as: would give the same name to every table that %s fits", pattern)
		case !asForm.MatchString(kept.As):
			l.problem(o.At("as"), "write TABLE or SCHEMA.TABLE, a part with dots or quotes in it between double quotes; the database is that of the target", "as: %q is no name of a table", kept.As)
		}
	}
	if l.problems.HasErrors() {
		return
	}
	l.snowflakeFits(at, pattern)
}

// snowflakeFits warns of an entry that is for no node: most likely a typo, or a table that was renamed.
func (l *loader) snowflakeFits(at config.Pos, pattern string) {
	var known []string
	for _, n := range l.p.published() {
		if ok, _ := path.Match(pattern, n.Name()); ok {
			return
		}
		if n.Table == pattern {
			l.warning(at, fmt.Sprintf("did you mean %q?", n.Name()), "tables: %s fits no node", pattern)
			return
		}
		known = append(known, n.Name())
	}
	hint := config.DidYouMean(pattern, known, "millrace plan lists them")
	l.warning(at, hint, "tables: %s fits no node", pattern)
}

// snowflakeNode holds what is said of a table against the node that makes it.
func (l *loader) snowflakeNode(n *Node, kept SnowflakeTable) {
	switch {
	case (kept.Mode == "merge" || kept.Mode == "scd2") && !oneRowEach(n):
		l.problem(kept.Origin.At("mode"), keylessHint(n), "mode: %s needs a key by which rows are merged, and %s has none", kept.Mode, n.Name())
	case kept.Mode == "append" && rewrites(n) != "":
		l.problem(kept.Origin.At("mode"), "take mode: auto, or full",
			"mode: append fails when rows that were loaded change, and those of %s do: %s", n.Name(), rewrites(n))
	}
	c := n.Contract()
	if c == nil || c.Extra == ExtraAllowed {
		return // which columns there are is not known
	}
	var known []string
	for _, column := range c.Columns {
		known = append(known, column.Name)
	}
	for _, list := range []struct {
		key     string
		columns []string
	}{{"partition_by", kept.PartitionBy}, {"cluster_by", kept.ClusterBy}} {
		for i, column := range list.columns {
			if c.Column(column) != nil {
				continue
			}
			hint := config.DidYouMean(column, known, "its contract names "+strings.Join(known, ", "))
			l.problem(kept.Origin.Item(list.key, i), hint, "%s: %s has no column %q", list.key, n.Name(), column)
		}
	}
}

// oneRowEach says whether the node's table has a key with one row each. What is deleted by a key and inserted anew may have several.
func oneRowEach(n *Node) bool {
	return len(n.Key()) > 0 && (n.Model == nil || n.Model.Strategy == StrategyMerge)
}

// rewrites says why rows of the node's table change; "" where they are only added to, or made anew.
func rewrites(n *Node) string {
	switch {
	case n.Model == nil:
		return ""
	case n.Model.Materialized == Snapshot:
		return "a snapshot ends the validity of rows that have changed"
	case n.Model.Materialized == Incremental && n.Model.Strategy != StrategyAppend:
		return fmt.Sprintf("incremental_strategy=%q replaces rows", n.Model.Strategy)
	}
	return ""
}

// keylessHint says what to do about a node without a key.
func keylessHint(n *Node) string {
	switch {
	case n.Model != nil && n.Model.Materialized == Snapshot:
		return "a snapshot has a row for each state of a key, and keeps the history itself: take mode: auto"
	case n.Model != nil && n.Model.Materialized == Incremental && n.Model.Strategy != StrategyMerge:
		return fmt.Sprintf("with incremental_strategy=%q a key may have many rows: "+
			"take incremental_strategy='merge' with a unique_key, or mode: auto", n.Model.Strategy)
	case n.Model != nil:
		return "give the model materialized: incremental and a unique_key, or take mode: auto"
	case n.Seed != nil:
		return "a seed is read anew in each run: take mode: auto, or put an incremental model with a unique_key over it"
	case n.Entity != nil:
		return "the tables of an entity are made anew in each run: take mode: auto, or put an incremental model with a unique_key over it"
	}
	return "only an incremental stream is merged by its key: make it one, or take mode: auto"
}

// The schemas that tables cannot go to: that of the ledger, and Snowflake's own.
var snowflakeSchemas = []string{"MILLRACE_META", "INFORMATION_SCHEMA"}

// snowflakeNames refuses names that would meet in Snowflake, where all are in upper case.
func (l *loader) snowflakeNames(t *Target) {
	names := map[[2]string]*Node{}
	for _, n := range l.p.published() {
		kept := t.Snowflake.Table(n.Name())
		if kept.Mode == "none" {
			continue
		}
		schema, table := t.snowflakeName(n, kept.As)
		at := n.Pos
		if kept.As != "" {
			at = kept.Origin.At("as")
		}
		name := [2]string{schema, table}
		switch other := names[name]; {
		case slices.Contains(snowflakeSchemas, schema):
			l.problem(at, "give it another name by tables: { "+n.Name()+": { as: SCHEMA.TABLE } } of the target", "%s would go to the schema %s of Snowflake, which is not for tables", n.Name(), schema)
		case strings.Contains(table, "__MR_"):
			l.problem(at, "give it another name by tables: { "+n.Name()+": { as: … } } of the target", "%s: tables named …__MR_… in Snowflake are the staging of loads, and swept", n.Name())
		case other != nil:
			l.problem(at, "give one of them another name by tables: { "+n.Name()+": { as: … } } of the target", "%s and %s would both be %s.%s in Snowflake", other.Name(), n.Name(), schema, table)
		}
		names[name] = n
	}
}
