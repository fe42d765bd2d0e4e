package mysql

import (
	"encoding/json"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"

	"github.com/millrace/millrace/extract"
)

// What follows decodes the texts of the text protocol. None of it allocates for a good value.

func atoi(v []byte) int64 {
	negative := len(v) > 0 && v[0] == '-'
	if negative {
		v = v[1:]
	}
	n := int64(atou(v))
	if negative {
		return -n
	}
	return n
}

func atou(v []byte) (n uint64) {
	for _, c := range v {
		n = n*10 + uint64(c-'0')
	}
	return n
}

// fits is the check of an integer of so many bits.
func fits(width int, unsigned bool) func([]byte) *badValue {
	return func(v []byte) *badValue {
		var err error
		if unsigned {
			_, err = strconv.ParseUint(string(v), 10, width)
		} else {
			_, err = strconv.ParseInt(string(v), 10, width)
		}
		if err == nil {
			return nil
		}
		return bad(extract.ReasonCast, "%s is no integer of %d bits", shown(v), width)
	}
}

func appendInt8(b array.Builder, v []byte)   { appendNumber(b, v, b.(*array.Int8Builder).Append) }
func appendInt16(b array.Builder, v []byte)  { appendNumber(b, v, b.(*array.Int16Builder).Append) }
func appendInt32(b array.Builder, v []byte)  { appendNumber(b, v, b.(*array.Int32Builder).Append) }
func appendInt64(b array.Builder, v []byte)  { appendNumber(b, v, b.(*array.Int64Builder).Append) }
func appendUint8(b array.Builder, v []byte)  { appendNumber(b, v, b.(*array.Uint8Builder).Append) }
func appendUint16(b array.Builder, v []byte) { appendNumber(b, v, b.(*array.Uint16Builder).Append) }
func appendUint32(b array.Builder, v []byte) { appendNumber(b, v, b.(*array.Uint32Builder).Append) }

func appendNumber[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](b array.Builder, v []byte, add func(T)) {
	if v == nil {
		b.AppendNull()
		return
	}
	add(T(atoi(v)))
}

func appendUint64(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.Uint64Builder).Append(atou(v))
}

// appendBits reads BIT(n), which comes as bytes, the highest first.
func appendBits(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.Uint64Builder).Append(bitsOf(v))
}

func bitsOf(v []byte) (n uint64) {
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}

func appendFloat32(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	f, _ := strconv.ParseFloat(string(v), 64) // the text is that of a DOUBLE that holds a FLOAT
	b.(*array.Float32Builder).Append(float32(f))
}

func appendFloat64(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	f, _ := strconv.ParseFloat(string(v), 64)
	b.(*array.Float64Builder).Append(f)
}

// checkText: the server converts to UTF-8, but lets through what its own charsets allow, such as half of a surrogate
// pair in ucs2.
func checkText(v []byte) *badValue {
	if utf8.Valid(v) {
		return nil
	}
	return bad(extract.ReasonEncoding, "%s is not UTF-8", shown(v))
}

func appendText(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.StringBuilder).BinaryBuilder.Append(v)
}

func appendBlob(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.BinaryBuilder).Append(v)
}

func checkJSON(v []byte) *badValue {
	if problem := checkText(v); problem != nil {
		return problem
	}
	if json.Valid(v) {
		return nil
	}
	return bad(extract.ReasonSyntax, "%s is not JSON", shown(v))
}

func appendJSON(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.ExtensionBuilder).StorageBuilder().(*array.StringBuilder).BinaryBuilder.Append(v)
}

func checkUUID(v []byte) *badValue {
	if _, ok := parseUUID(v); ok {
		return nil
	}
	return bad(extract.ReasonCast, "%s is no UUID", shown(v))
}

func appendUUID(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	id, _ := parseUUID(v)
	b.(*extensions.UUIDBuilder).AppendBytes(id)
}

func parseUUID(v []byte) (id [16]byte, ok bool) {
	if len(v) != 36 {
		return id, false
	}
	n := 0
	for i, c := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return id, false
			}
			continue
		}
		var d byte
		switch {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'a' <= c && c <= 'f':
			d = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			d = c - 'A' + 10
		default:
			return id, false
		}
		id[n/2] = id[n/2]<<4 | d
		n++
	}
	return id, true
}

func checkBool(v []byte) *badValue {
	if len(v) == 1 && (v[0] == '0' || v[0] == '1') {
		return nil
	}
	return bad(extract.ReasonInexact, "%s is neither 0 nor 1", v)
}

func appendBool(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.BooleanBuilder).Append(v[0] == '1')
}

func checkBitBool(v []byte) *badValue {
	if n := bitsOf(v); n > 1 {
		return bad(extract.ReasonInexact, "%d is neither 0 nor 1", n)
	}
	return nil
}

func appendBitBool(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.(*array.BooleanBuilder).Append(bitsOf(v) == 1)
}

// decimalText decodes decimals of a precision and a scale.
type decimalText struct{ precision, scale int }

func (d decimalText) check(v []byte) *badValue {
	_, problem := d.parse(v)
	return problem
}

func (d decimalText) append(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	n, _ := d.parse(v)
	b.(*array.Decimal128Builder).Append(n)
}

