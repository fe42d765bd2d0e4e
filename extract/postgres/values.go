package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"

	"github.com/millrace/millrace/extract"
)

// codec decodes the binary format of one type: what its send function in the server writes.
type codec struct {
	arrow    arrow.DataType
	duckType string
	size     int // on the wire; 0: it varies
	check    func(value []byte) *badValue
	bind     func(b array.Builder) appendFunc
	text     func(value []byte) string // called for values that may be bad
	textual  bool
}

// span is where in a buffer a value lies; a negative size is NULL.
type span struct {
	at   uint32
	size int32
}

func (s span) of(buf []byte) []byte { return buf[s.at : s.at+uint32(s.size)] }

// appendFunc appends values that lie in buf to the builder that it is bound to. It works on many at once, because
// that takes half the time. It cannot fail for values that check let pass, and keeps nothing of buf.
type appendFunc func(buf []byte, values []span)

// appender makes bind of a function that decodes one value, for builders of T.
func appender[B interface{ AppendValues([]T, []bool) }, T any](decode func(value []byte) T) func(array.Builder) appendFunc {
	return func(b array.Builder) appendFunc {
		to := b.(B)
		var decoded []T
		var valid []bool
		return func(buf []byte, values []span) {
			if len(decoded) < len(values) {
				decoded, valid = make([]T, len(values)), make([]bool, len(values))
			}
			decoded, valid := decoded[:len(values)], valid[:len(values)]
			nulls := false
			for i, s := range values {
				if valid[i] = s.size >= 0; s.size >= 0 {
					decoded[i] = decode(s.of(buf))
				} else {
					nulls = true // what decoded has there is never looked at
				}
			}
			if !nulls {
				valid = nil
			}
			to.AppendValues(decoded, valid)
		}
	}
}

// bindBinary appends bytes, or what decode makes of them.
func bindBinary(decode func([]byte) []byte) func(array.Builder) appendFunc {
	return func(b array.Builder) appendFunc { return appendBinary(b.(*array.BinaryBuilder), decode) }
}

// bindText is bindBinary for builders of strings.
func bindText(decode func([]byte) []byte) func(array.Builder) appendFunc {
	return func(b array.Builder) appendFunc { return appendBinary(b.(*array.StringBuilder).BinaryBuilder, decode) }
}

func appendBinary(to *array.BinaryBuilder, decode func([]byte) []byte) appendFunc {
	size := 0 // of a batch, the one before or the one at hand
	return func(buf []byte, values []span) {
		to.Reserve(len(values))
		if to.Len() == 0 {
			to.ReserveData(size + size/8) // batches of one stream differ a little
		}
		for _, s := range values {
			if s.size < 0 {
				to.AppendNull()
				continue
			}
			v := s.of(buf)
			if decode != nil {
				v = decode(v)
			}
			if to.DataCap()-to.DataLen() < len(v) {
				to.ReserveData(max(len(v), to.DataLen()))
			}
			to.UnsafeAppend(v)
		}
		size = to.DataLen()
	}
}

// within binds what an extension type is stored as.
func within(storage func(array.Builder) appendFunc) func(array.Builder) appendFunc {
	return func(b array.Builder) appendFunc {
		return storage(b.(interface{ StorageBuilder() array.Builder }).StorageBuilder())
	}
}

func bad(format string, args ...any) *badValue {
	return &badValue{extract.ReasonCast, fmt.Sprintf(format, args...)}
}

// hint says how to keep what DuckDB's type cannot hold.
func hint(column string) string {
	return fmt.Sprintf("the pin `columns: {%s: VARCHAR}` keeps its text", column)
}

func hexText(v []byte) string { return `\x` + hex.EncodeToString(v) }

func boolCodec() codec {
	return codec{arrow: arrow.FixedWidthTypes.Boolean, duckType: "BOOLEAN", size: 1,
		bind: appender[*array.BooleanBuilder](func(v []byte) bool { return v[0] != 0 }),
		text: func(v []byte) string { return strconv.FormatBool(v[0] != 0) },
	}
}

func int2Codec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Int16, duckType: "SMALLINT", size: 2,
		bind: appender[*array.Int16Builder](func(v []byte) int16 { return int16(binary.BigEndian.Uint16(v)) }),
		text: func(v []byte) string { return strconv.Itoa(int(int16(binary.BigEndian.Uint16(v)))) },
	}
}

