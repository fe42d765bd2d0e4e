package standardize

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/warehouse"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// standIns are macros of the functions' names that do a little of what these do.
var standIns = []string{
	"clean_text(t) AS nullif(trim(t), '')", "clean_fold(t) AS nullif(lower(trim(t)), '')", "clean_drop_titles(t) AS regexp_replace(t, '^dr\\.? ', '')",
	"clean_company(t) AS regexp_replace(t, ' gmbh$', '')", "clean_nickname(t) AS CASE t WHEN 'bob' THEN 'robert' ELSE t END", "clean_email(t) AS CASE WHEN t LIKE '%@%' THEN lower(t) END",
	"clean_email_local(t) AS split_part(t, '@', 1)", "clean_phone(t, c) AS CASE WHEN c = 'DE' THEN '+49' || ltrim(t, '0') ELSE t END",
	"clean_date(t, f) AS coalesce(TRY_CAST(t AS DATE), CAST(try_strptime(t, list_append(f, '%Y-%m-%d')) AS DATE))", "clean_digits(t) AS nullif(regexp_replace(t, '[^0-9]', '', 'g'), '')",
	"clean_address(t, c) AS CASE WHEN t IS NOT NULL THEN {house: split_part(t, ' ', 1), street: split_part(t, ' ', 2), unit: CAST(NULL AS VARCHAR), pobox: CAST(NULL AS VARCHAR), postcode: split_part(t, ' ', 3), city: split_part(t, ' ', 4), line: lower(t)} END",
	"clean_postcode(t, c) AS upper(t)", "clean_phonetic(t) AS left(t, 2)",
}

// lab is an engine with tables, and an entity that reads them.
type lab struct {
	db *duckdb.DB
	e  *models.Entity
}

func (l *lab) Dialect() *warehouse.Dialect { return warehouse.DuckDB }

func (l *lab) Describe(ctx context.Context, query string) ([]warehouse.Column, error) {
	columns, err := l.db.Describe(ctx, query)
	var out []warehouse.Column
	for _, c := range columns {
		out = append(out, warehouse.Column{Name: c.Name, Type: c.Type})
	}
	return out, err
}

