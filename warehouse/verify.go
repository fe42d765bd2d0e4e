package warehouse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// ErrCorrupt is wrapped by what Verify says of a file that is not what its writer counted.
var ErrCorrupt = errors.New("the file is not what was written")

// Verify opens a file with other implementations than its writer's. Size, rows, columns (nil: any), types, NULL
// counts and bounds must be those of f; the types of columns may be as the SELECT had them (see Stored). With full,
// the SHA-256 must be too, and every value is decoded twice, by parquet-go and by arrow-go, which must agree.
// A file that is none gives an error, never a panic.
func Verify(path string, f File, columns []Column, full bool) error {
	if err := verify(path, f, columns, full); err != nil {
		return fmt.Errorf("verify %s: %w: %w", path, ErrCorrupt, err)
	}
	return nil
}

func verify(path string, f File, columns []Column, full bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.Bytes {
		return fmt.Errorf("%d bytes, %d were written", info.Size(), f.Bytes)
	}
	if full && f.SHA256 != "" { // before any decoder sees it
		sum, _, err := Hash(path)
		if err != nil {
			return err
		}
		if sum != f.SHA256 {
			return fmt.Errorf("sha256 %s, %s was written", sum, f.SHA256)
		}
	}
	var parsed *parquet.File
	if err := guard(func() error {
		parsed, err = openParquet(file, info.Size())
		if err != nil {
			return err
		}
		return checkFooter(parsed.Metadata(), info.Size(), f, columns)
	}); err != nil {
		return err
	}
	if !full {
		return nil
	}
	if err := guard(func() error { return checkPages(file, parsed.Metadata()) }); err != nil {
		return err
	}
	return decodeTwice(path, parsed, f)
}

// guard turns a panic of a third party's decoder into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	return f()
}

const (
	maxFooter    = 256 << 20
	maxRowGroups = 1 << 20
)

// openParquet looks at the frame before it lets a decoder allocate by the footer's length.
func openParquet(r io.ReaderAt, size int64) (*parquet.File, error) {
	var head [4]byte
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%d bytes are no Parquet file", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if string(head[:]) != "PAR1" || string(tail[4:]) != "PAR1" {
		return nil, errors.New("not a Parquet file, or cut short")
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("a footer of %d bytes in a file of %d", n, size)
	}
	return parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
}

func checkFooter(m *format.FileMetaData, size int64, f File, columns []Column) error {
	if m.NumRows != f.Rows {
		return fmt.Errorf("%d rows, %d were written", m.NumRows, f.Rows)
	}
	if len(m.RowGroups) > maxRowGroups {
		return fmt.Errorf("%d row groups", len(m.RowGroups))
	}
	tree, err := schemaTree(m.Schema)
	if err != nil {
		return err
	}
	if columns != nil {
		if err := checkColumns(tree, columns); err != nil {
			return err
		}
	}
	if err := checkChunks(m, tree, size); err != nil {
		return err
	}
	for i, l := range tree.leaves() {
		want, ok := f.Stats[l.column]
		if !ok || l.depth != 1 {
			continue
		}
		if err := checkStats(m, i, l, want); err != nil {
			return fmt.Errorf("column %q: %w", l.column, err)
		}
	}
	return nil
}

// checkChunks: every column chunk lies inside the file, and their counts add up.
func checkChunks(m *format.FileMetaData, tree *node, size int64) error {
	leaves := tree.leaves()
	var rows int64
	for g, group := range m.RowGroups {
		rows += group.NumRows
		if group.NumRows < 0 || len(group.Columns) != len(leaves) {
			return fmt.Errorf("row group %d has %d rows and %d of %d columns", g, group.NumRows, len(group.Columns), len(leaves))
		}
		for i, c := range group.Columns {
			start := c.MetaData.DataPageOffset
			if d := c.MetaData.DictionaryPageOffset; d > 0 && d < start {
				start = d
			}
			if n := c.MetaData.TotalCompressedSize; start < 4 || n < 0 || start > size || n > size-start {
				return fmt.Errorf("column %q of row group %d lies outside the file", leaves[i].column, g)
			}
			if n := c.MetaData.NumValues; n < 0 || !leaves[i].repeated && n != group.NumRows {
				return fmt.Errorf("column %q has %d values in the %d rows of row group %d", leaves[i].column, n, group.NumRows, g)
			}
		}
	}
	if rows != m.NumRows {
		return fmt.Errorf("row groups have %d rows, the footer says %d", rows, m.NumRows)
	}
	return nil
}

