package jinja

import (
	"maps"
	"strings"
)

// filterDef is one filter: `do` gets its arguments bound to params; `raw` gets them as written.
type filterDef struct {
	params []Param
	do     func(r *render, v any, a []any) (any, error)
	raw    func(r *render, v any, a Args) (any, error)
}

// env is the fixed part of the language. It is built once and never changes.
type env struct {
	filters                                            map[string]*filterDef
	tests                                              map[string]*testDef
	globals                                            map[string]Func
	strMethods, listMethods, dictMethods, tupleMethods map[string]*method
}

func req(name string) Param          { return Param{Name: name, Required: true} }
func opt(name string, def any) Param { return Param{Name: name, Default: def} }

func buildFilters() map[string]*filterDef {
	type fn = func(r *render, v any, a []any) (any, error)
	f := func(do fn, params ...Param) *filterDef {
		if params == nil {
			params = []Param{}
		}
		return &filterDef{params: params, do: do}
	}
	raw := func(do func(r *render, v any, a Args) (any, error)) *filterDef { return &filterDef{raw: do} }
	same := f(func(_ *render, v any, _ []any) (any, error) { return v, nil })
	text := func(do func(string) string) *filterDef {
		return f(func(r *render, v any, _ []any) (any, error) {
			s, err := r.str(v)
			if err != nil {
				return nil, err
			}
			return do(s), r.charge(len(s))
		})
	}
	attr, cased := opt("attribute", nil), opt("case_sensitive", false)
	all := htmlFilters()
	maps.Copy(all, map[string]*filterDef{
		"as_bool": same, "as_number": same, "as_native": same, "as_text": same, // no effect in SQL; see RenderNative
		"is_list": f(func(_ *render, v any, _ []any) (any, error) { _, ok := v.(*List); return ok, nil }),
		"lower":   text(strings.ToLower), "upper": text(upper), "string": text(strings.Clone),
		"capitalize": text(capitalize), "title": text(titleFilter),
		"trim":   f(filterTrim, opt("chars", nil)),
		"join":   f(filterJoin, opt("d", ""), attr),
		"length": f(filterLength), "count": f(filterLength),
		"replace":   f(filterReplace, req("old"), req("new"), opt("count", nil)),
		"format":    raw(filterFormat),
		"indent":    f(filterIndent, opt("width", int64(4)), opt("first", false), opt("blank", false)),
		"wordcount": f(filterWordcount),
		"center":    f(filterCenter, opt("width", int64(80))),

		"int":    f(filterInt, opt("default", int64(0)), opt("base", int64(10))),
		"float":  f(filterFloat, opt("default", 0.0)),
		"abs":    f(filterAbs),
		"round":  f(filterRound, opt("precision", int64(0)), opt("method", "common")),
		"tojson": f(filterJSON, opt("indent", nil)),

		"default": f(filterDefault, opt("default_value", ""), opt("boolean", false)),
		"d":       f(filterDefault, opt("default_value", ""), opt("boolean", false)),

		"list": f(filterList), "first": f(filterFirst), "last": f(filterLast), "reverse": f(filterReverse),
		"sort":   f(filterSort, opt("reverse", false), cased, attr),
		"unique": f(filterUnique, cased, attr),
		"min":    f(filterMin, cased, attr), "max": f(filterMax, cased, attr),
		"sum":      f(filterSum, attr, opt("start", int64(0))),
		"batch":    f(filterBatch, req("linecount"), opt("fill_with", nil)),
		"slice":    f(filterSlice, req("slices"), opt("fill_with", nil)),
		"groupby":  f(filterGroupby, req("attribute"), opt("default", nil), cased),
		"dictsort": f(filterDictsort, cased, opt("by", "key"), opt("reverse", false)),
		"items":    f(filterItems),
		"attr":     f(filterAttr, req("name")),
		"map":      raw(filterMap),
		"select":   raw(selector(false, true)), "reject": raw(selector(false, false)),
		"selectattr": raw(selector(true, true)), "rejectattr": raw(selector(true, false)),
	})
	return all
}

func filterDefault(_ *render, v any, a []any) (any, error) {
	if IsUndefined(v) || truth(a[1]) && !truth(v) {
		return a[0], nil
	}
	return v, nil
}
