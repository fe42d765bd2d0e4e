package snowflake

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// largest is how much text an answer may have: it is held in memory.
const largest = 16 << 20

// oddAnswer is an answer that came, and that cannot be used.
type oddAnswer struct{ says string }

func (o *oddAnswer) Error() string { return o.says }

// read takes an answer into memory. Rows.Columns waits for an asynchronous statement, and tells of its failure by no columns (rows.go:131).
func read(rows *sql.Rows) (*Result, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	r := &Result{Columns: make([]string, len(names))}
	for i, name := range names {
		r.Columns[i] = strings.ToLower(name)
	}
	size := 0
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]*string, len(values))
		for i, v := range values {
			if v != nil {
				text := text(v)
				row[i] = &text
				size += len(text)
			}
		}
		if size += 16 * len(row); size > largest {
			return nil, &oddAnswer{fmt.Sprintf("the answer is larger than %d MB: it is not meant to carry data", largest>>20)}
		}
		r.Rows = append(r.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return r, r.count()
}

// text is a value as the server's JSON has it; what the driver has made a time of, in ISO 8601.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return strings.ToUpper(hex.EncodeToString(v))
	case time.Time:
		return v.Format("2006-01-02T15:04:05.999999999Z07:00")
	default:
		return fmt.Sprint(v)
	}
}

// moved refuses the rows of a PUT or GET that tell of a failure: the driver calls some a success, such as credentials that have
// expired (storage_client.go:166).
func (r *Result) moved() error {
	status, source := slices.Index(r.Columns, "status"), slices.Index(r.Columns, "source")
	for _, row := range r.Rows {
		if status >= 0 && source >= 0 && row[status] != nil && *row[status] == "ERROR" {
			return fmt.Errorf("%s was not uploaded: the driver does not say why; most often the storage has refused it", deref(row[source]))
		}
	}
	return nil
}

func deref(text *string) string {
	if text == nil {
		return "a file"
	}
	return *text
}

// count reads the row of a DML statement, whose columns are "number of rows inserted" and the like, and the rows of a COPY.
func (r *Result) count() error {
	if loaded := slices.Index(r.Columns, "rows_loaded"); loaded >= 0 && r.Columns[0] == "file" {
		for _, row := range r.Rows {
			if row[loaded] == nil {
				continue
			}
			n, err := strconv.ParseInt(*row[loaded], 10, 64)
			if err != nil {
				return &oddAnswer{"the count rows_loaded of a COPY is no number"}
			}
			r.Affected += n
		}
		return nil
	}
	if len(r.Rows) != 1 || len(r.Columns) == 0 {
		return nil
	}
	for _, name := range r.Columns {
		if !strings.HasPrefix(name, "number of ") {
			return nil
		}
	}
	r.Counts = map[string]int64{}
	for i, name := range r.Columns {
		if r.Rows[0][i] == nil {
			continue
		}
		n, err := strconv.ParseInt(*r.Rows[0][i], 10, 64)
		if err != nil {
			return &oddAnswer{fmt.Sprintf("the count %q of a statement is no number", name)}
		}
		r.Counts[name] = n
		switch name {
		case "number of rows inserted", "number of rows updated", "number of rows deleted":
			r.Affected += n
		}
	}
	return nil
}
