package duckdb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Parsed is what the parser can tell of a SELECT.
type Parsed struct {
	// Hash is the same for texts that differ by comments, white space, and upper or lower case of SQL's words alone; "" when the parser
	// cannot say how it reads the query.
	Hash string
	// Moves says that it reads the clock, or leaves something to chance on purpose.
	Moves bool
	// Tables are those that it names, but for its own WITH.
	Tables []Relation
	// Outside are functions that give rows from elsewhere than from tables: read_csv and the like.
	Outside []string
}

// Parse asks the parser about a SELECT; nothing is bound.
func (db *DB) Parse(ctx context.Context, query string) (*Parsed, error) {
	w, err := db.walked(ctx, query)
	if err != nil {
		return nil, err
	}
	p := &Parsed{Moves: w.moves}
	if told, _ := w.tree.(map[string]any); told["error"] == true {
		return p, nil
	}
	own := map[string]bool{}
	p.look(w.tree, own)
	p.Tables = slices.DeleteFunc(w.tables, func(r Relation) bool { return r.Schema == "" && own[strings.ToLower(r.Table)] })
	slices.SortFunc(p.Tables, func(a, b Relation) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Table, b.Table))
	})
	slices.Sort(p.Outside)
	text, err := json.Marshal(w.tree)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	p.Hash = hex.EncodeToString(sum[:12])
	return p, nil
}

// generators are the table functions that make rows of their arguments alone.
var generators = []string{"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}

// look takes the places out of the tree and finds the names of its WITH and its table functions.
func (p *Parsed) look(v any, own map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			p.look(item, own)
		}
	case map[string]any:
		delete(v, "query_location")
		if ctes, has := v["cte_map"].(map[string]any); has {
			entries, _ := ctes["map"].([]any)
			for _, entry := range entries {
				if e, _ := entry.(map[string]any); e != nil {
					name, _ := e["key"].(string)
					own[strings.ToLower(name)] = true
				}
			}
		}
		if v["type"] == "TABLE_FUNCTION" {
			f, _ := v["function"].(map[string]any)
			if name, _ := f["function_name"].(string); !slices.Contains(generators, strings.ToLower(name)) && !slices.Contains(p.Outside, name) {
				p.Outside = append(p.Outside, name)
			}
		}
		for _, child := range v {
			p.look(child, own)
		}
	}
}