// open makes a lab of an entity's file and of tables: name, SELECT.
func open(t *testing.T, entity string, tables ...string) *lab {
	t.Helper()
	files := fstest.MapFS{"millrace.yml": {Data: []byte("name: p\n")}, "entities/customer.yml": {Data: []byte(entity)}, "w.json": {Data: []byte("{}")}}
	db, err := duckdb.Open(t.Context(), duckdb.Config{Memory: 256 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := &lab{db: db}
	for _, macro := range standIns {
		l.exec(t, "CREATE MACRO "+macro)
	}
	for i := 0; i < len(tables); i += 2 {
		files["models/"+tables[i]+".sql"] = &fstest.MapFile{Data: []byte("select 1 as x")}
		l.exec(t, "CREATE TABLE "+tables[i]+" AS "+tables[i+1])
	}
	files["models/m.yml"] = &fstest.MapFile{Data: []byte("models:\n  - name: " + tables[0] + "\n    columns: [{name: secret_id, tags: [pii]}]\n")}
	p, problems := models.Load(models.Loading{Dir: "/nowhere", Files: files})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	l.e = p.Entities[0]
	return l
}

func (l *lab) exec(t *testing.T, statement string) {
	t.Helper()
	if err := l.db.Exec(t.Context(), statement); err != nil {
		t.Fatal(statement, err)
	}
}

func (l *lab) ask(t *testing.T, query string) *warehouse.Result {
	t.Helper()
	out := &warehouse.Result{}
	if err := l.db.ExecRows(t.Context(), query, func(row []any) { out.Rows = append(out.Rows, slices.Clone(row)) }); err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	return out
}

// text is an answer, a line a row.
func text(r *warehouse.Result) string {
	var b strings.Builder
	for _, row := range r.Rows {
		for i, v := range row {
			if moment, is := v.(time.Time); is {
				v = moment.Format("2006-01-02")
			}
			if v == nil {
				v = "-"
			}
			if i > 0 {
				b.WriteString(" | ")
			}
			fmt.Fprint(&b, v)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// read reads the lab's entity and materializes its rows as the table rows.
func (l *lab) read(t *testing.T) *Reading {
	t.Helper()
	r, err := NewReading(t.Context(), l, l.e)
	if err != nil {
		t.Fatal(err)
	}
	l.exec(t, "CREATE OR REPLACE TABLE rows AS "+r.Rows)
	return r
}

const customers = `sources:
  - {table: stg_a, key: [id, site], updated_at: changed, trust: 90, columns: {first_name: given, phone: "coalesce(tel, mobile)"}}
  - {table: stg_b, key: id, duplicate_free: true, where: not gone}
standardize:
  first_name: [trim, fold, drop_titles, null_if: [test, unknown]]
  company:    [fold, drop_legal_suffix]
  phone:      [digits, {e164: {default_country: country}}]
  email:      [email]
  birth_date: {date: [iso, "%d/%m/%Y"], null_if: ["1900-01-01"]}
  address:    {address: {country: country}}
  postcode:   {postcode: country}
  country:    {map: ref_country, on_miss: quarantine}
  lang:       {map: ref_lang, on_miss: keep, from: code, to: word}
block:
  - [email]
  - {keys: [birth_date, "left(first_name, 1)"], max_block: 2000, on_overflow: review}
  - {similar: [company], top: 5}
compare:
  first_name: {levels: [exact, nickname, {jw: 0.92}], term_frequency: true}
  birth_date: {levels: [exact, {osa: 1}, {within: 1y}]}
  email:      {levels: [exact, same_local_part]}
  nicks:      {field: nicks, levels: [exact, {overlap: 1}]}
  amount:     {levels: [{percent: 5}]}
  product:    {field: tax_id, levels: [{codes: 0.5}]}
correlated: [[first_name, email]]
never: ["birth_date.else and first_name.else", "tax_id differs"]
always: ["same tax_id"]
survive: {city: longest}
`

var customerTables = []string{
	"stg_a", `SELECT * FROM (VALUES
 (1, 'x', TIMESTAMP '2026-01-01', ' Dr Bob', '030', NULL, 'B@X.de', '31/12/1980', '12 Elm 10115 Berlin', 'Germany', 'Acme GmbH', 'en', ['b', 'a', 'b'], 10.5, 't1'),
 (2, 'x', TIMESTAMP '2026-01-02', 'Unknown', NULL, '040', 'none', '1900-01-01', NULL, 'Atlantis', NULL, 'xx', [], 11.0, NULL),
 (3, NULL, NULL, 'Ann', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 't2')
) AS t(id, site, changed, given, tel, mobile, email, birth_date, address, country, company, lang, nicks, amount, tax_id)`,
	"stg_b", `SELECT * FROM (VALUES
 (7::BIGINT, 'bob', 'b@y.de', DATE '1980-12-30', '10115', 'germany', 9::INTEGER, 5, false),
 (8, 'gone', NULL, NULL, NULL, NULL, NULL, NULL, true)
) AS t(id, first_name, email, birth_date, postcode, country, amount, tax_id, gone)`,
	"ref_country", "SELECT * FROM (VALUES ('Germany', 'DE'), ('GERMANY', 'DE'), ('France', 'FR')) AS t(name, iso)",
	"ref_lang", "SELECT 'english' AS word, 'en' AS code",
}

// TestReading: what the rows, the records and the rest of them say, as text that people have read, and as rows.
func TestReading(t *testing.T) {
	tables := slices.Clone(customerTables)
	tables[3] = strings.ReplaceAll(tables[3], ", 5, false", ", 'T-100', false")
	l := open(t, customers, tables...)
	r := l.read(t)
	p, err := match.Compile(l.e)
	if err != nil {
		t.Fatal(err)
	}
	records, err := r.Records(p, r.Numbered("rows"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 27, 1, 2, 3, 0, time.UTC)
	golden.Check(t, "testdata/golden/reading.sql", "-- Rows\n"+r.Rows+"\n\n-- Records\n"+records+"\n\n-- Values\n"+r.Values(r.Numbered("rows"))+"\n\n-- Quarantined\n"+r.Quarantined("rows", "r1", at)+
		"\n\n-- Taken\n"+r.Taken+"\n\n-- Counts\n"+r.Counts("rows")+"\n\n-- Repeated\n"+r.Repeated("rows")+"\n", *update)

	got := text(l.ask(t, `SELECT _rec, _source, _key, _updated_at, email, birth_date, "$block2_2", company, first_name, "first_name$nickname", "birth_date$text", "email$local", nicks, amount, tax_id, "tax_id$codes" FROM (`+records+`) ORDER BY _rec`))
	want := "0 | 0 | [\"1\",\"x\"] | 2026-01-01 | b@x.de | 1980-12-31 | b | acme | bob | robert | 1980-12-31 | b | [a b] | 10.5 | t1 | -\n" +
		"1 | 1 | 7 | - | b@y.de | 1980-12-30 | b | - | bob | robert | 1980-12-30 | b | - | 9 | T-100 | t100\n"
	if got != want {
		t.Errorf("records:\n%swant:\n%s", got, want)
	}
	got = text(l.ask(t, "SELECT first_name, phone, country, lang, address, postcode, city, birth_date, \"first_name$valid\" FROM ("+r.Values(r.Numbered("rows"))+") ORDER BY _source"))
	want = " Dr Bob | +4930 | DE | english | 12 Elm 10115 Berlin | 10115 | Berlin | 1980-12-31 | true\nbob | - | DE | - | - | 10115 | - | 1980-12-30 | true\n"
	if got != want {
		t.Errorf("values:\n%swant:\n%s", got, want)
	}
	got = text(l.ask(t, "SELECT source, source_key, first_name, country, _failed_rules, _quarantined_run, _quarantined_from FROM ("+r.Quarantined("rows", "r1", at)+") ORDER BY 2 NULLS LAST"))
	want = "stg_a | [\"2\",\"x\"] | Unknown | Atlantis | [country_not_in_ref_country] | r1 | stg_a\nstg_a | - | Ann | - | [key_missing] | r1 | stg_a\n"
	if got != want {
		t.Errorf("quarantined:\n%swant:\n%s", got, want)
	}
	taken := l.ask(t, r.Taken)
	if eq := r.Equation(taken, l.ask(t, r.Counts("rows"))); eq.String() != "read 5 = records 2 + quarantined 2 + filtered 1" {
		t.Error(eq)
	}
	for _, wrong := range []string{"(SELECT * FROM rows LIMIT 3)", "(SELECT * FROM rows UNION ALL SELECT * FROM rows)"} {
		if eq := r.Equation(taken, l.ask(t, r.Counts(wrong))); eq.Closes() {
			t.Errorf("rows are lost, or doubled, and %s", eq)
		}
	}
	if err := r.Unique(l.ask(t, r.Repeated("rows"))); err != nil {
		t.Error(err)
	}
	for field, want := range map[string]string{"email": "clean_email('x')", "phone": "", "postcode": "", "country": "", "address": ""} {
		if got := r.Cleaned(field, "'x'"); got != want {
			t.Errorf("a value of %s is cleaned by %q, want %q", field, got, want)
		}
	}
	r.Entity.Field("country").Steps = nil
	if got, want := r.Cleaned("phone", "'x'"), `clean_phone(clean_digits('x'), CAST(r."country" AS VARCHAR))`; got != want {
		t.Errorf("a value of phone is cleaned by %q, want %q", got, want)
	}
	hash := text(l.ask(t, "SELECT count(DISTINCT _hash) FROM ("+records+")"))
	if hash != "2\n" {
		t.Error(hash)
	}
}

// TestReadingOrder: the number of a record does not depend on the order in which its source has it.
func TestReadingOrder(t *testing.T) {
	const entity = "sources: [a]\nkey: id\nblock: [[name]]\ncompare: {name: [exact]}\n"
	var texts []string
	for _, order := range []string{"ASC", "DESC"} {
		l := open(t, entity, "a", "SELECT i AS id, 'n' || i AS name FROM range(50) AS r(i) ORDER BY i "+order)
		r := l.read(t)
		p, err := match.Compile(l.e)
		if err != nil {
			t.Fatal(err)
		}
		sql, err := r.Records(p, r.Numbered("(\n"+r.Rows+"\n)"))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text(l.ask(t, sql+" ORDER BY _rec")))
	}
	if texts[0] != texts[1] || len(strings.Split(texts[0], "\n")) != 51 {
		t.Errorf("%s\n%s", texts[0], texts[1])
	}
}

// TestReadingMistakes: what only the data shows is told with the field, the source, and what to do.
func TestReadingMistakes(t *testing.T) {
	const top = "sources:\n  - {table: a, key: id}\n  - {table: b, key: id}\nblock: [[name]]\n"
	cases := []struct {
		name, entity string
		tables       []string
		want, hint   string
	}{
		{"no such key", strings.Replace(top, "key: id}", "key: idd}", 1) + "compare: {name: [exact]}", nil, `source a: key: main.a has no column "idd"`, `did you mean "id"?`},
		{"no such field", top + "compare: {naem: [exact]}", nil, `no source of entity customer has a column "naem"`, `did you mean "name"?`},
		{"no such column", strings.Replace(top, "key: id}", "key: id, columns: {name: nmae}}", 1) + "compare: {name: [exact]}", nil, `source a: field name: main.a has no column "nmae"`, `did you mean "name"?`},
		{"a wrong expression", strings.Replace(top, "key: id}", "key: id, columns: {name: \"uper(name)\"}}", 1) + "compare: {name: [exact]}", nil, "source a: field name: ", "expression"},
		{"a wrong condition", strings.Replace(top, "key: id}", "key: id, where: \"nme = 1\"}", 1) + "compare: {name: [exact]}", nil, "source a: where: ", ""},
		{"a time that is none", strings.Replace(top, "key: id}", "key: id, updated_at: name}", 1) + "compare: {name: [exact]}", nil, "updated_at: name is a VARCHAR, not a time", "CAST(name AS TIMESTAMP)"},
		{"two types", top + "compare: {born: [exact]}", []string{"a", "SELECT 1 AS id, 'x' AS name, DATE '2020-01-01' AS born", "b", "SELECT 1 AS id, 'x' AS name, 5 AS born"}, "field born is a DATE in a and a INTEGER in b", "CAST(born AS VARCHAR)"},
		{"a struct", top + "compare: {born: [exact]}", []string{"a", "SELECT 1 AS id, 'x' AS name, {d: 1} AS born", "b", "SELECT 1 AS id, 'x' AS name"}, "born is a STRUCT", "born.name"},
		{"a code map of one column", top + "compare: {name: [exact]}\nstandardize: {name: {map: m}}", []string{"a", "SELECT 1 AS id, 'x' AS name", "b", "SELECT 1 AS id, 'x' AS name", "m", "SELECT 1 AS k"}, "map: main.m has 1 columns", ""},
		{"a condition on values", top + "compare: {name: [exact]}\nsurvive: {name: {by: longest, require: \"length(nme) > 1\"}}", nil, "survive: name: require: ", "SQL"},
		{"a condition of another type", top + "compare: {name: [exact]}\nsurvive: {name: {by: longest, require: \"year(name) > 1\"}}", nil, "survive: name: require: ", "SQL"},
		{"an aggregate that is none", top + "compare: {name: [exact]}\nsurvive: {n: {custom: \"sum(name)\"}}", nil, "survive: n: custom: ", "SQL"},
		{"a code map of a list", top + "compare: {name: [overlap]}\nstandardize: {name: {map: m}}", []string{"a", "SELECT 1 AS id, ['x'] AS name", "b", "SELECT 1 AS id, ['x'] AS name", "m", "SELECT 1 AS k, 2 AS v"}, "name is a list of values, a VARCHAR[]: map translates one", "in a model"},
		{"a column of a code map", top + "compare: {name: [exact]}\nstandardize: {name: {map: m, from: kk}}", []string{"a", "SELECT 1 AS id, 'x' AS name", "b", "SELECT 1 AS id, 'x' AS name", "m", "SELECT 1 AS k, 2 AS v"}, `map: main.m has no column "kk"`, "its columns: k, v"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tables := c.tables
			if tables == nil {
				tables = []string{"a", "SELECT 1 AS id, 'x' AS name", "b", "SELECT 1 AS id, 'x' AS name"}
			}
			l := open(t, c.entity, tables...)
			_, err := NewReading(t.Context(), l, l.e)
			var e *match.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(e.Hint, c.hint) || e.Pos.File != "entities/customer.yml" {
				t.Errorf("%v (%+v)", err, e)
			}
		})
	}
}

// TestReadingTypes: types that differ meet in one that holds both, or as texts where a step takes texts.
func TestReadingTypes(t *testing.T) {
	l := open(t, "sources: [a, b]\nkey: id\nblock: [[n]]\ncompare: {n: [{within: 1}], born: [exact, {within: 1y}], at: [exact], tag: [exact, {jw: 0.9}], names: [{overlap: 1}]}\nstandardize: {born: date, tag: trim, names: trim}\n",
		"a", "SELECT 1 AS id, 5::SMALLINT AS n, DATE '2020-02-03' AS born, DATE '2020-02-03' AS at, 7 AS tag, [' a ', NULL] AS names", "b", "SELECT 2 AS id, 1.5::DOUBLE AS n, '2020-02-04' AS born, TIMESTAMP '2020-02-03 10:00:00' AS at, 'x' AS tag, ['b'] AS names")
	r := l.read(t)
	var types []string
	for _, f := range r.Fields {
		types = append(types, f.Name+" "+f.Type+" "+f.Standard)
	}
	slices.Sort(types)
	if want := []string{"at TIMESTAMP TIMESTAMP", "born VARCHAR DATE", "n DOUBLE DOUBLE", "names VARCHAR[] VARCHAR[]", "tag VARCHAR VARCHAR"}; !slices.Equal(types, want) {
		t.Error(types)
	}
	p, err := match.Compile(l.e)
	if err != nil {
		t.Fatal(err)
	}
	sql, err := r.Records(p, r.Numbered("rows"))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(l.ask(t, "SELECT n, born, tag, names FROM ("+sql+") ORDER BY _rec")); got != "5 | 2020-02-03 | 7 | [a]\n1.5 | 2020-02-04 | x | [b]\n" {
		t.Error(got)
	}
}

// TestRepeatedKeys: the error names the source, the key, how often, and examples unless they are personal.
func TestRepeatedKeys(t *testing.T) {
	l := open(t, "sources: [{table: a, key: secret_id}, {table: b, key: id}]\nblock: [[name]]\ncompare: {name: [exact]}\n",
		"a", "SELECT 'm@x' AS secret_id, 'n' AS name FROM range(2)", "b", "SELECT i // 2 AS id, 'n' AS name FROM range(9) AS r(i)")
	r := l.read(t)
	err := r.Unique(l.ask(t, r.Repeated("rows")))
	want := "source a: 1 value of its key (secret_id) repeats, in 2 rows: *** (2 rows)\nsource b: 4 values of its key (id) repeat, in 8 rows: 0 (2 rows), 1 (2 rows), 2 (2 rows)"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

// TestOtherEngines: one without the functions is refused with words.
func TestOtherEngines(t *testing.T) {
	l := open(t, "sources: [a]\nkey: id\ncompare: [name]\nstandardize: {name: fold}\n", "a", "SELECT 1 AS id, 'x' AS name")
	_, err := NewReading(t.Context(), foreign{l}, l.e)
	if err == nil || err.Error() != "name is standardized by fold, which needs the function clean_fold, and snowflake has none" {
		t.Error(err)
	}
}

type foreign struct{ *lab }

func (foreign) Dialect() *warehouse.Dialect {
	d := *warehouse.DuckDB
	d.Name = "snowflake"
	return &d
}
