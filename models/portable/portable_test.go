package portable_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/models/portable"
)

var update = flag.Bool("update", false, "rewrite what docs/snowflake-dialect.md has from the code")

const none = "SELECT a, -- ORDER BY a DESC, greatest(a, b) // 2\n /* hash(a) /* ~ */ [1] */ 'DESC // ~ [1] {', $$ a\\b random() $$, $q$ \"Aa\" $q$, \"ORDER_ID\" FROM t"

// cases has, for each trap, a text in which it is, up to where it begins, and texts in which it is not.
var cases = []struct {
	trap   string
	before string // the trap begins behind it
	rest   string
	not    []string
}{
	{"`ORDER BY … DESC` without NULLS", "SELECT row_number() OVER (PARTITION BY a ORDER BY b + 1 ", "DESC, c NULLS FIRST) FROM t",
		[]string{"SELECT a FROM t ORDER BY a DESC NULLS LAST, b", "SELECT array_agg(a ORDER BY b ASC) FROM t", "SELECT description AS desc FROM t"}},
	{"`greatest` and `least`", "SELECT ", "Greatest (a, b)", []string{"SELECT s.greatest, least FROM t"}},
	{"`concat` and `concat_ws`", "SELECT ", "concat(a, b)", []string{"SELECT a || b"}},
	{"`jaro_winkler_similarity`, `jaro_similarity`", "SELECT ", "jaro_winkler_similarity(a, b)", []string{"SELECT jaro_winkler(a, b)"}},
	{"`levenshtein`, `editdist3`", "SELECT ", "levenshtein(a, b)", []string{"SELECT editdistance(a, b)"}},
	{"`levenshtein`, `editdist3`", "SELECT t.name.", "levenshtein('x')", []string{"SELECT t.levenshtein"}},
	{"`jaccard`, `damerau_levenshtein`, `hamming`", "SELECT ", "jaccard(a, b)", []string{"SELECT jaccard"}},
	{"`regexp_matches`", "SELECT ", "regexp_matches(a, 'x')", []string{"SELECT a LIKE '%x%', contains(a, 'x')"}},
	{"`regexp_full_match`", "SELECT ", "regexp_full_match(a, 'x')", []string{"SELECT a LIKE 'x'"}},
	{"`regexp_replace`", "SELECT ", "regexp_replace(a, 'x', 'y', 'i')", []string{"SELECT replace(a, 'x', 'y')"}},
	{"`TRY_CAST` of what is no text", "SELECT ", "try_cast(a AS DECIMAL(10, 2))", []string{"SELECT TRY_CAST(CAST(a AS VARCHAR) AS DATE), TRY_CAST(a::text AS DATE), TRY_CAST('1' AS INTEGER), TRY_CAST(trim(a) AS DATE), CAST(a AS DATE)",
		"SELECT TRY_CAST(a::varchar(10) AS DATE), TRY_CAST(nullif(trim(a), '') AS DATE), TRY_CAST(f(a) || b AS DATE), TRY_CAST(coalesce(a::text, b) AS DATE)"}},
	{"`TRY_CAST` of what is no text", "SELECT ", "try_cast(nullif(a, '0') AS DATE)", nil},
	{"`TRY_CAST` of what is no text", "SELECT ", "try_cast(CASE WHEN a || b = 'x' THEN 1 END AS DATE)", nil},
	{"`avg` and `mean`", "SELECT ", "avg(a) OVER (PARTITION BY b)", []string{"SELECT avg(a::DOUBLE), avg(CAST(a AS DOUBLE)), avg(a * 1e0), avg"}},
	{"`avg` and `mean`", "SELECT ", "mean(a::DOUBLE)", nil},
	{"`DECIMAL` without digits", "SELECT a::", "DECIMAL, b", []string{"SELECT a::DECIMAL(9, 2), CAST(a AS NUMERIC(9, 2)), a AS numeric, (SELECT b AS decimal), f(a AS dec)"}},
	{"`DECIMAL` without digits", "SELECT CAST(f(a, [1]) AS ", "numeric)", nil},
	{"`DECIMAL` without digits", "SELECT TRY_CAST('1' AS ", "decimal[])", nil},
	{"`TIMESTAMPTZ`", "SELECT a::", "timestamptz::date", []string{"SELECT a::timestamp::date, CAST(a AS timestamp)"}},
	{"`TIMESTAMPTZ`", "SELECT CAST(a AS ", "TIMESTAMP WITH TIME ZONE)", nil},
	{"`AT TIME ZONE`", "SELECT a ", "AT TIME ZONE 'Europe/Berlin'", []string{"SELECT at, time, zone FROM at"}},
	{"`dayname` and `monthname`", "SELECT ", "dayname(a)", []string{"SELECT left(dayname(a), 3), LEFT(monthname(a), 3), dayname"}},
	{"`extract(epoch …)`", "SELECT ", "extract(EPOCH FROM a)", []string{"SELECT floor(extract(epoch FROM a)), extract(year FROM a), date_part('year', a), epoch"}},
	{"`extract(epoch …)`", "SELECT ", "date_part('epoch', a)", nil},
	{"`extract(epoch …)`", "SELECT ", "epoch(a)", nil},
	{"`substr(a, 0, …)`", "SELECT ", "substr(f(a, 1), 0, 3)", []string{"SELECT substr(a, 1, 3), substr(a, 0 + b, 1), substr(f(b, 0), 1), a.substring(1, 0), substr"}},
	{"`substr(a, 0, …)`", "SELECT a.", "substring(0, 3)", nil},
	{"`array_agg` and `list`", "SELECT ", "list(a)", []string{"SELECT list, list_transform(a, b)"}},
	{"`clean_…`", "SELECT ", "clean_name(a)", []string{"SELECT clean_name, clean_up(a)"}},
	{"`clean_…`", "SELECT a.", "clean_phone('DE')", nil},
	{"`hash`", "SELECT ", "hash(a, b)", []string{"SELECT hash, md5(a)"}},
	{"`random`", "SELECT ", "random()", []string{"SELECT random"}},
	{"`generate_series`, `range`", "SELECT * FROM ", "range(10)", []string{"SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW), range"}},
	{"`//`", "SELECT a ", "// 2", []string{"SELECT floor(a)"}},
	{"`/`", "SELECT sum(a) ", "/ count(*)", []string{"SELECT a::DOUBLE / b, CAST(a AS DOUBLE) / b, a / CAST(b AS FLOAT), a / b::double, a / 1e0",
		"SELECT (a::double) / 2, a / (2::double), 5 / 2::double, a / -1e0, b / sum(a)::double, b / s.t.a::double, a / b[1]::double, ((a * 1e0)) / 2, a / ((b)::double + c)"}},
	{"`/`", "SELECT (SELECT count(*) FROM t WHERE a > 1e3) ", "/ b", nil},
	{"`/`", "SELECT (a > 1e3) ", "/ b", nil},
	{"`/`", "SELECT 0xfe ", "/ b", nil},
	{"`/`", "SELECT b ", "/ 0x1E", nil},
	{"`/`", "SELECT 2 ", "/ a::double::int", nil},
	{"`/`", "SELECT sum(a::double, 1) ", "/ (b)", nil},
	{"`/`", "SELECT a ", "/ f(b::double)", nil},
	{"`~` and `SIMILAR TO`", "SELECT a ", "!~ 'x'", []string{"SELECT ~1 | ~ a, a LIKE 'x'"}},
	{"a backslash in '…'", "SELECT ", `'it''s \d'`, []string{`SELECT $$\d$$, 'd', E'\n'`}},
	{"a subscript", "SELECT split(a, ',')", "[1]", []string{"SELECT CAST(a AS INTEGER[]), a::INTEGER[3], a::DECIMAL(10, 2)[1], CAST(a AS INTEGER[3][2])"}},
	{"a subscript", "SELECT (a::INTEGER[])", "[1]", nil},
	{"a list `[…]`", "SELECT a IN ", "[1, 2]", []string{"SELECT a::INTEGER[], a IN (1, 2)"}},
	{"a struct `{…}`", "SELECT ", "{'a': 1}", []string{"SELECT '{}'"}},
	{"a lambda", "SELECT list_transform(a, x ", "-> x + 1)", []string{"SELECT a -> '$.b', a ->> 'b', a -> 0"}},
	{"a lambda", "SELECT list_transform(a, ", "lambda x: x + 1)", nil},
	{"`ASOF JOIN`", "SELECT * FROM t ", "ASOF LEFT JOIN u ON t.a >= u.a", []string{"SELECT asof FROM t LEFT JOIN u ON true"}},
	{"`USING SAMPLE`", "SELECT * FROM t ", "USING SAMPLE 10%", []string{"SELECT * FROM t JOIN sample USING (sample)"}},
	{"a quoted name with small letters", "SELECT a AS ", `"Order Id"`, []string{`SELECT a AS "ORDER", a AS order_id`}},
}

