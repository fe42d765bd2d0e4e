package match

// numbering numbers 64-bit values, from 1 in the order in which they come.
type numbering struct {
	slots  []numbered // a power of two, at most half full
	n      uint32
	spread uint
}

type numbered struct {
	value  uint64
	number uint32
}

func newNumbering() *numbering { return &numbering{slots: make([]numbered, 1<<12), spread: 64 - 12} }

func (t *numbering) number(value uint64) uint32 {
	at := mix(value) >> t.spread
	for ; t.slots[at].number != 0; at = (at + 1) & uint64(len(t.slots)-1) {
		if t.slots[at].value == value {
			return t.slots[at].number
		}
	}
	t.n++
	t.slots[at] = numbered{value, t.n}
	if int(t.n)*2 > len(t.slots) {
		t.grow()
	}
	return t.n
}

func (t *numbering) grow() {
	old := t.slots
	t.slots, t.spread = make([]numbered, 4*len(old)), t.spread-2
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		at := mix(s.value) >> t.spread
		for t.slots[at].number != 0 {
			at = (at + 1) & uint64(len(t.slots)-1)
		}
		t.slots[at] = s
	}
}

// mix spreads a value over all bits: the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
