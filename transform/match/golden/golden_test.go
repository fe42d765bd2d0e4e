package golden

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	"github.com/millrace/millrace/warehouse/snowflake"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// row is a record as the tests write it: values by field, "" for NULL.
type row struct {
	source  int
	key     string
	updated string
	cluster string // records with the same word are one cluster
	values  map[string]string
}

// lab makes golden records of rows, run by run.
type lab struct {
	t    *testing.T
	w    warehouse.Warehouse
	dir  string
	g    *Golden
	prev Tables
	runs int
	rand *rand.Rand
}

func text(names ...string) []warehouse.Column {
	var out []warehouse.Column
	for _, n := range names {
		name, typ, ok := strings.Cut(n, " ")
		if !ok {
			typ = "VARCHAR"
		}
		out = append(out, warehouse.Column{Name: name, Type: typ})
	}
	return out
}

// people is an entity of three sources with one survivor of each kind.
func people() (*models.Entity, *match.Plan) {
	e := &models.Entity{Name: "customer", Schema: "mdm",
		Sources: []*models.EntitySource{
			{Name: "crm", Trust: 90, HalfLife: 100 * 24 * time.Hour, Floor: 20},
			{Name: "shop", Trust: 70},
			{Name: "it's old", Trust: 10},
		},
		Survive: models.Survivorship{
			Groups: []models.SurviveGroup{{Name: "address", Fields: []string{"street", "city"}, By: []models.SurviveRule{models.MostComplete,
				models.MostFrequent, models.MostRecent}}},
			Fields: []models.SurviveField{
				{Name: "name", By: []models.SurviveRule{models.Longest}},
				{Name: "email", By: []models.SurviveRule{models.MostTrusted}, Require: "valid"},
				{Name: "nick", By: []models.SurviveRule{models.MostFrequent, models.Least}},
				{Name: "born", By: []models.SurviveRule{models.Least}},
				{Name: "score", By: []models.SurviveRule{models.Greatest}, Require: "score < 900"},
				{Name: "mails", Collect: "distinct", From: "email"},
				{Name: "nicks", Collect: "all", From: "nick"},
			},
		}}
	p := &match.Plan{Entity: "customer", Sources: []match.Source{{Name: "crm"}, {Name: "shop"}, {Name: "it's old"}}, Columns: []match.Column{{Name: "email"},
		{Name: "street"}}}
	return e, p
}

func open(t *testing.T, e *models.Entity, p *match.Plan, fields ...string) *lab {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 2, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	for i := len(e.Survive.Fields) - 1; i >= 0; i-- { // those that the test has no fields for
		f := e.Survive.Fields[i]
		if f.Custom == "" && !slices.ContainsFunc(fields, func(own string) bool { name, _, _ := strings.Cut(own, " "); return name == f.Name || name == f.From }) {
			e.Survive.Fields = slices.Delete(e.Survive.Fields, i, i+1)
		}
	}
	return &lab{t: t, w: w, dir: dir, prev: Tables{}, rand: rand.New(rand.NewPCG(1, 2)), g: &Golden{Entity: e, Plan: p,
		Dialect: warehouse.DuckDB, Fields: text(fields...)}}
}

var personFields = []string{"name", "email", "nick", "street", "city", "born DATE", "score INTEGER"}

// file writes rows of SQL values, in any order.
func (l *lab) file(name, columns string, rows []string) string {
	l.t.Helper()
	l.rand.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
	from := "(VALUES " + strings.Join(rows, ", ") + ") AS v"
	if len(rows) == 0 {
		from = "(SELECT 1) AS v WHERE false"
	}
	query := "SELECT " + columns + " FROM " + from
	f, err := l.w.Write(l.t.Context(), query, filepath.Join(l.dir, fmt.Sprintf("%d-%s.parquet", l.runs, name)))
	if err != nil {
		l.t.Fatal(err)
	}
	return l.g.Dialect.Files([]string{f.Path})
}

func literal(value, typ string) string {
	if value == "" {
		return "CAST(NULL AS " + typ + ")"
	}
	return "CAST(" + warehouse.DuckDB.QuoteLiteral(value) + " AS " + typ + ")"
}

// input writes the files of a run. Standardized values are those of the fields, but for what begins with "!", which is not valid.
func (l *lab) input(rows []row, edges ...match.Edge) {
	l.t.Helper()
	l.runs++
	l.g.Run, l.g.At = fmt.Sprintf("run-%d", l.runs), time.Date(2026, 1, l.runs, 0, 0, 0, 0, time.UTC)
	rows = sortedRows(rows)
	first := map[string]int{}
	var records, raw, labels, pairs []string
	for i, r := range rows {
		if _, ok := first[r.cluster]; !ok {
			first[r.cluster] = i
		}
		std := []string{}
		for _, c := range l.g.Plan.Columns {
			value := strings.ToLower(r.values[c.Name])
			if strings.HasPrefix(value, "!") {
				value = ""
			}
			std = append(std, literal(value, "VARCHAR"))
		}
		hash := 0
		for _, b := range fmt.Sprint(r.values) {
			hash = hash*31%1000003 + int(b)
		}
		records = append(records, fmt.Sprintf("(%d, %d, %s, %s, %d%s)", i, r.source, literal(r.key, "VARCHAR"), literal(r.updated,
			"TIMESTAMP"), hash, prefixed(std)))
		own := []string{}
		for _, c := range l.g.Fields {
			own = append(own, literal(r.values[c.Name], c.Type))
		}
		raw = append(raw, fmt.Sprintf("(%d%s)", i, prefixed(own)))
		labels = append(labels, fmt.Sprintf("(%d, %d)", i, first[r.cluster]))
	}
	for _, e := range edges {
		pairs = append(pairs, fmt.Sprintf("(%d, %d, %g, 0.9, '%s', 'email', 1, 'exact', 7.5)", e.A, e.B, e.Weight, e.Verdict))
	}
	names := func(columns []string) string {
		out := ""
		for i, c := range columns {
			out += fmt.Sprintf(", col%d AS %s", i, c)
		}
		return out[2:]
	}
	std := []string{match.RecColumn, match.SourceColumn, match.KeyColumn, match.UpdatedAtColumn, match.HashColumn}
	for _, c := range l.g.Plan.Columns {
		std = append(std, c.Name)
	}
	typed := strings.NewReplacer("col0", "CAST(col0 AS BIGINT)", "col4", "CAST(col4 AS UBIGINT)").Replace
	l.g.From = Relations{Records: l.file("records", typed(names(std)), records), Raw: l.file("raw",
		"CAST(col0 AS BIGINT) AS _rec, "+names(append([]string{"_no"}, warehouse.Names(l.g.Fields)...))[len("col0 AS _no, "):], raw),
		Labels: l.file("labels", "CAST(col0 AS BIGINT) AS _rec, CAST(col1 AS BIGINT) AS cluster", labels)}
	edgeColumns := names([]string{"a", "b", "weight", "probability", "verdict", "rules", "pattern", "email", "email_bits"})
	if len(pairs) == 0 {
		edgeColumns = "0 AS a, 0 AS b, 0.5 AS weight, 0.5 AS probability, '' AS verdict, '' AS rules, 0 AS pattern, '' AS email, 0.5 AS email_bits"
	}
	l.g.Levels = []string{"email", "email_bits"}
	l.g.From.Edges = l.file("edges", edgeColumns, pairs)
}

