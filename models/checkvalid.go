package models

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file refuses checks that contradict themselves, or say what has no effect.

// contradiction is what is wrong with the arguments of a check.
type contradiction struct{ key, hint, text string }

// bad reports what is wrong at a key of a check; it returns false.
func (l *loader) bad(w *written, key, hint, format string, args ...any) bool {
	l.problem(w.at(key), hint, format, args...)
	return false
}

// validColumns checks how many columns there are. Those of a table's check are dropped when they are only those of dbt's
// list that it stands in; when they were written they are a misunderstanding.
func (l *loader) validColumns(w *written, spec checkKind, explicit bool) bool {
	about := fmt.Sprintf("write - %s: { column: amount, … }", w.Kind)
	switch {
	case spec.columns == 0 && spec.short == "" && explicit:
		return l.bad(w, "column", "put a condition on rows into where:", "%s is about the whole table, not about columns", w.Kind)
	case spec.columns == 0 && spec.short == "":
		w.Columns = nil
	case len(w.Columns) > 1 && twice(w.Columns) != "":
		return l.bad(w, "columns", "name each column once", "%s names the column %s twice", w.Kind, twice(w.Columns))
	case spec.columns == 1 && len(w.Columns) > 1:
		return l.bad(w, "column", "write one check for each", "%s is about one column, not about %d", w.Kind, len(w.Columns))
	case spec.columns == 1 && len(w.Columns) == 0:
		return l.bad(w, "", about, "%s needs a column", w.Kind)
	case spec.columns == 2 && len(w.Columns) == 0:
		return l.bad(w, "", fmt.Sprintf("write - %s: id", w.Kind), "%s needs a column", w.Kind)
	}
	return true
}

// twice is the first name that stands in the list more than once, but for case; "" when none does.
func twice(names []string) string {
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(n string) bool { return strings.EqualFold(n, name) }) {
			return name
		}
	}
	return ""
}

// validSettings checks severity, thresholds and where.
func (l *loader) validSettings(w *written, spec checkKind) bool {
	counts := spec.byRow || w.Kind == "sql" || w.Kind == "reconcile" // has failing rows, not just a figure
	threshold := map[bool]string{false: "warn_if", true: "error_if"}[!w.ErrorIf.IsZero()]
	switch {
	case w.Quarantines() && !spec.byRow:
		return l.bad(w, "severity", "use severity: error or warn", "%s judges the whole table: there are no rows to quarantine", w.Kind)
	case w.Severity == SeverityWarn && !w.ErrorIf.IsZero() && !l.isDBT():
		return l.bad(w, "error_if", "use severity: error, where warn_if and error_if grade", "error_if has no effect with severity: warn")
	case !counts && (!w.WarnIf.IsZero() || !w.ErrorIf.IsZero()):
		return l.bad(w, threshold, "it passes or fails; severity: warn makes its failure a warning", "%s has no effect on %s: it counts no failing rows", threshold, w.Kind)
	case w.Limit < 0:
		return l.bad(w, "limit", "0 keeps no sample", "limit must not be negative")
	case w.Where != "" && w.Kind == "sql" && !l.isDBT():
		return l.bad(w, "where", "put the condition into the query", "where has no effect on a query")
	case w.Where != "" && w.Kind == "volume" && w.Args.(*Volume).New:
		return l.bad(w, "where", "without new: true the rows of the table are counted, and where leaves some out", "where has no effect with new: true")
	case !balanced(w.Where):
		return l.bad(w, "where", "a bracket or a quote of it is not closed", "where is no condition by itself")
	case isTemplate(w.Where):
		return l.bad(w, "where", "write ${var:name} for a variable", "where is plain SQL: {{ … }} means nothing in it")
	}
	return true
}

// balanced says whether SQL closes the brackets and quotes that it opens, and no others: a condition that does not would reach into
// the query around it.
func balanced(sql string) bool {
	depth := 0
	for i := 0; i < len(sql); i++ {
		end := -1
		switch rest := sql[i:]; {
		case rest[0] == '\'' || rest[0] == '"':
			end = strings.IndexByte(rest[1:], rest[0]) + 1
		case strings.HasPrefix(rest, "--"):
			if end = strings.IndexByte(rest, '\n'); end < 0 {
				end = len(rest) - 1
			}
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end >= 0 {
				end += 3
			} else {
				end = 0
			}
		case rest[0] == '(':
			depth++
			continue
		case rest[0] == ')':
			if depth--; depth < 0 {
				return false
			}
			continue
		default:
			continue
		}
		if end <= 0 {
			return false
		}
		i += end
	}
	return depth == 0
}

