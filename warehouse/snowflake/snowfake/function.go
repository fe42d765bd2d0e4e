package snowfake

import (
	"fmt"
	"strings"
)

// macros are what DuckDB lacks: functions with Snowflake's behaviour, and ones that raise its errors. typeof is known when a query is
// planned: the branches that do not fit are gone before they run.
var macros = []string{
	`CREATE MACRO sf_text(v, n) AS CASE WHEN length(v) > n THEN error('snowfake!100078!22000!String ''' || v || ''' is too long and would be truncated') ELSE v END`,
	`CREATE MACRO sf_binary(v, n) AS CASE WHEN octet_length(v) > n THEN error('snowfake!100145!22000!Binary value is too long and would be truncated') ELSE v END`,
	// A text is bytes in hexadecimal (BINARY_INPUT_FORMAT, https://docs.snowflake.com/en/sql-reference/parameters#binary-input-format).
	`CREATE MACRO sf_bytes(v) AS unhex(CASE WHEN typeof(v) = 'BLOB' THEN hex(v) WHEN regexp_full_match(CAST(v AS VARCHAR), '([0-9a-fA-F]{2})*') THEN CAST(v AS VARCHAR)
		WHEN v IS NOT NULL THEN error('snowfake!100115!22000!The following string is not a legal hex-encoded value: ''' || CAST(v AS VARCHAR) || '''') END)`,
	// Snowflake writes a blank before the offset.
	`CREATE MACRO sf_instant(v) AS CASE WHEN typeof(v) = 'VARCHAR' THEN CAST(regexp_replace(CAST(v AS VARCHAR), ' ([+-]\d\d:?\d\d)$', '\1') AS TIMESTAMPTZ)
		ELSE CAST(v AS TIMESTAMPTZ) END`,
	// DuckDB prints no 0 before the point of a DECIMAL(n,n).
	`CREATE MACRO sf_char(v) AS CASE WHEN typeof(v) LIKE 'DECIMAL%' THEN regexp_replace(CAST(v AS VARCHAR), '^(-?)\.', '\10.')
		WHEN typeof(v) IN ('BLOB', 'JSON') OR typeof(v) LIKE 'TIMESTAMP%' THEN error('snowfake!999999!0A000!snowfake does not know how Snowflake prints a ' || typeof(v) || ' without a format') ELSE CAST(v AS VARCHAR) END`,
	`CREATE MACRO sf_only_text(v) AS CASE WHEN typeof(v) IN ('VARCHAR', '"NULL"') THEN CAST(v AS VARCHAR)
		ELSE error('snowfake!001065!22023!SQL compilation error:' || chr(10) || 'Function TRY_CAST cannot be used with arguments of type ' || typeof(v)) END`,
}

// function is a known function: how many arguments it takes, and DuckDB's text for them. %s stands for each of them in turn.
type function struct {
	low, high int
	text      string                             // "%[1]s" and so on
	write     func(a []string) string            // instead of text
	read      func(p *parser) string             // instead of both: reads its own arguments
	window    bool                               // may be followed by OVER
	must      bool                               // must be followed by OVER
	session   func(s *Session) string            // instead of all: a constant of the session
	effect    func(p *parser, a []string) string // does something when the statement runs
}

// many is no limit on the number of arguments.
const many = 1 << 10

func nullsWin(name string) func([]string) string {
	return func(a []string) string { // https://docs.snowflake.com/en/sql-reference/functions/greatest: NULL if any argument is
		tests := make([]string, len(a))
		for i := range a {
			tests[i] = "(" + a[i] + ") IS NULL"
		}
		return "CASE WHEN " + strings.Join(tests, " OR ") + " THEN NULL ELSE " + name + "(" + strings.Join(a, ", ") + ") END"
	}
}

func call(name string) func([]string) string {
	return func(a []string) string { return name + "(" + strings.Join(a, ", ") + ")" }
}

func ofSession(f func(s *Session) string) function {
	return function{session: func(s *Session) string {
		if v := f(s); v != "" {
			return quoteText(v)
		}
		return "CAST(NULL AS VARCHAR)"
	}}
}

