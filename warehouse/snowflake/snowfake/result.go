package snowfake

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// exec runs one statement of DuckDB and tells how many rows it has changed.
func (a *Account) exec(ctx context.Context, statement string) (int64, error) {
	result, err := a.conn.ExecContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// atomic runs f as one of DuckDB's transactions.
func (a *Account) atomic(ctx context.Context, f func() error) error {
	// A client that goes while DuckDB begins would leave the transaction open, and the next one could not begin.
	if _, err := a.exec(context.WithoutCancel(ctx), "BEGIN TRANSACTION"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = a.exec(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = a.exec(context.WithoutCancel(ctx), "ROLLBACK") // a COMMIT that failed has rolled back already
	}
	return err
}

// scalars runs a query that answers with one row of numbers.
func (a *Account) scalars(ctx context.Context, query string, into ...*int64) error {
	values := make([]any, len(into))
	for i := range into {
		values[i] = into[i]
	}
	return a.conn.QueryRowContext(ctx, query).Scan(values...)
}

// answer runs a query and gives what it answers as the JSON of results has it.
func (a *Account) answer(ctx context.Context, query string) (*Answer, error) {
	rows, err := a.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	answer := &Answer{Type: TypeSelect, Rows: [][]*string{}}
	for _, t := range types {
		c, err := columnFor(t.Name(), t.DatabaseTypeName())
		if err != nil {
			return nil, err
		}
		answer.Columns = append(answer.Columns, c)
	}
	for rows.Next() {
		values := make([]any, len(types))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		row := make([]*string, len(types))
		for i, v := range values {
			if row[i], err = encode(*v.(*any), answer.Columns[i].Type); err != nil {
				return nil, err
			}
		}
		answer.Rows = append(answer.Rows, row)
	}
	return answer, rows.Err()
}

// family is what a type of DuckDB is in an answer of Snowflake, in one word.
func family(duckdb string) string {
	name, _, _ := strings.Cut(duckdb, "(")
	switch name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DECIMAL":
		return "number"
	case "FLOAT", "DOUBLE":
		return "real"
	case "VARCHAR":
		return "text"
	case "BOOLEAN":
		return "boolean"
	case "DATE":
		return "date"
	case "TIME":
		return "time"
	case "TIMESTAMP":
		return "ntz"
	case "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE":
		return "ltz"
	case "BLOB":
		return "binary"
	case "JSON":
		return "variant"
	case "SQLNULL", `"NULL"`, "NULL":
		return "null"
	}
	return ""
}

// columnFor is a column as the driver is told of it (gosnowflake v2.1.0, converter.go, stringToValue, names the types).
func columnFor(name, kind string) (Column, error) {
	c := Column{Name: name, Nullable: true}
	switch family(kind) {
	case "number":
		c.Type, c.Precision = "fixed", maxPrecision
		if _, err := fmt.Sscanf(kind, "DECIMAL(%d,%d)", &c.Precision, &c.Scale); err != nil && strings.HasPrefix(kind, "DECIMAL") {
			return c, err
		}
	case "real":
		c.Type = "real"
	case "text", "null":
		c.Type, c.Length = "text", defaultText
	case "boolean", "date", "variant":
		c.Type = family(kind)
	case "time":
		c.Type, c.Scale = "time", defaultTime
	case "ntz", "ltz":
		c.Type, c.Scale = "timestamp_"+family(kind), defaultTime
	case "binary":
		c.Type, c.Length = "binary", defaultBinary
	default:
		return c, unknownf("values of DuckDB's type %s", kind)
	}
	return c, nil
}

// encode is a value as the JSON of results has it (gosnowflake v2.1.0, converter.go, stringToValue).
func encode(value any, kind string) (*string, error) {
	var text string
	switch v := value.(type) {
	case nil:
		return nil, nil
	case bool:
		text = "0"
		if v {
			text = "1"
		}
	case string:
		text = v
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		text = fmt.Sprint(v)
	case *big.Int:
		text = v.String()
	case duckdb.Decimal:
		text = decimalText(v)
	case float32:
		text = realText(float64(v))
	case float64:
		text = realText(v)
	case []byte:
		text = strings.ToUpper(hex.EncodeToString(v))
	case time.Time:
		text = timeText(v, kind)
	default:
		if kind != "variant" {
			return nil, unknownf("values of the type %T", value)
		}
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	if _, isText := value.(string); kind == "variant" && isText {
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	return &text, nil
}

func decimalText(d duckdb.Decimal) string {
	text := new(big.Int).Abs(d.Value).String()
	if scale := int(d.Scale); scale > 0 {
		if len(text) <= scale {
			text = strings.Repeat("0", scale-len(text)+1) + text
		}
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if d.Value.Sign() < 0 {
		text = "-" + text
	}
	return text
}

// realText has nine digits, as the JSON of results has (https://github.com/snowflakedb/snowflake-jdbc/issues/898).
func realText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return strconv.FormatFloat(v, 'g', 9, 64)
}

// timeText is days for a date, and else seconds with nine digits behind the point.
func timeText(v time.Time, kind string) string {
	v = v.UTC()
	switch kind {
	case "date":
		return strconv.FormatInt(v.Unix()/86400, 10)
	case "time":
		seconds := v.Hour()*3600 + v.Minute()*60 + v.Second()
		return fmt.Sprintf("%d.%09d", seconds, v.Nanosecond())
	}
	return fmt.Sprintf("%d.%09d", v.Unix(), v.Nanosecond())
}

// columnsOf are the columns of a query that does not run.
func (a *Account) columnsOf(ctx context.Context, query string) (names, kinds []string, err error) {
	rows, err := a.conn.QueryContext(ctx, "DESCRIBE "+query)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind string
		var rest sql.NullString
		if err := rows.Scan(&name, &kind, &rest, &rest, &rest, &rest); err != nil {
			return nil, nil, err
		}
		names, kinds = append(names, name), append(kinds, kind)
	}
	return names, kinds, rows.Err()
}
