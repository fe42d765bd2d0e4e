package models

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// Check is one expectation about a node's table. What it is about stands in Args, a pointer to the struct of its kind:
// *NotNull, *Unique, *AcceptedValues… Its columns were not compared with the table's yet: a project knows no table.
type Check struct {
	Name    string // unique among the checks of its node: not_null_id
	Kind    string // not_null, unique…
	Node    *Node  // whose table it is about; of a singular check the last of those that it reads
	Columns []string
	Args    any
	CheckSettings
	Pos config.Pos

	// Test is how dbt's properties files call it; nil for checks that are no tests of dbt.
	Test     *TestFacts
	Template *jinja.Template // of kind sql
	Reads    []*Node         // what it reads beside its node's table, sorted by name
	// AsDBT says that it is a test of a project of dbt: it is graded by the keys of unique and by the values of accepted_values, where
	// checks of ours count rows.
	AsDBT bool
	// Capped is the most failures that such a test may have: its limit, where one is said; 0 for no bound.
	Capped int
	// Apart says that it reads no table: whatever it finds, its node is published, and the run fails.
	Apart bool
	// Deferred says that it can only run when the whole run is built: what it reads is built from its node. Its failing
	// rows cannot be diverted any more.
	Deferred bool

	reached string // hash of the macros that its query may reach
}

// ByRow says whether the check judges each row by itself, so that the rows that fail it can be named.
func (c *Check) ByRow() bool {
	if _, ofContract := c.Args.(*ContractColumn); ofContract {
		return true
	}
	return checkKinds[c.Kind].byRow
}

// Diverts says whether rows that fail are kept out of what is built: those that a check quarantines, and those that do not
// fit a contract, which no table of its types can hold. A view holds no rows.
func (c *Check) Diverts() bool {
	view := c.Node.Model != nil && c.Node.Model.Materialized == View
	return c.Quarantines() || c.Kind == KindContract && c.ByRow() && !view
}

// Quarantines says whether failing rows are diverted.
func (c *Check) Quarantines() bool { return c.Severity == SeverityQuarantine }

// Severity says what a failing check does.
type Severity string

// The severities. A quarantining check diverts the rows that fail it.
const (
	SeverityWarn       Severity = "warn"
	SeverityError      Severity = "error"
	SeverityQuarantine Severity = "quarantine"
)

// CheckSettings are the keys that every kind of check understands, beside its own or under config:.
type CheckSettings struct {
	config.Origin
	Severity    Severity          `yaml:"severity" default:"error" enum:"warn,error,quarantine" doc:"What failing rows do. error: the table keeps its previous version. warn: they are told. quarantine: they go to the table's __quarantine instead of the table."`
	Where       string            `yaml:"where" doc:"SQL condition: only rows that meet it are checked." example:"status <> 'draft'"`
	WarnIf      Condition         `yaml:"warn_if" doc:"When failing rows are a warning: an operator and a count, or a share of the rows checked. Default: any." example:"> 10"`
	ErrorIf     Condition         `yaml:"error_if" doc:"When failing rows are an error. Default: any; with severity quarantine, more than 10% of the rows checked." example:">= 1%"`
	FailCalc    string            `yaml:"fail_calc" doc:"dbt's key, of a query: SQL over its rows that gives the number of failures, instead of count(*)."`
	Limit       int               `yaml:"limit" default:"10" doc:"Failing rows to keep as a sample."`
	Owner       string            `yaml:"owner" doc:"Who answers for it; the table's owner by default."`
	Description string            `yaml:"description" doc:"Why the rule is there, for those who read the report."`
	Tags        config.StringList `yaml:"tags" doc:"Words about the check."`
	Enabled     bool              `yaml:"enabled" default:"true" doc:"false leaves the check out."`
	Meta        config.Node       `yaml:"meta" doc:"Anything; not read."`
	// dbt's keys that have no meaning here: the failing rows are always kept, in the report and in the quarantine.
	StoreFailures   config.Node `yaml:"store_failures" doc:"Has no effect: failing rows are always kept."`
	StoreFailuresAs config.Node `yaml:"store_failures_as" doc:"Has no effect: failing rows are always kept."`
}

