package match

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/models"
)

// Texts about products have codes in them: model and part numbers, which say what a thing is where the words around them say what it is
// like. A code is a word of at least codeLetters letters and digits that has both, or two words that make one together: one source writes
// KDL-32S5100 where the other has KDL32S5100.

const (
	codeLetters   = 4
	codesOften    = 0.5 // of a field's texts that have one
	codesDistinct = 0.5 // codes, of all places where one stands
)

// CodesSQL is the codes of a text, each once and sorted, as SQL for the local engine; NULL where there is none.
func CodesSQL(text string) string {
	words := fmt.Sprintf("regexp_extract_all(lower(%s), '[a-z0-9]+')", text)
	couples := fmt.Sprintf("list_transform(list_zip(%[1]s, (%[1]s)[2:]), lambda w: w[1] || w[2])", words)
	return fmt.Sprintf("nullif(array_to_string(list_sort(list_distinct(list_filter(list_concat(%s, %s), lambda w: "+
		"length(w) >= %d AND regexp_matches(w, '[0-9]') AND regexp_matches(w, '[a-z]')))), ' '), '')", words, couples, codeLetters)
}

// codesOf are the words of a text that are a code by themselves, as the text has them. A text of one word is a value of its own, and has none.
func codesOf(text string) (codes []string) {
	if strings.IndexByte(text, ' ') < 0 {
		return nil
	}
	start, digit, letter := 0, false, false
	for i := 0; i <= len(text); i++ {
		c := byte(' ')
		if i < len(text) {
			c = text[i]
		}
		switch {
		case c >= '0' && c <= '9':
			digit = true
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		default:
			if digit && letter && i-start >= codeLetters {
				codes = append(codes, text[start:i])
			}
			start, digit, letter = i+1, false, false
		}
	}
	return codes
}

// onlyCodes says that a comparison looks at the codes of its fields and at nothing else of them.
func onlyCodes(levels []models.Level) bool {
	for _, l := range levels {
		if l.Op != models.LevelCodes {
			return false
		}
	}
	return len(levels) > 0
}
