package match

import "slices"

// The records file is one Parquet file. Records are numbered by (_source, _key), so that a record's number does not depend on the order in
// which its sources were read; its rows may stand in any order. Its columns are, in this order:
//
//	_rec         BIGINT     0, 1, 2… the record's number
//	_source      SMALLINT   number in Plan.Sources
//	_key         VARCHAR    key in its source; of several columns a JSON array of texts
//	_updated_at  TIMESTAMP  NULL where the source has no such column
//	_hash        UBIGINT    of the values of Plan.Columns (Dialect.RowHash): what an incremental run compares
//	             those of Plan.Columns
const (
	RecColumn       = "_rec"
	SourceColumn    = "_source"
	KeyColumn       = "_key"
	UpdatedAtColumn = "_updated_at"
	HashColumn      = "_hash"
)

// Records are standardized records in columns. Record i is that whose number is i in the records file.
type Records struct {
	N       int
	Source  []uint8  // by record
	Hash    []uint64 // by record
	Columns []Values // by Plan.Columns
}

// Values are one column.
type Values struct {
	Kind Kind
	// Text: the number of the value in Dict, 0 for NULL. Two records have the same value exactly if they have the same number.
	Codes []uint32
	Dict  *Dict
	// Number, Date: the value, or days since 1970-01-01; NaN for NULL.
	Numbers []float64
	// List: Codes[Starts[i]:Starts[i+1]] are the entries of record i, sorted; an empty list is a NULL.
	Starts []uint32
}

// Dict holds the distinct texts of a column. Text 0 is the NULL.
type Dict struct {
	Bytes  []byte
	Starts []uint32 // of text i is Bytes[Starts[i]:Starts[i+1]]
}

// Len is the number of texts, the NULL included.
func (d *Dict) Len() int { return len(d.Starts) - 1 }

// At is a text; "" for the NULL.
func (d *Dict) At(code uint32) string { return string(d.Bytes[d.Starts[code]:d.Starts[code+1]]) }

// Null says whether a record has no value.
func (v *Values) Null(rec int) bool {
	switch v.Kind {
	case Text:
		return v.Codes[rec] == 0
	case List:
		return v.Starts[rec] == v.Starts[rec+1]
	default:
		return v.Numbers[rec] != v.Numbers[rec]
	}
}

// TextValues makes a column of texts; nil is NULL.
func TextValues(texts []*string) Values {
	v := Values{Kind: Text, Codes: make([]uint32, len(texts)), Dict: &Dict{Starts: []uint32{0, 0}}}
	seen := map[string]uint32{}
	for i, t := range texts {
		if t != nil {
			v.Codes[i] = v.Dict.code(seen, *t)
		}
	}
	return v
}

// ListValues makes a column of lists. Entries are sorted and made distinct.
func ListValues(lists [][]string) Values {
	v := Values{Kind: List, Starts: []uint32{0}, Dict: &Dict{Starts: []uint32{0, 0}}}
	seen := map[string]uint32{}
	for _, l := range lists {
		own := make([]uint32, 0, len(l))
		for _, entry := range l {
			own = append(own, v.Dict.code(seen, entry))
		}
		slices.Sort(own)
		v.Codes = append(v.Codes, slices.Compact(own)...)
		v.Starts = append(v.Starts, uint32(len(v.Codes)))
	}
	return v
}

// code is the number of a text, which is added when it is new.
func (d *Dict) code(seen map[string]uint32, text string) uint32 {
	c, ok := seen[text]
	if !ok {
		c = uint32(d.Len())
		seen[text] = c
		d.Bytes = append(d.Bytes, text...)
		d.Starts = append(d.Starts, uint32(len(d.Bytes)))
	}
	return c
}
