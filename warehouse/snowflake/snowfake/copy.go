package snowfake

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// copying is COPY INTO t FROM @stage/path of Parquet files.
type copying struct {
	table   *table
	stage   *stage
	prefix  string
	files   []string // nil: all that begin with the prefix
	exactly bool     // MATCH_BY_COLUMN_NAME = CASE_SENSITIVE
}

// must are options of COPY that have one value here. The first three are what makes Parquet's logical types arrive as types, and their
// defaults would not (https://docs.snowflake.com/en/sql-reference/sql/copy-into-table#type-parquet).
var must = map[string]string{"TYPE": "PARQUET", "USE_LOGICAL_TYPE": "TRUE", "BINARY_AS_TEXT": "FALSE", "USE_VECTORIZED_SCANNER": "TRUE",
	"TRIM_SPACE": "FALSE", "NULL_IF": "()", "ON_ERROR": "ABORT_STATEMENT"}

// needed are those that may not be left out. Without NULL_IF the text \N would be a NULL.
var needed = []string{"TYPE", "USE_LOGICAL_TYPE", "BINARY_AS_TEXT", "NULL_IF", "MATCH_BY_COLUMN_NAME"}

// most is how many names FILES may have (https://docs.snowflake.com/en/user-guide/data-load-considerations-load#lists-of-files).
const most = 1000

func (p *parser) copying() *copying {
	p.expect("INTO")
	c := &copying{table: p.target("INSERT")}
	p.expect("FROM")
	c.stage, c.prefix = p.stagePath("READ")
	seen := map[string]string{}
	for p.err == nil && p.peek().kind == wordToken {
		name := p.word()
		p.expect("=")
		switch name {
		case "FILES":
			c.files = p.fileNames()
		case "FILE_FORMAT":
			p.expect("(")
			for p.err == nil && !p.accept(")") {
				option := p.word()
				p.expect("=")
				p.option(seen, option)
			}
		case "MATCH_BY_COLUMN_NAME", "ON_ERROR":
			p.option(seen, name)
		default:
			p.fail(unknownf("COPY INTO ... %s", name))
		}
	}
	for _, name := range needed {
		if p.err == nil && seen[name] == "" {
			p.fail(unknownf("COPY INTO without %s", name))
		}
	}
	c.exactly = seen["MATCH_BY_COLUMN_NAME"] == "CASE_SENSITIVE"
	return c
}

func (p *parser) option(seen map[string]string, name string) {
	value := "()"
	if !p.accept("(", ")") {
		value = p.word()
	}
	switch want, known := must[name]; {
	case name == "MATCH_BY_COLUMN_NAME" && (value == "CASE_SENSITIVE" || value == "CASE_INSENSITIVE"):
	case !known || value != want:
		p.fail(unknownf("COPY INTO ... %s = %s", name, value))
	}
	seen[name] = value
}

func (p *parser) fileNames() []string {
	p.expect("(")
	names := []string{p.stringValue()}
	for p.accept(",") {
		names = append(names, p.stringValue())
	}
	p.expect(")")
	if len(names) > most {
		p.fail(failf("001011", "22023", "SQL compilation error:\nmaximum number of files in FILES exceeded: %d, the most is %d", len(names), most))
	}
	return names
}

