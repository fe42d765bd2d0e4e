package warehousetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// Cases is one table for every builder and every field of a Dialect that all engines are asked: whoever adds one adds its rows here. What
// reads files (Files, Positions, FirstRows and what is built on them) is the local engine's, and has golden texts in it.
func Cases() []Case {
	return slices.Concat(mergeCases(), goneCases(), rowCases(), aggregateCases(), similarCases())
}

var (
	id, day, name, note = warehouse.Column{Name: "id", Type: "BIGINT"}, warehouse.Column{Name: "day", Type: "DATE"}, warehouse.Column{Name: "Name", Type: "VARCHAR"}, warehouse.Column{Name: `odd "note`, Type: "VARCHAR"}
	outcome             = warehouse.Column{Name: "_millrace_outcome", Type: "VARCHAR"}
	all                 = []warehouse.Column{id, day, name, note}
	names               = warehouse.Names(all)
	key                 = []string{"id"}
)

// landed has keys that repeat, of which the greatest day wins, then the greatest row: NULL is least.
func landed() Rows {
	return Rows{all, []string{"1|2025-01-01|old|∅", "1|2025-01-02|new|∅", "1|∅|zzz|z", "2|2025-01-01|it's|a\\b", "3|2025-01-01|a|∅", "3|2025-01-01|a|x", "3|2025-01-01|A|y"}}
}

// winning and published are what Classify compares: newer, older, the same, a tie that wins and one that does not, and a new key.
func winning() Rows {
	return Rows{all, []string{"1|2025-01-02|a|∅", "2|2025-01-01|a|∅", "3|2025-01-01|a|∅", "4|2025-01-01|b|∅", "5|2025-01-01|a|∅", "6|2025-01-01|a|∅", "7|∅|a|∅"}}
}

func published() Rows {
	return Rows{all, []string{"1|2025-01-01|b|∅", "2|2025-01-02|b|∅", "3|2025-01-01|a|∅", "4|2025-01-01|a|x", "5|2025-01-01|a|x", "7|2025-01-01|a|∅", "9|2025-01-01|a|∅"}}
}

func mergeCases() []Case {
	classify := func(o warehouse.Order) func(d *warehouse.Dialect) string {
		return func(d *warehouse.Dialect) string {
			return d.Classify(winning().Select(d), published().Select(d), all, key, o)
		}
	}
	ties := func(o warehouse.Order) func(d *warehouse.Dialect) string {
		return func(d *warehouse.Dialect) string {
			decisions := Rows{[]warehouse.Column{id, outcome}, []string{"1|updated", "3|tie", "4|tie", "5|tie", "6|inserted"}}
			return d.Ties(winning().Select(d), published().Select(d), decisions.Select(d), all, key, o)
		}
	}
	decided := []string{"id", "_millrace_outcome"}
	return []Case{
		{"KeyStats", func(d *warehouse.Dialect) string {
			return d.KeyStats(Rows{[]warehouse.Column{id, name}, []string{"1|a", "1|a", "1|b", "2|∅", "∅|a"}}.Select(d), []string{"id", "Name"})
		}, []string{"n_rows", "n_keys", "n_repeated", "n_null"}, []string{"5|4|1|2"}},
		{"Winners by cursor", func(d *warehouse.Dialect) string { return d.Winners(landed().Select(d), all, key, "day") }, names,
			[]string{"1|2025-01-02|new|∅", `2|2025-01-01|it's|a\b`, "3|2025-01-01|a|x"}},
		{"Winners by row", func(d *warehouse.Dialect) string { return d.Winners(landed().Select(d), all, key, "") }, names,
			[]string{"1|∅|zzz|z", `2|2025-01-01|it's|a\b`, "3|2025-01-01|a|x"}},
		{"Classify by cursor", classify(warehouse.Order{Cursor: "day"}), decided, []string{"1|updated", "2|superseded", "3|tie", "4|tie", "5|tie", "6|inserted", "7|superseded"}},
		{"Classify the latest", classify(warehouse.Order{Cursor: "day", Latest: true}), decided, []string{"1|updated", "2|updated", "3|tie", "4|tie", "5|tie", "6|inserted", "7|updated"}},
		{"Classify by row", classify(warehouse.Order{}), decided, []string{"1|updated", "2|updated", "3|unchanged", "4|updated", "5|updated", "6|inserted", "7|updated"}},
		{"Classify with a mark", classify(warehouse.Order{Cursor: "day", Mark: `odd "note`}), decided, []string{"1|updated", "2|superseded", "3|tie", "4|updated", "5|updated", "6|inserted", "7|superseded"}},
		{"Ties", ties(warehouse.Order{Cursor: "day"}), decided, []string{"3|unchanged", "4|updated", "5|superseded"}},
		{"Ties of the later", ties(warehouse.Order{Cursor: "day", Later: true}), decided, []string{"3|unchanged", "4|updated", "5|updated"}},
		{"Outcomes", func(d *warehouse.Dialect) string {
			return d.Outcomes(Rows{[]warehouse.Column{id, outcome}, []string{"1|updated", "2|tie", "3|tie"}}.Select(d))
		}, []string{"_millrace_outcome", "n"}, []string{"tie|2", "updated|1"}},
		{"Having", func(d *warehouse.Dialect) string {
			return d.Having(Rows{[]warehouse.Column{id, outcome}, []string{"1|updated", "2|tie", "3|it's"}}.Select(d), "it's", "tie")
		}, decided, []string{"2|tie", "3|it's"}},
	}
}

