package lineage

import (
	"regexp"
	"slices"
	"strings"
)

// selected are the columns that one entry of a select list gives.
func (w *walk) selected(e node, s *scope) []item {
	if isStar(e, false) {
		return w.star(e, s)
	}
	if items, ok := w.filtered(e, s); ok {
		return items
	}
	if star := columnsIn(e); star != nil {
		return w.expanded(e, star, s)
	}
	name, v := w.item(e, s)
	it := item{name: name, value: v}
	it.unfolds = e.text("type") == "FUNCTION" && strings.EqualFold(e.text("function_name"), "unnest")
	if alias := e.text("alias"); alias != "" {
		it.name, it.alias = alias, true
	}
	return []item{it}
}

// item is the name that an expression has without an alias, "" when it is made of its text, and where it comes from.
func (w *walk) item(e node, s *scope) (string, value) {
	switch e.text("type") {
	case "COLUMN_REF":
		return s.column(e.texts("column_names"))
	case "POSITIONAL_REFERENCE":
		at, _ := e["index"].(float64)
		if s.from == nil || at < 1 || int(at) > len(s.from.star) || slices.ContainsFunc(s.from.star[:int(at)], item.wide) {
			return "", unknown("it means a column by its number, among columns whose number is not known")
		}
		return s.from.star[int(at)-1].name, s.from.star[int(at)-1].value
	}
	return "", w.value(e, s)
}

func isStar(e node, columns bool) bool {
	return e.text("type") == "STAR" && (e["columns"] == true) == columns
}

// star is what an asterisk stands for.
func (w *walk) star(e node, s *scope) []item {
	if s.from == nil {
		return nil
	}
	source := s.from.star
	if name := e.text("relation_name"); name != "" {
		rel := s.from.relation([]string{name})
		if rel == nil { // the fields of a struct
			_, v := s.column([]string{name})
			return []item{{many: &many{from: v.computed()}}}
		}
		source = rel.items
	}
	items := slices.Clone(source)
	for _, name := range e.texts("exclude_list") {
		items = without(items, name)
	}
	for _, q := range e.nodes("qualified_exclude_list") {
		items = slices.DeleteFunc(items, func(it item) bool { return !it.wide() && it.isNamed(q) })
	}
	for _, r := range e.nodes("replace_list") {
		v := w.value(r.sub("value"), s)
		items = put(items, r.text("key"), v)
		items = once(items, r.text("key"))
	}
	for _, r := range e.nodes("rename_list") {
		items = renamed(items, r.sub("key"), r.text("value"))
	}
	return items
}

// once leaves out all columns of a name but the first: REPLACE gives one for all of them.
func once(items []item, name string) []item {
	seen := false
	return slices.DeleteFunc(items, func(it item) bool {
		same := !it.wide() && strings.EqualFold(it.name, name)
		again := same && seen
		seen = seen || same
		return again
	})
}

// isNamed says whether an entry of EXCLUDE or RENAME, which may name the table, means the column.
func (it item) isNamed(q node) bool {
	table := q.text("table")
	return strings.EqualFold(it.name, q.text("column")) && (table == "" || it.rel != nil && strings.EqualFold(it.rel.alias, table))
}

func renamed(items []item, key node, name string) []item {
	for i, it := range items {
		if !it.wide() && it.isNamed(key) {
			items[i].name, items[i].alias = name, true
			return items
		}
	}
	for i, it := range items {
		if it.wide() {
			items[i] = it.hide(key.text("column"))
			return append(items, item{name: name, alias: true, value: it.of(key.text("column"))})
		}
	}
	return items
}

// filtered are the columns of an asterisk whose names fit a pattern: * LIKE 'a%'.
func (w *walk) filtered(e node, s *scope) ([]item, bool) {
	test := e
	if test.text("type") == "OPERATOR_NOT" && len(test.nodes("children")) == 1 {
		test = test.nodes("children")[0]
	}
	children := test.nodes("children")
	if test.text("type") != "FUNCTION" || len(children) != 2 || !isStar(children[0], false) {
		return nil, false
	}
	var out []item
	for _, it := range w.star(children[0], s) {
		if it.wide() {
			out = append(out, it)
			continue
		}
		fits, ok := judge(e, func(operand node) (string, bool) { return it.name, isStar(operand, false) })
		if !ok {
			return []item{{many: &many{from: unknown("which columns the pattern behind * means is not understood")}}}, true
		}
		if fits {
			out = append(out, it)
		}
	}
	return out, true
}

