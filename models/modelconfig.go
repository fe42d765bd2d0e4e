package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file takes what config(), properties and dbt_project.yml say of a model.

// modelConfig are the keys that a model's configuration may have.
var modelConfig = []string{"materialized", "unique_key", "incremental_strategy", "schema", "alias", "tags", "owner", "description",
	"enabled", "on_schema_change", "meta", "full_refresh", "pre_hook", "post_hook", "merge_update_columns", "merge_exclude_columns",
	"incremental_predicates", "partition_by", "location", "format", "options", "delimiter", "contract", "docs", "group", "access",
	"persist_docs", "grants", "strategy", "updated_at", "check_cols", "hard_deletes", "invalidate_hard_deletes", "dbt_valid_to_current",
	"snapshot_meta_column_names", "target_schema", "target_database", "database", "sql_header", "event_time", "batch_size", "begin",
	"lookback", "concurrent_batches", "full_refresh", "quote_columns", "column_types", "static_analysis", "freshness", "packages",
	"predicates"}

// ofOthers are keys that mean something to other engines, and nothing here.
var ofOthers = []string{"cluster_by", "transient", "snowflake_warehouse", "query_tag", "automatic_clustering", "secure", "copy_grants",
	"target_lag", "refresh_mode", "dist", "sort", "sort_type", "bind", "backup", "auto_refresh", "hours_to_expiration", "labels",
	"kms_key_name", "require_partition_filter", "partition_expiration_days", "partitions", "file_format", "location_root", "buckets",
	"clustered_by", "liquid_clustered_by", "tblproperties", "indexes", "unlogged", "indices", "table_type", "databricks_tags",
	"auto_liquid_cluster", "snowflake_initialization_warehouse", "initialize", "skip_matched_step", "skip_not_matched_step", "max_staleness",
	"enable_refresh", "on_configuration_change", "resource_tags", "as_columnstore", "base_location_root", "base_location_subpath", "catalog",
	"catalog_name", "databricks_compute", "external_volume", "grant_access_to", "include_full_name_in_path", "labels_from_meta",
	"matched_condition", "merge_with_schema_evolution", "not_matched_by_source_action", "not_matched_by_source_condition",
	"not_matched_condition", "refresh_interval_minutes", "row_access_policy", "schedule", "source_alias", "target_alias", "table_format",
	"table_tag", "tmp_relation_type", "glue_register", "glue_database", "plugin"}

// ofMerge are keys of dbt-duckdb that say what a merge does with which rows: without them its table would be another.
var ofMerge = []string{"merge_clauses", "merge_update_condition", "merge_insert_condition", "merge_on_using_columns",
	"merge_update_set_expressions", "merge_returning_columns"}

// withoutEffect are dbt's keys that change nothing here, and why.
var withoutEffect = map[string]string{
	"database":        "a target has one database",
	"target_database": "a target has one database",
	"grants":          "who may read the tables is said where they are stored",
	"sql_header":      "a model is one SELECT",
	"persist_docs":    "", // descriptions are always kept
	"docs":            "", "group": "", "access": "", "meta": "", "packages": "", "static_analysis": "", "event_time": "", "quote_columns": "", "concurrent_batches": "",
	"column_types": "", "batch_size": "", "begin": "", "lookback": "", "freshness": "", "enabled": "", "schema": "", "alias": "", "target_schema": "",
}

// configure fills the node from what was said of it, in this order: later settings win, and tags and hooks add up.
func (l *loader) configure(n *Node, said []setting) bool {
	c := &configuring{loader: l, n: n, m: n.Model, ok: true}
	for _, s := range said {
		s.key = strings.ReplaceAll(s.key, "-hook", "_hook")
		keepSetting(c.m.Config, s)
		c.take(s)
	}
	l.validAccess(l.packageOf(n.Model.Package), said, n.Model.Materialized != Snapshot)
	keys := []string{"materialized", "incremental_strategy"}
	if c.m.Materialized == Incremental && c.m.Strategy == StrategyMerge {
		keys = append(keys, ofMerge...)
	}
	for _, key := range keys {
		if s, ok := c.impossible[key]; ok {
			l.unbuildable(n, s.pos, s.why, s.hint)
		}
	}
	return c.ok && l.consistent(n)
}