func (d decimalText) parse(v []byte) (decimal128.Num, *badValue) {
	text := v
	negative := len(v) > 0 && v[0] == '-'
	if negative {
		v = v[1:]
	}
	var hi, lo uint64
	add := func(digit byte) {
		over, low := bits.Mul64(lo, 10)
		hi = hi*10 + over
		var carry uint64
		lo, carry = bits.Add64(low, uint64(digit), 0)
		hi += carry
	}
	digits, decimals, point := 0, 0, false
	for i, c := range v {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return decimal128.Num{}, bad(extract.ReasonCast, "%s is no decimal number", shown(text))
		}
		if point && decimals == d.scale {
			for _, rest := range v[i:] {
				if rest != '0' {
					return decimal128.Num{}, bad(extract.ReasonInexact, "%s has more than %d decimals", text, d.scale)
				}
			}
			break
		}
		if point {
			decimals++
		}
		if digits > 0 || c != '0' {
			digits++
		}
		if digits > d.precision {
			return decimal128.Num{}, bad(extract.ReasonCast, "%s does not fit DECIMAL(%d,%d)", text, d.precision, d.scale)
		}
		add(c - '0')
	}
	for ; decimals < d.scale; decimals++ {
		if digits > 0 {
			digits++
		}
		add(0)
	}
	if digits > d.precision {
		return decimal128.Num{}, bad(extract.ReasonCast, "%s does not fit DECIMAL(%d,%d)", text, d.precision, d.scale)
	}
	n := decimal128.New(int64(hi), lo)
	if negative {
		n = n.Negate()
	}
	return n, nil
}

// checkDate takes the dates that exist. MySQL also keeps 0000-00-00, days and months of zero, the year 0 and, when it
// is told to, the 31st of February.
func checkDate(v []byte) *badValue {
	if _, ok := parseDate(v); ok {
		return nil
	}
	return badDate(v)
}

func badDate(v []byte) *badValue {
	if len(v) >= 10 && (string(v[:4]) == "0000" || string(v[5:7]) == "00" || string(v[8:10]) == "00") {
		return bad(reasonZeroDate, "%s is no date: there is no year, month or day of zero", v)
	}
	return bad(extract.ReasonCast, "%s is no date", shown(v))
}

func appendDate(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	days, _ := parseDate(v)
	b.(*array.Date32Builder).Append(arrow.Date32(days))
}

func checkDatetime(v []byte) *badValue {
	if _, ok := parseDatetime(v); ok {
		return nil
	}
	return badDate(v)
}

func appendDatetime(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	micros, _ := parseDatetime(v)
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(micros))
}

// checkTime takes what is a time of day.
func checkTime(v []byte) *badValue {
	if _, ok := parseTime(v); ok {
		return nil
	}
	return bad(extract.ReasonCast, "%s is no time of day", shown(v))
}

func appendTime(b array.Builder, v []byte) {
	if v == nil {
		b.AppendNull()
		return
	}
	micros, _ := parseTime(v)
	b.(*array.Time64Builder).Append(arrow.Time64(micros))
}

// number reads exactly n digits.
func number(v []byte, from, n int) (out int, ok bool) {
	for _, c := range v[from : from+n] {
		if c < '0' || c > '9' {
			return 0, false
		}
		out = out*10 + int(c-'0')
	}
	return out, true
}

// parseDate reads YYYY-MM-DD as days since 1970.
func parseDate(v []byte) (days int64, ok bool) {
	if len(v) != 10 || v[4] != '-' || v[7] != '-' {
		return 0, false
	}
	y, ok1 := number(v, 0, 4)
	m, ok2 := number(v, 5, 2)
	d, ok3 := number(v, 8, 2)
	if !ok1 || !ok2 || !ok3 || y == 0 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	if m <= 2 { // years that begin in March, so that the leap day comes last
		y--
		m += 12
	}
	era := y / 400
	yearOfEra := y % 400
	dayOfYear := (153*(m-3)+2)/5 + d - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468), true
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

const day = 86_400_000_000 // in microseconds

// parseDatetime reads "YYYY-MM-DD hh:mm:ss", with up to six decimals, as microseconds since 1970.
func parseDatetime(v []byte) (micros int64, ok bool) {
	if len(v) < 19 || v[10] != ' ' {
		return 0, false
	}
	days, ok1 := parseDate(v[:10])
	clock, ok2 := parseTime(v[11:])
	return days*day + clock, ok1 && ok2
}

// parseTime reads "hh:mm:ss", with up to six decimals, below 24 hours.
func parseTime(v []byte) (micros int64, ok bool) {
	if len(v) < 8 || len(v) == 9 || len(v) > 15 || v[2] != ':' || v[5] != ':' {
		return 0, false
	}
	h, ok1 := number(v, 0, 2)
	m, ok2 := number(v, 3, 2)
	s, ok3 := number(v, 6, 2)
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 59 {
		return 0, false
	}
	micros = int64((h*60+m)*60+s) * 1_000_000
	if len(v) == 8 {
		return micros, true
	}
	fraction, ok := number(v, 9, len(v)-9)
	if !ok || v[8] != '.' {
		return 0, false
	}
	for range 15 - len(v) {
		fraction *= 10
	}
	return micros + int64(fraction), true
}