// columnsIn finds COLUMNS(…) in an expression; nil when it has none, or only such as are unpacked into arguments.
func columnsIn(v any) node {
	switch v := v.(type) {
	case node:
		return columnsIn(map[string]any(v))
	case map[string]any:
		n := node(v)
		if isStar(n, true) {
			return n
		}
		if kind := n.text("type"); kind == "OPERATOR_UNPACK" || kind == "SUBQUERY" {
			return nil
		}
		for _, key := range sortedKeys(n) {
			if found := columnsIn(n[key]); found != nil {
				return found
			}
		}
	case []any:
		for _, child := range v {
			if found := columnsIn(child); found != nil {
				return found
			}
		}
	}
	return nil
}

// expanded repeats an expression for each column that COLUMNS(…) in it stands for.
func (w *walk) expanded(e, star node, s *scope) []item {
	alias := e.text("alias")
	pattern := patternOf(star)
	var out []item
	for _, it := range w.columnSet(star, s) {
		around := w.each
		w.each = &it
		v := w.value(e, s)
		w.each = around
		switch {
		case it.wide() && alias != "":
			out = append(out, item{many: &many{from: v.with(unknown("the names of the columns are not known"))}})
		case it.wide():
			out = append(out, item{many: &many{open: it.many.open, hidden: it.many.hidden, from: it.many.from, extra: v, computed: !isStar(e, true)}})
		case alias != "":
			out = append(out, item{name: backreferences(alias, pattern, it.name), value: v, alias: true})
		default:
			out = append(out, item{name: it.name, value: v})
		}
	}
	return out
}

func patternOf(star node) *regexp.Regexp {
	text, isText := constant(star.sub("expr"))
	if !isText {
		return nil
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return nil
	}
	return pattern
}

// backreferences puts what a pattern found in a name into an alias: \1 and the like, \0 the name.
func backreferences(alias string, pattern *regexp.Regexp, name string) string {
	groups := []string{name}
	if pattern != nil {
		groups = pattern.FindStringSubmatch(name)
	}
	var b strings.Builder
	for i := 0; i < len(alias); i++ {
		if alias[i] == '\\' && i+1 < len(alias) && alias[i+1] >= '0' && alias[i+1] <= '9' {
			if at := int(alias[i+1] - '0'); at < len(groups) {
				b.WriteString(groups[at])
			}
			i++
			continue
		}
		b.WriteByte(alias[i])
	}
	return b.String()
}

// columnSet are the columns that COLUMNS(…) stands for.
func (w *walk) columnSet(star node, s *scope) []item {
	items := w.star(star, s)
	e := star.sub("expr")
	var fits func(name string) (bool, bool)
	pattern := patternOf(star)
	switch {
	case e == nil:
		return items
	case pattern != nil:
		fits = func(name string) (bool, bool) { return pattern.MatchString(name), true }
	case e.text("type") == "FUNCTION" && e.text("function_name") == "list_value":
		return listed(items, e.nodes("children"))
	case e.text("type") == "FUNCTION" && e.text("function_name") == "list_filter" && len(e.nodes("children")) == 2:
		fits = func(name string) (bool, bool) {
			lambda := e.nodes("children")[1]
			params := paramsOf(lambda)
			return judge(lambda.sub("expr"), func(operand node) (string, bool) {
				return name, len(params) == 1 && operand.text("type") == "COLUMN_REF" && slices.Equal(operand.texts("column_names"), params)
			})
		}
	default:
		fits = func(string) (bool, bool) { return false, false }
	}
	var out []item
	for _, it := range items {
		if it.wide() {
			out = append(out, it)
			continue
		}
		fit, ok := fits(it.name)
		if !ok {
			return []item{{many: &many{from: unknown("which columns COLUMNS(…) means is not understood")}}}
		}
		if fit {
			out = append(out, it)
		}
	}
	return out
}

