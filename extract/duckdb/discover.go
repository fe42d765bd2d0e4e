package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	engine "github.com/millrace/millrace/internal/duckdb"
)

// tablesSQL lists the tables and views of the file.
const tablesSQL = `SELECT schema_name, table_name AS name, 'table' AS kind, coalesce(comment, '') AS comment, estimated_size AS rows FROM duckdb_tables()
WHERE database_name = current_database() AND NOT internal
UNION ALL
SELECT schema_name, view_name, 'view', coalesce(comment, ''), -1 FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
ORDER BY schema_name, name`

func discover(ctx context.Context, src extract.Source) (*extract.Discovery, error) {
	s := src.(*source)
	db, err := s.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tables, err := db.Query(ctx, tablesSQL)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(ctx, db)
	if err != nil {
		return nil, err
	}
	d := &extract.Discovery{Streams: []extract.Discovered{}}
	for _, row := range tables.Values {
		schema, table := fmt.Sprint(row[0]), fmt.Sprint(row[1])
		one := extract.Discovered{Name: spelled(schema) + "." + spelled(table), Kind: fmt.Sprint(row[2]), Comment: fmt.Sprint(row[3]), Rows: -1, Bytes: -1, Key: []string{},
			Columns: []extract.Column{}, Cursors: []extract.CursorCandidate{}}
		if rows, ok := row[4].(int64); ok {
			one.Rows = rows
		}
		if key := keys[[2]string{schema, table}]; key != nil {
			one.Key = key
		}
		r, err := s.find(ctx, db, extract.Stream{Name: one.Name})
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			one.Notes = append(one.Notes, "cannot be read: "+err.Error())
			d.Streams = append(d.Streams, one)
			continue
		}
		one.Columns = r.columns
		for _, c := range r.columns {
			if _, err := s.stored(c.Type); err != nil {
				one.Notes = append(one.Notes, fmt.Sprintf("cannot be read: column %q: %v", c.Name, err))
			}
			if strings.HasPrefix(c.Type, "TIMESTAMP") || c.Type == "DATE" {
				low := strings.ToLower(c.Name)
				one.Cursors = append(one.Cursors, extract.CursorCandidate{Column: c.Name, Type: c.Type, Nullable: true, Creation: strings.Contains(low, "creat") || strings.Contains(low, "insert")})
			}
		}
		database.SortCursors(one.Cursors)
		d.Streams = append(d.Streams, one)
	}
	return d, nil
}

// keysOf are the primary keys, or else the first unique ones, by schema and table.
func keysOf(ctx context.Context, db *engine.DB) (map[[2]string][]string, error) {
	found, err := db.Query(ctx, `SELECT schema_name, table_name, array_to_string(constraint_column_names, chr(31)) FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'UNIQUE') ORDER BY constraint_type <> 'PRIMARY KEY', constraint_index`)
	if err != nil {
		return nil, err
	}
	keys := map[[2]string][]string{}
	for _, row := range found.Values {
		at := [2]string{fmt.Sprint(row[0]), fmt.Sprint(row[1])}
		if names, ok := row[2].(string); ok && keys[at] == nil {
			keys[at] = strings.Split(names, "\x1f")
		}
	}
	return keys, nil
}

// spelled is a part of a name as a stream's name has it.
func spelled(part string) string {
	if strings.ContainsAny(part, `."`) {
		return ident(part)
	}
	return part
}

// examine opens the file and looks for the streams' tables.
func examine(ctx context.Context, src extract.Source, streams []extract.Stream) ([]extract.Finding, error) {
	s := src.(*source)
	db, err := s.open(ctx, "")
	if err != nil {
		return []extract.Finding{finding("file", err)}, nil
	}
	defer db.Close()
	found := []extract.Finding{{Check: "file", Level: extract.LevelOK, Message: s.told + " can be read"}}
	for _, st := range streams {
		r, err := s.find(ctx, db, st)
		if err == nil {
			err = r.held(s, st)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			found = append(found, finding("stream "+st.Name, err))
		} else {
			found = append(found, extract.Finding{Check: "stream " + st.Name, Level: extract.LevelOK, Message: fmt.Sprintf("%d columns", len(r.columns))})
		}
	}
	return found, nil
}

// held says what of a stream's columns cannot be landed, or is not there.
func (r *relation) held(s *source, st extract.Stream) error {
	for _, c := range r.columns {
		if _, err := s.stored(c.Type); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	for _, name := range slices.Concat(st.Key, []string{st.Cursor}) {
		if name == "" {
			continue
		}
		if _, err := r.column(name, "key or cursor"); err != nil {
			return err
		}
	}
	return nil
}

func finding(check string, err error) extract.Finding {
	f := extract.Finding{Check: check, Level: extract.LevelFail, Message: err.Error()}
	if h, ok := err.(interface{ Hint() string }); ok {
		f.Hint = h.Hint()
	}
	return f
}
