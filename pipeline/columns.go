package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// SchemaChange is one column that would change.
type SchemaChange struct {
	Kind   string `json:"kind"` // added, removed, type_changed
	Column string `json:"column"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
}

func (c SchemaChange) String() string {
	switch c.Kind {
	case "added":
		return fmt.Sprintf("+ %s %s", c.Column, c.To)
	case "removed":
		return fmt.Sprintf("- %s %s", c.Column, c.From)
	}
	return fmt.Sprintf("~ %s %s → %s", c.Column, c.From, c.To)
}

// schemaChanges compares two lists of columns, names without regard to case, as DuckDB does.
func schemaChanges(before, after []warehouse.Column) []SchemaChange {
	changes := []SchemaChange{}
	old := map[string]warehouse.Column{}
	for _, c := range before {
		old[strings.ToLower(c.Name)] = c
	}
	for _, c := range after {
		was, ok := old[strings.ToLower(c.Name)]
		delete(old, strings.ToLower(c.Name))
		switch {
		case !ok:
			changes = append(changes, SchemaChange{Kind: "added", Column: c.Name, To: c.Type})
		case !sameType(was.Type, c.Type):
			changes = append(changes, SchemaChange{Kind: "type_changed", Column: c.Name, From: was.Type, To: c.Type})
		}
	}
	for _, c := range before {
		if _, gone := old[strings.ToLower(c.Name)]; gone {
			changes = append(changes, SchemaChange{Kind: "removed", Column: c.Name, From: c.Type})
		}
	}
	return changes
}

// sameType compares two spellings of a type: DuckDB quotes the names inside a STRUCT or does not.
func sameType(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := warehouse.ParseType(a)
	y, err2 := warehouse.ParseType(b)
	return err1 == nil && err2 == nil && x.String() == y.String()
}

func hasColumn(columns []warehouse.Column, name string) bool {
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

func columnNames(columns []warehouse.Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.Name
	}
	return strings.Join(list, ", ")
}

// ofSource leaves out the column of ours that notes deletes.
func ofSource(columns []warehouse.Column) []warehouse.Column {
	return slices.DeleteFunc(slices.Clone(columns), func(c warehouse.Column) bool { return c.Name == models.DeletedAt })
}
