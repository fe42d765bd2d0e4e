package main

import (
	"context"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file finds published tables that commands are given by name.

// exposeAll makes a table readable, after what its view reads.
func exposeAll(ctx context.Context, w warehouse.Warehouse, m *load.Manifest, t *load.Table, done map[string]bool) error {
	if done[t.Name.String()] {
		return nil
	}
	done[t.Name.String()] = true
	if t.View != "" {
		for i := range m.Tables {
			if slices.Contains(t.Needs, m.Tables[i].Name.String()) {
				if err := exposeAll(ctx, w, m, &m.Tables[i], done); err != nil {
					return err
				}
			}
		}
	}
	return w.Expose(ctx, t.Version)
}

// publishedTable finds the table that a name means: schema.table, a table that is alone in having that name, or a model.
func publishedTable(p *models.Project, m *load.Manifest, name string) (*load.Table, error) {
	var found []*load.Table
	var known, matches []string
	for i := range m.Tables {
		t := &m.Tables[i]
		known = append(known, t.Name.Table, t.Name.String())
		if t.Name.String() == name || t.Name.Table == name {
			found, matches = append(found, t), append(matches, t.Name.String())
		}
	}
	node := p.Node(name)
	if node == nil {
		node = p.Model(name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, usage("%q means %d tables: name %s", name, len(found), strings.Join(matches, " or "))
	case node != nil && node.Model != nil && node.Model.Materialized == models.Ephemeral:
		return nil, usage("%s is ephemeral: it has no table of its own", node.Name())
	case node != nil:
		if t := m.Table(warehouse.Name{Schema: node.Schema, Table: node.Table}); t != nil {
			return t, nil
		}
		return nil, usage("%s is not published yet: `millrace run %s` publishes it", node.Name(), node.Name())
	}
	hint := config.DidYouMean(name, known, "`millrace query \"SHOW ALL TABLES\"` lists the tables")
	return nil, usage("no table %q is published: %s", name, hint)
}
