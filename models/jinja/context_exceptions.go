package jinja

import "strings"

// exceptions is dbt's namespace of the same name.
type exceptions struct{ c *modelContext }

func (exceptions) String() string { return "<exceptions>" }
func (exceptions) isMapping()     {}

func (x exceptions) item(_ *render, key any) (any, bool, error) {
	name, _ := key.(string)
	v, ok := x.Attr(name)
	return v, ok, nil
}

// Attr returns a function that raises, or warns.
func (x exceptions) Attr(name string) (any, bool) {
	switch name {
	case "warn":
		return Func(x.warn), true
	case "warn_snapshot_timestamp_data_types":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("snapshot_time_data_type"), req("updated_at_data_type"))
			if err == nil {
				x.c.e.Warn(a.Position(), "the snapshot's time has type "+n[0]+", and updated_at has "+n[1])
			}
			return nil, err
		}), true
	case "raise_compiler_error", "raise_database_error", "raise_fail_fast_error":
		return raiser("", req("msg"), opt("node", nil)), true
	case "raise_not_implemented":
		return raiser("not implemented: ", req("msg")), true
	case "raise_dependency_error", "raise_cache_inconsistent":
		return raiser("", req("msg")), true
	case "missing_config":
		return Func(missingConfig), true
	case "missing_materialization":
		return raiser("there is no materialization for this model and adapter: ", req("model"), req("adapter_type")), true
	case "missing_relation":
		return raiser("the relation does not exist: ", req("relation"), opt("model", nil)), true
	case "relation_wrong_type":
		return Func(relationWrongType), true
	case "raise_contract_error":
		return Func(contractError), true
	case "column_type_missing":
		return Func(columnTypeMissing), true
	case "raise_ambiguous_alias", "raise_ambiguous_catalog_match", "raise_dep_not_found", "raise_duplicate_patch_name",
		"raise_duplicate_resource_name", "raise_invalid_property_yml_version", "raise_dataclass_not_dict":
		return Func(func(a Args) (any, error) {
			text := make([]string, len(a.Pos))
			for i, v := range a.Pos {
				var err error
				if text[i], err = a.r.str(v); err != nil {
					return nil, err
				}
			}
			return nil, failf("%s: %s", strings.ReplaceAll(strings.TrimPrefix(name, "raise_"), "_", " "), strings.Join(text, ", "))
		}), true
	}
	return nil, false
}

func (x exceptions) warn(a Args) (any, error) {
	v, err := a.Bind(req("msg"), opt("node", nil))
	if err != nil {
		return nil, err
	}
	msg, err := a.r.str(v[0])
	if err == nil {
		x.c.e.Warn(a.Position(), msg)
	}
	return "", err
}

// raiser fails with its first argument behind some words.
func raiser(words string, params ...Param) Func {
	return func(a Args) (any, error) {
		v, err := a.Bind(params...)
		if err != nil {
			return nil, err
		}
		msg, err := a.r.str(v[0])
		return nil, orError(err, &Error{Msg: words + msg})
	}
}

func missingConfig(a Args) (any, error) {
	v, err := a.Bind(req("model"), req("name"))
	if err != nil {
		return nil, err
	}
	name, err := a.r.str(v[1])
	return nil, orError(err, &Error{Msg: "config '" + name + "' is required and not set", Hint: "add config(" + name + "=…) to the model"})
}

func relationWrongType(a Args) (any, error) {
	v, err := a.Bind(req("relation"), req("expected_type"), opt("model", nil))
	if err != nil {
		return nil, err
	}
	r, ok := v[0].(Relation)
	if !ok {
		return nil, failf("relation_wrong_type() takes a relation, not %s", typeName(v[0]))
	}
	want, err := a.r.str(v[1])
	return nil, orError(err, &Error{Msg: r.String() + " exists, and is no " + want, Hint: "run with --full-refresh, or remove it"})
}

func contractError(a Args) (any, error) {
	v, err := a.Bind(req("yaml_columns"), req("sql_columns"))
	if err != nil {
		return nil, err
	}
	want, err := a.r.repr(v[0])
	if err != nil {
		return nil, err
	}
	got, err := a.r.repr(v[1])
	return nil, orError(err, failf("the model's columns are not those of its contract: the contract has %s, the query %s", want, got))
}

func columnTypeMissing(a Args) (any, error) {
	v, err := a.Bind(req("column_names"))
	if err != nil {
		return nil, err
	}
	list, err := a.r.str(v[0])
	return nil, orError(err, &Error{Msg: "a contract needs the data_type of each column; these have none: " + list,
		Hint: "add data_type to the columns in the model's properties file"})
}