// configuring is one call of configure.
type configuring struct {
	*loader
	n  *Node
	m  *Model
	ok bool

	impossible map[string]impossible // what a key said last that cannot be built
}

// impossible is a setting that cannot be built.
type impossible struct {
	pos       config.Pos
	why, hint string
}

// cannot notes that a setting cannot be built, unless a later one takes it back.
func (c *configuring) cannot(s setting, why, hint string) {
	if c.impossible == nil {
		c.impossible = map[string]impossible{}
	}
	c.impossible[s.key] = impossible{s.pos, why, hint}
}

func (c *configuring) bad(s setting, hint, format string, args ...any) {
	c.problem(s.pos, hint, format, args...)
	c.ok = false
}

// keepSetting lets config.get find what was said: tags add up, what is said of meta joins what was said before, and everything else is
// replaced.
func keepSetting(kept *jinja.Dict, s setting) {
	said := s.said
	before, _ := kept.Get(s.key)
	switch s.key {
	case "tags":
		said = jinja.NewList(anys(append(texts(jinja.ToGo(before)), texts(s.value)...))...)
	case "meta":
		if now, ok := said.(*jinja.Dict); ok {
			said = joined(before, now)
		}
	}
	_ = kept.Set(s.key, said) // a text is a key
}

// joined is a dict with what was said before and what is said now, which wins.
func joined(before any, now *jinja.Dict) *jinja.Dict {
	both := jinja.NewDict()
	if d, ok := before.(*jinja.Dict); ok {
		for k, v := range d.All() {
			_ = both.Set(k, v) // it was a key before
		}
	}
	for k, v := range now.All() {
		_ = both.Set(k, v)
	}
	return both
}

// take gives one setting its effect.
func (c *configuring) take(s setting) {
	m, n := c.m, c.n
	switch s.key {
	case "materialized":
		c.materialized(s)
	case "unique_key":
		c.uniqueKey(s)
	case "incremental_strategy":
		c.strategy(s)
	case "on_schema_change":
		c.schemaChange(s)
	case "full_refresh":
		c.flag(s, &m.FullRefresh)
	case "schema", "alias", "target_schema":
		if text, ok := s.value.(string); s.value != nil && (!ok || text == "") {
			c.bad(s, "", "%s must be a text", s.key)
		}
	case "owner":
		c.text(s, &n.Owner)
	case "description":
		c.text(s, &n.Description)
	case "tags":
		for _, t := range c.list(s) {
			if !slices.Contains(n.Tags, t) {
				n.Tags = append(n.Tags, t)
			}
		}
	case "pre_hook":
		m.Before = append(m.Before, c.hooks(s)...)
	case "post_hook":
		m.Behind = append(m.Behind, c.hooks(s)...)
	case "merge_update_columns":
		m.MergeUpdate = c.list(s)
	case "merge_exclude_columns":
		m.MergeExclude = c.list(s)
	case "incremental_predicates", "predicates":
		m.Predicates = c.list(s)
	case "partition_by":
		c.partition(s)
	case "location", "format", "delimiter", "options":
		c.location(s)
	case "strategy", "updated_at", "check_cols", "hard_deletes", "invalidate_hard_deletes", "dbt_valid_to_current", "snapshot_meta_column_names":
		c.slowly(s)
	case "contract":
		c.contract(s)
	default:
		c.other(s)
	}
}