func isTemplate(sql string) bool { return strings.Contains(sql, "{{") || strings.Contains(sql, "{%") }

// validArgs checks the arguments against each other. Lint does not know what stands behind a reference: with one among
// them it says nothing.
func (l *loader) validArgs(w *written) bool {
	if l.resolve == nil && hasReference(w.body) {
		return true
	}
	args, ok := w.Args.(interface{ contradiction() *contradiction })
	if !ok {
		return true
	}
	if wrong := args.contradiction(); wrong != nil {
		return l.bad(w, wrong.key, wrong.hint, "%s: %s", w.Kind, wrong.text)
	}
	return true
}

func hasReference(n config.Node) bool {
	for _, value := range n.All() {
		if hasReference(value) {
			return true
		}
	}
	return strings.Contains(n.Text(), "${") || slices.ContainsFunc(n.Items(), hasReference)
}

func (a *AcceptedValues) contradiction() *contradiction {
	if len(a.Values) == 0 {
		return &contradiction{"values", "name at least one", "there are no values: no row could pass"}
	}
	return nil
}

func (a *RejectedValues) contradiction() *contradiction {
	if len(a.Values) == 0 {
		return &contradiction{"values", "name at least one", "there are no values: no row could fail"}
	}
	return nil
}

func (a *Range) contradiction() *contradiction {
	if !a.Min.IsSet() && !a.Max.IsSet() {
		return &contradiction{"", "write - range: { column: amount, min: 0 }", "needs min or max"}
	}
	if !a.Min.Number || !a.Max.Number {
		return nil
	}
	min, errMin := strconv.ParseFloat(a.Min.Text, 64)
	max, errMax := strconv.ParseFloat(a.Max.Text, 64)
	if errMin == nil && errMax == nil && (min > max || a.Strictly && min == max) {
		return &contradiction{"min", "no value can meet both", fmt.Sprintf("min %s and max %s leave no value", a.Min.Text, a.Max.Text)}
	}
	return nil
}

func (a *Length) contradiction() *contradiction { return bounds(a.Min, a.Max) }

func (a *RowCount) contradiction() *contradiction {
	if a.Equals == nil {
		return bounds(a.Min, a.Max)
	}
	if a.Min != nil || a.Max != nil {
		return &contradiction{"equals", "use one or the other", "equals stands beside min or max"}
	}
	return nil
}

func bounds(min, max *int64) *contradiction {
	if min == nil && max == nil {
		return &contradiction{"", "", "needs min or max"}
	}
	if min != nil && max != nil && *min > *max {
		return &contradiction{"min", "no value can meet both", fmt.Sprintf("min %d is greater than max %d", *min, *max)}
	}
	if max != nil && *max < 0 {
		return &contradiction{"max", "", "max must not be negative"}
	}
	return nil
}

func (a *Relationships) contradiction() *contradiction {
	if _, _, ok := relation(a.To); !ok {
		return &contradiction{"to", "write to: ref('customers') or to: source('erp', 'customers')", fmt.Sprintf("%q is not a table", a.To)}
	}
	return nil
}

func (a *Reconcile) contradiction() *contradiction {
	if _, _, isLive := live(a.With); isLive || a.With == "" || a.With == "source" || a.With == "previous" {
		return nil
	}
	if _, _, ok := relation(a.With); !ok {
		return &contradiction{"with", "write with: source, previous, ref('other'), source('erp', 'orders') or live('erp', 'orders')", fmt.Sprintf("%q is nothing to compare with", a.With)}
	}
	return nil
}

func (a *Regex) contradiction() *contradiction {
	if a.Pattern == "" {
		return &contradiction{"pattern", "", "the pattern is empty"}
	}
	return a.broken()
}

// agreed are mistakes in patterns that all engines take for mistakes.
var agreed = []syntax.ErrorCode{syntax.ErrMissingBracket, syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingRepeatArgument,
	syntax.ErrInvalidCharRange, syntax.ErrTrailingBackslash}

