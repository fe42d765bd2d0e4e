package clean

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"
)

// longestForm is how many words a legal form has at most, with each letter between dots as a word: S.A. de C.V. has five.
const longestForm = 8

// forms are legal forms by their words, letters that stand alone joined; inFront are those that stand before the name.
type forms struct {
	atEnd, inFront map[string]string
	last           map[string]bool // words that forms end with, and the letters of those that are written apart
}

var legalForms = sync.OnceValue(func() forms {
	var front, end strings.Builder
	for _, line := range lines(legalFormsText) {
		if rest, ok := strings.CutPrefix(line, "^"); ok {
			front.WriteString(rest + "\n")
		} else {
			end.WriteString(line + "\n")
		}
	}
	key := func(entry string) string {
		words := fields(nil, companyWords(nil, entry))
		return string(joinLetters(nil, words))
	}
	f := forms{aliases(end.String(), key), aliases(front.String(), key), map[string]bool{}}
	for form := range f.atEnd {
		word := form[strings.LastIndexByte(form, ' ')+1:]
		f.last[word] = true
		_, size := utf8.DecodeLastRuneInString(word)
		f.last[word[len(word)-size:]] = true
	}
	return f
})

var ands = strings.NewReplacer("&amp;", " and ", "&", " and ", "+", " and ", "＆", " and ")

// companyWords is Words with "and" for & and +.
func companyWords(dst []byte, t string) []byte {
	if strings.ContainsAny(t, "&+＆") {
		t = ands.Replace(t)
	}
	return Words(dst, t)
}

// joinLetters is a phrase in which letters that stand alone are one word: "s p a" is "spa".
func joinLetters(dst []byte, words [][]byte) []byte {
	for i, w := range words {
		if i > 0 && (len(w) > 1 || len(words[i-1]) > 1) {
			dst = append(dst, ' ')
		}
		dst = append(dst, w...)
	}
	return dst
}

// legal finds the legal forms around a company's name: which words are the name, and the form at the very end, or the one in front.
func legal(words [][]byte) (from, to int, form string) {
	var space [96]byte
	table := legalForms()
	to = len(words)
again:
	for n := min(longestForm, to-1); n > 0 && table.last[string(words[to-1])]; n-- {
		if found, ok := table.atEnd[string(joinLetters(space[:0], words[to-n:to]))]; ok {
			if form == "" {
				form = found
			}
			to -= n
			goto again
		}
	}
	if to > 1 && string(words[to-1]) == "and" && to < len(words) {
		to--
		goto again // what stood before it may end with a form, too
	}
front:
	for n := min(3, to-from-1); n > 0; n-- {
		if found, ok := table.inFront[string(joinLetters(space[:0], words[from:from+n]))]; ok {
			if form == "" {
				form = found
			}
			from += n
			goto front
		}
	}
	return from, to, form
}

// Company is Words without the legal form, with "and" for &; never nothing.
func Company(dst []byte, t string) []byte {
	start := len(dst)
	dst = companyWords(dst, t)
	var space [16][]byte
	words := fields(space[:0], dst[start:])
	if len(words) < 2 {
		return dst
	}
	from, to, _ := legal(words)
	return phrase(dst[:start], words[from:to]) // moves to the left only
}

// LegalForm is the legal form of a company's name, as the table spells it.
func LegalForm(dst []byte, t string) []byte {
	var space [16][]byte
	var room [128]byte
	words := fields(space[:0], companyWords(room[:0], t))
	if len(words) == 1 {
		if found, ok := legalForms().atEnd[string(bytes.Join(words, nil))]; ok {
			return append(dst, found...)
		}
	}
	if len(words) < 2 {
		return dst
	}
	_, _, form := legal(words)
	return append(dst, form...)
}