func goneCases() []Case {
	keys := Rows{[]warehouse.Column{id, name}, []string{"1|b", "3|a", "5|b"}}
	two := []string{"id", "Name"}
	marked := Rows{[]warehouse.Column{id, day}, []string{"1|2025-01-01", "2|∅"}}
	lacking := Rows{[]warehouse.Column{id, name}, []string{"1|a", "∅|b", "3|∅"}}
	return []Case{
		{"Among", func(d *warehouse.Dialect) string { return d.Among(published().Select(d), keys.Select(d), two) }, key, []string{"1", "3"}},
		{"SelectWhere", func(d *warehouse.Dialect) string {
			v := warehouse.Version{Columns: all, View: published().Select(d)}
			return d.SelectWhere(v, func(rows string) string { return d.Among(rows, keys.Select(d), two) })
		}, key, []string{"1", "3"}},
		{"Without", func(d *warehouse.Dialect) string { return d.Without(published().Select(d), keys.Select(d), two) }, key, []string{"2", "4", "5", "7", "9"}},
		{"Union", func(d *warehouse.Dialect) string { return d.Union(keys.Select(d), keys.Select(d)) }, two, []string{"1|b", "1|b", "3|a", "3|a", "5|b", "5|b"}},
		{"Count", func(d *warehouse.Dialect) string { return d.Count(landed().Select(d)) }, []string{"n"}, []string{"7"}},
		{"Marked", func(d *warehouse.Dialect) string { return d.Marked(marked.Select(d), "day") }, key, []string{"1"}},
		{"Unmarked", func(d *warehouse.Dialect) string { return d.Unmarked(marked.Select(d), "day") }, key, []string{"2"}},
		{"SetMark", func(d *warehouse.Dialect) string {
			columns := []warehouse.Column{id, {Name: "gone", Type: "TIMESTAMP WITH TIME ZONE"}}
			rows := Rows{columns, []string{"1|∅", "2|∅"}}
			set := d.SetMark(rows.Select(d), Rows{columns[:1], []string{"2", "3"}}.Select(d), columns, key, "gone", time.Date(2025, 3, 30, 3, 4, 5, 678901000, time.FixedZone("", 7200)))
			moment := fmt.Sprintf("CAST('2025-03-30 01:04:05.678901+00:00' AS %s)", d.Type(columns[1].Type))
			return fmt.Sprintf("SELECT %s, CASE WHEN %s = %s THEN 'then' END AS r FROM (\n%s\n) AS m", d.QuoteIdent("id"), d.QuoteIdent("gone"), moment, set)
		}, []string{"id", "r"}, []string{"2|then"}},
		{"WithKey", func(d *warehouse.Dialect) string { return d.WithKey(lacking.Select(d), two) }, two, []string{"1|a"}},
		{"Keyless", func(d *warehouse.Dialect) string { return d.Keyless(lacking.Select(d), two) }, two, []string{"3|∅", "∅|b"}},
		{"NullKeyRejects", func(d *warehouse.Dialect) string { return d.NullKeyRejects(lacking.Select(d), two, "it's.csv") }, []string{"file", "line", "offset", "column", "reason", "message"},
			[]string{"it's.csv|0|-1|Name|null_key|the key column Name is NULL", "it's.csv|0|-1|id|null_key|the key column id is NULL"}},
		{"Select of no rows", func(d *warehouse.Dialect) string { return d.Select(warehouse.Version{Columns: all}) }, names, []string{}},
		{"Casts", func(d *warehouse.Dialect) string {
			return d.Casts([]warehouse.Column{{Name: "id", Type: "DECIMAL(9,2)"}, {Name: "day", Type: "VARCHAR"}}) + " FROM (\n" + marked.Select(d) + "\n) AS m"
		}, []string{"id", "day"}, []string{"1.00|2025-01-01", "2.00|∅"}},
		{"Between", func(d *warehouse.Dialect) string {
			b := warehouse.Between{Column: day, From: "2025-01-01", To: "2025-01-02"}
			return "SELECT * FROM (\n" + landed().Select(d) + "\n) AS l WHERE NOT " + b.SQL(d)
		}, names, []string{"1|2025-01-02|new|∅", "1|∅|zzz|z"}},
	}
}

