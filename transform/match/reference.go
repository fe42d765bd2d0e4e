package match

import (
	"math"

	"github.com/millrace/millrace/transform/match/similar"
)

// Reference compares pairs the plain way, by what each level means and nothing else. The engine and the SQL must give the same.
type Reference struct {
	Plan    *Plan
	Records *Records
	// Terms are the weights of words and trigrams, by column, for the columns that Cosine and Cosine3 look at.
	Words, Grams map[int]*Terms
	// words and grams are the texts of those columns, split, by code.
	words, grams map[int][][]string
}

// Terms are how much words, or trigrams, of a column tell: whole numbers, so that sums of them are exact in every engine.
type Terms struct {
	Weights map[string]int64
	Unknown int64 // of one that no record has
}

// termScale is what a weight of 1 is written as.
const termScale = 1024

// NewTerms weighs the terms of texts: termScale · ln(1 + N / df), rounded, N being the number of texts and df how many have the term.
func NewTerms(texts [][]string) *Terms {
	df := map[string]int{}
	for _, own := range texts {
		for _, term := range own {
			df[term]++
		}
	}
	t := &Terms{Weights: make(map[string]int64, len(df)), Unknown: termWeight(len(texts), 1)}
	for term, n := range df {
		t.Weights[term] = termWeight(len(texts), n)
	}
	return t
}

func termWeight(n, df int) int64 {
	return int64(math.Round(termScale * math.Log1p(float64(n)/float64(df))))
}

// Cosine is that of two lists of distinct sorted terms, each counted once with its weight; 0 when one has none.
func (t *Terms) Cosine(a, b []string) float64 {
	common := int64(0)
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case a[i] < b[k]:
			i++
		case a[i] > b[k]:
			k++
		default:
			w := t.weight(a[i])
			common, i, k = common+w*w, i+1, k+1
		}
	}
	if common == 0 {
		return 0
	}
	x, y := t.square(a), t.square(b)
	return float64(common) / math.Sqrt(float64(x)*float64(y))
}

func (t *Terms) square(terms []string) int64 {
	sum := int64(0)
	for _, term := range terms {
		w := t.weight(term)
		sum += w * w
	}
	return sum
}

func (t *Terms) weight(term string) int64 {
	if w, ok := t.Weights[term]; ok {
		return w
	}
	return t.Unknown
}

// NewReference weighs the terms of the columns that need it, over all records that have a value.
func NewReference(p *Plan, r *Records) *Reference {
	f := &Reference{Plan: p, Records: r, Words: map[int]*Terms{}, Grams: map[int]*Terms{}, words: map[int][][]string{},
		grams: map[int][][]string{}}
	for _, c := range p.Comparisons {
		for _, l := range c.Levels {
			switch l.Op {
			case Cosine:
				f.Words[l.Columns[0]], f.words[l.Columns[0]] = r.terms(l.Columns[0], similar.Words)
			case Cosine3:
				f.Grams[l.Columns[0]], f.grams[l.Columns[0]] = r.terms(l.Columns[0], similar.Trigrams)
			}
		}
	}
	return f
}

func (r *Records) terms(column int, split func(string) []string) (*Terms, [][]string) {
	v := &r.Columns[column]
	byCode := make([][]string, v.Dict.Len())
	for code := range byCode {
		byCode[code] = split(v.Dict.At(uint32(code)))
	}
	var texts [][]string
	for i := range r.N {
		if !v.Null(i) {
			texts = append(texts, byCode[v.Codes[i]])
		}
	}
	return NewTerms(texts), byCode
}

// Pattern compares two records.
func (f *Reference) Pattern(a, b int) Pattern {
	p := Pattern(0)
	for i := range f.Plan.Comparisons {
		p |= Pattern(f.level(&f.Plan.Comparisons[i], a, b)) << (4 * i)
	}
	return p
}

