package match

import (
	"math"
	"regexp"
	"strings"
)

// Profile is what Defaults must know of the standardized records: figures of each field.
type Profile struct {
	Rows   int
	Fields map[string]FieldProfile
}

// FieldProfile are the figures of one field. Shares are of the rows that have a value.
type FieldProfile struct {
	Rows, Nulls, Distinct        int
	MeanLength, MeanWords        float64
	Email, Date, Number, Decimal float64
	Year                         float64 // whole numbers from 1000 to 2100
	Digits                       float64 // share of the letters and digits that are digits
	Phone                        float64 // at least seven digits and nothing but what is written in telephone numbers
	Codes, CodesDistinct         float64 // share of texts with a code in them (see codes.go), and of the codes' places, how many codes there are
	Agree                        float64 // share of the pairs of rows that have the same value
	Start, Sound                 float64 // the same for the first three letters, and for the consonants (SoundSQL)
}

var (
	looksEmail  = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	looksDate   = regexp.MustCompile(`^(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|(1[5-9]|20)\d{2}(0\d|1[0-2])[0-3]\d)$`)
	looksNumber = regexp.MustCompile(`^[-+]?\d+(\.\d+)?$`)
	looksYear   = regexp.MustCompile(`^(1\d{3}|20\d{2})(\.0)?$`)
	looksPhone  = regexp.MustCompile(`^\+?[\d /().-]{7,}$`)
	vowels      = regexp.MustCompile(`[aeiouyhw ]`)
)

// ProfileRecords takes the figures of standardized records whose columns are fields.
func ProfileRecords(columns []Column, r *Records) Profile {
	p := Profile{Rows: r.N, Fields: map[string]FieldProfile{}}
	for i := range columns {
		p.Fields[columns[i].Name] = profileColumn(r.N, &r.Columns[i])
	}
	return p
}

func profileColumn(n int, v *Values) FieldProfile {
	f := FieldProfile{Rows: n}
	for i := range n {
		if v.Null(i) {
			f.Nulls++
		}
	}
	switch v.Kind {
	case Text:
		f.texts(v)
	case Number, Date:
		f.numbers(v)
	case List:
		f.Distinct = v.Dict.Len() - 1 // entries, which is what tells lists apart
	}
	return f
}

func (f *FieldProfile) numbers(v *Values) {
	distinct := map[float64]int{}
	for _, x := range v.Numbers {
		if x == x {
			distinct[x]++
		}
	}
	k := float64(f.Rows - f.Nulls)
	for x, n := range distinct {
		if x != math.Trunc(x) {
			f.Decimal += float64(n) / k
		} else if x >= 1000 && x <= 2100 {
			f.Year += float64(n) / k
		}
		f.Agree += float64(n) * float64(n-1)
	}
	f.Distinct = len(distinct)
	f.Agree /= max(1, k*(k-1))
	f.Start, f.Sound = f.Agree, f.Agree
	if v.Kind == Date {
		f.Date = 1
	} else {
		f.Number = 1
	}
}

func (f *FieldProfile) texts(v *Values) {
	starts, sounds, codes, places := map[string]int{}, map[string]int{}, map[string]bool{}, 0
	k, digits, alnum := float64(max(1, f.Rows-f.Nulls)), 0, 0
	for code, n := range v.Dict.counts(v.Codes) {
		if code == 0 || n == 0 {
			continue
		}
		text, share := v.Dict.At(uint32(code)), float64(n)/k
		f.Distinct++
		f.MeanLength += share * float64(len([]rune(text)))
		f.MeanWords += share * float64(len(strings.Fields(text)))
		f.Agree += float64(n) * float64(n-1)
		starts[start(text)] += n
		sounds[sound(text)] += n
		f.looks(text, share)
		own := codesOf(text)
		for _, c := range own {
			codes[c] = true
		}
		if places += n * len(own); len(own) > 0 {
			f.Codes += share
		}
		d, a := digitsOf(text)
		digits, alnum = digits+n*d, alnum+n*a
	}
	f.Digits = float64(digits) / float64(max(1, alnum))
	f.CodesDistinct = float64(len(codes)) / float64(max(1, places))
	f.Agree /= max(1, k*(k-1))
	f.Start, f.Sound = agree(starts, k), agree(sounds, k)
}

func (f *FieldProfile) looks(text string, share float64) {
	if looksEmail.MatchString(text) {
		f.Email += share
	}
	if looksDate.MatchString(text) {
		f.Date += share
	}
	if looksNumber.MatchString(text) {
		f.Number += share
		if strings.Contains(text, ".") {
			f.Decimal += share
		}
	}
	if looksYear.MatchString(text) {
		f.Year += share
	}
	if looksPhone.MatchString(text) {
		f.Phone += share
	}
}

func agree(counts map[string]int, k float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += float64(n) * float64(n-1)
	}
	return sum / max(1, k*(k-1))
}

func digitsOf(text string) (digits, alnum int) {
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits, alnum = digits+1, alnum+1
		case r != ' ':
			alnum++
		}
	}
	return digits, alnum
}

// start is startSQL in Go.
func start(text string) string {
	r := []rune(text)
	return string(r[:min(3, len(r))])
}

// sound is soundSQL in Go.
func sound(text string) string {
	r := []rune(text)
	return string(r[:1]) + vowels.ReplaceAllString(string(r[1:]), "")
}