// held makes a case of a condition on single values of a type: for each of them, in order, whether it is true, false or NULL.
func held(name, typ string, values []string, want string, condition func(d *warehouse.Dialect, v string) string) Case {
	rows := Rows{Columns: []warehouse.Column{id, {Name: "v", Type: typ}}}
	c := Case{Name: name, Columns: []string{"id", "r"}}
	for i, is := range strings.Fields(want) {
		rows.Values, c.Want = append(rows.Values, fmt.Sprintf("%d|%s", i+1, values[i])), append(c.Want, fmt.Sprintf("%d|%s", i+1, is))
	}
	c.SQL = func(d *warehouse.Dialect) string {
		is := condition(d, d.QuoteIdent("v"))
		return fmt.Sprintf("SELECT %s, CASE WHEN %s THEN 'true' WHEN NOT (%[2]s) THEN 'false' END AS r FROM (\n%s\n) AS t", d.QuoteIdent("id"), is, rows.Select(d))
	}
	return c
}

// matching is held of a pattern.
func matching(name, pattern string, whole bool, values []string, want string) Case {
	return held(name, "VARCHAR", values, want, func(d *warehouse.Dialect, v string) string { return d.Matches(v, pattern, whole) })
}

// changing is held of a cast that may lose something.
func changing(from, to string, values []string, want string) Case {
	return held("Changes of "+from+" to "+to, from, values, want, func(d *warehouse.Dialect, v string) string {
		return "coalesce(" + d.Changes(v, from, to) + ", false)"
	})
}