func (c *configuring) other(s setting) {
	why, known := withoutEffect[s.key]
	if slices.Contains(ofMerge, s.key) {
		if delete(c.impossible, s.key); s.value != nil {
			c.cannot(s, s.key+" is not there", "write the condition into the model's SELECT, or use merge_update_columns and incremental_predicates")
		}
		return
	}
	switch {
	case known && why == "", s.value == nil:
	case known:
		c.noEffect(s, why)
	case slices.Contains(ofOthers, s.key):
		c.noEffect(s, "it is for other engines")
	case c.isDBT():
		if guess := config.Suggest(s.key, modelConfig); guess != "" {
			c.warning(s.keyPos, fmt.Sprintf("did you mean %q?", guess), "config key %q is not known: only config.get(%q) reads it", s.key, s.key)
		}
	default:
		hint := config.DidYouMean(s.key, modelConfig, "known keys: "+strings.Join(modelConfig, ", "))
		c.problem(s.keyPos, hint, "config() has no key %q", s.key)
		c.ok = false
	}
}

// noEffect warns of a key without effect the first time that it is met.
func (l *loader) noEffect(s setting, why string) {
	if !l.toldKeys[s.key] {
		l.toldKeys[s.key] = true
		l.warning(s.keyPos, "", "config %s has no effect: %s", s.key, why)
	}
}

func (c *configuring) materialized(s setting) {
	text, _ := s.value.(string)
	m := c.m
	delete(c.impossible, s.key)
	switch m.Materialized = Materialization(text); m.Materialized {
	case View, Table, Incremental, Ephemeral, External:
	case Snapshot:
		if m.Slowly == nil {
			c.bad(s, "write it as a {% snapshot %} block in snapshots/, or as YAML below snapshots:", "a model cannot be materialized='snapshot'")
		}
	case "seed", "test", "unit", "clone":
		c.bad(s, "use view, table, incremental, external or ephemeral", "materialized=%q is no model's", text)
	case "materialized_view", "dynamic_table", "streaming_table":
		m.Materialized = Table
		c.cannot(s, fmt.Sprintf("materialized=%q needs an engine that keeps it up to date", text), "use table or incremental, on a schedule")
	case "table_function":
		m.Materialized = Table
		c.cannot(s, "materialized=\"table_function\" would live in a database file", "write a macro, or a view")
	default:
		if slices.ContainsFunc([]string{"default", "duckdb"}, func(adapter string) bool { return c.p.Macros.Has("materialization_" + text + "_" + adapter) }) {
			m.Materialized = Table
			c.cannot(s, fmt.Sprintf("materialized=%q is a macro of the project's own, and materializations are native here", text),
				"use view, table, incremental, external or ephemeral")
			return
		}
		c.bad(s, "use view, table, incremental, external or ephemeral", "materialized=%q is not known", fmt.Sprint(s.value))
	}
}

func (c *configuring) uniqueKey(s setting) {
	key := texts(s.value)
	list, _ := s.value.([]any)
	if c.isDBT() && (s.value == nil || s.value == "" || list != nil && len(list) == 0) { // dbt takes these for none
		c.m.UniqueKey = nil
		return
	}
	if len(key) == 1 && strings.Contains(key[0], ",") && !strings.ContainsAny(key[0], "()") { // dbt takes it for SQL; it means a list
		key = strings.Split(key[0], ",")
		for i := range key {
			key[i] = strings.TrimSpace(key[i])
		}
	}
	if len(key) == 0 {
		c.bad(s, "write unique_key='id' or unique_key=['a', 'b']", "unique_key must name columns")
	}
	c.m.UniqueKey = key
	if c.m.Slowly != nil {
		c.m.Slowly.UniqueKey = key
	}
}

func (c *configuring) strategy(s setting) {
	text, _ := s.value.(string)
	m := c.m
	delete(c.impossible, s.key)
	if s.value == nil || text == "default" {
		m.Strategy = ""
		return
	}
	switch m.Strategy = Strategy(strings.ReplaceAll(text, "delete_insert", string(StrategyDeleteInsert))); m.Strategy {
	case StrategyAppend, StrategyMerge, StrategyDeleteInsert, StrategyInsertOverwrite, StrategyMicrobatch:
	default:
		m.Strategy = ""
		if c.p.Macros.Has("get_incremental_" + text + "_sql") {
			c.cannot(s, fmt.Sprintf("incremental_strategy=%q is a macro of the project's own, and strategies are native here", text),
				"use append, merge, delete+insert or insert_overwrite")
			return
		}
		c.bad(s, "use append, merge, delete+insert or insert_overwrite", "incremental_strategy=%q is not known", fmt.Sprint(s.value))
	}
}

