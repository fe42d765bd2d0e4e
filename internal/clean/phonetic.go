package clean

import (
	"bytes"
	"strings"
)

// Phonetic has the primary code of Lawrence Philips's Double Metaphone (2000) for each of the Words, uncut. A word with no letter of ASCII has
// no such code, and stands for itself.
func Phonetic(dst []byte, t string) []byte {
	start := len(dst)
	var room [128]byte
	var space [16][]byte
	for _, word := range fields(space[:0], Words(room[:0], t)) {
		if len(dst) > start && dst[len(dst)-1] != ' ' {
			dst = append(dst, ' ')
		}
		dst = appendCode(dst, word)
	}
	return chop(dst, start)
}

func appendCode(dst, word []byte) []byte {
	if !isASCII(word) {
		return append(dst, word...)
	}
	var m metaphone
	var room [64]byte
	m.word = room[:0]
	for _, c := range word {
		if ascii[c]&asLetter != 0 {
			m.word = append(m.word, c-'a'+'A')
		}
	}
	if len(m.word) == 0 {
		return append(dst, word...)
	}
	m.code = dst
	m.germanic = bytes.ContainsAny(m.word, "WK") || bytes.Contains(m.word, []byte("CZ"))
	return m.encode()
}

// metaphone is the state of one word's encoding.
type metaphone struct {
	word     []byte
	code     []byte
	germanic bool // Slavic or Germanic, as it looks
}

// at is the letter there, 0 beyond the ends.
func (m *metaphone) at(i int) byte {
	if i < 0 || i >= len(m.word) {
		return 0
	}
	return m.word[i]
}

// is says whether one of these stands there.
func (m *metaphone) is(i int, options ...string) bool {
	if i < 0 {
		return false
	}
	for _, o := range options {
		if i+len(o) <= len(m.word) && string(m.word[i:i+len(o)]) == o {
			return true
		}
	}
	return false
}

// ends says whether the word ends with one of these at that place.
func (m *metaphone) ends(i int, options ...string) bool {
	for _, o := range options {
		if i >= 0 && i+len(o) == len(m.word) && m.is(i, o) {
			return true
		}
	}
	return false
}

func (m *metaphone) vowel(i int) bool {
	return strings.IndexByte("AEIOUY", m.at(i)) >= 0 && m.at(i) != 0
}

func (m *metaphone) add(s string) { m.code = append(m.code, s...) }

// twice is where to go on behind a letter that may stand there doubled.
func (m *metaphone) twice(i int, letters ...string) int {
	if m.is(i+1, letters...) {
		return i + 2
	}
	return i + 1
}

func (m *metaphone) encode() []byte {
	i := 0
	if m.is(0, "GN", "KN", "PN", "WR", "PS") {
		i = 1
	}
	if m.at(0) == 'X' { // Xavier
		m.add("S")
		i = 1
	}
	for i < len(m.word) {
		i = m.step(i)
	}
	return m.code
}

// step encodes what stands at i, and says where to go on.
func (m *metaphone) step(i int) int {
	switch c := m.at(i); c {
	case 'A', 'E', 'I', 'O', 'U', 'Y':
		if i == 0 {
			m.add("A")
		}
		return i + 1
	case 'B':
		m.add("P") // -mb as in dumb: M skips it
		return m.twice(i, "B")
	case 'C':
		return m.c(i)
	case 'D':
		return m.d(i)
	case 'F':
		m.add("F")
		return m.twice(i, "F")
	case 'G':
		return m.g(i)
	case 'H':
		if (i == 0 || m.vowel(i-1)) && m.vowel(i+1) {
			m.add("H")
			return i + 2
		}
		return i + 1
	case 'J':
		return m.j(i)
	case 'K':
		m.add("K")
		return m.twice(i, "K")
	case 'L':
		m.add("L") // the ll of cabrillo too, whose second code is without
		return m.twice(i, "L")
	case 'M':
		m.add("M")
		if m.is(i-1, "UMB") && (i+1 == len(m.word)-1 || m.is(i+2, "ER")) || m.at(i+1) == 'M' {
			return i + 2
		}
		return i + 1
	case 'N':
		m.add("N")
		return m.twice(i, "N")
	case 'P':
		if m.at(i+1) == 'H' {
			m.add("F")
			return i + 2
		}
		m.add("P")
		return m.twice(i, "P", "B") // Campbell, raspberry
	case 'Q':
		m.add("K")
		return m.twice(i, "Q")
	case 'R':
		last := len(m.word) - 1
		if !(i == last && !m.germanic && m.is(i-2, "IE") && !m.is(i-4, "ME", "MA")) { // French: rogier
			m.add("R")
		}
		return m.twice(i, "R")
	case 'S':
		return m.s(i)
	case 'T':
		return m.t(i)
	case 'V':
		m.add("F")
		return m.twice(i, "V")
	case 'W':
		return m.w(i)
	case 'X':
		if !m.ends(i, "X") || !(m.is(i-3, "IAU", "EAU") || m.is(i-2, "AU", "OU")) { // French: breaux
			m.add("KS")
		}
		return m.twice(i, "C", "X")
	case 'Z':
		if m.at(i+1) == 'H' { // Chinese: zhao
			m.add("J")
			return i + 2
		}
		m.add("S")
		return m.twice(i, "Z")
	}
	return i + 1
}