func TestFind(t *testing.T) {
	untested := map[string]bool{}
	for _, trap := range portable.Traps() {
		untested[trap.Name] = true
	}
	for _, c := range cases {
		delete(untested, c.trap)
		hit := false
		for _, f := range portable.Find("-- é\n" + c.before + c.rest) {
			hit = hit || f.Name == c.trap && f.At == len("-- é\n"+c.before)
		}
		if !hit {
			t.Errorf("%s is not found in %s%s", c.trap, c.before, c.rest)
		}
		for _, sql := range append(c.not, none) {
			for _, f := range portable.Find(sql) {
				if f.Name == c.trap {
					t.Errorf("%s is found in %s at %d", c.trap, sql, f.At)
				}
			}
		}
	}
	for name := range untested {
		t.Errorf("%s has no case", name)
	}
	if found := portable.Find(none); len(found) > 0 {
		t.Errorf("in a text without traps there is %v", found[0])
	}
}

func FuzzFind(f *testing.F) {
	for _, c := range cases {
		f.Add(c.before + c.rest)
	}
	f.Add("e'\\")
	f.Add("$é$ \"x /* 1e+")
	f.Fuzz(func(t *testing.T, sql string) {
		last := 0
		for _, found := range portable.Find(sql) {
			if found.At < last || found.At >= len(sql) {
				t.Fatalf("%q: %d after %d", sql, found.At, last)
			}
			last = found.At
		}
	})
}