func prefixed(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return ", " + strings.Join(items, ", ")
}

func sortedRows(rows []row) []row {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int {
		if a.source != b.source {
			return a.source - b.source
		}
		return strings.Compare(a.key, b.key)
	})
	return rows
}

// build makes the tables of the next run.
func (l *lab) build(rows []row, edges ...match.Edge) *Built {
	l.t.Helper()
	l.input(rows, edges...)
	built, err := l.run(l.w)
	if err != nil {
		l.t.Fatal(err)
	}
	for part, equations := range built.Equations {
		for _, e := range equations {
			if !e.Closes() {
				l.t.Errorf("%s: %s", part, e)
			}
		}
	}
	l.prev = built.Tables
	return built
}

func (l *lab) run(w warehouse.Warehouse) (*Built, error) {
	dir, err := os.MkdirTemp(l.dir, "run")
	if err != nil {
		l.t.Fatal(err)
	}
	return l.g.Build(l.t.Context(), w, dir, l.prev, []Figure{{Metric: FigureUnlinkable, Value: 0.25}})
}

// rows are those of a SELECT as texts, sorted, with | between and ∅ for NULL. The table is t in it.
func (l *lab) rows(v *warehouse.Version, query string) []string {
	l.t.Helper()
	if v != nil {
		query = strings.ReplaceAll(query, "{t}", sub(warehouse.DuckDB.Select(*v)))
	}
	columns, err := l.w.Describe(l.t.Context(), query)
	if err != nil {
		l.t.Fatalf("%v in %s", err, query)
	}
	answer, err := l.w.Query(l.t.Context(), warehouse.DuckDB.Texts(query, columns))
	if err != nil {
		l.t.Fatalf("%v in %s", err, query)
	}
	out := []string{}
	for _, r := range answer.Rows {
		cells := []string{}
		for _, v := range r {
			if v == nil {
				v = "∅"
			}
			cells = append(cells, fmt.Sprint(v))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// golden1 is what the first test builds on: three records of Ann, one of Bob.
func ann() []row {
	return []row{
		{0, "1", "2025-12-01", "ann", map[string]string{"name": "Ann Smith", "email": "!ann@", "nick": "annie", "street": "1 High St",
			"born": "1980-02-01", "score": "5"}},
		{1, "7", "2025-12-03", "ann", map[string]string{"name": "A. Smith", "email": "ann@shop", "nick": "nan", "street": "2 Low Rd",
			"city": "Ely", "born": "1980-01-02", "score": "950"}},
		{2, "x", "2025-12-02", "ann", map[string]string{"name": "Ann Smyth", "email": "Ann@old", "nick": "nan", "street": "1 High St",
			"city": "York", "score": "7"}},
		{1, "8", "", "bob", map[string]string{"name": "Bob", "email": "!", "score": "901"}},
	}
}

func TestGoldenRecord(t *testing.T) {
	e, p := people()
	l := open(t, e, p, personFields...)
	b := l.build(ann())
	same(t, "golden", l.rows(b.Tables[models.PartGolden], "SELECT name, email, nick, street, city, born, score, mails, nicks, records, sources, first_seen, last_changed FROM {t}"), []string{
		// The address is of the most recent of those that are complete; the e-mail of the crm is not valid; the score above 900 does not count.
		`Ann Smith|ann@shop|nan|2 Low Rd|Ely|1980-01-02|7|[!ann@, Ann@old, ann@shop]|[annie, nan, nan]|3|[crm, 'it\'s old', shop]|2026-01-01 00:00:00|2026-01-01 00:00:00`,
		"Bob|∅|∅|∅|∅|∅|∅|[!]|∅|1|[shop]|2026-01-01 00:00:00|2026-01-01 00:00:00"})
	same(t, "xref", l.rows(b.Tables[models.PartXref], "SELECT source, source_key, golden_id, valid_from, valid_to, run_id FROM {t}"), []string{
		"crm|1|" + uuid5("customer\x1fcrm\x1f\x1f1") + "|2026-01-01 00:00:00|∅|run-1",
		"it's old|x|" + uuid5("customer\x1fcrm\x1f\x1f1") + "|2026-01-01 00:00:00|∅|run-1",
		"shop|7|" + uuid5("customer\x1fcrm\x1f\x1f1") + "|2026-01-01 00:00:00|∅|run-1",
		"shop|8|" + uuid5("customer\x1fshop\x1f\x1f8") + "|2026-01-01 00:00:00|∅|run-1"})
	same(t, "equations", []string{fmt.Sprint(b.Equations[models.PartGolden]), fmt.Sprint(b.Equations[models.PartXref])},
		[]string{"[records 4 = golden 2 + merged 2]", "[records 4 = kept 0 + opened 4 published 4 = before 0 + opened 4]"})
	same(t, "types", []string{fmt.Sprint(b.Tables[models.PartGolden].Columns[6:])},
		[]string{"[{born DATE} {score INTEGER} {mails VARCHAR[]} {nicks VARCHAR[]} {records BIGINT} {sources VARCHAR[]} {first_seen TIMESTAMP} {last_changed TIMESTAMP}]"})
}

// TestLastChanged: the second run has the same values of one golden record, and others of the other one.
func TestLastChanged(t *testing.T) {
	e, p := people()
	l := open(t, e, p, personFields...)
	rows := ann()
	l.build(rows)
	rows[3].values["name"] = "Bobby"
	b := l.build(rows)
	same(t, "golden", l.rows(b.Tables[models.PartGolden], "SELECT name, first_seen, last_changed FROM {t}"), []string{
		"Ann Smith|2026-01-01 00:00:00|2026-01-01 00:00:00", "Bobby|2026-01-01 00:00:00|2026-01-02 00:00:00"})
	if got := l.rows(b.Tables[models.PartXref], "SELECT count(*), count_if(valid_to IS NULL), count(DISTINCT record_hash) FROM {t}"); got[0] != "4|4|4" {
		t.Errorf("a record that changes keeps its row: %v", got)
	}
}

// TestOrderOfRows: shuffled files give the same tables, whatever their rows' order.
func TestOrderOfRows(t *testing.T) {
	var want []string
	for seed := range uint64(2) {
		e, p := people()
		l := open(t, e, p, personFields...)
		l.rand = rand.New(rand.NewPCG(seed, 0))
		rnd := rand.New(rand.NewPCG(7, 7))
		rows := randomPeople(rnd, 120)
		l.build(rows)
		recluster(rnd, rows)
		l.build(rows)
		recluster(rnd, rows)
		b := l.build(rows)
		var got []string
		for _, part := range []string{models.PartGolden, models.PartXref, models.PartMergeLog} {
			got = append(got, l.rows(b.Tables[part], "SELECT * FROM {t}")...)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: the tables depend on the order of rows", seed)
		}
	}
}

func randomPeople(rnd *rand.Rand, n int) []row {
	pick := func(values ...string) string { return values[rnd.IntN(len(values))] }
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{source: rnd.IntN(3), key: fmt.Sprintf("%03d", i), updated: pick("", "2025-01-01", "2025-06-01", "2025-12-31 12:00:00",
			"2026-05-01"), cluster: fmt.Sprint(rnd.IntN(n / 3)),
			values: map[string]string{"name": pick("", "Ann", "Anna", "Bob", "Zoë"), "email": pick("", "!x", "a@b", "c@d", "E@f"),
				"nick":   pick("", "a", "ab", "abc", "b", "b", "é"),
				"street": pick("", "1 High St", "2 Low Rd"), "city": pick("", "Ely", "York"), "born": pick("", "1980-01-01", "1975-05-05"),
				"score": pick("", "-3", "10", "899", "950")}}
	}
	return rows
}

// recluster moves some records to other clusters, removes some, and takes whole clusters together.
func recluster(rnd *rand.Rand, rows []row) {
	for i := range rows {
		switch rnd.IntN(6) {
		case 0:
			rows[i].cluster = fmt.Sprint(rnd.IntN(len(rows) / 3))
		case 1:
			rows[i].cluster = rows[rnd.IntN(len(rows))].cluster
		}
	}
}

// TestTraced: each golden value is that of the source's row that Winners names, groups are of one record, and the rules hold, judged anew
// in Go.
func TestTraced(t *testing.T) {
	e, p := people()
	l := open(t, e, p, personFields...)
	rows := sortedRows(randomPeople(rand.New(rand.NewPCG(3, 3)), 300))
	l.input(rows)
	b := l.g
	built, err := l.run(l.w)
	if err != nil {
		t.Fatal(err)
	}
	members, ids := l.file("m",
		"CAST(col0 AS BIGINT) AS _rec, CAST(col1 AS BIGINT) AS cluster, col2 AS source, col3 AS source_key, CAST(col4 AS TIMESTAMP) AS updated_at", membersOf(l, rows)), ""
	ids = sub("SELECT DISTINCT m.cluster, x.golden_id FROM " + members + " AS m JOIN " +
		sub(warehouse.DuckDB.Select(*built.Tables[models.PartXref])) + " AS x USING (source, source_key)")
	b.From.Members, b.From.IDs = members, ids
	winners, err := b.Winners()
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string]row{}
	for _, r := range rows {
		byKey[l.g.Plan.Sources[r.source].Name+"|"+r.key] = r
	}
	won := map[string]string{} // golden id and field: the record
	for _, line := range l.rows(nil, "SELECT golden_id, field, source, source_key, value FROM ("+winners+") AS w WHERE place = 1 AND field NOT IN ('mails', 'nicks')") {
		c := strings.Split(line, "|")
		if byKey[c[2]+"|"+c[3]].values[c[1]] != strings.ReplaceAll(c[4], "∅", "") {
			t.Errorf("%s: the source has %q", line, byKey[c[2]+"|"+c[3]].values[c[1]])
		}
		if won[c[0]+c[1]] != "" {
			t.Errorf("%s: won twice", line)
		}
		won[c[0]+c[1]] = c[2] + "|" + c[3]
	}
	names := warehouse.Names(l.g.Fields)
	seen := 0
	for _, line := range l.rows(built.Tables[models.PartGolden], "SELECT golden_id, "+strings.Join(names, ", ")+" FROM {t}") {
		c := strings.Split(line, "|")
		for i, f := range names {
			value := strings.ReplaceAll(c[i+1], "∅", "")
			if got := byKey[won[c[0]+f]].values[f]; got != value {
				t.Errorf("%s of %s is %q, and its record has %q", f, c[0], value, got)
			}
			if value != "" {
				seen++
			}
		}
		if won[c[0]+"street"] != won[c[0]+"city"] {
			t.Errorf("the address of %s is of two records", c[0])
		}
	}
	if seen < 300 {
		t.Errorf("only %d values were there to be judged", seen)
	}
	l.judge(rows, built)
	l.explained(built, winners)
}

// explained asks for single golden records as they are published, and gets what the run's own files tell.
func (l *lab) explained(built *Built, winners string) {
	l.t.Helper()
	xref := sub(warehouse.DuckDB.Select(*built.Tables[models.PartXref]))
	for _, id := range l.rows(nil, "SELECT golden_id FROM "+xref+" AS x GROUP BY golden_id HAVING count(*) > 2 ORDER BY golden_id LIMIT 2") {
		one, err := l.g.Traced(l.g.From.Records, l.g.From.Raw, xref, id).Winners()
		if err != nil {
			l.t.Fatal(err)
		}
		got := l.rows(nil, "SELECT * FROM ("+one+") AS w")
		same(l.t, "what is told of "+id, got, l.rows(nil, "SELECT * FROM ("+winners+") AS w WHERE golden_id = '"+id+"'"))
		if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "|street|2|") }) {
			l.t.Errorf("no runner-up for the street of %s:\n%s", id, strings.Join(got, "\n"))
		}
	}
}