func (c *configuring) schemaChange(s setting) {
	text, _ := s.value.(string)
	switch text {
	case SchemaChangeIgnore, SchemaChangeFail, SchemaChangeAppend, SchemaChangeSync:
		c.m.OnSchemaChange = text
	default:
		c.bad(s, "use ignore, fail, append_new_columns or sync_all_columns", "on_schema_change=%q is not known", fmt.Sprint(s.value))
	}
}

func (c *configuring) flag(s setting, into **bool) {
	switch v := s.value.(type) {
	case nil:
		*into = nil
	case bool:
		*into = &v
	default:
		c.bad(s, "", "%s must be true or false, not %v", s.key, s.value)
	}
}

func (c *configuring) text(s setting, into *string) {
	text, ok := s.value.(string)
	if !ok && s.value != nil {
		c.bad(s, "", "%s must be a text", s.key)
	}
	*into = text
}

// list reads a text or a list of texts.
func (c *configuring) list(s setting) []string {
	all := texts(s.value)
	if list, isList := s.value.([]any); s.value != nil && (isList && len(all) < len(list) || !isList && all == nil) {
		c.bad(s, "", "%s must be a text or a list of texts", s.key)
	}
	return all
}

// hooks reads SQL, a list of it, or dbt's { sql: …, transaction: … }.
func (c *configuring) hooks(s setting) []Hook {
	var all []Hook
	items, isList := s.value.([]any)
	if !isList {
		items = []any{s.value}
	}
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			item = m["sql"]
		}
		text, ok := item.(string)
		switch {
		case item == nil:
			continue
		case !ok:
			c.bad(s, "", "%s must be SQL, or a list of it", s.key)
			continue
		}
		if h, ok := c.hook(text, s.pos); ok {
			all = append(all, h)
		} else {
			c.ok = false
		}
	}
	return all
}

// hook parses one hook.
func (l *loader) hook(text string, pos config.Pos) (Hook, bool) {
	t, err := jinja.Parse(pos.File, text)
	if err != nil {
		l.templateProblem(pos.File, err)
		return Hook{}, false
	}
	return Hook{Template: t, Pos: pos}, true
}

func (c *configuring) partition(s setting) {
	if _, ofBigQuery := s.value.(map[string]any); ofBigQuery {
		c.noEffect(s, "partitions of BigQuery are not DuckDB's")
		return
	}
	c.m.PartitionBy = c.list(s)
}

func (c *configuring) location(s setting) {
	if c.m.Location == nil {
		c.m.Location = &Location{Options: map[string]any{}}
	}
	at := c.m.Location
	switch s.key {
	case "location":
		c.text(s, &at.Path)
	case "format":
		c.text(s, &at.Format)
	case "delimiter":
		at.Options["delimiter"] = s.value
	case "options":
		options, ok := s.value.(map[string]any)
		if !ok && s.value != nil {
			c.bad(s, "write options={'compression': 'zstd'}", "options must be a dict")
		}
		for k, v := range options {
			at.Options[k] = v
		}
	}
}

// slowly takes what is about snapshots.
func (c *configuring) slowly(s setting) {
	w := c.m.Slowly
	if w == nil {
		return // config.get may read it
	}
	switch s.key {
	case "strategy":
		if c.text(s, &w.Strategy); w.Strategy != "timestamp" && w.Strategy != "check" {
			c.bad(s, "use timestamp or check", "strategy=%q is not known", w.Strategy)
		}
	case "updated_at":
		c.text(s, &w.UpdatedAt)
	case "check_cols":
		if s.value == "all" {
			w.CheckAll, w.CheckCols = true, nil
		} else {
			w.CheckAll, w.CheckCols = false, c.list(s)
		}
	case "hard_deletes":
		if c.text(s, &w.HardDeletes); !slices.Contains([]string{"ignore", "invalidate", "new_record"}, w.HardDeletes) {
			c.bad(s, "use ignore, invalidate or new_record", "hard_deletes=%q is not known", w.HardDeletes)
		}
	case "invalidate_hard_deletes":
		if boolOf(s.value, false) {
			w.HardDeletes = "invalidate"
		}
	case "dbt_valid_to_current":
		c.text(s, &w.ValidTo)
	case "snapshot_meta_column_names":
		names, _ := s.value.(map[string]any)
		w.Columns = map[string]string{}
		for key, name := range names {
			if text, ok := name.(string); ok {
				w.Columns[key] = text
			}
		}
	}
}

