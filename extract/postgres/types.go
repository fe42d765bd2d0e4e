package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5"
)

// attribute is what the catalog says of one column of a table, a view or a query.
type attribute struct {
	name    string
	sqlType string // format_type: "numeric(12,2)"
	dims    int    // as declared; 0 when the catalog does not tell
	notNull bool
	typ     pgType
}

// pgType is a type with its domains taken off.
type pgType struct {
	oid        uint32
	name       string // pg_type.typname
	kind       string // pg_type.typtype: b base, e enum, c composite, r range, m multirange, p pseudo
	typmod     int32
	extension  string  // that the type belongs to
	elem       *pgType // of an array
	dims       int     // of an array that a domain declares
	moneyScale int     // digits after the point that the server's locale gives to money
}

// column is how one attribute is asked for, decoded and landed.
type column struct {
	name     string // as the source has it
	expr     string // what the SELECT asks for: the quoted name, or a cast such as "tags"::text
	sqlType  string // format_type: "numeric(12,2)"
	duckType string // as it lands
	field    arrow.Field
	nullable bool
	note     string // "" or what one who plans should know

	// check is nil when no value of the right size can be bad. It is called for values that are not NULL, before
	// anything of their row is appended, and gives nil for a good one.
	check func(value []byte) *badValue
	// bind makes what appends to a builder of field's type. Each result has one user at a time; the column has many.
	bind func(b array.Builder) appendFunc

	size    int                       // of every value on the wire; 0: it varies
	dims    int                       // of a list
	textual bool                      // the bytes are text, or a list of texts
	text    func(value []byte) string // for people, of a value that may be bad
}

// badValue is why a value cannot be landed. reason is one of the constants extract.Reason….
type badValue struct{ reason, message string }

// OIDs of built-in types: fixed for all time.
const (
	oidBool, oidBytea, oidChar, oidName, oidInt8, oidInt2 = 16, 17, 18, 19, 20, 21
	oidInt4, oidText, oidOID, oidJSON                     = 23, 25, 26, 114
	oidFloat4, oidFloat8, oidMoney, oidBpchar, oidVarchar = 700, 701, 790, 1042, 1043
	oidInet                                               = 869
	oidDate, oidTime, oidTimestamp, oidTimestamptz        = 1082, 1083, 1114, 1184
	oidNumeric, oidUUID, oidJSONB                         = 1700, 2950, 3802
)

// maxDims is PostgreSQL's limit, MAXDIM.
const maxDims = 6

// columnsFor maps attributes to what is landed of them. pins are DuckDB types by column name.
func columnsFor(attrs []attribute, pins map[string]string) ([]column, error) {
	columns := make([]column, len(attrs))
	seen := map[string]string{}
	for i, a := range attrs {
		if other, ok := seen[strings.ToLower(a.name)]; ok {
			return nil, fmt.Errorf("columns %q and %q have one name for DuckDB, which takes no heed of case: rename one, in a view or a query", other, a.name)
		}
		seen[strings.ToLower(a.name)] = a.name
		c, err := columnFor(a, pins[a.name])
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", a.name, err)
		}
		columns[i] = c
	}
	for name := range pins {
		if !slices.ContainsFunc(attrs, func(a attribute) bool { return a.name == name }) {
			return nil, fmt.Errorf("column %q is pinned and is not there", name)
		}
	}
	return columns, nil
}