func membersOf(l *lab, rows []row) []string {
	first := map[string]int{}
	out := make([]string, len(rows))
	for i, r := range rows {
		if _, ok := first[r.cluster]; !ok {
			first[r.cluster] = i
		}
		out[i] = fmt.Sprintf("(%d, %d, %s, %s, %s)", i, first[r.cluster], literal(l.g.Plan.Sources[r.source].Name, "VARCHAR"), literal(r.key,
			"VARCHAR"), literal(r.updated, "TIMESTAMP"))
	}
	return out
}

// judge finds the values of golden records in Go.
func (l *lab) judge(rows []row, built *Built) {
	clusters := map[string][]row{}
	for _, r := range rows {
		clusters[r.cluster] = append(clusters[r.cluster], r)
	}
	trust := func(r row) float64 {
		switch r.source {
		case 1:
			return 70
		case 2:
			return 10
		}
		if r.updated == "" {
			return 20
		}
		at, err := time.Parse("2006-01-02 15:04:05", r.updated)
		if err != nil {
			at, _ = time.Parse("2006-01-02", r.updated)
		}
		days := max(0, l.g.At.Sub(at).Hours()/24)
		halves := 90.0
		for ; days >= 100; days -= 100 {
			halves /= 2
		}
		return max(20, halves*halfPower(days/100))
	}
	best := func(own []row, field string, ok func(row) bool, less func(a, b row) int) string {
		var won *row
		for i := range own {
			if own[i].values[field] != "" && ok(own[i]) && (won == nil || less(own[i], *won) > 0) {
				won = &own[i]
			}
		}
		if won == nil {
			return "∅"
		}
		return won.values[field]
	}
	any := func(row) bool { return true }
	var want []string
	for _, own := range clusters {
		often := func(r row) int {
			n := 0
			for _, o := range own {
				if o.values["nick"] == r.values["nick"] {
					n++
				}
			}
			return n
		}
		want = append(want, strings.Join([]string{
			best(own, "name", any, func(a, b row) int { return len([]rune(a.values["name"])) - len([]rune(b.values["name"])) }),
			best(own, "email", func(r row) bool { return !strings.HasPrefix(r.values["email"], "!") }, func(a,
				b row) int {
				return cmpFloat(trust(a), trust(b))
			}),
			best(own, "nick", any, func(a, b row) int {
				if often(a) != often(b) {
					return often(a) - often(b)
				}
				return -strings.Compare(a.values["nick"], b.values["nick"])
			}),
			best(own, "born", any, func(a, b row) int { return -strings.Compare(a.values["born"], b.values["born"]) }),
			best(own, "score", func(r row) bool { return r.values["score"] != "950" }, func(a, b row) int { return number(a) - number(b) }),
		}, "|"))
	}
	slices.Sort(want)
	same(l.t, "values", l.rows(built.Tables[models.PartGolden], "SELECT name, email, nick, born, score FROM {t}"), want)
}