// listed are the columns that COLUMNS(['a', 'b']) names.
func listed(items []item, constants []node) []item {
	var out []item
	for _, c := range constants {
		name, _ := constant(c)
		at := slices.IndexFunc(items, func(it item) bool { return !it.wide() && strings.EqualFold(it.name, name) })
		if at >= 0 {
			out = append(out, items[at])
			continue
		}
		for _, it := range items {
			if it.wide() {
				out = append(out, item{name: name, value: it.of(name)})
				break
			}
		}
	}
	return out
}

// constant is the text of a constant.
func constant(e node) (string, bool) {
	if e.text("type") != "VALUE_CONSTANT" {
		return "", false
	}
	text, ok := e.sub("value")["value"].(string)
	return text, ok
}

// judge evaluates a condition about a column's name, which subject recognizes; ok is false for what it does not understand.
func judge(e node, subject func(node) (string, bool)) (fits, ok bool) {
	children := e.nodes("children")
	switch e.text("type") {
	case "OPERATOR_NOT":
		if len(children) == 1 {
			fits, ok = judge(children[0], subject)
			return !fits, ok
		}
	case "CONJUNCTION_AND", "CONJUNCTION_OR":
		and := e.text("type") == "CONJUNCTION_AND"
		fits = and
		for _, child := range children {
			one, ok := judge(child, subject)
			if !ok {
				return false, false
			}
			fits = and && fits && one || !and && (fits || one)
		}
		return fits, true
	case "COMPARE_EQUAL", "COMPARE_NOTEQUAL":
		name, isName := operand(e.sub("left"), subject)
		text, isText := constant(e.sub("right"))
		return (name == text) == (e.text("type") == "COMPARE_EQUAL"), isName && isText
	case "COMPARE_IN", "COMPARE_NOT_IN":
		if len(children) == 0 {
			return false, false
		}
		name, isName := operand(children[0], subject)
		found := slices.ContainsFunc(children[1:], func(c node) bool { text, isText := constant(c); return isText && text == name })
		return found == (e.text("type") == "COMPARE_IN"), isName
	case "FUNCTION":
		if len(children) != 2 {
			return false, false
		}
		name, isName := operand(children[0], subject)
		text, isText := constant(children[1])
		if !isName || !isText {
			return false, false
		}
		return tested(e.text("function_name"), name, text)
	}
	return false, false
}

// operand is the column's name as a condition sees it.
func operand(e node, subject func(node) (string, bool)) (string, bool) {
	if name, ok := subject(e); ok {
		return name, true
	}
	if children := e.nodes("children"); e.text("type") == "FUNCTION" && len(children) == 1 {
		name, ok := subject(children[0])
		switch e.text("function_name") {
		case "lower", "lcase":
			return strings.ToLower(name), ok
		case "upper", "ucase":
			return strings.ToUpper(name), ok
		}
	}
	return "", false
}

// tested applies one of the engine's functions about texts.
func tested(function, name, text string) (fits, ok bool) {
	switch strings.ToLower(function) {
	case "starts_with", "prefix", "^@":
		return strings.HasPrefix(name, text), true
	case "ends_with", "suffix":
		return strings.HasSuffix(name, text), true
	case "contains":
		return strings.Contains(name, text), true
	case "~~", "like":
		return like(name, text, ""), true
	case "!~~", "not_like":
		return !like(name, text, ""), true
	case "~~*":
		return like(name, text, "(?i)"), true
	case "!~~*":
		return !like(name, text, "(?i)"), true
	case "regexp_matches", "regexp_full_match":
		if function == "regexp_full_match" {
			text = "^(?:" + text + ")$"
		}
		pattern, err := regexp.Compile(text)
		return err == nil && pattern.MatchString(name), err == nil
	}
	return false, false
}

// like is SQL's LIKE without an escape.
func like(name, pattern, flags string) bool {
	quoted := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(pattern))
	fits, err := regexp.MatchString("(?s)"+flags+"^"+quoted+"$", name)
	return err == nil && fits
}