// functions is the whitelist.
func functions() map[string]function {
	return map[string]function{
		"COUNT":       {read: (*parser).count, window: true},
		"SUM":         {low: 1, high: 1, write: call("sum"), window: true},
		"MIN":         {low: 1, high: 1, write: call("min"), window: true},
		"MAX":         {low: 1, high: 1, write: call("max"), window: true},
		"COUNT_IF":    {low: 1, high: 1, text: "count(CASE WHEN %[1]s THEN 1 END)", window: true},
		"BOOLOR_AGG":  {low: 1, high: 1, text: "bool_or(%[1]s)", window: true},
		"BOOLAND_AGG": {low: 1, high: 1, text: "bool_and(%[1]s)", window: true},

		"ROW_NUMBER": {write: call("row_number"), must: true},
		"RANK":       {write: call("rank"), must: true},
		"LAG":        {low: 1, high: 2, write: call("lag"), must: true},
		"LEAD":       {low: 1, high: 2, write: call("lead"), must: true},

		"COALESCE":   {low: 2, high: many, write: call("coalesce")},
		"NVL":        {low: 2, high: 2, write: call("coalesce")},
		"IFNULL":     {low: 2, high: 2, write: call("coalesce")},
		"NULLIF":     {low: 2, high: 2, write: call("nullif")},
		"NVL2":       {low: 3, high: 3, text: "CASE WHEN (%[1]s) IS NOT NULL THEN %[2]s ELSE %[3]s END"},
		"IFF":        {low: 3, high: 3, text: "CASE WHEN %[1]s THEN %[2]s ELSE %[3]s END"},
		"EQUAL_NULL": {low: 2, high: 2, text: "((%[1]s) IS NOT DISTINCT FROM (%[2]s))"},
		"ZEROIFNULL": {low: 1, high: 1, text: "coalesce(%[1]s, 0)"},
		"GREATEST":   {low: 1, high: many, write: nullsWin("greatest")},
		"LEAST":      {low: 1, high: many, write: nullsWin("least")},
		"ABS":        {low: 1, high: 1, write: call("abs")},

		"UPPER":        {low: 1, high: 1, write: call("upper")},
		"LOWER":        {low: 1, high: 1, write: call("lower")},
		"OCTET_LENGTH": {low: 1, high: 1, text: "(length(hex(%[1]s)) // 2)"},
		"LENGTH":       {low: 1, high: 1, write: call("length")},
		"TRIM":         {low: 1, high: 1, write: call("trim")},
		"REPLACE":      {low: 3, high: 3, write: call("replace")},
		// Snowflake's is NULL when any part is, DuckDB's skips it (https://docs.snowflake.com/en/sql-reference/functions/concat).
		"CONCAT": {low: 1, high: many, write: func(a []string) string { return "(" + strings.Join(a, " || ") + ")" }},

		"MD5":                {low: 1, high: 1, write: call("md5")},
		"MD5_NUMBER_LOWER64": {low: 1, high: 1, text: "CAST(CAST('0x' || substr(md5(%[1]s), 17, 16) AS UBIGINT) AS DECIMAL(20,0))"},
		"HEX_ENCODE":         {low: 1, high: 1, text: "hex(%[1]s)"},
		"TO_VARCHAR":         {read: (*parser).toChar},
		"TO_CHAR":            {read: (*parser).toChar},
		"DATE_PART":          {read: (*parser).datePart},
		"TO_DATE":            {low: 1, high: 1, text: "CAST(%[1]s AS DATE)"},
		"TO_TIMESTAMP_NTZ":   {read: (*parser).toTimestamp},
		"DATEDIFF":           {read: (*parser).dateDiff},

		"PARSE_JSON": {low: 1, high: 1, text: "CAST(%[1]s AS JSON)"},
		"TO_JSON":    {low: 1, high: 1, text: "CAST(%[1]s AS VARCHAR)"},

		"SYSDATE":                  {session: func(s *Session) string { return "(" + s.now() + " AT TIME ZONE 'UTC')" }},
		"CURRENT_DATE":             {session: func(s *Session) string { return "CAST(" + s.now() + " AT TIME ZONE 'UTC' AS DATE)" }},
		"CURRENT_DATABASE":         ofSession(func(s *Session) string { return s.database }),
		"CURRENT_SCHEMA":           ofSession(func(s *Session) string { return s.schema }),
		"CURRENT_WAREHOUSE":        ofSession(func(s *Session) string { return s.warehouse }),
		"CURRENT_ROLE":             ofSession(func(s *Session) string { return s.role }),
		"CURRENT_USER":             ofSession(func(s *Session) string { return s.user }),
		"CURRENT_ACCOUNT":          ofSession(func(s *Session) string { return s.account.cfg.Name }),
		"CURRENT_SESSION":          ofSession(func(s *Session) string { return fmt.Sprint(s.id) }),
		"CURRENT_VERSION":          ofSession(func(s *Session) string { return "snowfake" }),
		"CURRENT_TRANSACTION":      ofSession((*Session).transactionID),
		"LAST_QUERY_ID":            ofSession(func(s *Session) string { return s.lastQuery }),
		"SYSTEM$ABORT_TRANSACTION": {low: 1, high: 1, effect: (*parser).abortTransaction},
	}
}

func (p *parser) function() string {
	at := p.peek()
	f, ok := p.session.account.functions[p.word()]
	if !ok {
		p.fail(unknownf("the function %s", at.raw))
		return ""
	}
	p.expect("(")
	text := ""
	if f.read != nil {
		text = f.read(p)
	} else {
		text = p.plain(at, f)
	}
	p.expect(")")
	if p.is("OVER") && (f.window || f.must) {
		return text + p.over()
	}
	if f.must {
		p.fail(failf("002303", "0A000", "SQL compilation error:\nWindow function type [%s] requires OVER clause to be specified", at.text))
	}
	return text
}