func columnFor(a attribute, pin string) (column, error) {
	elem, dims := a.typ, 0
	if a.typ.elem != nil {
		elem, dims = *a.typ.elem, min(max(a.dims, a.typ.dims, 1), maxDims)
	}
	code, cast, note := codecFor(a.name, elem)
	lists := strings.Repeat("[]", dims)
	note = strings.Replace(note, `"DECIMAL(38,10)"`, `"DECIMAL(38,10)`+lists+`"`, 1) // an array is pinned as one
	natural := code.duckType + lists
	if pin != "" {
		switch want := spelled(pin); {
		case want == natural:
		case want == "VARCHAR":
			code, cast, note, dims = textCodec(), "text", "", 0
		case want == "VARCHAR"+lists:
			code, cast, note = textCodec(), "text", ""
		case elem.numeric() && pinnedDecimal(want, lists) != nil:
			d := pinnedDecimal(want, lists)
			code, note = decimalCodec(a.name, d[0], d[1]), ""
			if cast = ""; elem.oid == oidMoney {
				cast = "numeric"
			}
		default:
			return column{}, fmt.Errorf("type %s cannot be pinned: a column of type %s lands as %s", pin, a.sqlType, possible(natural, lists, elem))
		}
	}
	c := column{name: a.name, expr: pgx.Identifier{a.name}.Sanitize(), sqlType: a.sqlType, nullable: !a.notNull, note: note}
	switch {
	case cast == "":
	case elem.oid == oidInet && a.typ.elem == nil: // its cast to text writes a netmask where psql writes none
		c.expr = "pg_catalog.textin(pg_catalog.inet_out(" + c.expr + "))"
	case elem.oid == oidInet && dims > 0:
		c.expr += "::pg_catalog.text::pg_catalog.text[]"
	case dims > 0:
		c.expr += "::pg_catalog." + cast + "[]"
	default:
		c.expr += "::pg_catalog." + cast
	}
	if dims > 0 {
		code = listCodec(a.name, code, dims)
	}
	c.duckType, c.check, c.bind, c.text = code.duckType, code.check, code.bind, code.text
	c.size, c.textual, c.dims = code.size, code.textual, dims
	// Nullable whatever the catalog says: a constraint may be dropped between the look and the reading.
	c.field = arrow.Field{Name: a.name, Type: code.arrow, Nullable: true}
	return c, nil
}

// codecFor gives the codec of a type that is no array, what the server must cast it to first ("": nothing), and the
// note for those who plan.
func codecFor(name string, t pgType) (code codec, cast, note string) {
	switch t.oid {
	case oidBool:
		return boolCodec(), "", ""
	case oidInt2:
		return int2Codec(), "", ""
	case oidInt4:
		return int4Codec(), "", ""
	case oidInt8:
		return int8Codec(), "", ""
	case oidOID:
		return oidCodec(), "", ""
	case oidFloat4:
		return float4Codec(), "", ""
	case oidFloat8:
		return float8Codec(), "", ""
	case oidText, oidVarchar, oidBpchar, oidName:
		return textCodec(), "", ""
	case oidChar:
		return charCodec(), "", ""
	case oidBytea:
		return byteaCodec(), "", ""
	case oidDate:
		return dateCodec(), "", ""
	case oidTime:
		return timeCodec(), "", ""
	case oidTimestamp:
		return timestampCodec(name, ""), "", ""
	case oidTimestamptz:
		return timestampCodec(name, "UTC"), "", ""
	case oidUUID:
		return uuidCodec(), "", ""
	case oidJSON:
		return jsonCodec(name), "", ""
	case oidJSONB:
		return jsonbCodec(), "", ""
	case oidMoney:
		return decimalCodec(name, 19, t.moneyScale), "numeric", "money lands as a number, without its currency"
	case oidNumeric:
		if p, s, ok := numericTypmod(t.typmod); ok {
			return decimalCodec(name, p, s), "", ""
		}
		note = fmt.Sprintf(`numeric without a limit lands as VARCHAR, so that no digit is lost; when its numbers fit, pin it: columns: {%s: "DECIMAL(38,10)"}`, name)
		if t.typmod >= 4 {
			note = fmt.Sprintf(`DECIMAL has 38 digits, so this numeric lands as VARCHAR; when its numbers fit, pin it: columns: {%s: "DECIMAL(38,10)"}`, name)
		}
		return textCodec(), "text", note
	}
	if t.kind == "e" || t.extension == "citext" && t.name == "citext" {
		return textCodec(), "", ""
	}
	return textCodec(), "text", "lands as the text that psql prints"
}

func (t pgType) numeric() bool { return t.oid == oidNumeric || t.oid == oidMoney }

// numericTypmod gives the DECIMAL that holds every numeric(p,s); ok is false when there is none.
func numericTypmod(typmod int32) (precision, scale int, ok bool) {
	if typmod < 4 {
		return 0, 0, false
	}
	precision = int((typmod-4)>>16) & 0xffff
	scale = int((typmod-4)&0x7ff^1024) - 1024 // signed since PostgreSQL 15, in 11 bits
	if scale < 0 {
		precision, scale = precision-scale, 0 // numeric(2,-3): 99000
	}
	precision = max(precision, scale) // numeric(3,5): 0.00999
	return precision, scale, precision <= 38
}

var decimalPin = regexp.MustCompile(`^DECIMAL\((\d+),(\d+)\)((?:\[\])*)$`)

