package match

import (
	"math/bits"
	"slices"
)

// A signature is 64 bits about the letters of a text. Bit b says: the text has the letter of b at least as often as b says. So each bit
// that a has and b has not stands for another letter of a that has no partner in b:
//
//	popcount(sig(a) &^ sig(b)) ≤ letters of a that are not in b, counted as often as they occur
//
// That bounds the matches of Jaro from above and both edit distances from below (a transposition changes no letter), whichever letters
// have bits: so those get them that tell the values of the column apart best.
type signer struct {
	bits [256][maxRepeat]uint8 // bit + 1 for the k-th occurrence of a letter, 0: it has none
}

// maxRepeat is how often a letter may occur and still tell something.
const maxRepeat = 4

// signedSample is how many texts are looked at to find the letters that tell them apart.
const signedSample = 20000

func newSigner(l *letters) *signer {
	seen := countRepeats(l)
	type candidate struct {
		letter, repeat int
		worth          float64
	}
	var all []candidate
	total := float64(max(1, min(signedSample, len(l.starts)-1)))
	for letter := range seen {
		for k, n := range seen[letter] {
			if share := float64(n) / total; n > 0 {
				all = append(all, candidate{letter, k, share * (1 - share)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		switch {
		case a.worth > b.worth:
			return -1
		case a.worth < b.worth:
			return 1
		}
		return 0
	})
	s := &signer{}
	for i, c := range all[:min(64, len(all))] {
		s.bits[c.letter][c.repeat] = uint8(i + 1)
	}
	return s
}

// countRepeats counts how many texts of a sample have each letter at least once, twice…
func countRepeats(l *letters) (seen [256][maxRepeat]int) {
	texts := len(l.starts) - 1
	step := max(1, texts/signedSample)
	for code := 0; code < texts; code += step {
		var count [256]uint8
		for _, b := range l.at(uint32(code)) {
			if k := count[b]; k < maxRepeat {
				seen[b][k]++
				count[b]++
			}
		}
	}
	return seen
}

// sign is the signature of a text.
func (s *signer) sign(text []byte, count *[256]uint8) uint64 {
	sig := uint64(0)
	for _, b := range text {
		if k := count[b]; k < maxRepeat {
			if bit := s.bits[b][k]; bit != 0 {
				sig |= 1 << (bit - 1)
			}
			count[b]++
		}
	}
	for _, b := range text {
		count[b] = 0
	}
	return sig
}

// neighbours has a bit for each pair of neighbouring letters, the ends of the text being neighbours of the first and the last. An edit
// removes at most two pairs of a text, a transposition three, so popcount(neighbours(a) &^ neighbours(b)) > 3k means that the OSA distance
// is above k.
func neighbours(text []byte) uint64 {
	sig, last := uint64(0), uint32(256)
	for _, b := range text {
		sig |= 1 << (((last<<8 | uint32(b)) * 0x9e3779b1) >> 26)
		last = uint32(b)
	}
	return sig | 1<<(((last<<8|0xff00ff)*0x9e3779b1)>>26)
}

// unmatched is how many letters of a have no partner in b, at least.
func unmatched(a, b uint64) int { return bits.OnesCount64(a &^ b) }