func (m *metaphone) c(i int) int {
	switch {
	case i > 1 && !m.vowel(i-2) && m.is(i-1, "ACH") && m.at(i+2) != 'I' && (m.at(i+2) != 'E' || m.is(i-2, "BACHER", "MACHER")):
		m.add("K") // Bach
		return i + 2
	case i == 0 && m.is(i, "CAESAR"):
		m.add("S")
		return i + 2
	case m.is(i, "CHIA"): // Chianti
		m.add("K")
		return i + 2
	case m.is(i, "CH"):
		m.ch(i)
		return i + 2
	case m.is(i, "CZ") && !m.is(i-2, "WICZ"):
		m.add("S")
		return i + 2
	case m.is(i+1, "CIA"): // focaccia
		m.add("X")
		return i + 3
	case m.is(i, "CC") && !(i == 1 && m.at(0) == 'M'): // but McClellan
		if m.is(i+2, "I", "E", "H") && !m.is(i+2, "HU") {
			if i == 1 && m.at(0) == 'A' || m.is(i-1, "UCCEE", "UCCES") { // accident, succeed
				m.add("KS")
			} else { // bacci, bertucci
				m.add("X")
			}
			return i + 3
		}
		m.add("K")
		return i + 2
	case m.is(i, "CK", "CG", "CQ"):
		m.add("K")
		return i + 2
	case m.is(i, "CI", "CE", "CY"):
		m.add("S")
		return i + 2
	}
	m.add("K")
	if m.is(i+1, "C", "K", "Q") && !m.is(i+1, "CE", "CI") {
		return i + 2
	}
	return i + 1
}

func (m *metaphone) ch(i int) {
	switch {
	case i > 0 && m.is(i, "CHAE"): // Michael
		m.add("K")
	case i == 0 && (m.is(1, "HARAC", "HARIS") || m.is(1, "HOR", "HYM", "HIA", "HEM")) && !m.is(0, "CHORE"): // Greek: chorus
		m.add("K")
	case m.is(0, "SCH") || m.is(i-2, "ORCHES", "ARCHIT", "ORCHID") || m.is(i+2, "T", "S") ||
		(i == 0 || m.is(i-1, "A", "O", "U", "E")) && (i+2 == len(m.word) || m.is(i+2, "L", "R", "N", "M", "B", "H", "F", "V", "W")):
		m.add("K") // Germanic, Greek, or before a consonant
	case i > 0 && m.is(0, "MC"):
		m.add("K")
	default:
		m.add("X")
	}
}

func (m *metaphone) d(i int) int {
	switch {
	case m.is(i, "DG"):
		if m.is(i+2, "I", "E", "Y") { // edge
			m.add("J")
			return i + 3
		}
		m.add("TK") // Edgar
		return i + 2
	case m.is(i, "DT", "DD"):
		m.add("T")
		return i + 2
	}
	m.add("T")
	return i + 1
}

func (m *metaphone) g(i int) int {
	switch {
	case m.at(i+1) == 'H':
		return m.gh(i)
	case m.at(i+1) == 'N':
		switch {
		case i == 1 && m.vowel(0) && !m.germanic:
			m.add("KN")
		case !m.is(i+2, "EY") && m.at(i+1) != 'Y' && !m.germanic: // Cagney
			m.add("N")
		default:
			m.add("KN")
		}
		return i + 2
	case m.is(i+1, "LI") && !m.germanic: // tagliaro
		m.add("KL")
		return i + 2
	case i == 0 && (m.at(1) == 'Y' || m.is(1, "ES", "EP", "EB", "EL", "EY", "IB", "IL", "IN", "IE", "EI", "ER")):
		m.add("K")
		return i + 2
	case (m.is(i+1, "ER") || m.at(i+1) == 'Y') && !m.is(0, "DANGER", "RANGER", "MANGER") && !m.is(i-1, "E", "I") && !m.is(i-1, "RGY", "OGY"):
		m.add("K")
		return i + 2
	case m.is(i+1, "E", "I", "Y") || m.is(i-1, "AGGI", "OGGI"):
		if m.is(0, "SCH") || m.is(i+1, "ET") { // Germanic
			m.add("K")
		} else {
			m.add("J")
		}
		return i + 2
	}
	m.add("K")
	return m.twice(i, "G")
}

