package duckdb

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"

	driverdb "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/internal/sqltoken"
)

// MaxRows is how many rows Query returns at most: the driver holds them all, outside DuckDB's memory limit.
const MaxRows = 200_000

// Column is a column's name and its type, as DuckDB spells it.
type Column struct{ Name, Type string }

// Rows is a small answer. A value is nil, bool, int64, uint64 (a UBIGINT beyond int64), float64, []byte for a
// BLOB, and string for everything else: DuckDB's own text of a decimal, a date, a list…
type Rows struct {
	Columns []Column
	Values  [][]any
}

// CheckSelect refuses everything but exactly one SELECT (also spelled FROM, VALUES, WITH, SUMMARIZE, DESCRIBE).
// It only parses: the tables need not be there.
func (db *DB) CheckSelect(ctx context.Context, query string) error {
	return db.with(ctx, func(conn *driverdb.Conn) error { return checkSelect(ctx, conn, query) })
}

func checkSelect(ctx context.Context, conn *driverdb.Conn, query string) error {
	_, err := parseSelect(ctx, conn, query)
	return err
}

// parseSelect is the parser's tree of exactly one SELECT, and refuses everything else.
func parseSelect(ctx context.Context, conn *driverdb.Conn, query string) (tree string, err error) {
	if at := strings.IndexByte(query, 0); at >= 0 {
		return "", nul(at)
	}
	answers, err := serialized(ctx, conn, query)
	if err != nil {
		return "", err
	}
	return answers[0], selectError(answers[0])
}

func nul(at int) error { return &Error{Kind: "Parser", Message: "a NUL byte", Offset: at} }

// CheckSelects is CheckSelect of many queries, for little more than it takes for one: an error for each, or nil.
func (db *DB) CheckSelects(ctx context.Context, queries []string) ([]error, error) {
	found, texts := make([]error, len(queries)), make([]string, len(queries))
	for i, query := range queries {
		if at := strings.IndexByte(query, 0); at >= 0 {
			found[i] = nul(at)
		} else {
			texts[i] = query
		}
	}
	err := db.with(ctx, func(conn *driverdb.Conn) error {
		answers, err := serialized(ctx, conn, texts...)
		for i := range answers {
			if found[i] == nil {
				found[i] = selectError(answers[i])
			}
		}
		return err
	})
	return found, err
}

// Tree is a SELECT as the parser understands it, in the JSON that DuckDB writes of it. The tables need not be there.
func (db *DB) Tree(ctx context.Context, query string) (tree []byte, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		text, err := parseSelect(ctx, conn, query)
		tree = []byte(text)
		return err
	})
	return tree, err
}

// Trees are the parser's answers to queries, as JSON; of one that it cannot parse, or that is no SELECT, the answer says so.
func (db *DB) Trees(ctx context.Context, queries []string) (trees []string, err error) {
	texts := make([]string, len(queries))
	for i, query := range queries {
		if strings.IndexByte(query, 0) < 0 { // what has a NUL byte is nothing that could be parsed
			texts[i] = query
		}
	}
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		trees, err = serialized(ctx, conn, texts...)
		return err
	})
	return trees, err
}

// Untree is the SELECT that a tree says.
func (db *DB) Untree(ctx context.Context, tree []byte) (query string, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		return execOne(ctx, conn, "SELECT json_deserialize_sql("+quote(string(tree))+"::JSON)", func(v []driver.Value) error {
			query, _ = v[0].(string)
			return nil
		})
	})
	return query, err
}

// serialized are the parser's answers to statements: DuckDB serializes SELECT and nothing else, and says so in the answer. A PIVOT
// without IN is no SELECT to it, so that it is asked once more, with one.
func serialized(ctx context.Context, conn *driverdb.Conn, queries ...string) ([]string, error) {
	answers, err := serialize(ctx, conn, queries)
	if err != nil {
		return nil, err
	}
	for i, query := range queries {
		if !strings.Contains(answers[i], `"error_type":"not implemented"`) {
			continue
		}
		if open := sqltoken.OpenPivots(query); len(open) > 0 {
			again, err := serialize(ctx, conn, []string{pinned(query, open)})
			if err != nil {
				return nil, err
			}
			if selectError(again[0]) == nil { // else the first answer is about what is written
				answers[i] = unpinned(again[0], open)
			}
		}
	}
	return answers, nil
}

func serialize(ctx context.Context, conn *driverdb.Conn, queries []string) ([]string, error) {
	answers, calls := make([]string, len(queries)), make([]string, len(queries))
	for i, query := range queries {
		calls[i] = "json_serialize_sql(" + quote(query) + ")::VARCHAR"
	}
	err := execOne(ctx, conn, "SELECT "+strings.Join(calls, ", "), func(v []driver.Value) error {
		for i := range answers {
			answers[i], _ = v[i].(string)
		}
		return nil
	})
	return answers, err
}

