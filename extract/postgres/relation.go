package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
)

// relation is what a stream reads, as the catalog has it.
type relation struct {
	stream extract.Stream
	option *database.StreamOptions
	oid    uint32 // 0 for a query
	name   string // quoted; "" for a query
	from   string // what stands behind FROM: called q there
	kind   string // table, view…
	tree   []uint32
	file   string // stands for the files of the tree: another one after a rewrite of one of them
	pages  int64  // of the largest heap in the tree
	ranges bool   // ctid ranges may be read one by one
	rows   int64  // the planner's estimate
	bytes  int64  // rows times the planner's width

	attributes []attribute // all that are there
	columns    []column    // that are read, in order
	added      []string    // of columns: those that the published table has not
	notes      []string
	cursor     *cursorColumn // nil: the stream has none
	keyIs      keyFacts
}

// cursorColumn is what is known of the column that orders changes.
type cursorColumn struct {
	name     string
	class    database.Class
	sqlType  string // without its precision: what a literal is cast to
	nullable bool
	indexed  bool
	least    string // SQL of what every value is above that has a place in the order of changes; "": all have
	most     string // …and below: NaN and the infinities are none
}

// finite keeps the values that a mark can pass.
func (c *cursorColumn) finite() string {
	name := quoteIdent(c.name)
	switch {
	case c.most == "":
		return "true"
	case c.least == "":
		return name + " < " + c.most
	}
	return name + " > " + c.least + " AND " + name + " < " + c.most
}

// outside are the conditions of rows that no mark passes, one for each kind.
func (c *cursorColumn) outside() (out []string) {
	name := quoteIdent(c.name)
	if c.nullable {
		out = append(out, name+" IS NULL")
	}
	if c.least != "" {
		out = append(out, name+" <= "+c.least)
	}
	if c.most != "" {
		out = append(out, name+" >= "+c.most)
	}
	return out
}

type keyFacts struct {
	unique  bool // an index sees to it
	notNull bool
}

// splitName takes schema and table out of a stream's name; schema is "" when it names none. A part in double quotes may
// hold dots and anything else.
func splitName(name string) (schema, table string, err error) {
	var parts []string
	for rest := name; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) {
				if rest[end] == '"' {
					if end+1 < len(rest) && rest[end+1] == '"' {
						end += 2
						continue
					}
					break
				}
				end++
			}
			if end >= len(rest) {
				return "", "", fmt.Errorf("%s: a double quote is not closed", name)
			}
			part, rest = strings.ReplaceAll(rest[1:end], `""`, `"`), rest[end+1:]
			if rest != "" && rest[0] != '.' {
				return "", "", fmt.Errorf("%s: a dot is missing behind the quotes", name)
			}
		} else if at := strings.IndexByte(rest, '.'); at >= 0 {
			part, rest = rest[:at], rest[at:]
		} else {
			part, rest = rest, ""
		}
		if part == "" {
			return "", "", fmt.Errorf("%s: a part of the name is empty", name)
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		rest = rest[1:]
	}
	switch len(parts) {
	case 1:
		return "", parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	}
	return "", "", fmt.Errorf("%s: a table's name has two parts, schema and table", name)
}

// relation looks up what the stream reads and how. The locks that this takes last as long as the transaction.
func (s *source) relation(ctx context.Context, c *session, f facts, st extract.Stream) (*relation, error) {
	o, err := database.OptionsOf(st)
	if err != nil {
		return nil, err
	}
	r := &relation{stream: st, option: o}
	query := ""
	if o.Query != "" {
		query = strings.TrimRight(strings.TrimSpace(o.Query), "; \n\t")
		r.from, r.kind = "(\n"+query+"\n) AS q", "query"
		query = "SELECT * FROM " + r.from
	} else if err := r.find(ctx, c, f, s.env.Name); err != nil {
		return nil, err
	}
	var attributes []attribute
	if query != "" {
		attributes, err = loadQueryAttributes(ctx, c.Conn, query)
	} else {
		attributes, err = loadAttributes(ctx, c.Conn, r.oid)
	}
	if err != nil {
		return nil, err
	}
	r.attributes = attributes
	if err := r.choose(attributes); err != nil {
		return nil, err
	}
	if err := r.lookAtCursor(ctx, c, f, attributes); err != nil {
		return nil, err
	}
	if err := r.lookAtKey(ctx, c, attributes); err != nil {
		return nil, err
	}
	return r, r.estimate(ctx, c)
}