func (m *metaphone) gh(i int) int {
	switch {
	case i > 0 && !m.vowel(i-1):
		m.add("K")
	case i == 0:
		if m.at(2) == 'I' { // Ghislaine
			m.add("J")
		} else {
			m.add("K")
		}
	case i > 1 && m.is(i-2, "B", "H", "D") || i > 2 && m.is(i-3, "B", "H", "D") || i > 3 && m.is(i-4, "B", "H"): // Hugh, bough
	case i > 2 && m.at(i-1) == 'U' && m.is(i-3, "C", "G", "L", "R", "T"): // laugh, tough
		m.add("F")
	case m.at(i-1) != 'I':
		m.add("K")
	}
	return i + 2
}

func (m *metaphone) j(i int) int {
	switch {
	case m.is(i, "JOSE") || m.is(0, "SAN"): // Spanish
		if i == 0 && m.at(4) == 0 || m.is(0, "SAN") {
			m.add("H")
		} else {
			m.add("J")
		}
		return i + 1
	case i == 0:
		m.add("J")
	case m.vowel(i-1) && !m.germanic && m.is(i+1, "A", "O"): // bajador
		m.add("J")
	case i == len(m.word)-1:
		m.add("J")
	case !m.is(i+1, "L", "T", "K", "S", "N", "M", "B", "Z") && !m.is(i-1, "S", "K", "L"):
		m.add("J")
	}
	return m.twice(i, "J")
}

func (m *metaphone) s(i int) int {
	switch {
	case m.is(i-1, "ISL", "YSL"): // isle
		return i + 1
	case i == 0 && m.is(0, "SUGAR"):
		m.add("X")
		return i + 1
	case m.is(i, "SH"):
		if m.is(i+1, "HEIM", "HOEK", "HOLM", "HOLZ") { // Germanic
			m.add("S")
		} else {
			m.add("X")
		}
		return i + 2
	case m.is(i, "SIO", "SIA"):
		m.add("S")
		return i + 3
	case i == 0 && m.is(1, "M", "N", "L", "W") || m.is(i+1, "Z"): // Schmidt is Smith by the second code
		m.add("S")
		return m.twice(i, "Z")
	case m.is(i, "SC"):
		return m.sc(i)
	}
	if !m.ends(i, "S") || !m.is(i-2, "AI", "OI") { // French: resnais
		m.add("S")
	}
	return m.twice(i, "S", "Z")
}

func (m *metaphone) sc(i int) int {
	switch {
	case m.at(i+2) == 'H':
		switch {
		case m.is(i+3, "ER", "EN"): // Schermerhorn
			m.add("X")
		case m.is(i+3, "OO", "UY", "ED", "EM"): // Dutch: school
			m.add("SK")
		default:
			m.add("X")
		}
	case m.is(i+2, "I", "E", "Y"):
		m.add("S")
	default:
		m.add("SK")
	}
	return i + 3
}

func (m *metaphone) t(i int) int {
	switch {
	case m.is(i, "TION"), m.is(i, "TIA", "TCH"):
		m.add("X")
		return i + 3
	case m.is(i, "TH", "TTH"):
		if m.is(i+2, "OM", "AM") || m.is(0, "SCH") { // Thomas
			m.add("T")
		} else {
			m.add("0")
		}
		if m.is(i, "TTH") {
			return i + 3
		}
		return i + 2
	}
	m.add("T")
	return m.twice(i, "T", "D")
}

func (m *metaphone) w(i int) int {
	switch {
	case m.is(i, "WR"):
		m.add("R")
		return i + 2
	case i == 0 && (m.vowel(1) || m.is(0, "WH")): // Wasserman is Vasserman by the second code
		m.add("A")
		return i + 1
	case i == len(m.word)-1 && m.vowel(i-1), m.is(i-1, "EWSKI", "EWSKY", "OWSKI", "OWSKY"), m.is(0, "SCH"): // Arnow, Filipowski
		return i + 1
	case m.is(i, "WICZ", "WITZ"):
		m.add("TS")
		return i + 4
	}
	return i + 1
}
