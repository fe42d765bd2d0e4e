package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
)

// relation is what a stream reads, as the catalog has it.
type relation struct {
	stream        extract.Stream
	option        *database.StreamOptions
	schema, table string // "" for a query
	from          string // what stands behind FROM
	kind          string
	engine        string // InnoDB, or one without snapshots
	rows, bytes   int64  // estimates of the catalog; -1 when it has none

	attributes []attribute // all that are there
	columns    []column
	added      []string // of columns: those that the published table has not
	notes      []string
	cursor     *cursorColumn
	unique     bool     // an index sees to it that the key identifies a row
	notNull    bool     // of the key
	primary    []string // columns of the primary key
}

// cursorColumn is what is known of the column that orders changes.
type cursorColumn struct {
	name     string
	typ      string // the server's
	class    database.Class
	nullable bool
	indexed  bool
	whole    bool // its moments have whole seconds
	coarse   bool // two versions of a row may well have one moment
}

// splitName takes a database out of a stream's name where there is one before the first dot; names in backquotes may
// hold dots.
func (s *source) splitName(name string) (schema, table string) {
	unquote := func(part string) string {
		if len(part) > 1 && part[0] == '`' && part[len(part)-1] == '`' {
			return strings.ReplaceAll(part[1:len(part)-1], "``", "`")
		}
		return part
	}
	quoted := false
	for i, r := range name {
		switch {
		case r == '`':
			quoted = !quoted
		case r == '.' && !quoted:
			return unquote(name[:i]), unquote(name[i+1:])
		}
	}
	return s.config.DBName, unquote(name)
}

// relation looks up what the stream reads and how.
func (s *source) relation(ctx context.Context, c *session, st extract.Stream) (*relation, error) {
	o, err := database.OptionsOf(st)
	if err != nil {
		return nil, err
	}
	r := &relation{stream: st, option: o, rows: -1, bytes: -1}
	var attributes []attribute
	if o.Query != "" {
		r.from, r.kind = asTable(o.Query), "query"
		attributes, err = queryAttributes(ctx, c, o.Query)
	} else {
		r.schema, r.table = s.splitName(st.Name)
		r.from = quoteName(r.schema) + "." + quoteName(r.table)
		if err = s.find(ctx, c, r); err == nil {
			r.noteHidden(ctx, c)
			attributes, err = loadAttributes(ctx, c, r.schema, r.table)
		}
	}
	if err != nil {
		return nil, err
	}
	r.attributes = attributes
	if err := r.choose(attributes); err != nil {
		return nil, err
	}
	if err := r.lookAtCursor(ctx, c, attributes); err != nil {
		return nil, err
	}
	return r, r.lookAtKey(ctx, c, attributes)
}

// find looks a table or view up.
func (s *source) find(ctx context.Context, c *session, r *relation) error {
	var kind string
	var engine sql.NullString
	var rows, bytes sql.NullInt64
	err := c.QueryRowContext(ctx, "SELECT TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", r.schema, r.table).Scan(&kind, &engine, &rows, &bytes)
	if errors.Is(err, sql.ErrNoRows) {
		return s.missing(ctx, c, r)
	}
	if err != nil {
		return err
	}
	r.kind, r.engine = map[string]string{"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view", "SYSTEM VIEW": "view"}[kind], engine.String
	if rows.Valid {
		r.rows, r.bytes = rows.Int64, bytes.Int64
	}
	return nil
}

// noteHidden says so where the account may read some columns only: the catalog does not even show it the others.
func (r *relation) noteHidden(ctx context.Context, c *session) {
	rows, err := c.QueryContext(ctx, "SELECT * FROM "+r.from+" LIMIT 0")
	if err == nil {
		err = rows.Close()
	}
	if n := serverCode(err); n == tableDenied || n == columnDenied {
		r.notes = append(r.notes, fmt.Sprintf("the account may read some columns of %s and not all: the others are left out; GRANT SELECT ON %[1]s adds them", r.from))
	}
}

