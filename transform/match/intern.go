package match

import "github.com/zeebo/xxh3"

// interner numbers the distinct texts of a column. Texts are told apart by their bytes; hashes only say where to look.
type interner struct {
	dict   *Dict
	slots  []uint32 // code, 0 where free; a power of two, at most half full
	hashes []uint32 // by code
}

func newInterner() *interner {
	return &interner{dict: &Dict{Starts: []uint32{0, 0}}, slots: make([]uint32, 1<<12), hashes: make([]uint32, 1)}
}

// code is the number of a text, which is added when it is new.
func (t *interner) code(text []byte) uint32 {
	hash := uint32(xxh3.Hash(text))
	mask := uint32(len(t.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		c := t.slots[at]
		if c == 0 {
			return t.add(text, hash, at)
		}
		if t.hashes[c] == hash && string(t.dict.Bytes[t.dict.Starts[c]:t.dict.Starts[c+1]]) == string(text) {
			return c
		}
	}
}

func (t *interner) add(text []byte, hash, at uint32) uint32 {
	c := uint32(t.dict.Len())
	t.slots[at] = c
	t.hashes = append(t.hashes, hash)
	t.dict.Bytes = append(t.dict.Bytes, text...)
	t.dict.Starts = append(t.dict.Starts, uint32(len(t.dict.Bytes)))
	if len(t.hashes)*2 > len(t.slots) {
		t.grow()
	}
	return c
}

func (t *interner) grow() {
	t.slots = make([]uint32, 4*len(t.slots))
	mask := uint32(len(t.slots) - 1)
	for c := uint32(1); c < uint32(len(t.hashes)); c++ {
		at := t.hashes[c] & mask
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = c
	}
}
