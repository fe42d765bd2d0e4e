package seed

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// oracle is one case of testdata/dbt_seeds.json, which testdata/dbt_seeds.py has real dbt make.
type oracle struct {
	Name   string `json:"name"`
	CSV    string `json:"csv"`
	Base64 string `json:"base64"`
	Config struct {
		Delimiter   string            `json:"delimiter"`
		ColumnTypes map[string]string `json:"column_types"`
		Fast        *bool             `json:"fast"`
	} `json:"config"`
	Columns [][2]string `json:"columns"`
	Rows    [][]*string `json:"rows"`
	Error   string      `json:"error"`
}

// otherwise are the cases in which a seed becomes something else than dbt makes of it. docs/seeds.md says why.
var otherwise = map[string]string{
	// dbt says INTEGER, and fails.
	"integer_beyond_32_bits": `id INTEGER, v BIGINT, | "0", "1", | "1", "2147483648", `,
	// dbt takes single quotes for quotes where the file has no double ones, and drops them.
	"texts":              `id INTEGER, v VARCHAR, | "0", "a", | "1", "b c", | "2", "ü☃", | "3", "'q'", `,
	"text_single_quotes": `id INTEGER, v VARCHAR, | "0", "'a'", | "1", "'b'", `,
	// dbt takes quotes that do not add up for text, where that makes the columns add up.
	"text_behind_quote": `error seeds/text_behind_quote.csv:2: the record cannot be read: text after a closing quote ('b')`,
	"unclosed_quote":    `error seeds/unclosed_quote.csv:2: the record cannot be read: a quote is not closed`,
	// dbt fails.
	"mixed_line_ends":           `id INTEGER, v VARCHAR, | "1", "a", | "2", "b", `,
	"header_quoted":             `id INTEGER, v,w VARCHAR, say "x" VARCHAR, | "1", "a", "b", `,
	"quote_columns_false_space": `id INTEGER, w x VARCHAR, | "1", "a", `,
	// dbt takes off what stands around a number.
	"slow_money": `error seeds/slow_money.csv:2:3: column "v": "$5" is no INTEGER`,
}

// told are the cases of which a run says what the types lose, which dbt does in silence.
var told = map[string]string{
	"integer_leading_zeros": `warning: seeds/integer_leading_zeros.csv:2: column "v": "00501" becomes a number, without its leading zeros; column_types: { v: varchar } keeps it`,
	"type_unknown_column":   `warning: seeds/type_unknown_column.csv: column_types names "w", which is no column of the file`,
	"type_other_case": `warning: seeds/type_other_case.csv: column_types names "V", which is no column of the file: it is spelled "v" there
warning: seeds/type_other_case.csv:2: column "v": "00501" becomes a number, without its leading zeros; column_types: { v: varchar } keeps it`,
	"decimal_beyond_53_bits": `warning: seeds/decimal_beyond_53_bits.csv:3: column "v": "9007199254740993" is another number as a DOUBLE; column_types: { v: varchar } keeps it`,
	"decimal_many_digits":    `warning: seeds/decimal_many_digits.csv:2: column "v": "3.14159265358979323846" is another number as a DOUBLE; column_types: { v: varchar } keeps it`,
	"decimal_overflow":       `warning: seeds/decimal_overflow.csv:3: column "v": "1e400" is another number as a DOUBLE; column_types: { v: varchar } keeps it`,
	"decimal_underflow":      `warning: seeds/decimal_underflow.csv:3: column "v": "1e-400" is another number as a DOUBLE; column_types: { v: varchar } keeps it`,
	"timestamp_nanoseconds":  `warning: seeds/timestamp_nanoseconds.csv:2: column "v": "2024-01-31T10:20:30.123456789" is cut to microseconds; column_types: { v: timestamp_ns } keeps it`,
	"timestamp_offset":       `warning: seeds/timestamp_offset.csv:2: column "v": "2024-01-31T10:20:30+02:00" loses its offset: the time is taken as it is written; column_types: { v: timestamptz } keeps it`,
	"timestamp_offset_short": `warning: seeds/timestamp_offset_short.csv:2: column "v": "2024-01-31T10:20:30+02" loses its offset: the time is taken as it is written; column_types: { v: timestamptz } keeps it`,
	"type_integer_decimal":   `warning: seeds/type_integer_decimal.csv:2: column "v": "1.5" is 2 as INTEGER; the type that column_types gives the column changes 1 values`,
	"type_decimal_rounds":    `warning: seeds/type_decimal_rounds.csv:2: column "v": "1.005" is 1.01 as DECIMAL(10,2); the type that column_types gives the column changes 1 values`,
	"type_date_american":     `seeds/type_date_american.csv: column "v": dates are read as %m/%d/%Y`,
	"type_date_german":       `seeds/type_date_german.csv: column "v": dates are read as %d.%m.%Y`,
	"type_date_ambiguous":    `warning: seeds/type_date_ambiguous.csv: column "v": dates are read as %d/%m/%Y, as dbt reads them, and could be %m/%d/%Y: write them as 2024-01-31`,
	"type_date_two_digits":   `seeds/type_date_two_digits.csv: column "v": dates are read as %d/%m/%y`,
	"type_date_year_first":   `warning: seeds/type_date_year_first.csv: column "v": dates are read as %y-%m-%d, as dbt reads them, and could be %d-%m-%y: write them as 2024-01-31`,
	"type_date_dashes":       `seeds/type_date_dashes.csv: column "v": dates are read as %d-%m-%Y`,
	"type_timestamp_slashes": `seeds/type_timestamp_slashes.csv: column "v": dates are read as %d/%m/%Y %H:%M:%S`,
	"type_timestamp_am_pm":   `seeds/type_timestamp_am_pm.csv: column "v": dates are read as %m/%d/%Y %I:%M:%S %p`,
	"type_date_of_timestamp": `warning: seeds/type_date_of_timestamp.csv:2: column "v": "2024-01-31 10:00:00" is 2024-01-31 as DATE; the type that column_types gives the column changes 1 values`,
}