// find looks a table or view up.
func (r *relation) find(ctx context.Context, c *session, f facts, sourceName string) error {
	schema, table, err := splitName(r.stream.Name)
	if err != nil {
		return err
	}
	where, args := "n.nspname = $2", []any{table, schema}
	if schema == "" {
		where, args = "pg_catalog.pg_table_is_visible(c.oid)", []any{table}
	}
	var kind, owner string
	var populated, allowed bool
	err = c.QueryRow(ctx, `SELECT c.oid, n.nspname, c.relkind::text, c.relispopulated, pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND `+where, args...).Scan(&r.oid, &schema, &kind, &populated, &allowed, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return r.missing(ctx, c, schema, table, sourceName)
	}
	if err != nil {
		return err
	}
	r.name = pgx.Identifier{schema, table}.Sanitize()
	r.from = r.name + " AS q"
	r.kind = map[string]string{"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}[kind]
	switch {
	case !allowed:
		return &database.Trouble{Message: fmt.Sprintf("no right to use the schema %q", schema), Advice: fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", pgx.Identifier{schema}.Sanitize(), pgx.Identifier{f.user}.Sanitize())}
	case kind == "m" && !populated:
		return &database.Trouble{Message: fmt.Sprintf("the materialized view %s holds nothing yet", r.name), Advice: "REFRESH MATERIALIZED VIEW " + r.name}
	case kind == "v":
		return nil
	}
	var foreign bool
	var bytes int64
	err = c.QueryRow(ctx, `WITH RECURSIVE tree AS (
  SELECT $1::oid AS oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree AS t ON i.inhparent = t.oid
) SELECT array_agg(t.oid), coalesce(max(pg_catalog.pg_relation_size(t.oid)), 0), bool_or(c.relkind = 'f'), md5(string_agg(t.oid || ' ' || c.relfilenode, ',' ORDER BY t.oid)) FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid`,
		r.oid).Scan(&r.tree, &bytes, &foreign, &r.file)
	r.pages = bytes / f.block
	r.ranges = !foreign && f.version >= 140000 // before, each range was a scan of the whole table
	return err
}

// missing says that the table is not there, and what it may have been meant to be.
func (r *relation) missing(ctx context.Context, c *session, schema, table, sourceName string) error {
	t := &database.Trouble{Message: fmt.Sprintf("there is no table or view %s", r.stream.Name), Advice: "millrace connectors discover " + sourceName + " lists what there is"}
	rows, err := c.Query(ctx, `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') LIMIT 10000`)
	if err != nil {
		return t
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return t
	}
	if schema == "" {
		schema = "public"
	}
	if near := config.Suggest(schema+"."+table, known); near != "" {
		t.Advice = fmt.Sprintf("did you mean %s? ", near) + t.Advice
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

func (r *relation) column(name string) *column {
	for i := range r.columns {
		if r.columns[i].name == name {
			return &r.columns[i]
		}
	}
	return nil
}

// lookAtCursor finds out what the cursor column is.
func (r *relation) lookAtCursor(ctx context.Context, c *session, f facts, attributes []attribute) error {
	name := r.stream.Cursor
	if name == "" || r.stream.Mode == extract.Full {
		return nil
	}
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
	if i < 0 {
		var names []string
		for _, a := range attributes {
			names = append(names, a.name)
		}
		return database.NoColumn(r.stream.Name, name, names)
	}
	a := attributes[i]
	classes := map[uint32]database.Class{oidTimestamptz: database.Moments, oidTimestamp: database.LocalMoments, oidDate: database.Days, oidInt2: database.Numbers, oidInt4: database.Numbers, oidInt8: database.Numbers, oidNumeric: database.Numbers}
	types := map[uint32]string{oidTimestamptz: "timestamptz", oidTimestamp: "timestamp", oidDate: "date", oidInt2: "int8", oidInt4: "int8", oidInt8: "int8", oidNumeric: "numeric"}
	base := a.typ.oid
	if classes[base] == 0 {
		return &database.Trouble{Message: fmt.Sprintf("%s is %s: a cursor is a timestamp, a date or a number", name, a.sqlType), Advice: "read a query: that casts it, or take another column; mode: full needs no cursor"}
	}
	r.cursor = &cursorColumn{name: name, class: classes[base], sqlType: types[base], nullable: !a.notNull}
	switch t := r.cursor.sqlType; {
	case t == "numeric" && f.version < 140000: // it has no infinity yet; NaN is greater than all
		r.cursor.most = "'NaN'::numeric"
	case t != "int8":
		r.cursor.least, r.cursor.most = "'-infinity'::"+t, "'infinity'::"+t
	}
	if r.oid == 0 || r.kind == "view" {
		return nil
	}
	return c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
  WHERE i.indrelid = $1 AND a.attname = $2 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree')`, r.oid, name).Scan(&r.cursor.indexed)
}

// lookAtKey finds out whether the key identifies a row.
func (r *relation) lookAtKey(ctx context.Context, c *session, attributes []attribute) error {
	if len(r.stream.Key) == 0 {
		return nil
	}
	r.keyIs.notNull = true
	for _, k := range r.stream.Key {
		i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == k })
		if i < 0 || r.column(k) == nil {
			var names []string
			for _, col := range r.columns {
				names = append(names, col.name)
			}
			return database.NoColumn(r.stream.Name, k, names)
		}
		r.keyIs.notNull = r.keyIs.notNull && attributes[i].notNull
	}
	if r.oid == 0 || r.kind == "view" {
		return nil
	}
	return c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND (SELECT bool_and(a.attname = ANY($2)) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])))`,
		r.oid, r.stream.Key).Scan(&r.keyIs.unique)
}

// estimate asks the planner, which checks our rights and locks what is read against rewrites: a table that is rewritten
// or truncated after the snapshot was taken looks empty from it.
func (r *relation) estimate(ctx context.Context, c *session) error {
	var text []byte
	if err := c.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+r.selects(r.columns, "")).Scan(&text); err != nil {
		return err
	}
	var plans []struct {
		Plan struct {
			Rows  float64 `json:"Plan Rows"`
			Width float64 `json:"Plan Width"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) == 0 {
		return nil // an estimate only
	}
	r.rows = int64(plans[0].Plan.Rows)
	r.bytes = int64(plans[0].Plan.Rows * plans[0].Plan.Width)
	return nil
}

