package match

import "unicode/utf8"

// letters are the texts of a column with one byte a letter, so that what compares them needs to know neither UTF-8 nor Unicode. Where the
// column has more than 128 letters beyond ASCII, several of them share a byte: exact is then false, and only bounds hold.
type letters struct {
	bytes  []byte
	starts []uint32
	exact  bool
}

func (l *letters) at(code uint32) []byte { return l.bytes[l.starts[code]:l.starts[code+1]] }

// lettersOf re-encodes the texts of a column. Texts of ASCII are taken as they are.
func lettersOf(d *Dict) *letters {
	if ascii(d.Bytes) {
		return &letters{bytes: d.Bytes, starts: d.Starts, exact: true}
	}
	l := &letters{bytes: make([]byte, 0, len(d.Bytes)), starts: make([]uint32, 1, len(d.Starts)), exact: true}
	numbers := map[rune]byte{}
	for code := range uint32(d.Len()) {
		text := d.Bytes[d.Starts[code]:d.Starts[code+1]]
		for len(text) > 0 {
			r, size := utf8.DecodeRune(text)
			text = text[size:]
			l.bytes = append(l.bytes, l.number(numbers, r))
		}
		l.starts = append(l.starts, uint32(len(l.bytes)))
	}
	return l
}

// number is a letter's byte: ASCII keeps its own, others get those that are left, 128 of them.
func (l *letters) number(numbers map[rune]byte, r rune) byte {
	if r < utf8.RuneSelf {
		return byte(r)
	}
	n, ok := numbers[r]
	if !ok {
		n = utf8.RuneSelf + byte(len(numbers)%utf8.RuneSelf)
		l.exact = l.exact && len(numbers) < utf8.RuneSelf
		numbers[r] = n
	}
	return n
}

func ascii(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
