package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Rewrite gives every text of the document another value where the function says so: what other tools write as a template inside of
// YAML. Path are the keys that lead to it; "*" stands for a place in a list. The value may be nil, a bool, an int64, a float64, a string,
// a []any or a map[string]any, whose keys come in their order. Places stay those of the text.
func (f *File) Rewrite(value func(path []string, text string, pos Pos) (any, bool)) {
	if f.root != nil {
		f.root = f.root.rewrite(nil, value)
	}
}

// rewrite gives a copy where something below has changed: what an anchor marks may be read through another path too.
func (n *node) rewrite(path []string, value func([]string, string, Pos) (any, bool)) *node {
	switch n.kind {
	case stringKind:
		if v, ok := value(path, n.text, n.pos); ok {
			return built(v, n.pos)
		}
	case listKind:
		var items []*node
		for i, item := range n.items {
			if fresh := item.rewrite(append(path, "*"), value); fresh != item {
				if items == nil {
					items = slices.Clone(n.items)
				}
				items[i] = fresh
			}
		}
		if items != nil {
			copied := *n
			copied.items = items
			return &copied
		}
	case mappingKind:
		var entries []entry
		for i, e := range n.entries {
			if fresh := e.value.rewrite(append(path, e.key), value); fresh != e.value {
				if entries == nil {
					entries = slices.Clone(n.entries)
				}
				entries[i].value = fresh
			}
		}
		if entries != nil {
			copied := *n
			copied.entries = entries
			return &copied
		}
	}
	return n
}

// built makes a node of a Go value.
func built(v any, pos Pos) *node {
	n := &node{pos: pos, size: 1}
	switch v := v.(type) {
	case nil:
		n.kind, n.text = nullKind, "null"
	case bool:
		n.kind, n.text, n.plain = boolKind, strconv.FormatBool(v), true
	case int64:
		n.kind, n.text, n.plain = intKind, strconv.FormatInt(v, 10), true
	case float64:
		n.kind, n.text, n.plain = floatKind, strconv.FormatFloat(v, 'g', -1, 64), true
	case []any:
		n.kind = listKind
		for _, item := range v {
			n.items = append(n.items, built(item, pos))
		}
	case map[string]any:
		n.kind = mappingKind
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.entries = append(n.entries, entry{key: key, pos: pos, value: built(v[key], pos)})
		}
	default:
		n.kind, n.text = stringKind, fmt.Sprint(v)
	}
	return n
}