func int4Codec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Int32, duckType: "INTEGER", size: 4,
		bind: appender[*array.Int32Builder](func(v []byte) int32 { return int32(binary.BigEndian.Uint32(v)) }),
		text: func(v []byte) string { return strconv.Itoa(int(int32(binary.BigEndian.Uint32(v)))) },
	}
}

func int8Codec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Int64, duckType: "BIGINT", size: 8,
		bind: appender[*array.Int64Builder](func(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }),
		text: func(v []byte) string { return strconv.FormatInt(int64(binary.BigEndian.Uint64(v)), 10) },
	}
}

func oidCodec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Uint32, duckType: "UINTEGER", size: 4,
		bind: appender[*array.Uint32Builder](binary.BigEndian.Uint32),
		text: func(v []byte) string { return strconv.FormatUint(uint64(binary.BigEndian.Uint32(v)), 10) },
	}
}

func float4Codec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Float32, duckType: "FLOAT", size: 4,
		bind: appender[*array.Float32Builder](func(v []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(v)) }),
		text: func(v []byte) string {
			return strconv.FormatFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32)
		},
	}
}

func float8Codec() codec {
	return codec{arrow: arrow.PrimitiveTypes.Float64, duckType: "DOUBLE", size: 8,
		bind: appender[*array.Float64Builder](func(v []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(v)) }),
		text: func(v []byte) string {
			return strconv.FormatFloat(math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64)
		},
	}
}

func textCodec() codec {
	return codec{arrow: arrow.BinaryTypes.String, duckType: "VARCHAR", textual: true,
		bind: bindText(nil),
		text: func(v []byte) string { return string(v) },
	}
}

// charCodec is for "char", one byte in no encoding. It is spelled as PostgreSQL 16 and later print it: \200 to \377
// for what is not ASCII; 0 is the empty text.
func charCodec() codec {
	spell := func(v []byte) []byte {
		switch {
		case v[0] == 0:
			return v[:0]
		case v[0] >= 0x80:
			return []byte{'\\', '0' + v[0]>>6, '0' + v[0]>>3&7, '0' + v[0]&7}
		}
		return v
	}
	return codec{arrow: arrow.BinaryTypes.String, duckType: "VARCHAR", size: 1,
		bind: bindText(spell),
		text: func(v []byte) string { return string(spell(v)) },
	}
}

func byteaCodec() codec {
	return codec{arrow: arrow.BinaryTypes.Binary, duckType: "BLOB", text: hexText,
		bind: bindBinary(nil),
	}
}

var jsonType = func() arrow.DataType {
	t, err := extensions.NewJSONType(arrow.BinaryTypes.String)
	if err != nil {
		panic(err)
	}
	return t
}()

// jsonCodec is for json. PostgreSQL checks it, but lets half of a surrogate pair pass, and DuckDB then refuses to read
// the whole Parquet file.
func jsonCodec(column string) codec {
	return codec{arrow: jsonType, duckType: "JSON", textual: true,
		check: func(v []byte) *badValue {
			if half := halfPair(v); half != "" {
				return bad("%s is half of a surrogate pair, which DuckDB does not take for JSON; %s", half, hint(column))
			}
			return nil
		},
		bind: within(bindText(nil)),
		text: func(v []byte) string { return string(v) },
	}
}

// halfPair finds an escape \ud800 to \udfff that has no other half; "": there is none.
func halfPair(v []byte) string {
	escape := func(v []byte) uint64 { // of \uXXXX; 0 when v starts with none
		if len(v) < 6 || v[0] != '\\' || v[1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(v[2:6]), 16, 32)
		return n
	}
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || len(v)-i < 2 {
			return ""
		}
		v = v[i:]
		switch n := escape(v); {
		case n < 0xd800 || n > 0xdfff:
			v = v[2:]
		case n >= 0xdc00 || escape(v[6:]) < 0xdc00 || escape(v[6:]) > 0xdfff:
			return string(v[:6])
		default:
			v = v[12:]
		}
	}
}