// missing says that the table is not there, or not for us, and what it may have been meant to be.
func (s *source) missing(ctx context.Context, c *session, r *relation) error {
	t := &database.Trouble{Message: fmt.Sprintf("there is no table or view %s that this account may read", r.stream.Name),
		Advice: fmt.Sprintf("millrace connectors discover %s lists what there is; where it is there: GRANT SELECT ON %s TO '%s'@'…'", s.env.Name, r.from, s.config.User)}
	rows, err := c.QueryContext(ctx, "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') LIMIT 10000")
	if err != nil {
		return t
	}
	defer rows.Close()
	var known []string
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			known = append(known, name)
		}
	}
	if near := config.Suggest(r.schema+"."+r.table, known); near != "" {
		t.Advice = fmt.Sprintf("did you mean %s? %s", near, t.Advice)
	}
	return t
}

// choose decides which columns are read, and as what.
func (r *relation) choose(attributes []attribute) error {
	var names []string
	for _, a := range attributes {
		names = append(names, a.name)
	}
	if err := database.CheckNames(r.stream, r.option, names); err != nil {
		return err
	}
	all, err := columnsFor(attributes, r.option.Pins())
	if err != nil {
		return err
	}
	columns, added, notes, err := database.Choose(r.stream, r.option, all, func(c column) (extract.Column, string) {
		return extract.Column{Name: c.name, Type: c.duckType}, c.note
	})
	if err != nil {
		return err
	}
	r.columns, r.added, r.notes = columns, added, append(r.notes, notes...)
	return nil
}

func find(attributes []attribute, name string) (attribute, error) {
	var names []string
	for _, a := range attributes {
		if a.name == name {
			return a, nil
		}
		names = append(names, a.name)
	}
	return attribute{}, database.NoColumn("the table", name, names)
}

// lookAtCursor finds out what the cursor column is.
func (r *relation) lookAtCursor(ctx context.Context, c *session, attributes []attribute) error {
	name := r.stream.Cursor
	if name == "" || r.stream.Mode == extract.Full {
		return nil
	}
	a, err := find(attributes, name)
	if err != nil {
		return err
	}
	classes := map[string]database.Class{"timestamp": database.Moments, "datetime": database.LocalMoments, "date": database.Days, "tinyint": database.Numbers, "smallint": database.Numbers,
		"mediumint": database.Numbers, "int": database.Numbers, "integer": database.Numbers, "bigint": database.Numbers, "decimal": database.Numbers}
	if classes[a.dataType] == 0 {
		return &database.Trouble{Message: fmt.Sprintf("%s is %s: a cursor is a timestamp, a date or a number", name, a.columnType), Advice: "read a query: that casts it, or take another column; mode: full needs no cursor"}
	}
	r.cursor = &cursorColumn{name: name, typ: a.columnType, class: classes[a.dataType], nullable: a.nullable, whole: !strings.Contains(a.columnType, "(")}
	r.cursor.coarse = r.cursor.class != database.Numbers && !strings.Contains(a.columnType, "(6)")
	if r.kind != "table" {
		return nil
	}
	return c.QueryRowContext(ctx, "SELECT COUNT(*) > 0 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND SEQ_IN_INDEX = 1 AND COLUMN_NAME = ? AND INDEX_TYPE = 'BTREE'",
		r.schema, r.table, name).Scan(&r.cursor.indexed)
}

// indexes are the columns of each unique index, the primary key first.
func indexes(ctx context.Context, c *session, schema, table string) (names []string, columns map[string][]string, err error) {
	rows, err := c.QueryContext(ctx, "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART IS NULL FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX", schema, table)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	columns = map[string][]string{}
	for rows.Next() {
		var index string
		var column sql.NullString
		var whole bool
		if err := rows.Scan(&index, &column, &whole); err != nil {
			return nil, nil, err
		}
		if columns[index] == nil {
			names = append(names, index)
		}
		if !whole || !column.Valid { // of a prefix or an expression: it identifies nothing
			column.String = "\x00"
		}
		columns[index] = append(columns[index], column.String)
	}
	return names, columns, rows.Err()
}

// lookAtKey finds out whether the key identifies a row.
func (r *relation) lookAtKey(ctx context.Context, c *session, attributes []attribute) error {
	r.notNull = true
	for _, k := range r.stream.Key {
		a, err := find(attributes, k)
		if err != nil {
			return err
		}
		if r.column(k) == nil {
			return database.NoColumn(r.stream.Name+" without what exclude: leaves out", k, nil)
		}
		r.notNull = r.notNull && !a.nullable
	}
	if r.kind != "table" {
		return nil
	}
	_, all, err := indexes(ctx, c, r.schema, r.table)
	if err != nil {
		return err
	}
	r.primary = all["PRIMARY"]
	for _, columns := range all {
		inKey := true
		for _, name := range columns {
			inKey = inKey && slices.Contains(r.stream.Key, name)
		}
		r.unique = r.unique || inKey && len(r.stream.Key) > 0
	}
	return nil
}