// pinnedDecimal reads DECIMAL(p,s) with the lists given behind it.
func pinnedDecimal(pin, lists string) []int {
	m := decimalPin.FindStringSubmatch(pin)
	if m == nil || m[3] != lists {
		return nil
	}
	p, _ := strconv.Atoi(m[1])
	s, _ := strconv.Atoi(m[2])
	if p < 1 || p > 38 || s > p {
		return nil
	}
	return []int{p, s}
}

func possible(natural, lists string, elem pgType) string {
	types := []string{natural}
	if elem.numeric() {
		types = append(types, "DECIMAL(p,s)"+lists+" with p up to 38")
	}
	if natural != "VARCHAR" {
		types = append(types, "VARCHAR")
	}
	if lists != "" && natural != "VARCHAR"+lists {
		types = append(types, "VARCHAR"+lists)
	}
	return strings.Join(types, " or ")
}

// pinAliases are spellings of the types that columns land as.
var pinAliases = map[string]string{
	"INT": "INTEGER", "INT2": "SMALLINT", "INT4": "INTEGER", "INT8": "BIGINT", "BOOL": "BOOLEAN", "TEXT": "VARCHAR", "STRING": "VARCHAR",
	"FLOAT4": "FLOAT", "REAL": "FLOAT", "FLOAT8": "DOUBLE", "DOUBLE PRECISION": "DOUBLE", "BYTEA": "BLOB", "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
	"TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP", "TIME WITHOUT TIME ZONE": "TIME", "NUMERIC": "DECIMAL", "DEC": "DECIMAL",
}

var (
	parens = regexp.MustCompile(`\s*([(),\[\]])\s*`)
	scaled = regexp.MustCompile(`^(DECIMAL)(\(\d+\))?((?:\[\])*)$`)
)

// spelled is a pinned type as DuckDB spells it.
func spelled(pin string) string {
	pin = strings.ToUpper(strings.Join(strings.Fields(pin), " "))
	pin = parens.ReplaceAllString(pin, "$1")
	base, rest := pin, ""
	if i := strings.IndexAny(pin, "(["); i >= 0 {
		base, rest = pin[:i], pin[i:]
	}
	if to, ok := pinAliases[base]; ok {
		base = to
	}
	if m := scaled.FindStringSubmatch(base + rest); m != nil {
		if m[2] == "" {
			return "DECIMAL(18,3)" + m[3] // as DuckDB has it
		}
		return "DECIMAL" + strings.TrimSuffix(m[2], ")") + ",0)" + m[3]
	}
	return base + rest
}

// sqlTableAttributes lists the columns of the table or view $1.
const sqlTableAttributes = `
SELECT attname::text, atttypid, atttypmod, attndims::int, attnotnull, pg_catalog.format_type(atttypid, atttypmod)
FROM pg_catalog.pg_attribute
WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND NOT attisdropped
ORDER BY attnum`

// sqlQueryAttributes says of the columns of a query what their description leaves out. It has a domain's base type
// and no dimensions; of a column that is a table's own, the table tells more. Whether it can be NULL depends on the
// query.
const sqlQueryAttributes = `
SELECT coalesce(a.atttypid, q.typ), coalesce(a.atttypmod, q.typmod), coalesce(a.attndims::int, 0),
	pg_catalog.format_type(coalesce(a.atttypid, q.typ), coalesce(a.atttypmod, q.typmod))
FROM ROWS FROM (
	pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::int4[]),
	pg_catalog.unnest($3::pg_catalog.oid[]), pg_catalog.unnest($4::int4[])
) WITH ORDINALITY AS q(typ, typmod, rel, num, position)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = q.rel AND a.attnum = q.num
ORDER BY q.position`

// sqlTypes gives the types $1 with all that they are made of: the base types of domains, the elements of arrays.
// oidvector and its like have elements too, and are no arrays: their elements do not point back.
const sqlTypes = `
WITH RECURSIVE reached(oid) AS (
	SELECT pg_catalog.unnest($1::pg_catalog.oid[])
	UNION
	SELECT next.oid
	FROM reached
	JOIN pg_catalog.pg_type AS t ON t.oid = reached.oid
	CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS next(oid)
	WHERE next.oid <> 0
)
SELECT t.oid, t.typname::text, t.typtype::text, t.typbasetype, t.typtypmod, t.typndims,
	CASE WHEN e.typarray = t.oid THEN e.oid ELSE 0 END, coalesce(x.extname::text, '')
FROM reached
JOIN pg_catalog.pg_type AS t ON t.oid = reached.oid
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
	AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension AS x ON x.oid = d.refobjid`