// DefaultQuarantineError is the share of the rows checked beyond which quarantining them is an error: most likely it is the
// rule or the delivery that is wrong, not the rows.
var DefaultQuarantineError = Condition{Op: ">", Limit: config.Threshold{Percent: 10, IsPercent: true}}

// Condition is a comparison of a number of failing rows with a limit, such as "> 10" or ">= 1%", or with two, such as
// "between 1 and 5". The zero Condition was not written.
type Condition struct {
	Op    string // = != > >= < <= between, not between
	Limit config.Threshold
	Upper int64  // of between
	SQL   string // of a test of dbt: what stands behind the number of failures in SQL, "in (1, 2)", and nothing else is said
}

// IsZero says that the condition was not written.
func (c Condition) IsZero() bool { return c.Op == "" && c.SQL == "" }

// Holds compares failing rows, where the condition is not SQL, of so many that were checked, with the limit. Failing rows of none,
// which a query may find, are all of them.
func (c Condition) Holds(failing, checked int64) bool {
	left, right := float64(failing), float64(c.Limit.Count)
	if c.Limit.IsPercent {
		if left, right = left*100, c.Limit.Percent*float64(checked); checked == 0 { // no share at all; of a query's rows, all
			left, right = 100*float64(min(failing, 1)), c.Limit.Percent
		}
	}
	switch c.Op {
	case "between", "not between":
		return (left >= right && failing <= c.Upper) == (c.Op == "between")
	case "=":
		return left == right
	case "!=":
		return left != right
	case ">":
		return left > right
	case ">=":
		return left >= right
	case "<":
		return left < right
	case "<=":
		return left <= right
	}
	return false
}

// String returns the form that is written in YAML.
func (c Condition) String() string {
	switch {
	case c.IsZero():
		return ""
	case c.SQL != "":
		return c.SQL
	}
	if strings.HasSuffix(c.Op, "between") {
		return fmt.Sprintf("%s %s and %d", c.Op, c.Limit, c.Upper)
	}
	return c.Op + " " + c.Limit.String()
}

// MarshalText implements encoding.TextMarshaler.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

var conditionSyntax = regexp.MustCompile(`^\s*(=|==|!=|<>|>|>=|<|<=)?\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*$`)

var betweenSyntax = regexp.MustCompile(`^\s*([nN][oO][tT]\s+)?[bB][eE][tT][wW][eE][eE][nN]\s+([0-9]+)\s+[aA][nN][dD]\s+([0-9]+)\s*$`)

// UnmarshalText implements encoding.TextUnmarshaler. A number alone is a limit that must not be passed.
func (c *Condition) UnmarshalText(b []byte) error {
	if m := betweenSyntax.FindStringSubmatch(string(b)); m != nil {
		return c.between(m[1] != "", m[2], m[3])
	}
	m := conditionSyntax.FindStringSubmatch(string(b))
	if m == nil {
		return errors.New(`must be an operator and a number of rows or a share, such as "> 10", ">= 1%", "!= 0" or "between 1 and 5"`)
	}
	op := map[string]string{"": ">", "==": "=", "<>": "!="}[m[1]]
	if op == "" {
		op = m[1]
	}
	var limit config.Threshold
	if err := limit.UnmarshalText([]byte(m[2] + m[3])); err != nil {
		return err
	}
	*c = Condition{Op: op, Limit: limit}
	return nil
}

func (c *Condition) between(not bool, from, to string) error {
	read := Condition{Op: "between"}
	if not {
		read.Op = "not between"
	}
	err := read.Limit.UnmarshalText([]byte(from))
	if err == nil {
		read.Upper, err = strconv.ParseInt(to, 10, 64)
	}
	if err == nil {
		*c = read
	}
	return err
}

