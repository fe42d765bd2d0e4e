package warehouse

import (
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// bigEndian is a number as Parquet keeps a long decimal: two's complement.
func bigEndian(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

// same says whether a bound in the footer is the writer's text of it. What cannot be compared (a far date, a text
// that is not UTF-8 any more) passes: the full check decodes every value.
func (l leafInfo) same(b []byte, text string) bool {
	if l.typ.Name == "FLOAT" || l.typ.Name == "DOUBLE" {
		f, _, ok := l.number(b)
		bits := 64
		if l.typ.Name == "FLOAT" {
			bits = 32
		}
		t, err := strconv.ParseFloat(text, bits)
		return !ok || err != nil || t == f
	}
	shown, ok := l.text(b)
	return !ok || shown == text
}

func (l leafInfo) show(b []byte) string {
	if f, _, ok := l.number(b); ok && (l.typ.Name == "FLOAT" || l.typ.Name == "DOUBLE") {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	if s, ok := l.text(b); ok {
		return clip(s)
	}
	return "0x" + hex.EncodeToString(b)
}

// text is a bound as DuckDB spells it.
func (l leafInfo) text(b []byte) (string, bool) {
	_, n, isInt := l.number(b)
	switch t := l.typ; {
	case t.Name == "VARCHAR" || t.Name == "JSON":
		return string(b), true
	case t.Name == "BLOB":
		return strings.ToUpper(hex.EncodeToString(b)), true
	case t.Name == "DECIMAL" && isInt:
		return decimalText(big.NewInt(n), t), true
	case t.Name == "DECIMAL":
		return decimalText(bigEndian(b), t), true
	case !isInt:
		return "", false
	case t.Name == "UBIGINT":
		return strconv.FormatUint(uint64(n), 10), true
	case t.Name == "DATE":
		return timeText(time.Unix(0, 0).UTC().AddDate(0, 0, int(n)), "2006-01-02", "")
	case t.Name == "TIME":
		return "", false
	case t.Name == "TIMESTAMP":
		return timeText(time.UnixMicro(n).UTC(), "2006-01-02 15:04:05.999999", "")
	case t.Name == "TIMESTAMP_NS":
		return timeText(time.Unix(0, n).UTC(), "2006-01-02 15:04:05.999999999", "")
	case t.Name == "TIMESTAMP WITH TIME ZONE":
		return timeText(time.UnixMicro(n).UTC(), "2006-01-02 15:04:05.999999", "+00")
	default:
		return strconv.FormatInt(n, 10), true
	}
}

func timeText(t time.Time, layout, suffix string) (string, bool) {
	if t.Year() < 1 || t.Year() > 9999 {
		return "", false
	}
	return t.Format(layout) + suffix, true
}

// decimalText writes no zero before the point when the type has no digit there, as DuckDB does.
func decimalText(n *big.Int, t Type) string {
	digits := new(big.Int).Abs(n).String()
	if lead := t.Scale + 1 - len(digits); lead > 0 {
		digits = strings.Repeat("0", lead) + digits
	}
	if t.Scale > 0 {
		digits = digits[:len(digits)-t.Scale] + "." + digits[len(digits)-t.Scale:]
		if t.Width == t.Scale {
			digits = strings.TrimPrefix(digits, "0")
		}
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}