// sqlMoneyScale is asked for when there is a column of money: the locale decides, and the catalog does not tell.
const sqlMoneyScale = `SELECT pg_catalog.scale(0::pg_catalog.money::pg_catalog.numeric)`

// found is one attribute before its type is known in full.
type found struct {
	attribute
	oid    uint32
	typmod int32
}

// loadAttributes describes the columns of the table or view with this OID.
func loadAttributes(ctx context.Context, conn *pgx.Conn, relation uint32) ([]attribute, error) {
	rows, err := conn.Query(ctx, sqlTableAttributes, relation)
	if err != nil {
		return nil, fmt.Errorf("read the columns from the catalog: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f found, err error) {
		err = row.Scan(&f.name, &f.oid, &f.typmod, &f.dims, &f.notNull, &f.sqlType)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the columns from the catalog: %w", err)
	}
	return resolve(ctx, conn, all)
}

// loadQueryAttributes describes the columns of a query, which is prepared and not run.
func loadQueryAttributes(ctx context.Context, conn *pgx.Conn, query string) ([]attribute, error) {
	statement, err := conn.PgConn().Prepare(ctx, "", query, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare the query: %w", err)
	}
	all := make([]found, len(statement.Fields))
	oids, typmods := make([]uint32, len(all)), make([]int32, len(all))
	relations, numbers := make([]uint32, len(all)), make([]int32, len(all))
	for i, f := range statement.Fields {
		all[i].name = f.Name
		oids[i], typmods[i] = f.DataTypeOID, f.TypeModifier
		relations[i], numbers[i] = f.TableOID, int32(f.TableAttributeNumber)
	}
	rows, err := conn.Query(ctx, sqlQueryAttributes, oids, typmods, relations, numbers)
	if err != nil {
		return nil, fmt.Errorf("read the query's types from the catalog: %w", err)
	}
	at := 0
	var f found
	if _, err := pgx.ForEachRow(rows, []any{&f.oid, &f.typmod, &f.dims, &f.sqlType}, func() error {
		f.name = all[at].name
		all[at] = f
		at++
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the query's types from the catalog: %w", err)
	}
	return resolve(ctx, conn, all)
}

// catalogType is a row of sqlTypes.
type catalogType struct {
	pgType
	base       uint32 // of a domain
	baseTypmod int32
	elemOID    uint32
}

// resolve takes domains off and finds the elements of arrays.
func resolve(ctx context.Context, conn *pgx.Conn, all []found) ([]attribute, error) {
	oids := make([]uint32, len(all))
	for i, f := range all {
		oids[i] = f.oid
	}
	rows, err := conn.Query(ctx, sqlTypes, oids)
	if err != nil {
		return nil, fmt.Errorf("read types from the catalog: %w", err)
	}
	types := map[uint32]catalogType{}
	var t catalogType
	if _, err := pgx.ForEachRow(rows, []any{&t.oid, &t.name, &t.kind, &t.base, &t.baseTypmod, &t.dims, &t.elemOID, &t.extension}, func() error {
		types[t.oid] = t
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read types from the catalog: %w", err)
	}
	moneyScale := 2
	if _, ok := types[oidMoney]; ok {
		if err := conn.QueryRow(ctx, sqlMoneyScale).Scan(&moneyScale); err != nil {
			return nil, fmt.Errorf("ask for the scale of money: %w", err)
		}
	}
	attrs := make([]attribute, len(all))
	for i, f := range all {
		attrs[i] = f.attribute
		if attrs[i].typ, err = resolveType(types, f.oid, f.typmod, moneyScale); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
	}
	return attrs, nil
}

func resolveType(types map[uint32]catalogType, oid uint32, typmod int32, moneyScale int) (pgType, error) {
	dims := 0
	for {
		t, ok := types[oid]
		if !ok {
			return pgType{}, fmt.Errorf("type %d is not in the catalog any more", oid)
		}
		dims = max(dims, t.dims)
		if t.kind == "d" {
			oid, typmod = t.base, t.baseTypmod
			continue
		}
		got := t.pgType
		got.typmod, got.dims, got.moneyScale = typmod, dims, moneyScale
		if t.elemOID != 0 {
			elem, err := resolveType(types, t.elemOID, typmod, moneyScale)
			if err != nil {
				return pgType{}, err
			}
			got.elem = &elem
		}
		return got, nil
	}
}
