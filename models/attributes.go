package models

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads what properties files and dbt_project.yml say alike of exposures and of unit tests, which are no nodes.

type (
	attributeKeys struct {
		Description string            `yaml:"description" doc:"What it is for."`
		Tags        config.StringList `yaml:"tags" doc:"Words to select it by."`
		Meta        config.Node       `yaml:"meta" doc:"Anything."`
		Config      attributeConfig   `yaml:"config" doc:"enabled, tags and meta."`
	}
	attributeConfig struct {
		config.Origin
		Enabled *bool             `yaml:"enabled" doc:"false leaves it out."`
		Tags    config.StringList `yaml:"tags" doc:"Words to select it by."`
		Meta    config.Node       `yaml:"meta" doc:"Anything."`
	}
)

// attributes are what the keys say, with what dbt_project.yml says besides.
type attributes struct {
	enabled bool
	tags    []string
	meta    *jinja.Dict
}

// attributes reads them: tags add up, and of enabled and meta the resource's own word counts before that of the tree.
func (l *loader) attributes(p *dbtPackage, keys *attributeKeys, tree func(*dbtKeys) config.Node, fqn []string) attributes {
	a := attributes{enabled: true, tags: slices.Concat(keys.Tags, keys.Config.Tags), meta: jinja.NewDict()}
	for _, s := range l.cascade(p, tree, fqn) {
		switch s.key {
		case "enabled":
			if on, ok := s.value.(bool); ok {
				a.enabled = on
			}
		case "tags":
			a.tags = append(a.tags, tagsIn(s.value)...)
		case "meta":
			if said, ok := s.said.(*jinja.Dict); ok {
				a.meta = joined(a.meta, said)
			}
		}
	}
	if own := keys.Config.Enabled; own != nil {
		a.enabled = *own
	}
	a.meta = metaOf(a.meta, keys.Meta, keys.Config.Meta)
	return a
}

// tagsIn are the texts of a value that is one or a list of them.
func tagsIn(v any) []string {
	var texts []string
	switch v := v.(type) {
	case string:
		texts = append(texts, v)
	case []any:
		for _, one := range v {
			texts = append(texts, fmt.Sprint(one))
		}
	}
	return texts
}