// checkStats compares one top-level column's statistics in the footer with what the writer reported.
func checkStats(m *format.FileMetaData, leaf int, l leafInfo, want Stats) error {
	var nulls int64
	var low, high []byte
	bounds := true
	for _, group := range m.RowGroups {
		c := group.Columns[leaf].MetaData
		nulls += c.Statistics.NullCount
		if c.Statistics.NullCount == c.NumValues {
			continue // no value, no bounds
		}
		lo, hi := c.Statistics.MinValue, c.Statistics.MaxValue
		if lo == nil || hi == nil {
			bounds = false
			continue
		}
		if low == nil || l.less(lo, low) {
			low = lo
		}
		if high == nil || l.less(high, hi) {
			high = hi
		}
	}
	if nulls != want.Nulls {
		return fmt.Errorf("%d NULLs, %d were written", nulls, want.Nulls)
	}
	if !bounds || low == nil || want.Min == nil || want.Max == nil {
		return nil
	}
	if !l.same(low, *want.Min) || !l.same(high, *want.Max) {
		return fmt.Errorf("values from %s to %s, %s to %s were written", l.show(low), l.show(high), clip(*want.Min), clip(*want.Max))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%.40q…", s)
	}
	return fmt.Sprintf("%q", s)
}

// node is a schema element with its children.
type node struct {
	format.SchemaElement
	children []*node
}

func schemaTree(elements []format.SchemaElement) (*node, error) {
	at := 0
	var build func(depth int) (*node, error)
	build = func(depth int) (*node, error) {
		if at >= len(elements) || depth > maxTypeDepth*3 {
			return nil, errors.New("the schema is broken")
		}
		n := &node{SchemaElement: elements[at]}
		at++
		for range max(n.NumChildren.V, 0) {
			c, err := build(depth + 1)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, c)
		}
		return n, nil
	}
	root, err := build(0)
	if err == nil && at != len(elements) {
		err = errors.New("the schema has loose ends")
	}
	return root, err
}

func checkColumns(root *node, columns []Column) error {
	var have, want []string
	for _, n := range root.children {
		have = append(have, n.Name)
	}
	for _, c := range columns {
		want = append(want, c.Name)
	}
	if strings.Join(have, "\x00") != strings.Join(want, "\x00") {
		return fmt.Errorf("columns %q, %q were written", have, want)
	}
	for i, n := range root.children {
		expected, err := Stored(columns[i].Type)
		if err != nil {
			return err
		}
		t, err := n.duckType()
		if err != nil {
			return fmt.Errorf("column %q: %w", n.Name, err)
		}
		if t.String() != expected {
			return fmt.Errorf("column %q is %s, %s was written", n.Name, t, columns[i].Type)
		}
	}
	return nil
}

// duckType is the DuckDB type that a column of the file reads as.
func (n *node) duckType() (Type, error) {
	if n.NumChildren.Valid {
		return n.groupType()
	}
	if t, ok := n.logicalType(); ok {
		return t, nil
	}
	converted := map[deprecated.ConvertedType]string{
		deprecated.UTF8: "VARCHAR", deprecated.Enum: "VARCHAR", deprecated.Json: "JSON", deprecated.Date: "DATE",
		deprecated.TimeMillis: "TIME", deprecated.TimeMicros: "TIME", deprecated.TimestampMillis: "TIMESTAMP", deprecated.TimestampMicros: "TIMESTAMP",
		deprecated.Int8: "TINYINT", deprecated.Int16: "SMALLINT", deprecated.Int32: "INTEGER", deprecated.Int64: "BIGINT",
		deprecated.Uint8: "UTINYINT", deprecated.Uint16: "USMALLINT", deprecated.Uint32: "UINTEGER", deprecated.Uint64: "UBIGINT",
		deprecated.Interval: "INTERVAL",
	}
	if n.ConvertedType.Valid {
		if n.ConvertedType.V == deprecated.Decimal {
			return Type{Name: "DECIMAL", Width: int(n.Precision.V), Scale: int(n.Scale.V)}, nil
		}
		if t, ok := converted[n.ConvertedType.V]; ok {
			return Type{Name: t}, nil
		}
	}
	physical := map[format.Type]string{format.Boolean: "BOOLEAN", format.Int32: "INTEGER", format.Int64: "BIGINT", format.Int96: "TIMESTAMP",
		format.Float: "FLOAT", format.Double: "DOUBLE", format.ByteArray: "BLOB", format.FixedLenByteArray: "BLOB"}
	if t, ok := physical[n.Type.V]; ok && n.Type.Valid {
		return Type{Name: t}, nil
	}
	return Type{}, fmt.Errorf("unknown Parquet type %v", n.Type.V)
}