func rowCases() []Case {
	parents := Rows{[]warehouse.Column{id, name}, []string{"1|a", "1|a", "3|b"}}
	from := func(d *warehouse.Dialect) string { return "(\n" + parents.Select(d) + "\n) AS p" }
	// A tuple holds, of each value, whether it is there, and the value: as rank has them.
	less := func(d *warehouse.Dialect, v string) string {
		return d.Less([]string{v + " IS NOT NULL", v, "TRUE", "2"}, []string{"TRUE", "5", "TRUE", "3"})
	}
	return []Case{
		held("Same", "BIGINT", []string{"1", "2", "∅"}, "true false false", func(d *warehouse.Dialect, v string) string { return d.Same(v, "1") }),
		held("Same as NULL", "BIGINT", []string{"1", "∅"}, "false true", func(d *warehouse.Dialect, v string) string { return d.Same(v, "NULL") }),
		held("Less", "BIGINT", []string{"4", "5", "6", "∅"}, "true true false true", less),
		held("Less than NULL", "BIGINT", []string{"4", "∅"}, "false false", func(d *warehouse.Dialect, v string) string {
			return d.Less([]string{v + " IS NOT NULL", v}, []string{"FALSE", "NULL"})
		}),
		held("In", "BIGINT", []string{"1", "2"}, "true false", func(d *warehouse.Dialect, v string) string {
			return d.In([]string{v}, []string{d.QuoteIdent("id")}, from(d))
		}),
		held("In pairs", "BIGINT", []string{"1", "2", "3"}, "true false false", func(d *warehouse.Dialect, v string) string {
			return d.In([]string{v, "'a'"}, []string{d.QuoteIdent("id"), d.QuoteIdent("Name")}, from(d))
		}),
		held("Listed", "VARCHAR", []string{"a", "b", "it's", "∅"}, "true false true ∅", func(d *warehouse.Dialect, v string) string {
			return d.Listed(v, []string{d.QuoteLiteral("a"), d.QuoteLiteral("it's")})
		}),
		matching("Matches all", "[A-Z]{2}", true, []string{"AB", "xAB", "ABC", "ab", "∅"}, "true false false false ∅"),
		matching("Matches all, a backslash", `\d\.\d+`, true, []string{"1.5", "1x5", "15"}, "true false false"),
		matching("Matches all, alternatives", "a|b", true, []string{"a", "b", "ax", "xb"}, "true true false false"),
		matching("Matches a part", "[A-Z]{2}", false, []string{"AB", "xABy", "ab", "∅"}, "true true false ∅"),
		matching("Matches a part, the end", "'$", false, []string{"a'", "'a"}, "true false"),
		held("Length", "VARCHAR", []string{"äö", "abc", "∅"}, "true false ∅", func(d *warehouse.Dialect, v string) string { return d.Length(v, "VARCHAR") + " = 2" }),
		held("Length of bytes", "BLOB", []string{"abc", "ab"}, "false true", func(d *warehouse.Dialect, v string) string { return d.Length(v, "BLOB") + " = 2" }),
		held("Length of a list", "VARCHAR[]", []string{`["a", "b"]`, "[]"}, "true false", func(d *warehouse.Dialect, v string) string { return d.Length(v, "VARCHAR[]") + " = 2" }),
		held("Finite", "DOUBLE", []string{"1e300", "inf", "-inf", "NaN", "∅"}, "true false false false ∅", func(d *warehouse.Dialect, v string) string { return d.Finite(v) }),
		held("IsNaN", "DOUBLE", []string{"1", "inf", "NaN", "∅"}, "false false true ∅", func(d *warehouse.Dialect, v string) string { return d.IsNaN(v) }),
		held("NaN is the greatest", "DOUBLE", []string{"1", "inf", "NaN"}, "false true true", func(_ *warehouse.Dialect, v string) string { return v + " > 1" }),
		held("Epoch of a date", "DATE", []string{"1970-01-02", "1969-12-31"}, "true false", func(d *warehouse.Dialect, v string) string { return d.Epoch(v) + " = 86400" }),
		held("Epoch of a time", "TIMESTAMP", []string{"2025-03-30 01:04:05.678901"}, "true", func(d *warehouse.Dialect, v string) string { return d.Epoch(v) + " = 1743296645.678901" }),
		// What only these types can do: all other cases hold with a text in their place, or with a time that has no zone.
		held("a date has a day after it", "DATE", []string{"2025-02-28", "2025-02-27", "∅"}, "true false ∅", func(_ *warehouse.Dialect, v string) string { return v + " + 1 = CAST('2025-03-01' AS DATE)" }),
		held("a moment is the same in every zone", "TIMESTAMP WITH TIME ZONE", []string{"2025-03-30 01:04:05+00:00", "2025-03-30 03:04:05+02:00", "2025-03-30 01:04:05+02:00"}, "true true false",
			func(d *warehouse.Dialect, v string) string {
				return v + " = CAST('2025-03-30 01:04:05+00:00' AS " + d.Type("TIMESTAMP WITH TIME ZONE") + ")"
			}),
		changing("BIGINT", "INTEGER", []string{"7", "2147483647", "2147483648", "-2147483649", "∅"}, "false false true true false"),
		changing("DECIMAL(9,2)", "SMALLINT", []string{"7.00", "7.50", "40000.00"}, "false true true"),
		changing("DECIMAL(9,2)", "DECIMAL(4,1)", []string{"7.50", "7.55", "999.90", "999.99", "1000.00", "∅"}, "false true false true true false"),
		changing("BIGINT", "UTINYINT", []string{"0", "255", "256", "-1"}, "false false true true"),
		held("TrueNames and Includes", "BIGINT", []string{"1", "2", "3"}, "true false false", func(d *warehouse.Dialect, v string) string {
			return d.Includes(d.TrueNames([]string{"it's one", "even"}, []string{v + " = 1", v + " = 2"}), d.QuoteLiteral("it's one"))
		}),
		held("TextHash", "VARCHAR", []string{"", "abc", "äö"}, "true true true", func(d *warehouse.Dialect, v string) string {
			h := d.TextHash(v) // by Python's hashlib
			return fmt.Sprintf("(%[1]s = '' AND %[2]s = 16825458760271544958 OR %[1]s = 'abc' AND %[2]s = 15462616177412505458 OR %[1]s = 'äö' AND %[2]s = 6864848079195832415)", v, h)
		}),
		held("RowHash", "VARCHAR", []string{"a", "b", "∅"}, "true false false", func(d *warehouse.Dialect, v string) string {
			types := []warehouse.Type{{Name: "VARCHAR"}, {Name: "BIGINT"}}
			return d.RowHash([]string{v, "1"}, types) + " = " + d.RowHash([]string{"'a'", "1"}, types)
		}),
		held("texts", "VARCHAR", []string{`a\b`, `a\\b`, "it's"}, "true false false", func(d *warehouse.Dialect, v string) string { return v + " = " + d.QuoteLiteral(`a\b`) }),
	}
}

