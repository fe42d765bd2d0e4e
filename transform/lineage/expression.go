package lineage

import (
	"slices"
	"strings"
)

// lambdas are the functions whose arrow is a lambda; everywhere else an arrow looks into JSON.
var lambdas = strings.Fields("apply array_apply array_filter array_reduce array_transform filter list_apply list_filter list_reduce list_transform reduce")

// aggregateNames are the engine's aggregates: a test asks it whether they are all.
var aggregateNames = strings.Fields(`any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star
countif covar_pop covar_samp entropy favg first fsum group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg mad max
max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp
variance`)

// value is where an expression comes from.
func (w *walk) value(e node, s *scope) value {
	if w.steps++; w.steps > maxSteps {
		return value{}
	}
	switch e.text("type") {
	case "COLUMN_REF", "POSITIONAL_REFERENCE":
		_, v := w.item(e, s)
		return v
	case "STAR":
		switch {
		case w.each == nil || !isStar(e, true):
		case w.each.wide():
			return value{} // item.of adds it
		default:
			return w.each.value
		}
		return all(w.columnSet(e, s)).computed()
	case "SUBQUERY":
		return w.subquery(e, s)
	case "FUNCTION":
		return w.call(e, s).computed()
	}
	return w.parts(map[string]any(e), s).computed()
}

// parts joins the values of all expressions below a part of the tree.
func (w *walk) parts(v any, s *scope) value {
	var out value
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			out = out.with(w.part(item, s))
		}
	case map[string]any:
		for _, child := range v {
			out = out.with(w.part(child, s))
		}
	}
	return out
}

func (w *walk) part(v any, s *scope) value {
	if m, ok := v.(map[string]any); ok {
		if _, expression := m["class"]; expression {
			return w.value(m, s)
		}
	}
	return w.parts(v, s)
}

// call is a function's value. What a lambda names itself is no column.
func (w *walk) call(e node, s *scope) value {
	if !slices.Contains(lambdas, strings.ToLower(e.text("function_name"))) {
		return w.parts(map[string]any(e), s)
	}
	var out value
	for _, child := range e.nodes("children") {
		if child.text("type") == "LAMBDA" {
			out = out.with(w.value(child.sub("expr"), &scope{outer: s, params: paramsOf(child), ctes: s.ctes}))
			continue
		}
		out = out.with(w.value(child, s))
	}
	return out
}

// paramsOf are the names of a lambda's parameters.
func paramsOf(lambda node) []string {
	lhs := lambda.sub("lhs")
	if lhs.text("type") == "COLUMN_REF" {
		return lhs.texts("column_names")
	}
	var names []string
	for _, p := range lhs.nodes("children") {
		names = append(names, p.texts("column_names")...)
	}
	return names
}

// subquery is a query within an expression. What it filters and joins by chooses rows, and is no part of the value.
func (w *walk) subquery(e node, s *scope) value {
	r := w.query(e.sub("subquery").sub("node"), s)
	w.frame.read(r)
	var v value
	if child := e.sub("child"); child != nil {
		v = w.value(child, s)
	}
	switch e.text("subquery_type") {
	case "SCALAR":
		return all(r.items)
	case "EXISTS", "NOT_EXISTS":
		return v.computed()
	}
	return v.with(all(r.items)).computed()
}

// aggregates says whether an expression calls an aggregate.
func aggregates(v any) bool {
	switch v := v.(type) {
	case node:
		return aggregates(map[string]any(v))
	case map[string]any:
		n := node(v)
		switch n.text("type") {
		case "FUNCTION":
			if slices.Contains(aggregateNames, strings.ToLower(n.text("function_name"))) {
				return true
			}
		case "SUBQUERY":
			return false
		}
		for _, child := range v {
			if aggregates(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, aggregates)
	}
	return false
}
