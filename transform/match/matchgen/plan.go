package matchgen

import "github.com/millrace/millrace/transform/match"

// local is the column of an email's local part, behind Columns.
const local = len(Columns)

// Plan is how the records are matched where speed is measured: four rules, the last of which makes nearly all pairs, and seven comparisons.
func Plan() *match.Plan {
	p := &match.Plan{Entity: "person", Sources: []match.Source{{Name: "persons"}}, MaxPairs: 1_000_000_000, Auto: 0.95, Review: 0.5,
		Cluster: match.Clustering{MaxSize: 50}}
	for _, c := range Columns {
		p.Columns = append(p.Columns, match.Column{Name: c})
	}
	p.Columns = append(p.Columns, match.Column{Name: "email$local_part"})
	p.Rules = []match.Rule{{Name: "email", Keys: []int{email}}, {Name: "phone", Keys: []int{phone}},
		{Name: "last_name, postcode", Keys: []int{last, postcode}}, {Name: "birth_date", Keys: []int{birth}}}
	jw := func(least float64, column int) match.Level { return level(match.JaroWinkler, least, column) }
	p.Comparisons = []match.Comparison{
		compare(first, jw(0.92, first), jw(0.88, first), level(match.Swapped, 0, first, last)),
		compare(last, jw(0.92, last), jw(0.88, last)),
		compare(birth, level(match.OSA, 1, birth)),
		compare(phone, level(match.OSA, 2, phone)),
		compare(email, level(match.Exact, 0, local), jw(0.92, email)),
		compare(postcode, level(match.OSA, 1, postcode)),
		compare(street, jw(0.9, street)),
	}
	return p
}

func level(op match.Op, arg float64, columns ...int) match.Level {
	return match.Level{Op: op, Arg: arg, Columns: columns}
}

func compare(column int, levels ...match.Level) match.Comparison {
	levels = append([]match.Level{level(match.Exact, 0, column)}, levels...)
	return match.Comparison{Name: Columns[column], Columns: []int{column}, Levels: levels}
}