func halfPower(x float64) float64 { // 0.5^x by the series of the exponential
	sum, term := 1.0, 1.0
	for i := 1; i < 30; i++ {
		term *= -0.6931471805599453 * x / float64(i)
		sum += term
	}
	return sum
}

func number(r row) int {
	n := 0
	_, _ = fmt.Sscan(r.values["score"], &n)
	return n
}

// TestIDsStay: over random runs of merges, splits, moves and losses, ids go where a plain loop over all claims puts them.
func TestIDsStay(t *testing.T) {
	for seed := range uint64(2) {
		e, p := people()
		l := open(t, e, p, "name")
		rnd := rand.New(rand.NewPCG(seed, 5))
		rows := randomPeople(rnd, 90)
		owner := map[string]string{} // record: golden id
		born := map[string]string{}
		ever := map[string]bool{}
		for range 4 {
			now := slices.Clone(rows)
			now = slices.DeleteFunc(now, func(row) bool { return rnd.IntN(12) == 0 })
			b := l.build(now)
			got := map[string]string{}
			for _, line := range l.rows(b.Tables[models.PartXref], "SELECT source || '|' || source_key, golden_id FROM {t} WHERE valid_to IS NULL") {
				at := strings.LastIndex(line, "|")
				got[line[:at]] = line[at+1:]
			}
			want := greedy(l, now, owner, born)
			for _, r := range now {
				id, key := got[l.key(r)], l.key(r)
				switch w := want[r.cluster]; {
				case w != "" && w != id:
					t.Fatalf("seed %d: cluster %s took %s, and %s is due to it", seed, r.cluster, id, w)
				case w == "" && ever[id]:
					t.Fatalf("seed %d: cluster %s has the used id %s", seed, r.cluster, id)
				}
				if id == "" {
					t.Fatalf("%s has no id", key)
				}
			}
			l.logged(b, owner, got)
			owner = got
			for _, id := range got {
				if !ever[id] {
					born[id] = l.g.Run
				}
			}
			for _, id := range got {
				ever[id] = true
			}
			recluster(rnd, rows)
		}
	}
}