// SchemaType implements the schema of a Condition.
func (Condition) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "integer"}, "pattern": conditionSyntax.String() + "|" + betweenSyntax.String() + `|\$\{`,
		"minimum": 0}
}

// Literal is a constant in a check's argument.
type Literal struct {
	Text   string
	Number bool // written as a number
	Null   bool
	set    bool
}

// IsSet says that the literal was written.
func (l Literal) IsSet() bool { return l.set }

// or is the literal, or the other when it was not written; dbt's null bound is none.
func (l Literal) or(other Literal) Literal {
	if l.set && !l.Null {
		return l
	}
	if other.Null {
		return Literal{}
	}
	return other
}

// constant takes a text that is SQL, as dbt_utils has it, as the constant that it is: 'a' in quotes, or a number.
func (l *Literal) constant() bool {
	if !l.set || l.Number {
		return true
	}
	if _, err := strconv.ParseFloat(l.Text, 64); err == nil {
		*l = Number(l.Text)
		return true
	}
	inner, quoted := strings.CutPrefix(l.Text, "'")
	inner, closed := strings.CutSuffix(inner, "'")
	if !quoted || !closed || strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
		return false
	}
	*l = Text(strings.ReplaceAll(inner, "''", "'"))
	return true
}

// Text makes a literal of a text.
func Text(s string) Literal { return Literal{Text: s, set: true} }

// Number makes a literal of a number.
func Number(s string) Literal { return Literal{Text: s, Number: true, set: true} }