func (n *node) logicalType() (Type, bool) {
	name := ""
	switch t := n.LogicalType.Value.(type) {
	case *format.StringType, *format.EnumType:
		name = "VARCHAR"
	case *format.JsonType:
		name = "JSON"
	case *format.UUIDType:
		name = "UUID"
	case *format.DateType:
		name = "DATE"
	case *format.TimeType:
		name = "TIME"
	case *format.DecimalType:
		return Type{Name: "DECIMAL", Width: int(t.Precision), Scale: int(t.Scale)}, true
	case *format.TimestampType:
		_, nanos := t.Unit.Value.(*format.NanoSeconds)
		switch {
		case t.IsAdjustedToUTC:
			name = "TIMESTAMP WITH TIME ZONE"
		case nanos:
			name = "TIMESTAMP_NS"
		default:
			name = "TIMESTAMP"
		}
	case *format.IntType:
		name = map[int8]string{8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[t.BitWidth]
		if !t.IsSigned {
			name = "U" + name
		}
	}
	return Type{Name: name}, name != ""
}

func (n *node) groupType() (Type, error) {
	parts := func(nodes []*node, named bool) ([]Field, error) {
		var fields []Field
		for _, c := range nodes {
			t, err := c.duckType()
			if err != nil {
				return nil, err
			}
			f := Field{Type: t}
			if named {
				f.Name = c.Name
			}
			fields = append(fields, f)
		}
		return fields, nil
	}
	_, isList := n.LogicalType.Value.(*format.ListType)
	_, isMap := n.LogicalType.Value.(*format.MapType)
	isList = isList || n.ConvertedType.Valid && n.ConvertedType.V == deprecated.List
	isMap = isMap || n.ConvertedType.Valid && (n.ConvertedType.V == deprecated.Map || n.ConvertedType.V == deprecated.MapKeyValue)
	switch {
	case isList && len(n.children) == 1 && len(n.children[0].children) == 1:
		fields, err := parts(n.children[0].children, false)
		return Type{Name: "LIST", Fields: fields}, err
	case isMap && len(n.children) == 1 && len(n.children[0].children) == 2:
		fields, err := parts(n.children[0].children, false)
		return Type{Name: "MAP", Fields: fields}, err
	default:
		fields, err := parts(n.children, true)
		return Type{Name: "STRUCT", Fields: fields}, err
	}
}

// leafInfo is a column that holds values.
type leafInfo struct {
	column   string // the top-level one
	depth    int
	repeated bool
	maxDef   int
	node     *node
	typ      Type
}

func (n *node) leaves() []leafInfo {
	var out []leafInfo
	var walk func(n *node, l leafInfo)
	walk = func(n *node, l leafInfo) {
		l.depth++
		if l.depth == 1 {
			l.column = n.Name
		}
		if n.RepetitionType.Valid && n.RepetitionType.V != format.Required {
			l.maxDef++
			l.repeated = l.repeated || n.RepetitionType.V == format.Repeated
		}
		if !n.NumChildren.Valid {
			l.node = n
			l.typ, _ = n.duckType()
			out = append(out, l)
		}
		for _, c := range n.children {
			walk(c, l)
		}
	}
	for _, c := range n.children {
		walk(c, leafInfo{})
	}
	return out
}

// number reads a footer's bound of a numeric or temporal column.
func (l leafInfo) number(b []byte) (float64, int64, bool) {
	switch {
	case l.node.Type.V == format.Boolean && len(b) == 1:
		return 0, int64(b[0]), true
	case l.node.Type.V == format.Int32 && len(b) == 4:
		n := binary.LittleEndian.Uint32(b)
		if strings.HasPrefix(l.typ.Name, "U") {
			return 0, int64(n), true
		}
		return 0, int64(int32(n)), true
	case l.node.Type.V == format.Int64 && len(b) == 8:
		return 0, int64(binary.LittleEndian.Uint64(b)), true
	case l.node.Type.V == format.Float && len(b) == 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 0, true
	case l.node.Type.V == format.Double && len(b) == 8:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), 0, true
	}
	return 0, 0, false
}

// less orders two bounds of this column as Parquet does.
func (l leafInfo) less(a, b []byte) bool {
	fa, ia, ok1 := l.number(a)
	fb, ib, ok2 := l.number(b)
	switch {
	case ok1 && ok2 && l.typ.Name == "UBIGINT":
		return uint64(ia) < uint64(ib)
	case ok1 && ok2 && (l.typ.Name == "FLOAT" || l.typ.Name == "DOUBLE"):
		return fa < fb
	case ok1 && ok2:
		return ia < ib
	case l.typ.Name == "DECIMAL":
		return bigEndian(a).Cmp(bigEndian(b)) < 0
	default:
		return bytes.Compare(a, b) < 0
	}
}
