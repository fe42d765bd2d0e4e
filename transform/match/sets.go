package match

// Sets are the records in sets, each known by its least record: a record points at another of its set, and that one at itself.
type Sets []uint32

// NewSets has each of n records in a set of its own.
func NewSets(n int) Sets {
	s := make(Sets, n)
	for i := range s {
		s[i] = uint32(i)
	}
	return s
}

// Find is the least record of a record's set. It leaves the way there shorter.
func (s Sets) Find(x uint32) uint32 {
	for s[x] != x {
		s[x] = s[s[x]]
		x = s[x]
	}
	return x
}

// Union makes one set of those of two records.
func (s Sets) Union(x, y uint32) {
	x, y = s.Find(x), s.Find(y)
	s[max(x, y)] = min(x, y)
}