// counted makes a case of an aggregate of known rows, which gives a whole number.
func counted(name, want string, rows []string, aggregate func(d *warehouse.Dialect, n, text string) string) Case {
	r := Rows{[]warehouse.Column{{Name: "n", Type: "BIGINT"}, {Name: "v", Type: "VARCHAR"}}, rows}
	return Case{Name: name, Want: []string{want}, SQL: func(d *warehouse.Dialect) string {
		return fmt.Sprintf("SELECT %s AS r FROM (\n%s\n) AS t", aggregate(d, d.QuoteIdent("n"), d.QuoteIdent("v")), r.Select(d))
	}}
}

func aggregateCases() []Case {
	rows := []string{"1|a", "2|b", "3|b", "∅|∅", "33|c", "34|∅"}
	hash := func(d *warehouse.Dialect, n, text string) string {
		return d.RowHash([]string{n, text}, []warehouse.Type{{Name: "BIGINT"}, {Name: "VARCHAR"}})
	}
	group := func(d *warehouse.Dialect) string {
		r := Rows{[]warehouse.Column{{Name: "n", Type: "BIGINT"}}, []string{"1", "2", "33", "34", "34", "-1", "-1", "-40"}}
		g, crowded := d.Crowded(d.QuoteIdent("n"))
		return fmt.Sprintf("SELECT min(%s) AS r FROM (\n%s\n) AS t GROUP BY %s HAVING %s", d.QuoteIdent("n"), r.Select(d), g, crowded)
	}
	return []Case{
		counted("CountIf", "2", rows, func(d *warehouse.Dialect, _, v string) string { return d.CountIf(v + " = 'b'") }),
		counted("CountIf of no rows that it holds for", "0", rows, func(d *warehouse.Dialect, _, v string) string { return d.CountIf(v + " = 'z'") }),
		counted("CountDistinctIf", "2", rows, func(d *warehouse.Dialect, n, v string) string { return d.CountDistinctIf([]string{v}, n+" < 30") }),
		counted("CountDistinctIf of pairs", "3", append(rows, "1|a"), func(d *warehouse.Dialect, n, v string) string { return d.CountDistinctIf([]string{n, v}, n+" < 30") }),
		counted("CountBetween", "5", append(rows, "1|a"), func(d *warehouse.Dialect, n, _ string) string { return d.CountBetween(n, 1, 40) }),
		counted("Quantile", "7", []string{"7|a", "7|b", "7|c", "∅|d"}, func(d *warehouse.Dialect, n, _ string) string {
			return "CAST(" + d.Quantile("CAST("+n+" AS DOUBLE)", 0.5) + " AS BIGINT)"
		}),
		counted("XorAll", "0", append(rows, rows...), func(d *warehouse.Dialect, n, v string) string { return d.XorAll(hash(d, n, v)) }),
		{Name: "Crowded", SQL: group, Want: []string{"-1", "33"}},
		counted("UUID", "886313e1-3b8a-5372-9b90-0c9aee199e5d", rows, func(d *warehouse.Dialect, _, _ string) string {
			return "max(" + d.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "'python.org'") + ")"
		}),
		counted("Best", "33", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{v, n}, []warehouse.By{{SQL: v}, {SQL: n}}, ""), 1, 2, "BIGINT")
		}),
		counted("Best of the least text", "2", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{v, n}, []warehouse.By{{SQL: v, Least: true}, {SQL: n, Least: true}}, n+" > 1"), 1, 2, "BIGINT")
		}),
		counted("Best of the least text, one beginning as another", "1", []string{"1|ab", "2|abc", "3|b"}, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{n}, []warehouse.By{{SQL: v, Least: true}}, ""), 0, 1, "BIGINT")
		}),
		counted("Best by places", "34", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{n}, []warehouse.By{{SQL: n, Place: true}}, ""), 0, 1, "BIGINT")
		}),
		counted("Best by the least place, a NULL", "∅", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{v}, []warehouse.By{{SQL: n, Least: true, Place: true}}, n+" > 33"), 0, 1, "VARCHAR")
		}),
		counted("Best of a NULL", "∅", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{v}, []warehouse.By{{SQL: n}}, n+" > 33"), 0, 1, "VARCHAR")
		}),
		counted("Best of no rows", "∅", rows, func(d *warehouse.Dialect, n, v string) string {
			return d.Part(d.Best([]string{v}, []warehouse.By{{SQL: n}}, n+" > 99"), 0, 1, "VARCHAR")
		}),
		counted("Entries", "3", append(rows, "40|a"), func(d *warehouse.Dialect, n, v string) string {
			return d.Length(d.Entries(v, n, true), "VARCHAR[]")
		}),
		counted("Entries, all of them", "5", append(rows, "40|a"), func(d *warehouse.Dialect, n, v string) string {
			return d.Length(d.Entries(v, n, false), "VARCHAR[]")
		}),
	}
}

