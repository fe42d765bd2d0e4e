package clean

import (
	"strings"
	"sync"
)

// countries have by code and name, as clean_words writes it, the two letters of ISO 3166.
var countries = sync.OnceValue(func() map[string]string {
	return aliases(countriesText, func(s string) string {
		return string(joinLetters(nil, fields(nil, Words(nil, s))))
	})
})

// Country is the code of ISO 3166 with two letters for a code or a name.
func Country(dst []byte, t string) []byte { return append(dst, country(t)...) }

func country(t string) string {
	if len(t) == 2 && ascii[t[0]]&ascii[t[1]]&asUpper != 0 { // most columns have these
		if code, ok := codes()[t]; ok {
			return code
		}
	}
	var room [96]byte
	var joined [96]byte
	var space [16][]byte
	words := fields(space[:0], Words(room[:0], t))
	table := countries()
	if code, ok := table[string(joinLetters(joined[:0], words))]; ok {
		return code
	}
	if len(words) > 1 && string(words[0]) == "the" {
		return table[string(joinLetters(joined[:0], words[1:]))]
	}
	return ""
}

// codes are those of two letters, for themselves.
var codes = sync.OnceValue(func() map[string]string {
	all := map[string]string{"UK": "GB", "EL": "GR"} // EL is what the EU's tax numbers say
	for _, code := range countries() {
		all[code] = code
	}
	return all
})

// mask is a way of writing a country's postcodes.
type mask struct {
	signs string // 9, A and letters that are themselves
	more  int    // that many digits may follow, and are dropped
	shape string // signs with what parts them
}

var masks = sync.OnceValue(func() map[string][]mask {
	all := map[string][]mask{}
	for _, line := range lines(postcodesText) {
		code, shapes, _ := strings.Cut(line, ":")
		for _, shape := range strings.Split(shapes, ",") {
			shape, more, _ := strings.Cut(strings.TrimSpace(shape), "(")
			m := mask{shape: shape, signs: strings.NewReplacer(" ", "", "-", "").Replace(shape), more: len(strings.TrimSuffix(more, ")"))}
			all[code] = append(all[code], m)
		}
	}
	return all
})

// Postcode is the postcode as its country writes it. One that it would not write, and one of a country that is not known, is Words in upper case.
func Postcode(dst []byte, t, of string) []byte {
	start := len(dst)
	var room [64]byte
	signs := upper(Alnum(room[:0], t), 0)
	code := ""
	if of != "" {
		code = country(of)
	}
	ways := masks()[code]
	for _, m := range ways {
		if m.fits(signs) {
			return m.write(dst, signs)
		}
	}
	if rest, ok := withoutCountry(signs, code); ok {
		for _, m := range ways {
			if m.fits(rest) {
				return m.write(dst, rest)
			}
		}
	}
	return upper(Words(dst, t), start)
}

// withoutCountry is a postcode without the country's code in front: D-, NL-, FIN-.
func withoutCountry(written []byte, code string) ([]byte, bool) {
	n := 0
	for n < len(written) && written[n] >= 'A' && written[n] <= 'Z' {
		n++
	}
	if n == 0 || code == "" {
		return nil, false
	}
	front := strings.ToLower(string(written[:n]))
	return written[n:], signs[front] == code || country(front) == code
}

func upper(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return b
}

func (m mask) fits(signs []byte) bool {
	if len(signs) != len(m.signs) && (m.more == 0 || len(signs) != len(m.signs)+m.more) {
		return false
	}
	for i, c := range signs {
		switch {
		case i >= len(m.signs), m.signs[i] == '9':
			if c < '0' || c > '9' {
				return false
			}
		case m.signs[i] == 'A' && !strings.HasPrefix(m.signs, "AD"):
			if c < 'A' || c > 'Z' {
				return false
			}
		case m.signs[i] != c:
			return false
		}
	}
	return true
}

func (m mask) write(dst, signs []byte) []byte {
	k := 0
	for i := range len(m.shape) {
		if c := m.shape[i]; c == ' ' || c == '-' {
			dst = append(dst, c)
		} else {
			dst = append(dst, signs[k])
			k++
		}
	}
	return dst
}
