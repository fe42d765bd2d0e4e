package duckdb

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	driverdb "github.com/duckdb/duckdb-go/v2"
)

// Relation is a table as a query names it; Schema may be empty.
type Relation struct{ Schema, Table string }

// Repeatable says whether a SELECT surely gives the same rows each time that it runs over the same tables, and which tables
// it names. It knows a good part of SQL as such and calls the rest not repeatable: random() and now(), LIMIT and windows,
// whose ties the engine breaks as it likes, and sums, whose order shows in the last digit.
func (db *DB) Repeatable(ctx context.Context, query string) (repeatable bool, tables []Relation, err error) {
	w, err := db.walked(ctx, query)
	return w.ok, w.tables, err
}

// Moves says whether a SELECT reads the clock, or leaves something to chance on purpose: its rows may change while those of its tables
// do not. What the engine may order as it likes does not count.
func (db *DB) Moves(ctx context.Context, query string) (bool, error) {
	w, err := db.walked(ctx, query)
	return w.moves, err
}

func (db *DB) walked(ctx context.Context, query string) (w repeatWalk, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		answers, err := serialized(ctx, conn, query)
		if err != nil {
			return err
		}
		known, err := db.functions(ctx, conn)
		if err != nil {
			return err
		}
		w = repeatWalk{stability: known, ok: true}
		var tree any
		if err := json.Unmarshal([]byte(answers[0]), &tree); err != nil {
			return fmt.Errorf("duckdb: read the parser's answer: %w", err)
		}
		if told, _ := tree.(map[string]any); told["error"] == true { // it cannot say how it reads the query
			w.ok, w.moves = false, true
		}
		w.walk(tree)
		w.tree = tree
		return nil
	})
	return w, err
}

// stability says of functions what can be told of them by their names.
type stability struct {
	functions map[string]bool // that are known to be repeatable
	moving    map[string]bool // that are known to be not
}

// stabilities are those of instances with the cleaning functions and without (Config.Plain): the others have the same functions, and to list
// them costs three times what it costs to open an instance.
var stabilities struct {
	sync.Mutex
	of map[bool]stability
}

func (db *DB) functions(ctx context.Context, conn *driverdb.Conn) (stability, error) {
	stabilities.Lock()
	defer stabilities.Unlock()
	if known, ok := stabilities.of[db.plain]; ok {
		return known, nil
	}
	known := stability{functions: map[string]bool{}, moving: map[string]bool{}}
	err := execOne(ctx, conn, `SELECT function_name, coalesce(bool_and(function_type = 'scalar' AND stability = 'CONSISTENT'), false),
coalesce(bool_or(stability <> 'CONSISTENT' AND function_name <> 'error'), false) OR function_name IN ('ago', 'current_localtime', 'current_localtimestamp')
FROM duckdb_functions() GROUP BY function_name`, func(v []driver.Value) error {
		name := fmt.Sprint(v[0])
		known.functions[name], known.moving[name] = v[1] == true, v[2] == true
		return nil
	})
	if err != nil {
		return known, err
	}
	for _, aggregate := range []string{"count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or"} {
		known.functions[aggregate] = true
	}
	if stabilities.of == nil {
		stabilities.of = map[bool]stability{}
	}
	stabilities.of[db.plain] = known
	return known, nil
}

// repeatWalk walks the parser's tree of a statement.
type repeatWalk struct {
	stability
	tables    []Relation
	ok, moves bool
	tree      any
}

// repeatableKinds are the types of nodes of the tree that do not depend on order, time or chance. Constants, columns and
// functions are looked at more closely.
var repeatableKinds = map[string]bool{
	"SELECT_NODE": true, "SET_OPERATION_NODE": true, "ORDER_MODIFIER": true, "ORDER_DEFAULT": true, "ASCENDING": true, "DESCENDING": true,
	"BASE_TABLE": true, "JOIN": true, "SUBQUERY": true, "EMPTY": true, "STAR": true, "COLUMN_REF": true, "FUNCTION": true, "VALUE_CONSTANT": true,
	"CASE_EXPR": true, "OPERATOR_CAST": true, "CONJUNCTION_AND": true, "CONJUNCTION_OR": true, "ARRAY_EXTRACT": true, "STRUCT_EXTRACT": true,
	"ARRAY_SLICE": true, "ARRAY_CONSTRUCTOR": true, "TYPE": true, "UNBOUND_TYPE_INFO": true, "DISTINCT_MODIFIER": true, "EXPRESSION_LIST": true,
}

func (w *repeatWalk) walk(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			w.walk(item)
		}
	case map[string]any:
		w.node(v)
		for _, child := range v {
			w.walk(child)
		}
	}
}

func (w *repeatWalk) node(n map[string]any) {
	kind, isNode := n["type"].(string)
	if !isNode {
		return
	}
	if sample, has := n["sample"]; has && sample != nil {
		w.ok, w.moves = false, true
	}
	known := repeatableKinds[kind] || strings.HasPrefix(kind, "COMPARE_") || strings.HasPrefix(kind, "OPERATOR_") || strings.HasSuffix(kind, "_TYPE_INFO")
	switch kind {
	case "FUNCTION":
		name, _ := n["function_name"].(string)
		children, _ := n["children"].([]any)
		known = (w.functions[strings.ToLower(name)] || isOperator(name)) && name != "getvariable" && !(name == "age" && len(children) == 1)
		w.moves = w.moves || w.moving[strings.ToLower(name)] || strings.EqualFold(name, "age") && len(children) == 1
	case "JOIN":
		how, _ := n["ref_type"].(string)
		known = how == "REGULAR" || how == "CROSS" || how == "NATURAL"
	case "BASE_TABLE":
		schema, _ := n["schema_name"].(string)
		table, _ := n["table_name"].(string)
		w.tables = append(w.tables, Relation{schema, table})
	case "COLUMN_REF":
		if names, _ := n["column_names"].([]any); len(names) == 1 { // current_date and the like are spelled as columns
			name := strings.ToLower(fmt.Sprint(names[0]))
			known = !strings.HasPrefix(name, "current_") && !strings.HasPrefix(name, "local") && name != "user" && name != "session_user"
			w.moves = w.moves || slices.Contains(clocks, name)
		}
	case "DISTINCT_MODIFIER":
		targets, _ := n["distinct_on_targets"].([]any)
		known = len(targets) == 0
	}
	w.ok = w.ok && known
}

// clocks are those that are spelled as columns.
var clocks = []string{"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}

func isOperator(name string) bool { return name != "" && strings.Trim(name, "+-*/%|&^<>=!~@") == "" }