// selects is the SELECT of some columns, with more text behind it.
func (r *relation) selects(columns []column, tail string) string {
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = c.expr
	}
	return "SELECT " + strings.Join(exprs, ", ") + " FROM " + r.from + tail
}

// fingerprint changes when what is read does.
func (r *relation) fingerprint() string {
	parts := make([]string, len(r.columns))
	for i, c := range r.columns {
		parts[i] = c.name + " " + c.sqlType + " " + c.duckType
	}
	return strings.Join(parts, "\x00")
}

// keyColumns are the columns of the key, in the table's order.
func (r *relation) keyColumns() []column {
	var out []column
	for _, c := range r.columns {
		if slices.Contains(r.stream.Key, c.name) {
			out = append(out, c)
		}
	}
	return out
}

func quoteIdent(name string) string { return pgx.Identifier{name}.Sanitize() }

// maxCursor is the greatest finite value of the cursor, as text; "" when there is none. below restricts it to smaller ones.
func (r *relation) maxCursor(ctx context.Context, c *session, below string) (string, error) {
	column, where := quoteIdent(r.cursor.name), " WHERE "+r.cursor.finite()
	if below != "" {
		where += " AND " + column + " < " + r.cursor.value(below)
	}
	var value *string
	if err := c.QueryRow(ctx, "SELECT max("+column+")::text FROM "+r.from+where).Scan(&value); err != nil || value == nil {
		return "", err
	}
	return *value, nil
}

// value is a literal of the cursor's type.
func (c *cursorColumn) value(text string) string { return literal(text) + "::" + c.sqlType }