// copy is COPY INTO. All files are loaded, or none: ON_ERROR = ABORT_STATEMENT.
func (s *Session) copy(ctx context.Context, p *parser) (*Answer, error) {
	c := p.copying()
	if err := p.done(); err != nil {
		return nil, err
	}
	if err := s.needsWarehouse(); err != nil {
		return nil, err
	}
	files, err := c.find()
	if err != nil {
		return nil, err
	}
	l := &listing{columns: []string{"file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error", "first_error_line",
		"first_error_character", "first_error_column_name"}}
	loaded := map[string]bool{}
	err = s.atomic(ctx, func() error {
		for _, f := range files {
			if s.hasLoaded(c.table, f) {
				continue
			}
			n, err := s.load(ctx, c, f)
			if err != nil {
				return err
			}
			loaded[f.key()] = true
			l.rows = append(l.rows, []any{f.name, "LOADED", n, n, int64(1), int64(0), nil, nil, nil, nil})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	into := c.table.loaded
	if s.transaction != nil && len(loaded) > 0 {
		into = s.transaction.changes[c.table].loaded
	}
	for key := range loaded {
		into[key] = true
	}
	answer, err := l.answer()
	if len(l.rows) == 0 {
		answer = said("Copy executed with 0 files processed.")
	}
	answer.Type = TypeCopy
	return answer, err
}

// key is what load metadata knows a file by: one of the same name and another content is another
// (https://docs.snowflake.com/en/user-guide/data-load-considerations-load#load-metadata: name and ETag).
func (f stagedFile) key() string { return f.name + "\x00" + f.md5 }

func (s *Session) hasLoaded(t *table, f stagedFile) bool {
	if s.transaction == nil || s.transaction.changes[t] == nil {
		return t.loaded[f.key()]
	}
	c := s.transaction.changes[t]
	return c.loaded[f.key()] || !c.truncated && t.loaded[f.key()]
}

// find gives the files to load: those that the statement names, which must be there, or all under the prefix.
func (c *copying) find() ([]stagedFile, error) {
	all, err := c.stage.files(c.prefix)
	if err != nil || c.files == nil {
		return all, err
	}
	var named []stagedFile
	for _, name := range c.files {
		i := slices.IndexFunc(all, func(f stagedFile) bool { return f.name == c.prefix+name })
		if i < 0 {
			return nil, failf("091016", "22000", "Remote file '%s' was not found. There are several potential causes. The file might not exist. "+
				"The required credentials may be missing or invalid.", c.prefix+name)
		}
		named = append(named, all[i])
	}
	return named, nil
}

// load brings one file. Its columns are found by name; those that the table lacks are left out, those that the file lacks are NULL.
func (s *Session) load(ctx context.Context, c *copying, f stagedFile) (int64, error) {
	a, from := s.account, "read_parquet("+quoteText(f.path)+")"
	names, kinds, err := a.columnsOf(ctx, "SELECT * FROM "+from)
	if err != nil {
		return 0, failf("100069", "22P02", "Error parsing the parquet file: %s\n  File '%s'", translated(err).Message, f.name)
	}
	if err := c.together(ctx, a, from, names, kinds); err != nil {
		return 0, err
	}
	var columns, values []string
	for _, col := range c.table.columns {
		i := slices.IndexFunc(names, func(name string) bool {
			return name == col.name || !c.exactly && strings.EqualFold(name, col.name)
		})
		if i < 0 {
			continue
		}
		if !col.kind.loads(kinds[i]) {
			return 0, unknownf("how a %s of Parquet comes into a column of type %s (%s)", kinds[i], col.kind, col.name)
		}
		columns, values = append(columns, quoteName(col.name)), append(values, col.kind.fit(quoteName(names[i])))
	}
	if len(columns) == 0 {
		return 0, unknownf("COPY of a file without a column of the table: %s", f.name)
	}
	into, err := s.adding(ctx, c.table)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, rows := range into {
		n, err = a.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", rows, strings.Join(columns, ", "), strings.Join(values, ", "), from))
		if err != nil {
			return 0, inFile(err, f)
		}
	}
	return n, nil
}

// together refuses a row that is larger than a VARIANT, which all of it becomes where columns are matched without regard to case
// (https://github.com/snowflakedb/snowpark-python/pull/3441). The words are those that are published of a value that is.
func (c *copying) together(ctx context.Context, a *Account, from string, names, kinds []string) error {
	if c.exactly {
		return nil
	}
	size := "0"
	for i, kind := range kinds {
		switch family(kind) {
		case "text":
			size += " + coalesce(strlen(" + quoteName(names[i]) + "), 0)"
		case "binary":
			size += " + coalesce(octet_length(" + quoteName(names[i]) + "), 0)"
		}
	}
	var most int64
	if err := a.scalars(ctx, "SELECT coalesce(max("+size+"), 0) FROM "+from, &most); err != nil {
		return err
	}
	if most > defaultText {
		return failf("100082", "22000", "Max LOB size (%d) exceeded, actual size of parsed column is %d", defaultText, most)
	}
	return nil
}

// inFile says which file an error is about.
func inFile(err error, f stagedFile) error {
	e := translated(err)
	e.Message += "\n  File '" + f.name + "'"
	return e
}

// loads says whether a column of Parquet may come into one of the type: of the same kind only, and of a size that the format documents
// (https://docs.snowflake.com/en/sql-reference/sql/copy-into-table: with USE_LOGICAL_TYPE). Unsigned numbers of 32 and 64 bits have the bits of
// negative ones in Parquet, and no page says how they are read.
func (t columnType) loads(duckdb string) bool {
	switch duckdb {
	case "UINTEGER", "UBIGINT", "TIMESTAMP_NS":
		return false
	}
	want := map[string]string{"NUMBER": "number", "FLOAT": "real", "VARCHAR": "text", "BOOLEAN": "boolean", "DATE": "date", "TIME": "time",
		"TIMESTAMP_NTZ": "ntz", "TIMESTAMP_LTZ": "ltz", "BINARY": "binary"}
	return family(duckdb) == want[t.name]
}