// broken finds patterns that no engine with RE2's syntax takes. Go's parser knows a little less than some of them, \C for one:
// it only has a say where all agree.
func (a *Regex) broken() *contradiction {
	_, err := syntax.Parse(a.Pattern, syntax.Perl)
	var wrong *syntax.Error
	if !errors.As(err, &wrong) {
		return nil
	}
	hint := ""
	lookBehind := strings.HasPrefix(wrong.Expr, "(?<=") || strings.HasPrefix(wrong.Expr, "(?<!") // read as the name of a group
	switch {
	case lookBehind || wrong.Code == syntax.ErrInvalidPerlOp:
		hint = "RE2 has no look-around; with not: true and a second check much can be said without"
	case slices.Contains(agreed, wrong.Code):
	case wrong.Code == syntax.ErrInvalidEscape && wrong.Expr != `\C`:
		hint = "RE2 has no back-references; a backslash stands before punctuation, or before one of its classes"
	default:
		return nil
	}
	return &contradiction{"pattern", hint, fmt.Sprintf("the pattern is wrong: %s: %s", wrong.Code, wrong.Expr)}
}

func (a *Expression) contradiction() *contradiction {
	if strings.TrimSpace(a.Expression) == "" {
		return &contradiction{"expression", "write a SQL condition, such as amount > 0", "the expression is empty"}
	}
	if !balanced(a.Expression) {
		return &contradiction{"expression", "a bracket or a quote of it is not closed", "it is no condition by itself"}
	}
	if isTemplate(a.Expression) {
		return &contradiction{"expression", "write ${var:name} for a variable; a sql check may use templates", "it is plain SQL: {{ … }} means nothing in it"}
	}
	return nil
}

func (a *SQL) contradiction() *contradiction {
	if a.Path == "" && strings.TrimSpace(a.Query) == "" {
		return &contradiction{"query", "write a SELECT of the rows that are wrong", "the query is empty"}
	}
	return nil
}

func (a *Freshness) contradiction() *contradiction {
	warn, fail := a.WarnAfter.Std(), a.ErrorAfter.Std()
	if warn == 0 && fail == 0 {
		return &contradiction{"", "write - freshness: { column: loaded_at, error_after: 48h }", "needs warn_after or error_after"}
	}
	if warn > 0 && fail > 0 && warn > fail {
		return &contradiction{"warn_after", "", fmt.Sprintf("warn_after %s is later than error_after %s", a.WarnAfter, a.ErrorAfter)}
	}
	return nil
}

func (a *Volume) contradiction() *contradiction {
	return a.History.contradiction()
}

func (a *Distribution) contradiction() *contradiction {
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		return &contradiction{"min", "no value can meet both", fmt.Sprintf("min %g is greater than max %g", *a.Min, *a.Max)}
	}
	if a.Metric == "drift" && (a.Min != nil || a.Max != nil && *a.Max <= 0) {
		return &contradiction{"metric", "write metric: drift, max: 0.25", "drift is 0 when nothing has moved: it has a max greater than 0, and no min"}
	}
	if share := strings.HasSuffix(a.Metric, "_share"); share && (a.Min != nil && *a.Min > 1 || a.Max != nil && (*a.Max >= 1 || *a.Max < 0)) {
		return &contradiction{"metric", "write max: 0.05 for 5 %", "a share is between 0 and 1: these bounds always hold, or never"}
	}
	if q := a.Quantile; q != nil && (a.Metric != "median" || *q < 0 || *q > 1) {
		return &contradiction{"quantile", "write metric: median, quantile: 0.95", "quantile must be between 0 and 1, with metric: median"}
	}
	return a.History.contradiction()
}

func (h History) contradiction() *contradiction {
	switch {
	case h.WarnSigma <= 0:
		return &contradiction{"warn_sigma", "", "warn_sigma must be greater than 0"}
	case h.ErrorSigma < h.WarnSigma:
		return &contradiction{"error_sigma", "", fmt.Sprintf("error_sigma %g is less than warn_sigma %g", h.ErrorSigma, h.WarnSigma)}
	case h.MinRuns < 2:
		return &contradiction{"min_runs", "", "min_runs must be at least 2: one run has no spread"}
	case h.Window < h.MinRuns:
		return &contradiction{"window", "", fmt.Sprintf("window %d is less than min_runs %d", h.Window, h.MinRuns)}
	}
	return nil
}
