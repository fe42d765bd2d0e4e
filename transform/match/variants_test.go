package match

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestVariants runs the labelled sets as people might write them down who know less of their data: fields left out, fields without use put
// in, sources of which nobody said that they are free of duplicates, half of the records. It proves nothing by itself: who works on the
// defaults reads its table. VARIANTS=all, or the beginnings of variants' names; ONLY as for TestQuality.
func TestVariants(t *testing.T) {
	want := os.Getenv("VARIANTS")
	if want == "" {
		t.Skip("a table for who works on the defaults: VARIANTS=all runs it")
	}
	if _, err := os.Stat(matchingData()); err != nil {
		t.Skipf("the labelled data sets are not at %s (MILLRACE_MATCHING_DATA)", matchingData())
	}
	only := strings.Split(os.Getenv("ONLY"), ",")
	for _, q := range append(qualitySets(), inventedSets()...) {
		if only[0] != "" && !slices.Contains(only, q.name) {
			continue
		}
		for _, v := range q.variants() {
			wanted := func(w string) bool { return strings.HasPrefix(v.name, q.name+"/"+w) }
			if want != "all" && !slices.ContainsFunc(strings.Split(want, ","), wanted) {
				continue
			}
			t.Run(v.name, func(t *testing.T) {
				r := v.run(t)
				t.Logf("VARIANT %-36s P %.3f R %.3f F %.3f largest %3d gold %6d  %.1f s", r.name, r.p, r.r, r.f, r.largest, r.gold, r.seconds)
				for _, w := range slices.Concat(r.weights.Training.Warnings, r.doubts) {
					t.Logf("WARN %s: %s", r.name, w)
				}
			})
		}
	}
}

func (q *qualitySet) variants() []qualitySet {
	var out []qualitySet
	add := func(name string, change func(v *qualitySet)) {
		v := *q
		v.name, v.fields, v.sources = q.name+"/"+name, slices.Clone(q.fields), slices.Clone(q.sources)
		change(&v)
		out = append(out, v)
	}
	extra := func(name, step string) {
		add("plus_"+name, func(v *qualitySet) { v.fields = append(v.fields, qualityField{"extra", step}) })
	}
	add("whole", func(*qualitySet) {})
	if q.sources[0].clean {
		add("pooled", func(v *qualitySet) {
			for i := range v.sources {
				v.sources[i].clean = false
			}
		})
	}
	for i, f := range q.fields {
		add("less_"+f.name, func(v *qualitySet) { v.fields = slices.Delete(v.fields, i, i+1) })
	}
	extra("null", "CASE WHEN false THEN '' END")
	extra("constant", "'same'")
	extra("random", "left(md5(_key), 8)")
	extra("kind", "'k' || hash(_key) % 3")
	add("first_two", func(v *qualitySet) { v.fields = v.fields[:2] })
	add("first_three", func(v *qualitySet) { v.fields = v.fields[:3] })
	for half := range 2 {
		add(fmt.Sprint("half", half), func(v *qualitySet) {
			for i, s := range v.sources {
				v.sources[i].sql = fmt.Sprintf("SELECT * FROM (%s) WHERE hash(_key) %% 2 = %d", s.sql, half)
			}
		})
	}
	return out
}

// inventedSets are tables of transform/match/matchgen in the folder INVENTED.
func inventedSets() []qualitySet {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("INVENTED"), "*.parquet"))
	var out []qualitySet
	for _, f := range files {
		out = append(out, qualitySet{name: strings.TrimSuffix(filepath.Base(f), ".parquet"),
			fields: []qualityField{{"first_name", stepWords}, {"last_name", stepWords}, {"birth_date", stepFold}, {"street", stepWords},
				{"city", stepWords}, {"postcode", stepAlnum}, {"phone", stepDigits}, {"email", stepFold}},
			sources: []qualitySource{{sql: fmt.Sprintf("SELECT id AS _key, entity::VARCHAR AS _truth, * FROM '%s'", f)}}})
	}
	return out
}