func (l *lab) key(r row) string { return l.g.Plan.Sources[r.source].Name + "|" + r.key }

// greedy goes through all claims in their order.
func greedy(l *lab, rows []row, owner, born map[string]string) map[string]string {
	type claim struct {
		cluster, id string
		first, n    int
	}
	byKey := map[[2]string]*claim{}
	first := map[string]int{}
	for i, r := range sortedRows(rows) {
		if _, ok := first[r.cluster]; !ok {
			first[r.cluster] = i
		}
		if id := owner[l.key(r)]; id != "" {
			k := [2]string{r.cluster, id}
			if byKey[k] == nil {
				byKey[k] = &claim{cluster: r.cluster, id: id, first: first[r.cluster]}
			}
			byKey[k].n++
		}
	}
	claims := slices.Collect(maps.Values(byKey))
	slices.SortFunc(claims, func(a, b *claim) int {
		switch {
		case a.n != b.n:
			return b.n - a.n
		case born[a.id] != born[b.id]:
			return strings.Compare(born[a.id], born[b.id])
		case a.id != b.id:
			return strings.Compare(a.id, b.id)
		}
		return a.first - b.first
	})
	taken, given := map[string]string{}, map[string]bool{}
	for _, c := range claims {
		if taken[c.cluster] == "" && !given[c.id] {
			taken[c.cluster], given[c.id] = c.id, true
		}
	}
	return taken
}

// logged holds the merge log against what changed.
func (l *lab) logged(b *Built, before, after map[string]string) {
	l.t.Helper()
	was, is := map[string]bool{}, map[string]bool{}
	for _, id := range before {
		was[id] = true
	}
	for _, id := range after {
		is[id] = true
	}
	want := map[string]int{}
	for id := range is {
		if !was[id] {
			want["begun "+id]++
		}
	}
	for id := range was {
		if !is[id] {
			want["ended "+id]++
		}
	}
	got := map[string]int{}
	for _, line := range l.rows(b.Tables[models.PartMergeLog], "SELECT kind, old_id, new_id FROM {t} WHERE run_id = '"+l.g.Run+"'") {
		c := strings.Split(line, "|")
		switch c[0] {
		case Minted, SplitID:
			got["begun "+c[2]]++
			if (c[0] == SplitID) != (c[1] != "∅") || c[0] == SplitID && !was[c[1]] {
				l.t.Errorf("%s", line)
			}
		case Merged:
			got["ended "+c[1]]++
			if !is[c[2]] {
				l.t.Errorf("%s: the heir is not there", line)
			}
		case Retired:
			got["ended "+c[1]]++
		}
	}
	if !maps.Equal(got, want) {
		l.t.Errorf("merge log %v, want %v", got, want)
	}
}

// TestMergeLog spells the kinds, and that an id does not come back for what is left alone. The small files of its runs become one, with all
// rows; but for that none is touched.
func TestMergeLog(t *testing.T) {
	e, p := people()
	l := open(t, e, p, "name")
	at := func(keys ...string) []row { // each word is a cluster, each letter a record
		var rows []row
		for _, k := range keys {
			for _, r := range k {
				rows = append(rows, row{source: 0, key: string(r), cluster: k, values: map[string]string{"name": string(r)}})
			}
		}
		return rows
	}
	name := func(n, key string) string { return uuid5("customer\x1fcrm\x1f" + n + "\x1f" + key) }
	kinds := func(b *Built) []string {
		return l.rows(b.Tables[models.PartMergeLog], "SELECT kind, old_id, new_id, cause FROM {t} WHERE run_id = '"+l.g.Run+"'")
	}
	first := l.build(at("abc", "d", "e")).Tables[models.PartMergeLog].Base
	same(t, "merged and retired", kinds(l.build(at("abcd"))), []string{
		"merged|" + name("", "d") + "|" + name("", "a") + "|1 of the 1 records that are left of the old golden record are in the new one", "retired|" + name("", "e") +
			"|∅|all of its records are gone"})
	// The record that the id was made of leaves it: its new id is another.
	same(t, "split", kinds(l.build(at("a", "bcd"))), []string{"split|" + name("", "a") + "|" + name("1", "a") +
		"|1 of its records were in the old golden record"})
	same(t, "the same", kinds(l.build(at("bcd", "a"))), []string{})
	before := l.prev[models.PartMergeLog].Base
	if len(before) != 3 || before[0].SHA256 != first[0].SHA256 {
		t.Errorf("the merge log has the files %v, and had %v", before, first)
	}
	l.g.Together = warehouse.Together{Files: 2, Rows: 2}
	b := l.build(at("bcda"))
	same(t, "back", kinds(b), []string{"merged|" + name("1", "a") + "|" + name("", "a") +
		"|1 of the 1 records that are left of the old golden record are in the new one"})
	log := b.Tables[models.PartMergeLog]
	if len(log.Base) != 2 || log.Rows != 7 || log.Base[0].SHA256 != before[0].SHA256 || log.Base[1].Rows != 4 {
		t.Errorf("the merge log has %d rows in the files %v", log.Rows, log.Base)
	}
	same(t, "xref of a", l.rows(b.Tables[models.PartXref],
		"SELECT golden_id, valid_from, valid_to, run_id FROM {t} WHERE source_key = 'a' "), sort(
		name("", "a")+"|2026-01-01 00:00:00|2026-01-03 00:00:00|run-1", name("1", "a")+"|2026-01-03 00:00:00|2026-01-05 00:00:00|run-3",
		name("", "a")+"|2026-01-05 00:00:00|∅|run-5"))
	same(t, "xref of e", l.rows(b.Tables[models.PartXref], "SELECT valid_from, valid_to FROM {t} WHERE source_key = 'e' "),
		[]string{"2026-01-01 00:00:00|2026-01-02 00:00:00"})
	if got := b.Tables[models.PartMergeLog].Rows; got != 3+2+1+0+1 {
		t.Errorf("%d rows in the log", got)
	}
}