// jsonbCodec is for jsonb, which comes as text behind the number of its format.
func jsonbCodec() codec {
	c := jsonCodec("")
	c.check = func(v []byte) *badValue {
		if len(v) == 0 || v[0] != 1 {
			return bad("jsonb in an unknown format: %.40x", v)
		}
		return nil
	}
	c.bind = within(bindText(func(v []byte) []byte { return v[1:] }))
	c.text = func(v []byte) string { return strings.TrimPrefix(string(v), "\x01") }
	return c
}

func uuidCodec() codec {
	return codec{arrow: extensions.NewUUIDType(), duckType: "UUID", size: 16,
		bind: within(func(b array.Builder) appendFunc {
			to := b.(*array.FixedSizeBinaryBuilder)
			return func(buf []byte, values []span) {
				to.Reserve(len(values))
				for _, s := range values {
					if s.size < 0 {
						to.AppendNull()
					} else {
						to.UnsafeAppend(s.of(buf))
					}
				}
			}
		}),
		text: func(v []byte) string { return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:16]) },
	}
}

// PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86_400_000_000
	dayMicros   = 86_400_000_000
)

// maxDays is the last day that DuckDB has, 5881580-07-10; the next is its infinity.
const maxDays = math.MaxInt32 - 1

// dateCodec maps infinity to DuckDB's own: the greatest number and its negative.
func dateCodec() codec {
	return codec{arrow: arrow.FixedWidthTypes.Date32, duckType: "DATE", size: 4,
		check: func(v []byte) *badValue {
			days := int32(binary.BigEndian.Uint32(v))
			if days > maxDays-epochDays && days != math.MaxInt32 {
				return bad("no date: %d days after 2000-01-01", days)
			}
			return nil
		},
		bind: appender[*array.Date32Builder](func(v []byte) arrow.Date32 {
			switch days := int32(binary.BigEndian.Uint32(v)); days {
			case math.MaxInt32:
				return math.MaxInt32
			case math.MinInt32:
				return -math.MaxInt32
			default:
				return arrow.Date32(days + epochDays)
			}
		}),
		text: func(v []byte) string {
			switch days := int32(binary.BigEndian.Uint32(v)); days {
			case math.MaxInt32:
				return "infinity"
			case math.MinInt32:
				return "-infinity"
			default:
				return calendar(time.Unix((int64(days)+epochDays)*86400, 0).UTC(), "-01-02", "")
			}
		},
	}
}

func timeCodec() codec {
	return codec{arrow: arrow.FixedWidthTypes.Time64us, duckType: "TIME", size: 8,
		check: func(v []byte) *badValue {
			if n := binary.BigEndian.Uint64(v); n > dayMicros { // 24:00:00 is a time
				return bad("no time of day: %d microseconds", int64(n))
			}
			return nil
		},
		bind: appender[*array.Time64Builder](func(v []byte) arrow.Time64 { return arrow.Time64(binary.BigEndian.Uint64(v)) }),
		text: func(v []byte) string {
			n := binary.BigEndian.Uint64(v)
			return fmt.Sprintf("%02d:%02d:%02d.%06d", n/3_600_000_000, n/60_000_000%60, n/1_000_000%60, n%1_000_000)
		},
	}
}

// maxMicros is the last moment that DuckDB has, 294247-01-10 04:00:54.775806; the next is its infinity. PostgreSQL
// goes on to the end of 294276. At the other end, no number of PostgreSQL's lies before DuckDB's first moment.
const maxMicros = math.MaxInt64 - 1

func timestampCodec(column, zone string) codec {
	duckType, suffix := "TIMESTAMP", ""
	if zone != "" {
		duckType, suffix = "TIMESTAMP WITH TIME ZONE", "+00"
	}
	text := func(v []byte) string {
		switch n := int64(binary.BigEndian.Uint64(v)); n {
		case math.MaxInt64:
			return "infinity"
		case math.MinInt64:
			return "-infinity"
		default:
			at := time.Unix(n/1_000_000+epochDays*86400, n%1_000_000*1000).UTC()
			return calendar(at, "-01-02 15:04:05.999999", suffix)
		}
	}
	return codec{arrow: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: zone}, duckType: duckType, size: 8, text: text,
		check: func(v []byte) *badValue {
			n := int64(binary.BigEndian.Uint64(v))
			if n <= maxMicros-epochMicros || n == math.MaxInt64 {
				return nil
			}
			return bad("%s is beyond what %s holds (to 294247-01-10 04:00:54.775806); %s", text(v), duckType, hint(column))
		},
		bind: appender[*array.TimestampBuilder](func(v []byte) arrow.Timestamp {
			switch n := int64(binary.BigEndian.Uint64(v)); n {
			case math.MaxInt64:
				return math.MaxInt64
			case math.MinInt64:
				return -math.MaxInt64
			default:
				return arrow.Timestamp(n + epochMicros)
			}
		}),
	}
}