func TestAsDBT(t *testing.T) {
	data, err := os.ReadFile("testdata/dbt_seeds.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []oracle
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Dirs: []string{dir}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range cases {
		want := c.told()
		if ours, differs := otherwise[c.Name]; differs {
			if want == ours {
				t.Errorf("%s: it is as dbt has it, and listed as another", c.Name)
			}
			want = ours
		}
		got, notes := c.made(t, w, filepath.Join(dir, c.Name))
		if got != want && !(want == "error" && strings.HasPrefix(got, "error ")) {
			t.Errorf("%s\n   is to be %s\n   but is   %s", c.Name, want, got)
		}
		if note := strings.Join(notes, "\n"); note != told[c.Name] {
			t.Errorf("%s: is told as %q, not %q", c.Name, note, told[c.Name])
		}
	}
}

// told is what dbt made, on one line.
func (c *oracle) told() string {
	if c.Error != "" {
		return "error"
	}
	var b strings.Builder
	for _, col := range c.Columns {
		fmt.Fprintf(&b, "%s %s, ", col[0], col[1])
	}
	for _, row := range c.Rows {
		b.WriteString("| ")
		for _, v := range row {
			if v == nil {
				b.WriteString("NULL, ")
			} else {
				fmt.Fprintf(&b, "%q, ", *v)
			}
		}
	}
	return b.String()
}

// made is what we make, on one line.
func (c *oracle) made(t *testing.T, w warehouse.Warehouse, path string) (line string, notes []string) {
	content := []byte(c.CSV)
	if c.Base64 != "" {
		content, _ = base64.StdEncoding.DecodeString(c.Base64)
	}
	if err := os.WriteFile(path+".csv", content, 0o600); err != nil {
		t.Fatal(err)
	}
	f := File{Path: path + ".csv", Name: "seeds/" + c.Name + ".csv", Types: map[string]string{}, NullWords: c.Config.Fast != nil && !*c.Config.Fast}
	if c.Config.Delimiter != "" {
		f.Delimiter = c.Config.Delimiter[0]
	}
	for name, text := range c.Config.ColumnTypes {
		typ, err := warehouse.SeedType(text)
		if err != nil {
			return "error " + err.Error(), nil
		}
		f.Types[name] = typ
	}
	table, err := Read(t.Context(), f, path+".parquet")
	if p := (*Problem)(nil); errors.As(err, &p) {
		return fmt.Sprintf("error %s: %s", p.Pos(), p.Message), nil
	} else if err != nil {
		t.Fatal(err)
	}
	formats, err := table.Settle(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	out, notes, err := table.told(t, w)
	if err == nil {
		return out, append(formats, notes...)
	}
	var sqlErr *warehouse.SQLError
	if !errors.As(err, &sqlErr) {
		t.Errorf("%s: %v", c.Name, err)
	}
	if notes, err := table.Notes(t.Context(), w); err != nil || strings.Contains(strings.Join(notes, "\n"), "nil") {
		t.Errorf("%s: what no type takes is told as changed: %v %q", c.Name, err, notes)
	}
	p, berr := table.Blame(t.Context(), w)
	if berr != nil || p == nil {
		t.Errorf("%s: nothing is to blame for %v: %v", c.Name, err, berr)
		return "error", nil
	}
	return fmt.Sprintf("error %s: %s", p.Pos(), p.Message), nil
}

func (t *Table) told(test *testing.T, w warehouse.Warehouse) (line string, notes []string, err error) {
	columns, err := w.Describe(test.Context(), t.SQL(w.Dialect()))
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	items := make([]string, len(columns))
	for i, c := range columns {
		fmt.Fprintf(&b, "%s %s, ", c.Name, c.Type)
		items[i] = "CAST(" + w.Dialect().QuoteIdent(c.Name) + " AS VARCHAR)"
	}
	found, err := w.Query(test.Context(), "SELECT "+strings.Join(items, ", ")+" FROM (\n"+t.SQL(w.Dialect())+"\n)")
	if err != nil {
		return "", nil, err
	}
	for _, row := range found.Rows {
		b.WriteString("| ")
		for _, v := range row {
			if v == nil {
				b.WriteString("NULL, ")
			} else {
				fmt.Fprintf(&b, "%q, ", v)
			}
		}
	}
	notes, err = t.Notes(test.Context(), w)
	return b.String(), notes, err
}