// selectError reads what json_serialize_sql says of a query: nil when it is one SELECT.
func selectError(answer string) error {
	var parsed struct {
		Error      bool              `json:"error"`
		Type       string            `json:"error_type"`
		Message    string            `json:"error_message"`
		Position   json.Number       `json:"position"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
		return fmt.Errorf("duckdb: read the parser's answer: %w", err)
	}
	switch {
	case parsed.Error && parsed.Type == "not implemented":
		return &Error{Kind: "Parser", Message: "only one SELECT statement is allowed here", Offset: -1}
	case parsed.Error:
		e := &Error{Kind: "Parser", Message: parsed.Message, Offset: -1}
		if n, err := parsed.Position.Int64(); err == nil {
			e.Offset = int(n)
		}
		return e
	case len(parsed.Statements) != 1:
		return &Error{Kind: "Parser", Offset: -1,
			Message: fmt.Sprintf("exactly one SELECT statement is allowed here, got %d", len(parsed.Statements))}
	}
	return nil
}

// Numbers runs SELECTs that each give one row with one BIGINT, in one statement. They are ours: nothing checks them.
func (db *DB) Numbers(ctx context.Context, selects []string) ([]int64, error) {
	parts := make([]string, len(selects))
	for i, s := range selects {
		parts[i] = fmt.Sprintf("SELECT %d, n FROM (\n%s\n) AS t(n)", i, s)
	}
	numbers, answered := make([]int64, len(selects)), 0
	err := db.with(ctx, func(conn *driverdb.Conn) error {
		return problem(ctx, execOne(ctx, conn, strings.Join(parts, "\nUNION ALL\n"), func(v []driver.Value) error {
			at, _ := plain(v[0]).(int64)
			n, isNumber := v[1].(int64)
			if !isNumber {
				return fmt.Errorf("the SELECT gives %T, and not a number: %s", v[1], selects[at])
			}
			numbers[at] = n
			answered++
			return nil
		}))
	})
	if err == nil && answered != len(selects) {
		err = fmt.Errorf("%d numbers came for %d SELECTs", answered, len(selects))
	}
	return numbers, err
}

// Describe checks like CheckSelect, binds the query and gives its columns without running it.
func (db *DB) Describe(ctx context.Context, query string) (columns []Column, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		columns, err = describe(ctx, conn, query)
		return err
	})
	return columns, err
}

func describe(ctx context.Context, conn *driverdb.Conn, query string) ([]Column, error) {
	if err := checkSelect(ctx, conn, query); err != nil {
		return nil, err
	}
	columns, err := describeAs(ctx, conn, "DESCRIBE (\n", query)
	var e *Error
	if errors.As(err, &e) && e.Kind == "Parser" { // of SUMMARIZE, DESCRIBE, SHOW: legal, but not in that place
		return describeAs(ctx, conn, "DESCRIBE SELECT * FROM (\n", query)
	}
	return columns, err
}

func describeAs(ctx context.Context, conn *driverdb.Conn, prefix, query string) ([]Column, error) {
	query = Trim(query)
	var columns []Column
	err := execOne(ctx, conn, prefix+query+"\n)", func(v []driver.Value) error {
		columns = append(columns, Column{v[0].(string), v[1].(string)})
		return nil
	})
	return columns, shift(problem(ctx, err), len(prefix), len(query))
}

// Query runs a SELECT and holds its answer; more than MaxRows rows are an error.
func (db *DB) Query(ctx context.Context, query string) (rows *Rows, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		rows, err = runQuery(ctx, conn, query)
		return err
	})
	return rows, err
}

func runQuery(ctx context.Context, conn *driverdb.Conn, query string) (*Rows, error) {
	columns, err := describe(ctx, conn, query)
	if err != nil {
		return nil, err
	}
	query = Trim(query)
	// Columns get names of ours, since theirs may repeat; what Go cannot hold exactly comes as text.
	names, items := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i] = fmt.Sprintf("c%d", i)
		items[i] = names[i]
		if !exact[c.Type] {
			items[i] += "::VARCHAR"
		}
	}
	prefix := "SELECT " + strings.Join(items, ", ") + " FROM (\n"
	suffix := fmt.Sprintf("\n) AS t(%s) LIMIT %d", strings.Join(names, ", "), MaxRows+1)
	rows := &Rows{Columns: columns}
	err = execOne(ctx, conn, prefix+query+suffix, func(v []driver.Value) error {
		if len(rows.Values) == MaxRows {
			return fmt.Errorf("the answer has more than %d rows: write it to a file instead", MaxRows)
		}
		row := make([]any, len(v))
		for i := range v {
			row[i] = plain(v[i])
		}
		rows.Values = append(rows.Values, row)
		return nil
	})
	if err != nil {
		return nil, shift(problem(ctx, err), len(prefix), len(query))
	}
	return rows, nil
}

// exact are the types whose Go value says everything.
var exact = map[string]bool{
	"BOOLEAN": true, "TINYINT": true, "SMALLINT": true, "INTEGER": true, "BIGINT": true, "HUGEINT": true,
	"UTINYINT": true, "USMALLINT": true, "UINTEGER": true, "UBIGINT": true, "UHUGEINT": true,
	"FLOAT": true, "DOUBLE": true, "VARCHAR": true, "BLOB": true,
}

// plain is a driver value as Rows promises it.
func plain(v driver.Value) any {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
		return v
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		return v.String()
	case float32:
		return float64(v)
	case []byte:
		return append([]byte{}, v...)
	default:
		return v
	}
}

// drain reads all rows.
func drain(ctx context.Context, rows driver.Rows, each func([]driver.Value) error) error {
	values := make([]driver.Value, len(rows.Columns()))
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if each == nil {
			continue
		}
		if err := each(values); err != nil {
			return err
		}
	}
}