// DecodeNode implements config.NodeDecoder.
func (l *Literal) DecodeNode(n config.Node) config.Problems {
	if n.IsNull() {
		*l = Literal{Null: true, set: true}
		return nil
	}
	if !n.IsScalar() {
		return config.Problems{n.Pos().Problem("must be a text, a number or a boolean", "")}
	}
	var v any
	problems := n.Decode(&v)
	switch v := v.(type) {
	case string:
		*l = Text(v)
	case bool:
		*l = Text(strconv.FormatBool(v))
	case int64:
		*l = Number(strconv.FormatInt(v, 10))
	case float64:
		if *l = Number(n.Text()); strings.Contains(l.Text, "${") { // else as it is written: a decimal has more digits than a float
			*l = Number(strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	return problems
}

// SchemaType implements the schema of a Literal.
func (Literal) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean", "null"}}
}

// The arguments of each kind of check.
type (
	// NotNull fails for rows in which one of the columns is NULL.
	NotNull struct{}

	// Unique fails for rows whose columns' values another row has too. A row in which one of them is NULL passes. With an
	// expression as dbt's column_name that is what is unique.
	Unique struct{}

	// AcceptedValues fails for rows with another value; NULL passes.
	AcceptedValues struct {
		Values []Literal `yaml:"values" required:"true" doc:"The values that may occur."`
		Quote  bool      `yaml:"quote" default:"true" doc:"dbt's key: false for numbers. They are compared as the column's type either way."`
	}

	// RejectedValues fails for rows with one of the values; NULL passes.
	RejectedValues struct {
		Values []Literal `yaml:"values" required:"true" doc:"The values that must not occur."`
		Quote  bool      `yaml:"quote" default:"true" doc:"dbt's key: false for numbers."`
	}

	// Relationships fails for rows whose value no row of another table has; NULL passes.
	Relationships struct {
		To    string            `yaml:"to" required:"true" doc:"The other table." example:"ref('customers')"`
		Field config.StringList `yaml:"field" doc:"Its columns; by default those with the same names."`
		Node  *Node             `yaml:"-" json:"-"` // that To means
	}

	// Range fails for rows outside the bounds, NaN too; NULL passes.
	Range struct {
		Min       Literal `yaml:"min" doc:"Least value."`
		Max       Literal `yaml:"max" doc:"Greatest value."`
		Strictly  bool    `yaml:"strictly" doc:"The bounds themselves are outside."`
		MinValue  Literal `yaml:"min_value" doc:"dbt_utils' name for min."`
		MaxValue  Literal `yaml:"max_value" doc:"dbt_utils' name for max."`
		Inclusive bool    `yaml:"inclusive" default:"true" doc:"dbt_utils' key: the opposite of strictly."`
	}

	// Length fails for texts with fewer or more characters; NULL passes.
	Length struct {
		Min *int64 `yaml:"min" doc:"Fewest characters."`
		Max *int64 `yaml:"max" doc:"Most characters."`
	}

	// Regex fails for texts that the pattern (RE2) does not match; NULL passes.
	Regex struct {
		Pattern string `yaml:"pattern" required:"true" doc:"Regular expression, RE2 syntax." example:"[A-Z]{2}[0-9]+"`
		Match   string `yaml:"match" default:"full" enum:"full,partial" doc:"full: the whole text must match. partial: some part of it."`
		Not     bool   `yaml:"not" doc:"Texts that match fail."`
	}

	// Expression fails for rows for which the SQL condition is false.
	Expression struct {
		Expression string `yaml:"expression" required:"true" doc:"SQL condition that every row must meet." example:"shipped_on >= ordered_on"`
		Null       string `yaml:"null" default:"pass" enum:"pass,fail" doc:"What becomes of rows for which the condition is unknown."`
	}

	// RowCount fails when the table has fewer or more rows.
	RowCount struct {
		Min    *int64 `yaml:"min" doc:"Fewest rows."`
		Max    *int64 `yaml:"max" doc:"Most rows."`
		Equals *int64 `yaml:"equals" doc:"Exactly so many rows."`
	}

	// Freshness fails when the column's greatest value is too old, or when there is none.
	Freshness struct {
		WarnAfter  Period `yaml:"warn_after" doc:"Age that is a warning." example:"24h"`
		ErrorAfter Period `yaml:"error_after" doc:"Age that is an error." example:"48h"`
	}

	// Volume compares the number of rows with those of the runs before.
	Volume struct {
		History `yaml:",inline"`
		New     bool `yaml:"new" doc:"Count the rows that the run brought instead of the table's."`
	}

	// Distribution compares a figure of a column with bounds, or with those of the runs before when it has none.
	Distribution struct {
		Metric   string   `yaml:"metric" required:"true" enum:"mean,stddev,min,max,sum,median,null_share,distinct_share,distinct,zero_share,drift" doc:"The figure. drift: how far the values have moved between classes (population stability index)."`
		Min      *float64 `yaml:"min" doc:"Least value that passes."`
		Max      *float64 `yaml:"max" doc:"Greatest value that passes."`
		Quantile *float64 `yaml:"quantile" doc:"With metric median: another quantile, between 0 and 1."`
		History  `yaml:",inline"`
	}

	// Reconcile compares the table with another one: figures, key sets and rows.
	Reconcile struct {
		With      string            `yaml:"with" doc:"What to compare with. source: the stream's source, read whole now, which is the default of a stream. previous: the version published before. ref('other') or source('erp', 'orders'): a table of the project. live('crm', 'accounts'): that stream at its source, read whole now." example:"previous"`
		Key       config.StringList `yaml:"key" doc:"Columns that tell rows apart; by default the table's own key. Without any, whole rows are compared."`
		Ignore    config.StringList `yaml:"ignore" doc:"Columns that are not compared."`
		Measures  config.StringList `yaml:"measures" enum:"rows,nulls,sums,bounds,keys,values" doc:"What to compare. By default all that can be; without keys and values no single rows are compared, which is cheaper." example:"[rows, sums]"`
		Tolerance config.Threshold  `yaml:"tolerance" default:"0" doc:"Rows that may be missing, extra or different, all together: a count, or a share of the rows that are expected." example:"0.5%"`
		Numeric   config.Tolerance  `yaml:"numeric" doc:"How far numbers may be apart: an amount, or a share of the greater one." example:"0.01"`
		// Against and Node are what With means.
		Against Against `yaml:"-"`
		Node    *Node   `yaml:"-" json:"-"`
	}

	// SQL fails when its query, one SELECT over {{ this }}, ref() and source(), returns rows: these are what is wrong.
	SQL struct {
		Query string `yaml:"query" required:"true" doc:"A SELECT of the rows that are wrong."`
		// Path is the file of a singular check.
		Path string `yaml:"-"`
		// Package is the dbt package that has that file; "" for the project's own.
		Package string `yaml:"-" json:"-"`
		// Test is a generic test of dbt, whose macro gives the query.
		Test *GenericTest `yaml:"-" json:"-"`
	}
)

// Against says what a table is reconciled with.
type Against string

// What a table can be reconciled with.
const (
	AgainstPrevious Against = "previous" // its version published before
	AgainstTable    Against = "table"    // the newest version of another node
	AgainstSource   Against = "source"   // a stream at its source
)

// History says how a figure is compared with those of earlier runs.
type History struct {
	WarnSigma  float64 `yaml:"warn_sigma" default:"2" doc:"Standard deviations from the mean of earlier runs that are a warning."`
	ErrorSigma float64 `yaml:"error_sigma" default:"3" doc:"Standard deviations that are an error."`
	MinRuns    int     `yaml:"min_runs" default:"7" doc:"Runs that must have been before anything is said."`
	Window     int     `yaml:"window" default:"90" doc:"Earlier runs to look at."`
	Weekday    bool    `yaml:"weekday" default:"true" doc:"Compare with the same day of the week once there are enough of them."`
}

// Period is a time span: 24h, or dbt's {count: 24, period: hour}.
type Period struct{ config.Duration }

// DecodeNode implements config.NodeDecoder.
func (p *Period) DecodeNode(n config.Node) config.Problems {
	if !n.IsMapping() {
		return n.Decode(&p.Duration)
	}
	var long struct {
		Count  int    `yaml:"count" required:"true"`
		Period string `yaml:"period" required:"true" enum:"minute,hour,day"`
	}
	problems := n.Decode(&long)
	if problems != nil || strings.Contains(long.Period, "${") { // which lint leaves in place
		return problems
	}
	if err := p.UnmarshalText([]byte(strconv.Itoa(long.Count) + long.Period[:1])); err != nil {
		return config.Problems{n.Origin().At("count").Problem("count must not be negative", "")}
	}
	return nil
}

// SchemaType implements the schema of a Period.
func (Period) SchemaType() map[string]any {
	return map[string]any{"anyOf": []any{config.Duration(0).SchemaType(), map[string]any{"type": "object", "properties": map[string]any{
		"count": map[string]any{"type": "integer"}, "period": map[string]any{"enum": []any{"minute", "hour", "day"}}}}}}
}

// checkKind is what the loader and the planner know of a kind of check.
type checkKind struct {
	args    func() any
	byRow   bool   // single rows fail it
	columns int    // 0: none, 1: exactly one, 2: one or more
	short   string // key that a plain text stands for; "" means the columns
	doc     string
}

// checkKinds are all kinds of checks.
var checkKinds = map[string]checkKind{
	"not_null":        {func() any { return &NotNull{} }, true, 2, "", "No NULL in any of the columns."},
	"unique":          {func() any { return &Unique{} }, true, 2, "", "No two rows with the same values in the columns; rows with a NULL there pass."},
	"accepted_values": {func() any { return &AcceptedValues{} }, true, 1, "", "Only these values; NULL passes."},
	"rejected_values": {func() any { return &RejectedValues{} }, true, 1, "", "None of these values; NULL passes."},
	"relationships":   {func() any { return &Relationships{} }, true, 2, "", "Each value is in a column of another table; NULL passes."},
	"range":           {func() any { return &Range{} }, true, 1, "", "Values between two bounds, these included; NULL passes, NaN fails."},
	"length":          {func() any { return &Length{} }, true, 1, "", "Number of characters; NULL passes."},
	"regex":           {func() any { return &Regex{} }, true, 1, "", "Texts that match a pattern; NULL passes."},
	"expression":      {func() any { return &Expression{} }, true, 0, "expression", "A SQL condition that each row meets."},
	"row_count":       {func() any { return &RowCount{} }, false, 0, "", "Number of rows of the table."},
	"freshness":       {func() any { return &Freshness{} }, false, 1, "", "Age of the greatest value of a time column; an empty table fails."},
	"volume":          {func() any { return &Volume{} }, false, 0, "", "Number of rows against that of earlier runs."},
	"distribution":    {func() any { return &Distribution{} }, false, 1, "", "A figure of a column, against bounds or earlier runs."},
	"reconcile":       {func() any { return &Reconcile{} }, false, 0, "with", "The same rows as another table: its source, the version before, a table elsewhere."},
	"sql":             {func() any { return &SQL{} }, false, 0, "query", "A query that returns what is wrong."},
}

// foreignKinds are the names of packages' tests whose meaning a kind of ours has.
var foreignKinds = map[string]string{
	"dbt_utils.accepted_range":                "range",
	"dbt_utils.expression_is_true":            "expression",
	"dbt_utils.unique_combination_of_columns": "unique",
	"dbt_utils.not_accepted_values":           "rejected_values",
}

// similarKinds are kinds of ours that can say what tests of packages say, with other arguments: for hints.
var similarKinds = map[string]string{
	"dbt_expectations.expect_column_values_to_be_between":        "range",
	"dbt_expectations.expect_column_values_to_be_in_set":         "accepted_values",
	"dbt_expectations.expect_column_values_to_not_be_in_set":     "rejected_values",
	"dbt_expectations.expect_column_values_to_not_be_null":       "not_null",
	"dbt_expectations.expect_column_values_to_be_unique":         "unique",
	"dbt_expectations.expect_compound_columns_to_be_unique":      "unique",
	"dbt_expectations.expect_column_values_to_match_regex":       "regex",
	"dbt_expectations.expect_column_value_lengths_to_be_between": "length",
	"dbt_expectations.expect_table_row_count_to_be_between":      "row_count",
	"dbt_expectations.expect_table_row_count_to_equal":           "row_count",
	"dbt_expectations.expression_is_true":                        "expression",
	"dbt_expectations.expect_row_values_to_have_recent_data":     "freshness",
	"dbt_utils.not_empty_string":                                 "length",
	"dbt_utils.recency":                                          "freshness",
	"dbt_utils.relationships_where":                              "relationships",
	// Soda's
	"missing_count":   "not_null",
	"missing_percent": "not_null",
	"duplicate_count": "unique",
	"invalid_count":   "accepted_values",
	"invalid_percent": "accepted_values",
}

// live reads live('crm', 'accounts') as the stream that it means.
func live(text string) (source, name string, ok bool) {
	rest, found := strings.CutPrefix(strings.TrimSpace(text), "live")
	if !found || !strings.HasPrefix(strings.TrimSpace(rest), "(") {
		return "", "", false
	}
	return relation("source" + rest)
}

var relationSyntax = regexp.MustCompile(`^(?:\{\{\s*)?(ref|source)\s*\(\s*(?:'([^']*)'|"([^"]*)")\s*(?:,\s*(?:'([^']*)'|"([^"]*)")\s*)?\)(?:\s*\}\})?$`)

// relation reads ref('x'), source('a', 'b') or a plain name as a reference; ok is false for anything else.
func relation(text string) (source, name string, ok bool) {
	m := relationSyntax.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		source, name, dotted := strings.Cut(strings.TrimSpace(text), ".")
		if !dotted {
			return "", source, source != "" && !strings.ContainsAny(text, "(){}'\" \t")
		}
		return source, name, source != "" && name != "" && !strings.ContainsAny(text, "(){}'\" \t")
	}
	first, second := m[2]+m[3], m[4]+m[5]
	if m[1] == "source" {
		return first, second, first != "" && second != ""
	}
	if second != "" { // ref('package', 'model')
		return "", second, true
	}
	return "", first, first != ""
}
