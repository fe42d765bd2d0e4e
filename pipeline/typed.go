package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// Values of records are told twice: as a text for people, in which NULL is nothing, and as JSON has them for programs, where NULL is null, an
// empty text is one, and lists, numbers and times are what they are.

// told is a value as it is told.
type told struct {
	text  string
	typed any // nil: NULL
}

// masked is a value that is not shown: only whether there is one.
func (v told) masked() told {
	if v.typed == nil {
		return told{}
	}
	return told{hidden(v.text), "***"}
}

// field is a field's value as it may be shown.
func (x *explaining) field(field string, v told) told {
	if x.hides(field) {
		return v.masked()
	}
	return v
}

// values runs a query whose columns are wanted as they are told.
func (x *explaining) values(ctx context.Context, query string) ([]warehouse.Column, [][]told, error) {
	columns, err := x.Describe(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	d := x.Dialect()
	items := make([]string, 0, 2*len(columns))
	for i, c := range columns {
		name := d.QuoteIdent(c.Name)
		items = append(items, fmt.Sprintf("CAST(%s AS VARCHAR) AS t%d", name, i), fmt.Sprintf("CAST(to_json(%s) AS VARCHAR) AS j%d", name, i))
	}
	answer, err := x.Query(ctx, "SELECT "+strings.Join(items, ", ")+" FROM (\n"+query+"\n) AS q")
	if err != nil {
		return nil, nil, err
	}
	out := make([][]told, len(answer.Rows))
	for i, row := range answer.Rows {
		for k, c := range columns {
			text, _ := row[2*k].(string)
			written, _ := row[2*k+1].(string)
			out[i] = append(out[i], told{text, typedOf(written, c.Type)})
		}
	}
	return columns, out, nil
}

// typedOf reads a value of a type as the engine writes it as JSON; "" is NULL.
func typedOf(written, kind string) any {
	if written == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(written)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return written
	}
	return asWritten(v, strings.HasPrefix(kind, "TIMESTAMP"))
}

// asWritten keeps the digits of numbers as they are written, and gives times a zone.
func asWritten(v any, times bool) any {
	switch v := v.(type) {
	case json.Number:
		return json.RawMessage(v)
	case []any:
		for i := range v {
			v[i] = asWritten(v[i], times)
		}
	case map[string]any:
		for k := range v {
			v[k] = asWritten(v[k], false)
		}
	case string:
		if at := timeOf(v); times && !at.IsZero() {
			return at.Format(time.RFC3339Nano)
		}
	}
	return v
}
