package match

import (
	"golang.org/x/sync/errgroup"
)

// features are what is computed once for each distinct value.
type features struct {
	letters map[int]*letters    // by column
	words   map[int]*weighted   // by column
	grams   map[int]*weighted   // by column
	texts   map[int][]uint64    // words of a textLane, by column and code
	values  map[lane][]uint64   // words of other lanes, by lane and code
	cross   map[[2]int][]uint32 // codes of the second column's values in the first
}

// measure computes the features that lanes need.
func measure(r *Records, l *lanes, threads int) *features {
	f := &features{letters: map[int]*letters{}, words: map[int]*weighted{}, grams: map[int]*weighted{}, texts: map[int][]uint64{},
		values: map[lane][]uint64{}, cross: map[[2]int][]uint32{}}
	f.measureTexts(r, l, threads)
	var g errgroup.Group
	g.SetLimit(threads)
	for _, k := range l.all {
		if k.kind == ruleLane {
			continue
		}
		v := &r.Columns[k.column]
		var words []uint64
		if k.kind != numberLane && k.kind != listLane && k.kind != crossLane {
			words = make([]uint64, v.Dict.Len())
		}
		switch k.kind {
		case textLane:
			f.texts[k.column] = words
			g.Go(func() error { fillTexts(words, f.letters[k.column]); return nil })
		case signatureLane, neighboursLane, wordMaskLane, wordCountLane, wordNormLane, gramMaskLane, gramNormLane:
			f.values[k] = words
			g.Go(func() error { f.fill(words, k); return nil })
		case crossLane:
			own := make([]uint32, r.Columns[k.other].Dict.Len())
			f.cross[[2]int{k.column, k.other}] = own
			g.Go(func() error { crossCodes(own, v.Dict, r.Columns[k.other].Dict); return nil })
		}
	}
	_ = g.Wait()
	return f
}

// measureTexts re-encodes letters and splits texts: what the lanes' words are made of.
func (f *features) measureTexts(r *Records, l *lanes, threads int) {
	var g errgroup.Group
	g.SetLimit(threads)
	split := func(into map[int]*weighted, column int, op Op) {
		if into[column] == nil {
			w := &weighted{}
			into[column] = w
			v := &r.Columns[column]
			g.Go(func() error { *w = *newTermLists(v.Dict, termsOf(op)).weigh(v.Codes); return nil })
		}
	}
	for _, k := range l.all {
		switch k.kind {
		case wordMaskLane, wordCountLane, wordNormLane:
			split(f.words, k.column, Cosine)
		case gramMaskLane, gramNormLane:
			split(f.grams, k.column, Cosine3)
		case signatureLane, neighboursLane:
			if f.letters[k.column] == nil {
				own := &letters{}
				f.letters[k.column] = own
				g.Go(func() error { *own = *lettersOf(r.Columns[k.column].Dict); return nil })
			}
		}
	}
	_ = g.Wait()
}

// fillTexts makes the words of a textLane. Lengths and letters are left out of columns that nothing compares by letters.
func fillTexts(words []uint64, l *letters) {
	for code := range words {
		words[code] = uint64(code)
		if l == nil {
			continue
		}
		text := l.at(uint32(code))
		words[code] |= uint64(min(len(text), 255)) << 32
		for i, b := range text[:min(3, len(text))] {
			words[code] |= uint64(b) << (40 + 8*i)
		}
	}
}

func (f *features) fill(words []uint64, k lane) {
	switch k.kind {
	case signatureLane:
		l := f.letters[k.column]
		s, count := newSigner(l), [256]uint8{}
		for code := range words {
			words[code] = s.sign(l.at(uint32(code)), &count)
		}
	case neighboursLane:
		for code := range words {
			words[code] = neighbours(f.letters[k.column].at(uint32(code)))
		}
	case wordMaskLane, gramMaskLane:
		t := f.terms(k)
		for code := range words {
			words[code] = t.mask(uint32(code))
		}
	case wordCountLane:
		for code := range words {
			words[code] = uint64(len(f.words[k.column].at(uint32(code))))
		}
	case wordNormLane, gramNormLane:
		for code, norm := range f.terms(k).norms {
			words[code] = uint64(norm)
		}
	}
}

func (f *features) terms(k lane) *weighted {
	if k.kind == gramMaskLane || k.kind == gramNormLane {
		return f.grams[k.column]
	}
	return f.words[k.column]
}

// crossCodes finds the codes that the texts of one column have in another; 0 where it has none.
func crossCodes(codes []uint32, own, other *Dict) {
	index := make(map[string]uint32, own.Len())
	for c := uint32(1); c < uint32(own.Len()); c++ {
		index[own.At(c)] = c
	}
	for c := uint32(1); c < uint32(other.Len()); c++ {
		codes[c] = index[other.At(c)]
	}
}