func sort(lines ...string) []string { slices.Sort(lines); return lines }

func uuid5(name string) string {
	answer := ""
	w, err := duckdb.Open(context.Background(), warehouse.Config{Memory: 64 << 20, Threads: 1})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = w.Close() }()
	got, err := w.Query(context.Background(), "SELECT "+warehouse.DuckDB.UUID(namespace, warehouse.DuckDB.QuoteLiteral(name)))
	if err != nil {
		return err.Error()
	}
	answer, _ = got.Rows[0][0].(string)
	return answer
}

// losing drops a row of one file that is written.
type losing struct {
	warehouse.Warehouse
	of   string
	lost bool
}

func (w *losing) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	query, err := w.less(ctx, query, path)
	if err != nil {
		return warehouse.File{}, err
	}
	return w.Warehouse.Write(ctx, query, path)
}

func (w *losing) WriteAnew(ctx context.Context, query, path string) (warehouse.File, error) {
	query, err := w.less(ctx, query, path)
	if err != nil {
		return warehouse.File{}, err
	}
	return w.Warehouse.WriteAnew(ctx, query, path)
}

func (w *losing) Scratch(ctx context.Context, query, path string) (warehouse.File, error) {
	query, err := w.less(ctx, query, path)
	if err != nil {
		return warehouse.File{}, err
	}
	return w.Warehouse.Scratch(ctx, query, path)
}

// less is the query without one of its rows, where they are to be lost.
func (w *losing) less(ctx context.Context, query, path string) (string, error) {
	if w.lost || !strings.HasSuffix(path, "-"+w.of+".parquet") {
		return query, nil
	}
	n, err := w.Query(ctx, "SELECT count(*) FROM (\n"+query+"\n) AS q")
	if err != nil {
		return "", err
	}
	if rows, _ := asFloat(n.Rows[0][0]); rows > 0 {
		w.lost = true
		query = fmt.Sprintf("SELECT * FROM (\n%s\n) AS q LIMIT %d", query, int64(rows)-1)
	}
	return query, nil
}

// TestLostRow: whichever file loses a row, the run fails. (A round of claims that loses one is decided again by the next.)
func TestLostRow(t *testing.T) {
	e, p := people()
	l := open(t, e, p, "name")
	rnd := rand.New(rand.NewPCG(9, 9))
	rows := randomPeople(rnd, 60)
	l.build(rows)
	l.g.Together = warehouse.Together{Files: 1, Rows: 1000}
	recluster(rnd, rows)
	l.input(rows, match.Edge{A: 0, B: 1, Verdict: match.Unsure}, match.Edge{A: 0, B: 2, Verdict: match.Refused}, match.Edge{A: 3, B: 4, Verdict: match.Match})
	for _, file := range []string{"members", "claims", "settled", "ids", "golden", "xref", "edges", "review", "merge_log", "quality",
		"merge_log-together"} {
		t.Run(file, func(t *testing.T) {
			w := &losing{Warehouse: l.w, of: file}
			if _, err := l.run(w); !w.lost || !errors.Is(err, warehouse.ErrUnbalanced) {
				t.Errorf("lost %v: %v", w.lost, err)
			}
		})
	}
}

