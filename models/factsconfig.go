package models

import (
	"slices"

	"github.com/millrace/millrace/models/jinja"
)

// This file is the configuration of a node as templates see it in model.config and graph.nodes: all that dbt has, with its defaults.

// configDefaults are what dbt's configuration of every model, seed and snapshot has, in dbt's order.
func configDefaults() []any {
	return []any{"enabled", true, "alias", nil, "schema", nil, "database", nil, "tags", nil, "meta", nil, "group", nil, "materialized", nil,
		"incremental_strategy", nil, "batch_size", nil, "lookback", 1, "begin", nil, "persist_docs", jinja.NewDict(), "post-hook", nil,
		"pre-hook", nil,
		"quoting", jinja.NewDict(), "column_types", jinja.NewDict(), "full_refresh", nil, "unique_key", nil, "on_schema_change",
		SchemaChangeIgnore,
		"on_configuration_change", "apply", "grants", jinja.NewDict(), "packages", jinja.NewList(), "docs", nil, "contract", nil, "event_time",
		nil,
		"concurrent_batches", nil}
}

// configFacts are a node's configuration.
func (p *Project) configFacts(n *Node) factsOf {
	f := newFacts().putAll(configDefaults()...)
	f.putAll("meta", jinja.NewDict(), "tags", []any{}, "docs", newFacts().putAll("show", true, "node_color", nil).Dict,
		"contract", n.contractFacts().Dict, "pre-hook", []any{}, "post-hook", []any{})
	switch n.ResourceType() {
	case "model":
		f.putAll("access", "protected", "freshness", nil)
	case "seed":
		f.putAll("delimiter", ",", "quote_columns", nil)
	case "snapshot":
		f.putAll("strategy", nil, "target_schema", nil, "target_database", nil, "updated_at", nil, "check_cols", nil,
			"snapshot_meta_column_names", newFacts().putAll("dbt_valid_to", nil, "dbt_valid_from", nil, "dbt_scd_id", nil, "dbt_updated_at", nil,
				"dbt_is_deleted", nil).Dict, "dbt_valid_to_current", nil)
	}
	n.saidFacts(f)
	switch {
	case n.Model != nil:
		f.putAll("materialized", string(n.Model.Materialized), "pre-hook", hookFacts(n.Model.Before), "post-hook", hookFacts(n.Model.Behind),
			"on_schema_change", n.Model.OnSchemaChange)
	case n.Seed != nil:
		f.put("materialized", "seed")
	}
	return f
}

// saidFacts puts what was said: under config, and of properties files besides.
func (n *Node) saidFacts(f factsOf) {
	var said *jinja.Dict
	if n.Model != nil {
		said = n.Model.Config
	} else if n.Seed != nil {
		said = n.Seed.Config
	}
	if t := n.props; t != nil {
		if t.Docs.IsMapping() {
			docs, _ := f.Get("docs")
			f.put("docs", joined(docs, templateValue(t.Docs).(*jinja.Dict)))
		}
		if _, ofModel := f.Get("access"); ofModel && t.Access.IsScalar() {
			f.put("access", t.Access.Text())
		}
		if t.Group.IsScalar() {
			f.put("group", t.Group.Text())
		}
	}
	for k, v := range said.All() {
		key, _ := k.(string)
		switch before, _ := f.Get(key); {
		case slices.Contains([]string{"pre_hook", "post_hook", "contract"}, key): // they are there in dbt's form
		case key == "docs" || key == "snapshot_meta_column_names":
			if d, ok := v.(*jinja.Dict); ok {
				f.put(key, joined(before, d))
			}
		case v == nil && before != nil: // nothing is said
		default:
			f.put(key, jinja.Copy(v))
		}
	}
}

// hookFacts are hooks as dbt tells them.
func hookFacts(hooks []Hook) []any {
	all := []any{}
	for _, h := range hooks {
		all = append(all, newFacts().putAll("sql", h.Template.Source(), "transaction", true, "index", nil).Dict)
	}
	return all
}