// calendar writes a moment as PostgreSQL does: there is no year 0, and what lies before year 1 is BC.
func calendar(t time.Time, layout, suffix string) string {
	year := t.Year()
	if year < 1 {
		year, suffix = 1-year, suffix+" BC"
	}
	return fmt.Sprintf("%04d", year) + t.Format(layout) + suffix
}

// A numeric on the wire is ndigits, weight, sign, dscale, and ndigits digits to the base 10000, the first of which
// counts 10000^weight. Zeros at both ends are left out.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericPlusInf  = 0xD000
	numericMinusInf = 0xF000
)

func wordAt(v []byte, i int) uint16 { return binary.BigEndian.Uint16(v[2*i:]) }

// numericShape gives a numeric's digits without zeros at both ends, and the weight of the first of them. ok is false
// when the bytes are no numeric. That each digit is below 10000 is for validDigits to say.
func numericShape(v []byte) (digits []byte, weight int, sign uint16, ok bool) {
	if len(v) < 8 || len(v) != 8+2*int(wordAt(v, 0)) {
		return nil, 0, 0, false
	}
	digits, weight, sign = v[8:], int(int16(wordAt(v, 1))), wordAt(v, 2)
	switch sign {
	case 0, numericNegative:
	case numericNaN, numericPlusInf, numericMinusInf:
		return nil, 0, sign, true
	default:
		return nil, 0, 0, false
	}
	for len(digits) > 0 && digits[0] == 0 && digits[1] == 0 {
		digits, weight = digits[2:], weight-1
	}
	for n := len(digits); n > 0 && digits[n-1] == 0 && digits[n-2] == 0; n = len(digits) {
		digits = digits[:n-2]
	}
	return digits, weight, sign, true
}

func validDigits(digits []byte) bool {
	for ; len(digits) >= 2; digits = digits[2:] {
		if binary.BigEndian.Uint16(digits) >= 10000 {
			return false
		}
	}
	return true
}

// decimalCodec is for numerics that land as DECIMAL(precision,scale). Nothing is ever rounded.
func decimalCodec(column string, precision, scale int) codec {
	duckType := fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
	return codec{arrow: &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}, duckType: duckType, text: numericText,
		check: func(v []byte) *badValue {
			digits, weight, sign, ok := numericShape(v)
			switch {
			case !ok || !validDigits(digits):
				return bad("no numeric: %.40x", v)
			case sign > numericNegative:
				return bad("%s is no %s; %s", numericText(v), duckType, hint(column))
			case len(digits) == 0:
				return nil
			}
			if 4*weight+length(binary.BigEndian.Uint16(digits)) > precision-scale {
				return bad("%s is too large for %s; %s", clip(numericText(v)), duckType, hint(column))
			}
			if 4*(len(digits)/2-1-weight)-zeros(binary.BigEndian.Uint16(digits[len(digits)-2:])) > scale {
				return &badValue{extract.ReasonInexact, fmt.Sprintf("%s has more digits after the point than %s, and is not rounded; %s", clip(numericText(v)), duckType, hint(column))}
			}
			return nil
		},
		bind: appender[*array.Decimal128Builder](func(v []byte) decimal128.Num { return decimal(v, scale) }),
	}
}

// length is how many decimal digits d has without zeros before it, zeros how many zeros end it; d is 1 to 9999.
func length(d uint16) int {
	switch {
	case d >= 1000:
		return 4
	case d >= 100:
		return 3
	case d >= 10:
		return 2
	}
	return 1
}

func zeros(d uint16) int {
	switch {
	case d%10 != 0:
		return 0
	case d%100 != 0:
		return 1
	case d%1000 != 0:
		return 2
	}
	return 3
}