// similarCases are of texts without capital letters: what of a pair's likeness all engines can say.
func similarCases() []Case {
	or := func(sql string, err error) string {
		if err != nil {
			return "'" + err.Error() + "'"
		}
		return sql
	}
	alike := func(name, want string, values []string, condition func(d *warehouse.Dialect, v string) string) Case {
		return held(name, "VARCHAR", values, want, condition)
	}
	jaro := func(d *warehouse.Dialect, v string) string { return or(d.Similar.JaroWinkler(v, "'swieta'", true)) }
	return []Case{
		alike("Jaro-Winkler", "true true false ∅", []string{"swieta", "swieto", "zima", "∅"}, func(d *warehouse.Dialect, v string) string { return or(d.Similar.Reaches(jaro(d, v), 0.88)) }),
		alike("Jaro-Winkler at the bound", "true", []string{"święta"}, func(d *warehouse.Dialect, v string) string { return or(d.Similar.Reaches(jaro(d, v), 0.77)) }),
		alike("Jaro-Winkler beyond the bound", "false", []string{"święta"}, func(d *warehouse.Dialect, v string) string { return or(d.Similar.Reaches(jaro(d, v), 0.78)) }),
		alike("Levenshtein", "true true false false ∅", []string{"kitten", "sätten", "sitzend", "ktiten ", "∅"}, func(d *warehouse.Dialect, v string) string { return d.Similar.Levenshtein(v, "'kitten'") + " <= 2" }),
		alike("OSA of none", "true false", []string{"ab", "ba"}, func(d *warehouse.Dialect, v string) string { return or(d.Similar.OSA(v, "'ab'", 0)) }),
		alike("OSA of one", "true true true true false false", []string{"äbcd", "bäcd", "äbdc", "äbc", "cbäd", "bädc"}, func(d *warehouse.Dialect, v string) string { return or(d.Similar.OSA(v, "'äbcd'", 1)) }),
		alike("Words", "true true false false", []string{"a b", " b\u00a0 a b ", "a b c", "c"}, func(d *warehouse.Dialect, v string) string {
			return d.Similar.Common(d.Similar.Words(v), d.Similar.Words("'b a d'")) + " = 2 AND " + d.Similar.Size(d.Similar.Words(v)) + " = 2"
		}),
		held("Days", "DATE", []string{"2025-03-01", "2024-02-29"}, "true false", func(d *warehouse.Dialect, v string) string {
			return d.Similar.Days(v, "CAST('2025-02-28' AS DATE)") + " = 1"
		}),
	}
}
