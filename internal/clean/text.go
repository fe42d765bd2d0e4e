package clean

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What a byte of ASCII is.
const (
	asControl = 1 << iota
	asBlank
	asLetter
	asDigit
	asUpper
)

var ascii = func() (t [256]byte) {
	for c := range 128 {
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			t[c] = asBlank
		case c < ' ' || c == 127:
			t[c] = asControl
		case c >= '0' && c <= '9':
			t[c] = asDigit
		case c >= 'A' && c <= 'Z':
			t[c] = asLetter | asUpper
		case c >= 'a' && c <= 'z':
			t[c] = asLetter
		}
	}
	return t
}()

func isASCII[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// invisible are characters that show nothing: control characters and marks of direction, soft hyphens, byte order marks, zero width spaces.
// Joiners are not among them: they change how Indic and Persian words look.
func invisible(r rune) bool {
	switch {
	case r == 0x200C || r == 0x200D:
		return false
	case unicode.Is(unicode.Cc, r):
		return !unicode.IsSpace(r)
	}
	return unicode.Is(unicode.Cf, r) || r >= 0xFE00 && r <= 0xFE0F
}

// Text is NFC, without control characters, white space collapsed.
func Text(dst []byte, t string) []byte {
	from := len(dst)
	if isASCII(t) {
		for i := 0; i < len(t); i++ {
			switch k := ascii[t[i]]; {
			case k&asControl != 0:
			case k&asBlank != 0:
				dst = blank(dst, from)
			default:
				dst = append(dst, t[i])
			}
		}
		return chop(dst, from)
	}
	if !norm.NFC.IsNormalString(t) || strings.ContainsFunc(t, invisible) {
		t = strings.Map(func(r rune) rune {
			if invisible(r) {
				return -1
			}
			return r
		}, t)
		t = norm.NFC.String(t)
	}
	for _, r := range t { // bytes that are no UTF-8 come as U+FFFD
		if unicode.IsSpace(r) {
			dst = blank(dst, from)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return chop(dst, from)
}

// blank appends a blank, but for one at the beginning and behind another.
func blank(dst []byte, from int) []byte {
	if len(dst) > from && dst[len(dst)-1] != ' ' {
		return append(dst, ' ')
	}
	return dst
}

// chop takes the blank at the end away.
func chop(dst []byte, from int) []byte {
	if len(dst) > from && dst[len(dst)-1] == ' ' {
		return dst[:len(dst)-1]
	}
	return dst
}

// Fold is Text in lower case, with ASCII letters for those with accents and for ligatures, and one kind of quotes and dashes.
func Fold(dst []byte, t string) []byte {
	from := len(dst)
	if isASCII(t) {
		dst = Text(dst, t)
		for i := from; i < len(dst); i++ {
			if ascii[dst[i]]&asUpper != 0 {
				dst[i] += 'a' - 'A'
			}
		}
		return dst
	}
	dst = foldOnce(dst, t)
	for range 3 { // without its accent a letter may compose with another mark
		if isASCII(dst[from:]) || norm.NFC.IsNormal(dst[from:]) {
			return dst
		}
		again := string(dst[from:])
		dst = foldOnce(dst[:from], again)
	}
	return dst
}

func foldOnce(dst []byte, t string) []byte {
	from := len(dst)
	if !norm.NFC.IsNormalString(t) || strings.ContainsFunc(t, invisible) {
		t = string(Text(nil, t))
	}
	table := folds()
	for _, r := range t {
		switch {
		case r < utf8.RuneSelf:
			switch k := ascii[r]; {
			case k&asBlank != 0:
				dst = blank(dst, from)
			case k&asUpper != 0:
				dst = append(dst, byte(r)+'a'-'A')
			default:
				dst = append(dst, byte(r))
			}
		case unicode.IsSpace(r):
			dst = blank(dst, from)
		case r >= 0x300 && r <= 0x36F: // an accent that no letter took
		default:
			if s, ok := table[r]; ok {
				dst = append(dst, s...)
			} else {
				dst = utf8.AppendRune(dst, unicode.ToLower(r))
			}
		}
	}
	return chop(dst, from)
}

// folded are the letters that Unicode does not take apart, or takes apart as we would not.
const folded = `ß ss ẞ ss æ ae Æ ae ǽ ae œ oe Œ oe ø o Ø o ǿ o ł l Ł l đ d Đ d ð d Ð d þ th Þ th ħ h Ħ h ı i ŋ n Ŋ n ŧ t Ŧ t ĸ k ƒ f ɓ b ɗ d ə e Ə e ɨ i ʉ u ƶ z Ƶ z ȼ c Ȼ c
ɇ e ɉ j ɍ r ɏ y ƀ b ɟ j ɵ o ɔ o ε ε ς σ ё е Ё е ‘ ' ’ ' ‚ ' ‛ ' ´ ' ʼ ' ʹ ' ʻ ' ʽ ' ′ ' ＇ ' “ " ” " „ " ‟ " « " » " ″ " ＂ " ‐ - ‑ - ‒ - – - — - ― - − - ﹣ - － - ⁄ / № no`

// folds has for each character that is folded what it becomes.
var folds = sync.OnceValue(func() map[rune]string {
	table := map[rune]string{}
	for _, block := range [][2]rune{{0xA0, 0x24F}, {0x1E00, 0x1FFF}, {0x370, 0x3FF}, {0x2070, 0x209F}, {0x2150, 0x218B}, {0x2460, 0x24FF}, {0xFB00, 0xFB06}, {0xFF01, 0xFF5E}} {
		for r := block[0]; r <= block[1]; r++ {
			if to := takenApart(r); to != "" && to != string(r) {
				table[r] = to
			}
		}
	}
	words := strings.Fields(folded)
	for i := 0; i+1 < len(words); i += 2 {
		r, _ := utf8.DecodeRuneInString(words[i])
		table[r] = words[i+1]
	}
	return table
})

// takenApart is the character without its accents, in lower case, if that is one of ASCII or Greek; else "".
func takenApart(r rune) string {
	if r == '™' || r == '℠' || r == '®' || r == '©' || unicode.Is(unicode.Sk, r) {
		return ""
	}
	var b strings.Builder
	for _, c := range norm.NFKD.String(string(r)) {
		switch {
		case c >= 0x300 && c <= 0x36F:
		case c < utf8.RuneSelf && ascii[c]&(asControl|asBlank) == 0, c >= 0x370 && c <= 0x3FF:
			c = unicode.ToLower(c)
			if c == 'ς' {
				c = 'σ'
			}
			b.WriteRune(c)
		case c == 0x2044:
			b.WriteByte('/')
		default:
			return ""
		}
	}
	return b.String()
}