var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := range 19 {
		p[i+1] = p[i] * 10
	}
	return p
}()

// decimal gives a numeric that fits, in units of 10^-scale.
func decimal(v []byte, scale int) decimal128.Num {
	digits, weight, sign, _ := numericShape(v)
	var hi, lo uint64
	if n := len(digits) / 2; n > 0 {
		shift := scale - 4*(n-1-weight) // of the last digit: times 10^shift
		by, last := uint64(10000), uint64(binary.BigEndian.Uint16(digits[2*n-2:]))
		if shift < 0 { // it ends in -shift zeros
			by, last, shift = powers[4+shift], last/powers[-shift], 0
		}
		if n <= 4 && shift <= 3 { // below 10^19
			for i := 0; i < n-1; i++ {
				lo = lo*10000 + uint64(binary.BigEndian.Uint16(digits[2*i:]))
			}
			lo = (lo*by + last) * powers[shift]
		} else {
			for i := 0; i < n-1; i++ {
				hi, lo = muladd(hi, lo, 10000, uint64(binary.BigEndian.Uint16(digits[2*i:])))
			}
			hi, lo = muladd(hi, lo, by, last)
			for ; shift > 0; shift -= 19 {
				hi, lo = muladd(hi, lo, powers[min(shift, 19)], 0)
			}
		}
	}
	d := decimal128.New(int64(hi), lo)
	if sign == numericNegative {
		return d.Negate()
	}
	return d
}

func muladd(hi, lo, by, plus uint64) (uint64, uint64) {
	carry, low := bits.Mul64(lo, by)
	low, c := bits.Add64(low, plus, 0)
	return hi*by + carry + c, low
}