func (r *relation) column(name string) *column {
	for i := range r.columns {
		if r.columns[i].name == name {
			return &r.columns[i]
		}
	}
	return nil
}

// fingerprint changes when what is read does.
func (r *relation) fingerprint() string {
	parts := make([]string, len(r.columns))
	for i, c := range r.columns {
		parts[i] = c.name + " " + c.sqlType + " " + c.duckType
	}
	return strings.Join(parts, "\x00")
}

// remarks are what one who plans should know of the stream.
func (r *relation) remarks() []string {
	var out []string
	if r.kind == "table" && r.engine != "" && !strings.EqualFold(r.engine, "InnoDB") {
		out = append(out, fmt.Sprintf("the table is kept by %s, which has no snapshots: it is read as it is when its turn comes", r.engine))
	}
	if c := r.cursor; c != nil && r.kind == "table" && !c.indexed {
		out = append(out, fmt.Sprintf("%s is not indexed: each run reads all of %s (about %d MB) at the server; ALTER TABLE %[2]s ADD INDEX (%[4]s) mends it", c.name, r.from, max(r.bytes, 0)>>20, joinNames(database.IndexColumns(c.name, r.stream.Key))))
	}
	if c := r.cursor; c != nil && c.nullable {
		out = append(out, fmt.Sprintf("%s may be NULL: such rows are read in every run", c.name))
	}
	if r.kind == "table" && r.stream.Mode == extract.Incremental && !r.unique {
		out = append(out, fmt.Sprintf("no unique index covers the key (%s): of rows that share it, one is kept", strings.Join(r.stream.Key, ", ")))
	}
	return out
}

func joinNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return strings.Join(quoted, ", ")
}

var (
	plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	plainDay    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// value is a literal of the cursor's type. A text that is none of its values becomes one that no server takes for one.
func (c *cursorColumn) value(text string) string {
	switch {
	case c.class == database.Numbers && plainNumber.MatchString(text):
		return text
	case c.class == database.Days:
		return "DATE" + quoteText(text)
	}
	if plainDay.MatchString(text) {
		text += " 00:00:00"
	}
	return "TIMESTAMP" + quoteText(text)
}

// quoteText quotes a text; sql_mode is ours, so that a backslash escapes.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

// pageKey is how a column takes part in paging: as text that a literal is made of again. ok is false for types whose text
// does not bring the value back.
func (r *relation) pageKey(name string) (expr string, literal func(string) string, ok bool) {
	c := r.column(name)
	if c == nil && r.cursor != nil && name == r.cursor.name {
		return "CAST(" + quoteName(name) + " AS CHAR)", r.cursor.value, true
	}
	if c == nil {
		return "", nil, false
	}
	base, _, _ := strings.Cut(c.sqlType, "(")
	base, _, _ = strings.Cut(base, " ")
	switch base {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal":
		return "CAST(" + quoteName(name) + " AS CHAR)", func(s string) string {
			if plainNumber.MatchString(s) {
				return s
			}
			return "NULL"
		}, true
	case "binary", "varbinary":
		return "HEX(" + quoteName(name) + ")", func(s string) string { return "x'" + s + "'" }, true
	case "timestamp", "datetime":
		return "CAST(" + quoteName(name) + " AS CHAR)", func(s string) string { return "TIMESTAMP" + quoteText(s) }, true
	case "date":
		return "CAST(" + quoteName(name) + " AS CHAR)", func(s string) string { return "DATE" + quoteText(s) }, true
	case "char", "varchar":
		return quoteName(name), quoteText, true
	}
	return "", nil, false
}

// pageable says whether rows can be read in pages by these columns.
func (r *relation) pageable(names []string) bool {
	if r.kind != "table" {
		return false
	}
	for _, n := range names {
		if _, _, ok := r.pageKey(n); !ok {
			return false
		}
	}
	return len(names) > 0
}