// plain reads arguments that are expressions.
func (p *parser) plain(at token, f function) string {
	var args []string
	for !p.is(")") && p.err == nil {
		if len(args) > 0 {
			p.expect(",")
		}
		args = append(args, p.expr())
	}
	switch {
	case p.err != nil:
	case len(args) < f.low, len(args) > f.high:
		p.fail(failf("000938", "22023", "SQL compilation error:\nnot the right number of arguments for function [%s]: %d", at.text, len(args)))
	case f.session != nil:
		return f.session(p.session)
	case f.effect != nil:
		return f.effect(p, args)
	case f.write != nil:
		return f.write(args)
	default:
		values := make([]any, len(args))
		for i := range args {
			values[i] = args[i]
		}
		return fmt.Sprintf(f.text, values...)
	}
	return ""
}

func (p *parser) count() string {
	switch {
	case p.accept("*"):
		return "count(*)"
	case p.accept("DISTINCT"):
		return "count(DISTINCT " + p.expr() + ")"
	}
	return "count(" + p.expr() + ")"
}

// over reads a window without a frame.
func (p *parser) over() string {
	p.expect("OVER", "(")
	text := ""
	if p.accept("PARTITION", "BY") {
		text = "PARTITION BY " + p.exprs()
	}
	text += p.orderBy()
	p.expect(")")
	return " OVER (" + text + ")"
}

// formats are the elements of date formats, the longest first (https://docs.snowflake.com/en/sql-reference/date-time-input-output).
var formats = []struct{ snowflake, duckdb string }{
	{"YYYY", "%Y"}, {"HH24", "%H"}, {"FF6", "%f"}, {"FF3", "%g"}, {"MM", "%m"}, {"DD", "%d"}, {"MI", "%M"}, {"SS", "%S"},
	{`"T"`, "T"}, {`"Z"`, "Z"}, {"-", "-"}, {":", ":"}, {".", "."}, {" ", " "}, {"/", "/"},
}

func dateFormat(format string) (string, error) {
	out := ""
next:
	for rest := format; rest != ""; {
		for _, f := range formats {
			if after, ok := strings.CutPrefix(rest, f.snowflake); ok {
				out, rest = out+f.duckdb, after
				continue next
			}
		}
		return "", unknownf("the format %q: it reads %q", format, rest)
	}
	return out, nil
}

func (p *parser) toChar() string {
	value := p.expr()
	if !p.accept(",") {
		return "sf_char(" + value + ")"
	}
	format := p.stringValue()
	switch format {
	case "HEX":
		return "hex(" + value + ")"
	case "TME": // all digits of a FLOAT, with an exponent (https://docs.snowflake.com/en/sql-reference/sql-format-models)
		return "upper(format('{:.16e}', CAST(" + value + " AS DOUBLE)))"
	}
	converted, err := dateFormat(format)
	if err != nil {
		p.fail(err)
	}
	return "strftime(" + value + ", " + quoteText(converted) + ")"
}

// dateParts are parts of a date that DATE_PART gives (https://docs.snowflake.com/en/sql-reference/functions-date-time#supported-date-and-time-parts).
var dateParts = map[string]string{
	"YEAR": "year(%s)", "MONTH": "month(%s)", "DAY": "day(%s)", "HOUR": "hour(%s)", "MINUTE": "minute(%s)",
	"EPOCH_SECOND": "CAST(floor(epoch_us(%s) / 1000000) AS BIGINT)", "EPOCH_MILLISECOND": "epoch_ms(%s)",
	"EPOCH_MICROSECOND": "epoch_us(%s)", "EPOCH_NANOSECOND": "(epoch_us(%s) * 1000::HUGEINT)",
}

func (p *parser) datePart() string {
	at := p.next()
	format, ok := dateParts[strings.ToUpper(at.text)]
	if !ok {
		p.fail(unknownf("the date part %s", at.raw))
		return ""
	}
	p.expect(",")
	return fmt.Sprintf(format, p.expr())
}

// dateDiff is DATEDIFF(part, from, to), which counts the boundaries between them, as DuckDB's does
// (https://docs.snowflake.com/en/sql-reference/functions/datediff).
func (p *parser) dateDiff() string {
	at := p.next()
	if at.text != "MICROSECOND" && at.text != "SECOND" && at.text != "DAY" {
		p.fail(unknownf("DATEDIFF in %s", at.raw))
	}
	p.expect(",")
	from := p.expr()
	p.expect(",")
	return "date_diff(" + quoteText(strings.ToLower(at.text)) + ", " + from + ", " + p.expr() + ")"
}

// toTimestamp is TO_TIMESTAMP_NTZ of a text, a date or a timestamp, or with a scale of a number: 6 means microseconds
// (https://docs.snowflake.com/en/sql-reference/functions/to_timestamp).
func (p *parser) toTimestamp() string {
	value := p.expr()
	if !p.accept(",") {
		return "CAST(" + value + " AS TIMESTAMP)"
	}
	if scale := p.integer(); p.err == nil && scale != 6 {
		p.fail(unknownf("TO_TIMESTAMP_NTZ of a number with scale %d", scale))
	}
	return "make_timestamp(CAST(" + value + " AS BIGINT))"
}