func TestReview(t *testing.T) {
	e, p := people()
	l := open(t, e, p, "name")
	rows := []row{{source: 0, key: "a", cluster: "1"}, {source: 0, key: "b", cluster: "1"}, {source: 0, key: "c", cluster: "2"},
		{source: 1, key: "d", cluster: "3"}}
	edges := []match.Edge{{A: 0, B: 1, Verdict: match.Unsure}, {A: 1, B: 2, Verdict: match.Unsure, Weight: 3.5}, {A: 2, B: 3, Verdict: match.Vetoed}}
	l.build(rows, edges...)
	edges = append(edges, match.Edge{A: 0, B: 3, Verdict: match.Refused, Weight: 11})
	l.input(rows, edges...)
	l.g.From.Blocks = "(SELECT 'email' AS rule, 'a@b' AS key, 5000 AS records)"
	b, err := l.run(l.w)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "review", l.rows(b.Tables[models.PartReview], "SELECT kind, a_key, b_key, a_golden_id = b_golden_id, weight, reason, detail, first_run FROM {t}"), []string{
		"block|a@b|∅|∅|∅|too many records share the key|email: 5000 records|run-2", "pair|a|d|false|11.0|refused|email|run-2",
		"pair|b|c|false|3.5|unsure|email|run-1"})
	same(t, "edges", l.rows(b.Tables[models.PartEdges], "SELECT a_source, a_key, b_source, b_key, verdict, email, email_bits FROM {t}"), []string{
		"crm|a|crm|b|unsure|exact|7.5", "crm|a|shop|d|refused|exact|7.5", "crm|b|crm|c|unsure|exact|7.5", "crm|c|shop|d|vetoed|exact|7.5"})
	figures := map[string]float64{}
	for _, f := range b.Figures {
		figures[f.Metric+"/"+f.Detail] = f.Value
	}
	for name, want := range map[string]float64{"records/": 4, "golden/": 3, "merged/": 1, "duplicate_share/": 0.25, "largest_cluster/": 2,
		"cluster_size/1": 2, "cluster_size/2": 1, "review/": 3, "review/pair: refused": 1,
		"review_share/": 1, "golden_churn/": 0, "records_before/kept": 4, "edges/unsure": 2, "unlinkable_share/": 0.25} {
		if got, ok := figures[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	if b.Tables[models.PartQuality].Rows != int64(len(b.Figures))+int64(len(l.rows(l.prev[models.PartQuality], "SELECT * FROM {t}"))) {
		t.Error("figures of the run before are lost")
	}
}

func TestRelations(t *testing.T) {
	e, p := people()
	e.Survive = models.Survivorship{}
	e.Relations = []*models.EntityRelation{{Name: "household", By: []string{"name", "street"}}, {Name: "parent", Hierarchy: "boss"}}
	l := open(t, e, p, "name", "street", "boss")
	at := func(source int, key, cluster, name, street, boss string) row {
		return row{source: source, key: key, cluster: cluster, values: map[string]string{"name": name, "street": street, "boss": boss}}
	}
	rows := []row{
		at(0, "a", "A", "Smith", "1 High St", "b"), at(1, "a", "A", "Smith", "1 HIGH ST", ""), // spelled otherwise, and the same standardized
		at(0, "b", "B", "Smith", "1 high st", ""), at(0, "c", "C", "Smith", "", "zz"), at(0, "d", "D", "Jones", "1 High St", "e"), at(0, "e",
			"E", "Smith", "1 high St", "f"), at(0, "f", "F", "Jones", "2 Low Rd", "e"),
	}
	show := "SELECT x.source_key, r.household_id, q.source_key AS boss FROM {t} AS r JOIN " // with the xref's names of golden ids
	households := func(b *Built) (map[string]string, []string) {
		xref := sub(warehouse.DuckDB.Select(*b.Tables[models.PartXref]))
		names := "(SELECT golden_id, min(source_key) AS source_key FROM " + xref + " AS x WHERE valid_to IS NULL GROUP BY golden_id)"
		of := map[string]string{}
		var bosses []string
		for _, line := range l.rows(b.Tables[models.PartGolden], show+names+" AS x ON x.golden_id = r.golden_id LEFT JOIN "+names+" AS q ON q.golden_id = r.parent_id") {
			c := strings.Split(line, "|")
			of[c[0]] = c[1]
			bosses = append(bosses, c[0]+"<"+c[2])
		}
		return of, bosses
	}
	b := l.build(rows)
	of, bosses := households(b)
	if of["a"] != of["b"] || of["a"] != of["e"] || of["c"] != "∅" || of["d"] == of["a"] || of["d"] == of["f"] {
		t.Errorf("households %v", of)
	}
	same(t, "parents", bosses, []string{"a<b", "b<∅", "c<∅", "d<e", "e<∅", "f<∅"}) // e and f are a circle
	same(t, "review", l.rows(b.Tables[models.PartReview], "SELECT kind, a_key, b_key, reason, count(*) FROM {t} GROUP BY ALL"),
		[]string{"parent|c|zz|its parent is not there|1", "parent|∅|∅|it is above itself|2"})
	// Two of three move together and keep the id; the third one's is new.
	rows[2].values["street"], rows[5].values["street"] = "9 Hill", "9 Hill"
	next, _ := households(l.build(rows))
	if next["b"] != of["b"] || next["e"] != of["b"] || next["a"] == of["a"] || next["d"] != of["d"] {
		t.Errorf("households %v were %v", next, of)
	}
	rows[0].values["street"], rows[1].values["street"] = "9 Hill", "9 Hill"
	last, _ := households(l.build(rows))
	if last["a"] != of["b"] || last["b"] != of["b"] {
		t.Errorf("households %v were %v", last, next)
	}
}

func TestCustom(t *testing.T) {
	e, p := people()
	e.Survive = models.Survivorship{Default: []models.SurviveRule{models.MostRecent}, Fields: []models.SurviveField{{Name: "total",
		Custom: "sum(score)"}, {Name: "score", Custom: "max(score)"}}}
	l := open(t, e, p, "name", "nick", "score INTEGER")
	b := l.build(ann())
	same(t, "golden", l.rows(b.Tables[models.PartGolden], "SELECT name, nick, score, total FROM {t}"), []string{"A. Smith|nan|950|962",
		"Bob|∅|901|901"})
}

func TestWrongSurvivors(t *testing.T) {
	for want, change := range map[string]func(*models.Entity){
		`no source has the field "shoe"`:  func(e *models.Entity) { e.Survive.Groups[0].Fields[0] = "shoe" },
		`no source has the field "phone"`: func(e *models.Entity) { e.Survive.Fields[5].From = "phone" },
		`longest compares single values`:  func(e *models.Entity) { e.Survive.Groups[0].By = []models.SurviveRule{models.Longest} },
		`have a column of that name`:      func(e *models.Entity) { e.Survive.Fields[5].Name = "Sources" },
	} {
		e, p := people()
		change(e)
		g := &Golden{Entity: e, Plan: p, Dialect: warehouse.DuckDB, Fields: text(personFields...)}
		if _, err := g.Golden(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestExpect(t *testing.T) {
	expect := func(metric, op string, bound float64) *models.Expectation {
		return &models.Expectation{Metric: metric, Condition: models.Condition{Op: op}, Number: bound}
	}
	got := Expect([]*models.Expectation{expect("largest_cluster", "<=", 50), expect("largest_cluster", "<", 50), expect("golden_churn",
		"<=", 0.01), expect("review_share", "<=", 0.02), expect("f1_on_labels", ">=", 0.9), expect("f1_on_labels", "=", 0.5)},
		[]Figure{{"largest_cluster", 7, "of something"}, {"largest_cluster", 50, ""}, {"f1_on_labels", 0.5, ""}})
	want := []string{"50 <= 50 true", "50 < 50 false", "NaN <= 0.01 true", "NaN <= 0.02 false", "0.5 >= 0.9 false", "0.5 = 0.5 true"}
	for i, e := range got {
		if s := fmt.Sprint(e.Value, " ", e.Bound, " ", e.Passed); s != want[i] {
			t.Errorf("%s: %s, want %s", e.Expectation.Metric, s, want[i])
		}
	}
}

func TestFigures(t *testing.T) {
	edges := []match.Edge{{A: 0, B: 1, Weight: 10}, {A: 3, B: 4, Weight: 9}, {A: 1, B: 2, Weight: 5}, {A: 2, B: 3, Weight: 1}}
	probability := func(w float64) float64 { return map[float64]float64{10: 0.999, 9: 0.98, 5: 0.9, 1: 0.65}[w] }
	got := map[string]float64{}
	for _, f := range ThresholdFigures(edges, 6, probability, 0.6) {
		got[f.Metric+" "+f.Detail] = f.Value
	}
	for name, want := range map[string]float64{"threshold_pairs probability 0.999": 1, "threshold_clusters probability 0.999": 5,
		"threshold_pairs probability 0.98": 2, "threshold_clusters probability 0.9": 3,
		"threshold_largest probability 0.9": 3, "threshold_pairs probability 0.6": 4, "threshold_clusters probability 0.6": 2, "threshold_largest probability 0.6": 5} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if _, ok := got["threshold_pairs probability 0.5"]; ok {
		t.Error("edges below the one for review were not there to be counted")
	}
	scores := ScoreFigures([]match.Count{{Pattern: 1, Pairs: 5}, {Pattern: 2, Pairs: 7}, {Pattern: 3, Pairs: 1}},
		func(p match.Pattern) float64 { return map[match.Pattern]float64{1: -1, 2: 3.9, 3: 2}[p] })
	if fmt.Sprint(scores) != "[{score_histogram 5 -2 to 0 bits} {score_histogram 8 2 to 4 bits}]" {
		t.Error(scores)
	}
	if f := UnlinkableFigures(4, func(rec uint32) float64 { return float64(rec) / 4 }, 0.5); f[0].Value != 0.5 {
		t.Error(f)
	}
}

// TestGoldenSQL: a human reads the diff.
func TestGoldenSQL(t *testing.T) {
	for _, d := range []*warehouse.Dialect{warehouse.DuckDB, snowflake.Dialect} {
		e, p := people()
		e.Relations = []*models.EntityRelation{{Name: "household", By: []string{"name", "street"}}, {Name: "parent", Hierarchy: "nick"}}
		g := &Golden{Entity: e, Plan: p, Dialect: d, Run: "run-2", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Fields: text(personFields...), Levels: []string{"email", "email_bits"}}
		g.From = Relations{Records: "records", Raw: "raw", Labels: "labels", Edges: "edges", Blocks: "blocks", Xref: "mdm.customer_xref",
			Golden: "mdm.customer_golden", Review: "mdm.customer_review",
			Members: "members", Claims: "claims", Settled: "settled", IDs: "ids", Open: "open", Won: []string{"won_1", "won_2"},
			Related: []string{"households", "parent_ids"}, Parents: []string{"", "parents"}, Above: []string{"", "above"}}
		g.Columns = text("golden_id", "name", "born DATE", "household_id")
		g.Before = g.Columns
		made := func(sql string, err error) string {
			if err != nil {
				t.Fatal(err)
			}
			return sql
		}
		all := ""
		for _, s := range []struct{ name, sql string }{{"Members", g.Members()}, {"Claims", g.Claims()}, {"Settled", g.Settled()},
			{"Contested", g.Contested()}, {"Winning", g.Winning()}, {"StillOpen", g.StillOpen()}, {"IDs", g.IDs()},
			{"MergeLog", g.MergeLog()}, {"Xref", g.Xref()}, {"Edges", g.Edges()}, {"Review", g.Review()}, {"HouseholdMembers",
				made(g.HouseholdMembers(0))}, {"HouseholdClaims", g.HouseholdClaims(0)}, {"HouseholdIDs", g.HouseholdIDs(0)},
			{"Parents", made(g.Parents(1))}, {"Climb", g.Climb("above")}, {"ParentIDs", g.ParentIDs(1)}, {"Golden", made(g.Golden())},
			{"Winners", made(g.Winners())}, {"ClusterFigures", g.ClusterFigures()},
			{"Quality", g.Quality([]Figure{{"cluster_size", 2, "1"}})}} {
			all += "-- " + s.name + "\n" + s.sql + ";\n\n"
		}
		golden.Check(t, filepath.Join("testdata", "golden", "golden."+d.Name+".sql"), all, *update)
	}
}

// TestDeepHierarchy: whoever has many above is above nobody of them.
func TestDeepHierarchy(t *testing.T) {
	e, p := people()
	e.Survive = models.Survivorship{}
	e.Relations = []*models.EntityRelation{{Name: "parent", Hierarchy: "boss"}}
	l := open(t, e, p, "name", "boss")
	var rows []row
	for i := range 70 {
		key, boss := fmt.Sprintf("k%03d", i), ""
		if i > 0 {
			boss = fmt.Sprintf("k%03d", i-1)
		}
		rows = append(rows, row{key: key, cluster: key, values: map[string]string{"name": "n", "boss": boss}})
	}
	b := l.build(rows)
	if got := l.rows(b.Tables[models.PartGolden], "SELECT count(*) FROM {t} WHERE parent_id IS NULL"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("golden records without a parent: %v", got)
	}
	if got := l.rows(b.Tables[models.PartReview], "SELECT count(*) FROM {t}"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("questions: %v", got)
	}
}

// TestHouseholdsOfOneTime: two runs stand for the same time, and the first of a household leaves it between them.
func TestHouseholdsOfOneTime(t *testing.T) {
	e, p := people()
	e.Survive = models.Survivorship{}
	e.Relations = []*models.EntityRelation{{Name: "household", By: []string{"name", "street"}}}
	l := open(t, e, p, "name", "street")
	at := func(key, street string) row {
		return row{key: key, cluster: key, values: map[string]string{"name": "n", "street": street}}
	}
	l.build([]row{at("a", "1"), at("b", "1"), at("c", "1")})
	when := l.g.At
	l.input([]row{at("a", "2"), at("b", "1"), at("c", "1")})
	l.g.At = when
	b, err := l.run(l.w)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.rows(b.Tables[models.PartGolden], "SELECT count(DISTINCT household_id) FROM {t}"); !slices.Equal(got, []string{"2"}) {
		t.Errorf("households: %v", got)
	}
}
