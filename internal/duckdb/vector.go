package duckdb

import (
	"hash/maphash"
	"sync"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/millrace/millrace/internal/clean"
)

// inlined is how many bytes a text of DuckDB has in itself; a longer one has the first four there, and an address.
const inlined = 12

// text is duckdb_string_t. The bytes of a short one begin at prefix and go on over address.
type text struct {
	length  uint32
	prefix  [4]byte
	address *byte
}

// short are the bytes of a text up to inlined.
func (t *text) short() *[inlined]byte { return (*[inlined]byte)(unsafe.Pointer(&t.prefix)) }

// mask says which rows are not NULL, a bit each; nil: all.
type mask []uint64

func readMask(v mapping.Vector, rows int) mask {
	p := mapping.VectorGetValidity(v)
	if p == nil {
		return nil
	}
	return unsafe.Slice((*uint64)(p), (rows+63)/64)
}

func writableMask(v mapping.Vector, rows int) mask {
	mapping.VectorEnsureValidityWritable(v)
	return readMask(v, rows)
}

func (m mask) has(i int) bool { return m == nil || m[i/64]&(1<<(i%64)) != 0 }
func (m mask) unset(i int)    { m[i/64] &^= 1 << (i % 64) }

// texts is a vector of VARCHAR. Its strings are DuckDB's memory: they are gone with the chunk.
type texts struct {
	rows  []text
	valid mask
}

func readTexts(v mapping.Vector, rows int) texts {
	return texts{unsafe.Slice((*text)(mapping.VectorGetData(v)), rows), readMask(v, rows)}
}

// at is a row's text; false for NULL, and in a vector that is not there.
func (t texts) at(i int) (string, bool) {
	if t.rows == nil || !t.valid.has(i) {
		return "", false
	}
	r := &t.rows[i]
	if r.length <= inlined {
		return unsafe.String(&r.prefix[0], r.length), true
	}
	return unsafe.String(r.address, r.length), true
}

// lists is a vector of VARCHAR[].
type lists struct {
	rows  []span
	valid mask
	items texts
}

// span is duckdb_list_entry.
type span struct{ offset, length uint64 }

func readLists(v mapping.Vector, rows int) lists {
	child := mapping.ListVectorGetChild(v)
	return lists{
		rows:  unsafe.Slice((*span)(mapping.VectorGetData(v)), rows),
		valid: readMask(v, rows),
		items: readTexts(child, int(mapping.ListVectorGetSize(v))),
	}
}

// at is a row's list, without its NULLs.
func (l lists) at(i int) []string {
	if l.rows == nil || !l.valid.has(i) {
		return nil
	}
	items := make([]string, 0, l.rows[i].length)
	for k := l.rows[i].offset; k < l.rows[i].offset+l.rows[i].length; k++ {
		if s, ok := l.items.at(int(k)); ok {
			items = append(items, s)
		}
	}
	return items
}

// textWriter fills a vector of VARCHAR.
type textWriter struct {
	vector mapping.Vector
	rows   []text
	valid  mask
}

func newTextWriter(v mapping.Vector, rows int) textWriter {
	return textWriter{v, unsafe.Slice((*text)(mapping.VectorGetData(v)), rows), writableMask(v, rows)}
}

func (w textWriter) null(i int) { w.valid.unset(i) }

// set writes a row; no bytes are NULL. DuckDB keeps long ones, by a call into C that costs more than what most functions do.
func (w textWriter) set(i int, b []byte) {
	switch {
	case len(b) == 0:
		w.null(i)
	case len(b) <= inlined:
		r := &w.rows[i]
		r.length = uint32(len(b))
		bytes := r.short()
		clear(bytes[copy(bytes[:], b):])
	default:
		mapping.VectorAssignStringElementLen(w.vector, mapping.IdxT(i), b)
	}
}

// memo remembers results of costly functions. One goroutine has it at a time; what is remembered survives the chunk and the statement.
type memo struct {
	entries [1024]memoEntry
}

type memoEntry struct {
	function *clean.Function
	key, arg []byte
	out      []byte
	parts    []string // of a function with Parts
}

var (
	memoSeed = maphash.MakeSeed()
	memos    = sync.Pool{New: func() any { return new(memo) }}
)

// longest is what a memo keeps: texts beyond that rarely come again.
const longest = 256

// borrowMemo gives a memo, or nil when none is wanted.
func borrowMemo(wanted bool) *memo {
	if !wanted {
		return nil
	}
	return memos.Get().(*memo)
}

func (m *memo) giveBack() {
	if m != nil {
		memos.Put(m)
	}
}

// find gives the entry for a call, and whether its result is that of this call.
func (m *memo) find(f *clean.Function, t, arg string) (*memoEntry, bool) {
	e := &m.entries[maphash.String(memoSeed, t)%uint64(len(m.entries))]
	if e.function == f && string(e.key) == t && string(e.arg) == arg {
		return e, true
	}
	e.function = nil // until done says whose: a function may panic
	return e, false
}

// done notes whose result the entry has.
func (e *memoEntry) done(f *clean.Function, t, arg string) {
	if len(t) > longest {
		return
	}
	e.function, e.key, e.arg = f, append(e.key[:0], t...), append(e.arg[:0], arg...)
}