// numericText spells a numeric as PostgreSQL does.
func numericText(v []byte) string {
	if digits, _, sign, ok := numericShape(v); !ok || !validDigits(digits) {
		return hexText(v)
	} else if sign > numericNegative {
		return map[uint16]string{numericNaN: "NaN", numericPlusInf: "Infinity", numericMinusInf: "-Infinity"}[sign]
	}
	n, weight, scale := int(wordAt(v, 0)), int(int16(wordAt(v, 1))), int(wordAt(v, 3))
	digit := func(i int) uint16 {
		if i < 0 || i >= n {
			return 0
		}
		return wordAt(v, 4+i)
	}
	var b strings.Builder
	if wordAt(v, 2) == numericNegative {
		b.WriteByte('-')
	}
	whole := ""
	for i := 0; i <= weight; i++ {
		whole += fmt.Sprintf("%04d", digit(i))
		if len(whole) > 1000 { // for people; a wrong weight may ask for more
			return hexText(v)
		}
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	b.WriteString(whole)
	if scale > 0 {
		fraction := ""
		for i := weight + 1; len(fraction) < min(scale, 1000); i++ {
			fraction += fmt.Sprintf("%04d", digit(i))
		}
		b.WriteString("." + fraction[:min(scale, len(fraction))])
	}
	return b.String()
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// An array on the wire is the number of its dimensions, a flag for NULLs, the OID of its elements; the length and
// the lower bound of each dimension; and the elements, each behind its length (-1: NULL), the last dimension fastest.

// listCodec is for arrays with dims dimensions.
func listCodec(column string, elem codec, dims int) codec {
	c := codec{arrow: elem.arrow, duckType: elem.duckType, textual: elem.textual}
	for range dims {
		c.arrow, c.duckType = arrow.ListOf(c.arrow), c.duckType+"[]"
	}
	c.check = func(v []byte) *badValue {
		shape, rest, fault := arrayShape(v)
		if fault != nil {
			return fault
		}
		if shape.dims != 0 && shape.dims != dims {
			return bad("an array with %s where the column's type has %d: %s", plural(shape.dims, "dimension"), dims, hint(column))
		}
		for _, lower := range shape.lower[:shape.dims] {
			if lower != 1 {
				return bad("an array that starts at index %d, which a list cannot: %s", lower, hint(column))
			}
		}
		for range shape.elements {
			item, after, ok := next(rest)
			if !ok || elem.size != 0 && item != nil && len(item) != elem.size {
				return bad("a broken array: %.40x", v)
			}
			if rest = after; item != nil && elem.check != nil {
				if fault := elem.check(item); fault != nil {
					return fault
				}
			}
		}
		if len(rest) != 0 {
			return bad("an array with %d bytes behind its end: %.40x", len(rest), v)
		}
		return nil
	}
	c.bind = func(b array.Builder) appendFunc { return bindList(b.(*array.ListBuilder), elem, dims) }
	c.text = func(v []byte) string { return arrayText(elem, v) }
	return c
}

func bindList(outer *array.ListBuilder, elem codec, dims int) appendFunc {
	levels := []*array.ListBuilder{outer}
	for len(levels) < dims {
		levels = append(levels, levels[len(levels)-1].ValueBuilder().(*array.ListBuilder))
	}
	items := elem.bind(levels[dims-1].ValueBuilder())
	var scratch []span
	var at uint32
	var add func(buf []byte, level int, lengths []int)
	add = func(buf []byte, level int, lengths []int) {
		levels[level].Append(true)
		switch len(lengths) {
		case 0: // an empty array has no dimensions
		case 1:
			scratch = scratch[:0]
			for range lengths[0] {
				item := span{at + 4, int32(binary.BigEndian.Uint32(buf[at:]))}
				scratch = append(scratch, item)
				at += 4 + uint32(max(item.size, 0))
			}
			items(buf, scratch)
		default:
			for range lengths[0] {
				add(buf, level+1, lengths[1:])
			}
		}
	}
	return func(buf []byte, values []span) {
		for _, v := range values {
			if v.size < 0 {
				outer.AppendNull()
				continue
			}
			s, _, _ := arrayShape(v.of(buf))
			at = v.at + 12 + 8*uint32(s.dims)
			add(buf, 0, s.length[:s.dims])
		}
	}
}

type shape struct {
	dims     int
	length   [maxDims]int
	lower    [maxDims]int32
	elements int
}

func arrayShape(v []byte) (s shape, rest []byte, fault *badValue) {
	if len(v) < 12 {
		return s, nil, bad("a broken array: %.40x", v)
	}
	n := int32(binary.BigEndian.Uint32(v))
	if rest = v[12:]; n < 0 || n > maxDims || len(rest) < 8*int(n) {
		return s, nil, bad("a broken array: %.40x", v)
	}
	s.dims = int(n)
	if n > 0 {
		s.elements = 1
	}
	for i := range s.dims {
		length := int(int32(binary.BigEndian.Uint32(rest)))
		s.length[i], s.lower[i] = length, int32(binary.BigEndian.Uint32(rest[4:]))
		rest = rest[8:]
		// Each element takes four bytes at least. No dimension is empty: such an array has none at all.
		if length < 1 || length > len(v)/4 {
			return s, nil, bad("a broken array: %.40x", v)
		}
		if s.elements *= length; s.elements > len(v)/4 {
			return s, nil, bad("a broken array: %.40x", v)
		}
	}
	return s, rest, nil
}

// next takes one value behind its length; it is nil for NULL.
func next(v []byte) (value, rest []byte, ok bool) {
	if len(v) < 4 {
		return nil, nil, false
	}
	n := int32(binary.BigEndian.Uint32(v))
	if v = v[4:]; n == -1 {
		return nil, v, true
	}
	if n < 0 || int(n) > len(v) {
		return nil, nil, false
	}
	return v[:n:n], v[n:], true
}

// arrayText spells an array for people; strings are not escaped.
func arrayText(elem codec, v []byte) string {
	shape, rest, fault := arrayShape(v)
	if fault != nil {
		return hexText(v)
	}
	if shape.dims == 0 {
		return "{}"
	}
	var b strings.Builder
	broken := false
	var write func(lengths []int)
	write = func(lengths []int) {
		b.WriteByte('{')
		for i := range lengths[0] {
			if i > 0 {
				b.WriteByte(',')
			}
			if len(lengths) > 1 {
				write(lengths[1:])
				continue
			}
			item, after, ok := next(rest)
			if rest = after; broken || !ok || elem.size != 0 && item != nil && len(item) != elem.size {
				broken = true
				return
			}
			if item == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(elem.text(item))
			}
		}
		b.WriteByte('}')
	}
	if write(shape.length[:shape.dims]); broken {
		return hexText(v)
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
