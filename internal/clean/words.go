package clean

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words is Fold without punctuation: apostrophes are gone, everything else that is no letter, mark or number is a blank.
func Words(dst []byte, t string) []byte {
	from := len(dst)
	return onlyWords(Fold(dst, t), from)
}

// onlyWords takes the punctuation out of what stands in b from there on.
func onlyWords(b []byte, from int) []byte {
	to := from
	for i := from; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case ascii[c]&(asLetter|asDigit) != 0:
				b[to] = c
				to++
			case c != '\'' && to > from && b[to-1] != ' ':
				b[to] = ' '
				to++
			}
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			to += copy(b[to:], b[i:i+size])
		case unicode.Is(unicode.Cf, r):
		case to > from && b[to-1] != ' ':
			b[to] = ' '
			to++
		}
		i += size
	}
	return chop(b[:to], from)
}

// fields appends the words of b, which are parted by single blanks. They share its memory.
func fields(words [][]byte, b []byte) [][]byte {
	for len(b) > 0 {
		word, rest, _ := bytes.Cut(b, []byte{' '})
		words, b = append(words, word), rest
	}
	return words
}

// phrase appends words with blanks between them.
func phrase(dst []byte, words [][]byte) []byte {
	for i, w := range words {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, w...)
	}
	return dst
}

// longestTitle is how many words a title or a suffix has at most.
const longestTitle = 3

// bare is where a person's name begins and ends in these words: behind the titles and before the suffixes. A word is left at least.
func bare(words [][]byte) (from, to int) {
	var space [64]byte
	in := func(table map[string]bool, words [][]byte) bool { return table[string(phrase(space[:0], words))] }
	to = len(words)
front:
	for n := min(longestTitle, to-from-1); n > 0; n-- {
		if in(titles(), words[from:from+n]) {
			from += n
			goto front
		}
	}
back:
	for n := min(longestTitle, to-from-1); n > 0; n-- {
		if in(suffixes(), words[to-n:to]) {
			to -= n
			goto back
		}
	}
	return from, to
}

// Name is Words without the titles in front and the suffixes at the end, but never nothing.
func Name(dst []byte, t string) []byte {
	start := len(dst)
	dst = Words(dst, t)
	var space [16][]byte
	words := fields(space[:0], dst[start:])
	if len(words) < 2 {
		return dst
	}
	from, to := bare(words)
	if from == 0 && to == len(words) {
		return dst
	}
	kept := phrase(dst[:start], words[from:to]) // moves to the left only
	return kept
}

// DropTitles is Text without titles and suffixes; what stays is as it was.
func DropTitles(dst []byte, t string) []byte {
	start := len(dst)
	dst = Text(dst, t)
	var room [128]byte
	var space [16][]byte
	all := fields(space[:0], Words(room[:0], t))
	if from, to := bare(all); from == 0 && to == len(all) { // most of them
		return dst
	}
	tokens := fields(nil, dst[start:])
	var words [][]byte
	var of []int // which token a word is in
	for i, token := range tokens {
		for _, w := range fields(nil, Words(nil, string(token))) {
			words, of = append(words, w), append(of, i)
		}
	}
	if len(words) < 2 {
		return dst
	}
	from, to := bare(words)
	first, last := of[from], of[to-1] // a token is dropped when all its words are
	if first == 0 && last == len(tokens)-1 {
		return dst
	}
	dst = phrase(dst[:start], tokens[first:last+1])
	return bytes.TrimRight(dst, ", ")
}

// Particles is Words with the particles of names joined to what follows: "van der berg" is "vanderberg".
func Particles(dst []byte, t string) []byte {
	start := len(dst)
	dst = Words(dst, t)
	var space [16][]byte
	words := fields(space[:0], dst[start:])
	dst = dst[:start]
	last := len(words) - 1 // the last word that is a name: particles behind it are left as they are
	for last > 0 && particles()[string(words[last])] {
		last--
	}
	for i, w := range words {
		apart := i < len(words)-1 && (i >= last || !particles()[string(w)])
		dst = append(dst, w...) // moves to the left only, over what has been read
		if apart {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// Nickname is the given name that the first word of Name is short for; the word itself when the table does not know it.
func Nickname(dst []byte, t string) []byte {
	start := len(dst)
	dst = Name(dst, t)
	word, _, _ := bytes.Cut(dst[start:], []byte{' '})
	if full, ok := nicknames()[string(word)]; ok {
		return append(dst[:start], full...)
	}
	return dst[:start+len(word)]
}

// WordsSorted is Words in the order of their bytes.
func WordsSorted(dst []byte, t string) []byte {
	start := len(dst)
	dst = Words(dst, t)
	var space [16][]byte
	words := fields(space[:0], dst[start:])
	if slices.IsSortedFunc(words, bytes.Compare) {
		return dst
	}
	slices.SortFunc(words, bytes.Compare)
	var room [128]byte
	return append(dst[:start], phrase(room[:0], words)...)
}

// Digits are the decimal digits, those of other scripts as 0 to 9.
func Digits(dst []byte, t string) []byte {
	for i := 0; i < len(t); i++ {
		if t[i] >= utf8.RuneSelf {
			return foreignDigits(dst, t[i:])
		}
		if ascii[t[i]]&asDigit != 0 {
			dst = append(dst, t[i])
		}
	}
	return dst
}

func foreignDigits(dst []byte, t string) []byte {
	for _, r := range t {
		if d, ok := digit(r); ok {
			dst = append(dst, '0'+d)
		}
	}
	return dst
}

// digit is the value of a decimal digit of any script: Unicode keeps those of one script in a row of ten.
func digit(r rune) (byte, bool) {
	if r < utf8.RuneSelf {
		return byte(r - '0'), r >= '0' && r <= '9'
	}
	if !unicode.IsDigit(r) {
		return 0, false
	}
	n := rune(0)
	for unicode.IsDigit(r - n - 1) {
		n++
	}
	return byte(n % 10), true
}

// Alnum is Fold with nothing left but letters, marks and numbers.
func Alnum(dst []byte, t string) []byte {
	start := len(dst)
	dst = Words(dst, t)
	to := start
	for _, c := range dst[start:] {
		if c != ' ' {
			dst[to] = c
			to++
		}
	}
	return dst[:to]
}

// Placeholder is the text, and nothing when it only says that there is none: n/a, unknown, xxx, 0000, a dash.
func Placeholder(dst []byte, t string) []byte {
	if !utf8.ValidString(t) {
		t = strings.ToValidUTF8(t, "\uFFFD")
	}
	var room [64]byte
	if len(t) > 40 { // nobody writes so much to say nothing
		return append(dst, t...)
	}
	word := Words(room[:0], t)
	if len(word) == 0 || placeholders()[string(word)] || repeatedSign(word) {
		return dst
	}
	return append(dst, t...)
}

// repeatedSign says whether it is one of 0, 9 and x three times and more. Two may be an answer.
func repeatedSign(b []byte) bool {
	if len(b) < 3 || b[0] != '0' && b[0] != '9' && b[0] != 'x' {
		return false
	}
	return bytes.Count(b, b[:1]) == len(b)
}