func (f *Reference) level(c *Comparison, a, b int) int {
	for _, col := range c.Columns {
		if v := &f.Records.Columns[col]; v.Null(a) || v.Null(b) {
			return 0
		}
	}
	cosine := math.NaN()
	for i := range c.Levels {
		l := &c.Levels[i]
		if l.Op == Cosine3 {
			// Levels of one comparison mostly ask for the same cosine.
			if i == 0 || c.Levels[i-1].Op != Cosine3 {
				cosine = f.cosine3(l.Columns[0], a, b)
			}
			if cosine >= l.Arg {
				return i + 1
			}
			continue
		}
		if f.holds(l, a, b) {
			return i + 1
		}
	}
	return len(c.Levels) + 1
}

func (f *Reference) holds(l *Level, a, b int) bool {
	first := &f.Records.Columns[l.Columns[0]]
	for _, col := range l.Columns {
		if v := &f.Records.Columns[col]; v.Null(a) || v.Null(b) {
			return false
		}
	}
	if first.Kind == Number || first.Kind == Date {
		return f.near(l, a, b)
	}
	if first.Kind == List {
		x, y := first.Codes[first.Starts[a]:first.Starts[a+1]], first.Codes[first.Starts[b]:first.Starts[b+1]]
		return l.Op == Overlap && float64(overlap(x, y)) >= l.Arg || l.Op == Exact && equal(x, y)
	}
	x, y := first.Dict.At(first.Codes[a]), first.Dict.At(first.Codes[b])
	switch l.Op {
	case Exact:
		return x == y
	case Swapped:
		other := &f.Records.Columns[l.Columns[1]]
		return x == other.Dict.At(other.Codes[b]) && y == other.Dict.At(other.Codes[a])
	case JaroWinkler:
		return similar.JaroWinkler(x, y) >= l.Arg
	case Levenshtein:
		return float64(similar.Levenshtein(x, y)) <= l.Arg
	case OSA:
		return float64(similar.OSA(x, y)) <= l.Arg
	case TokenSet, Contains:
		s, t := similar.Words(x), similar.Words(y)
		common, least := float64(similar.Common(s, t)), float64(min(len(s), len(t)))
		if l.Op == Contains {
			return common == least && least >= l.Arg
		}
		return len(s)+len(t) > 0 && common/(float64(len(s)+len(t))-common) >= l.Arg
	case Cosine:
		words := f.words[l.Columns[0]]
		return f.Words[l.Columns[0]].Cosine(words[first.Codes[a]], words[first.Codes[b]]) >= l.Arg
	case Cosine3:
		return f.cosine3(l.Columns[0], a, b) >= l.Arg
	}
	return false
}

func (f *Reference) cosine3(column, a, b int) float64 {
	v, grams := &f.Records.Columns[column], f.grams[column]
	return f.Grams[column].Cosine(grams[v.Codes[a]], grams[v.Codes[b]])
}

// near compares numbers, dates and places.
func (f *Reference) near(l *Level, a, b int) bool {
	v := &f.Records.Columns[l.Columns[0]]
	x, y := v.Numbers[a], v.Numbers[b]
	switch l.Op {
	case Exact:
		return x == y
	case Within, Days:
		return math.Abs(x-y) <= l.Arg
	case Percent:
		return math.Abs(x-y)*100 <= l.Arg*max(math.Abs(x), math.Abs(y))
	case Distance:
		w := &f.Records.Columns[l.Columns[1]]
		return kilometres(x, v.Numbers[b], w.Numbers[a], w.Numbers[b]) <= l.Arg
	case Swapped:
		w := &f.Records.Columns[l.Columns[1]]
		return x == w.Numbers[b] && y == w.Numbers[a]
	}
	return false
}

// kilometres is the great circle between two places by the haversine formula, on a sphere with the earth's mean radius.
func kilometres(lat1, lat2, lon1, lon2 float64) float64 {
	const radius, degree = 6371.0088, math.Pi / 180
	s, t := math.Sin((lat2-lat1)*degree/2), math.Sin((lon2-lon1)*degree/2)
	h := s*s + math.Cos(lat1*degree)*math.Cos(lat2*degree)*t*t
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

// overlap is how many entries two sorted lists share.
func overlap(a, b []uint32) int {
	n := 0
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case a[i] < b[k]:
			i++
		case a[i] > b[k]:
			k++
		default:
			n, i, k = n+1, i+1, k+1
		}
	}
	return n
}

func equal(a, b []uint32) bool { return len(a) == len(b) && overlap(a, b) == len(a) }