// contract is dbt's contract={'enforced': true}; the columns and their types stand in the properties.
func (c *configuring) contract(s setting) {
	said, ok := s.value.(map[string]any)
	if !ok {
		c.bad(s, "write contract: { enforced: true } in a properties file, where the columns and their types are", "contract must be a dict")
		return
	}
	c.enforced[c.n] = boolOf(said["enforced"], false)
}

// consistent checks the settings of a model against each other.
func (l *loader) consistent(n *Node) bool {
	m := n.Model
	if m.Slowly != nil {
		return l.consistentSnapshot(n)
	}
	if m.Materialized != Incremental {
		if m.Location != nil && m.Materialized != External {
			m.Location = nil
		}
		if (m.Strategy != "" || len(m.UniqueKey) > 0) && !l.isDBT() {
			l.warning(n.Pos, "", "%s: unique_key and incremental_strategy have no effect with materialized=%q", n.Name(), m.Materialized)
		}
		return true
	}
	if m.Strategy == "" {
		m.Strategy = StrategyAppend
		if len(m.UniqueKey) > 0 {
			if m.Strategy = StrategyMerge; l.isDBT() {
				m.Strategy = StrategyDeleteInsert // as dbt-duckdb does, whose SELECT may have several rows of a key
			}
		}
	}
	if m.Strategy == StrategyDeleteInsert && len(m.UniqueKey) == 0 && l.isDBT() {
		m.Strategy = StrategyAppend // nothing says which rows would have to go: dbt deletes none
	}
	switch {
	case (m.Strategy == StrategyMerge || m.Strategy == StrategyDeleteInsert) && len(m.UniqueKey) == 0:
		l.problem(n.Pos, "add unique_key to config()", "%s: incremental_strategy=%q needs a unique_key", n.Name(), m.Strategy)
	case m.Strategy == StrategyInsertOverwrite && len(m.PartitionBy) == 0:
		l.problem(n.Pos, "add partition_by to config()", "%s: incremental_strategy=%q needs partition_by", n.Name(), m.Strategy)
	case m.Strategy == StrategyMicrobatch:
		return l.batches(n)
	case len(m.MergeUpdate) > 0 && len(m.MergeExclude) > 0:
		l.problem(n.Pos, "use one of them", "%s: merge_update_columns and merge_exclude_columns contradict each other", n.Name())
	default:
		return true
	}
	return false
}

func (l *loader) consistentSnapshot(n *Node) bool {
	w := n.Model.Slowly
	switch {
	case len(w.UniqueKey) == 0:
		l.problem(n.Pos, "add unique_key to its config", "snapshot %s needs a unique_key", n.Model.Name)
	case w.Strategy == "":
		l.problem(n.Pos, "add strategy='timestamp' with updated_at, or strategy='check' with check_cols", "snapshot %s needs a strategy", n.Model.Name)
	case w.Strategy == "timestamp" && w.UpdatedAt == "":
		l.problem(n.Pos, "add updated_at to its config", "snapshot %s: strategy timestamp needs updated_at, the column that says when a row has changed", n.Model.Name)
	case w.Strategy == "check" && !w.CheckAll && len(w.CheckCols) == 0:
		l.problem(n.Pos, "add check_cols='all', or a list of columns", "snapshot %s: strategy check needs check_cols", n.Model.Name)
	default:
		return true
	}
	return false
}