// TestPage: the table of the documentation is printed from the code.
func TestPage(t *testing.T) {
	const path = "../../docs/snowflake-dialect.md"
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := "| in a model | DuckDB | Snowflake | write instead |\n|---|---|---|---|\n"
	for _, trap := range portable.Traps() {
		table += strings.ReplaceAll(fmt.Sprintf("| %s | %s | %s | %s |\n", trap.Name, trap.DuckDB, trap.Snowflake, trap.Write), "||", `\|\|`)
	}
	between := regexp.MustCompile(`(?s)(<!-- traps: printed from the code -->\n).*(<!-- end of traps -->)`)
	page := between.ReplaceAllStringFunc(string(src), func(old string) string {
		m := between.FindStringSubmatch(old)
		return m[1] + table + m[2]
	})
	switch {
	case !strings.Contains(page, table):
		t.Fatal("the page has no place for the traps")
	case page == string(src):
	case !*update:
		t.Fatal("docs/snowflake-dialect.md differs from the code: go test ./models/portable -run TestPage -update")
	default:
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneLine(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1 -- one\n  ,/* two */ 'a\n--b' as \"x y\"\nfrom t;": "select 1 , 'a\n--b' as \"x y\" from t;",
		"--only":                   "",
		"a::int\n\n||b.c/**/ - -1": "a::int ||b.c - -1",
		"select 1--\n-- x\n+2":     "select 1 +2",
	} {
		if got := portable.OneLine(sql); got != want {
			t.Errorf("%q is %q, not %q", sql, got, want)
		}
	}
}

func TestRenamed(t *testing.T) {
	for sql, want := range map[string]string{
		`insert into "main"."T" select 'main.t', main.t.a, x.main.t from Main . t -- main.t`: `insert into new select 'main.t', new.a, x.main.t from new -- main.t`,
		"select t from main":  "select t from main",
		"delete from main.t":  "delete from new",
		"delete from main.tt": "delete from main.tt",
	} {
		if got := portable.Renamed(sql, "main", "t", "new"); got != want {
			t.Errorf("%q is %q, not %q", sql, got, want)
		}
	}
}
