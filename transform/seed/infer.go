package seed

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// This file finds out the type of a column as dbt does: all of its values must be of the type, and the first such of this order wins.
// dbt reads values for that with agate, which takes more for a number than DuckDB does ("$5", "1,000", "5%"): a column of those
// is one of numbers, and its values are then none.

// kind is a set of types that a column may have.
type kind uint8

const (
	number kind = 1 << iota
	date
	timestamp    // 2024-01-31 10:20:30
	isoTimestamp // 2024-01-31T10:20:30Z and the other forms of ISO 8601
	boolean
)

// guess is what the values of a column leave open.
type guess struct {
	kinds kind
	seen  bool // a value that is not NULL
	// fraction says that a number has decimal places; beyond32 and beyond64 that one has more digits than the type holds.
	fraction, beyond32 bool
	notes              notes
}

// notes are the first lines of values that lose something by the type that dbt gives them; 0: none.
type notes struct {
	zeros  at // leading zeros of a number
	digits at // more of them than a DOUBLE holds
	offset at // of a timestamp's zone
	nanos  at // of a timestamp
}

// at is a line, and the text there.
type at struct {
	line int64
	text string
}

func (a *at) note(line int64, text string) {
	if a.line == 0 {
		*a = at{line, text}
	}
}

func newGuess() guess { return guess{kinds: number | date | timestamp | isoTimestamp | boolean} }

// see looks at one value that is not empty.
func (g *guess) see(field []byte, line int64) {
	if g.kinds == 0 {
		return
	}
	text := strings.TrimSpace(string(field))
	if nullWord(text) {
		return
	}
	g.seen = true
	if g.kinds&number != 0 && !g.number(text, line) {
		g.kinds &^= number
	}
	if g.kinds&date != 0 && !isDate(text) {
		g.kinds &^= date
	}
	if g.kinds&timestamp != 0 && !isTimestamp(text) {
		g.kinds &^= timestamp
	}
	if g.kinds&isoTimestamp != 0 && !g.iso(text, line) {
		g.kinds &^= isoTimestamp
	}
	if word := strings.ToLower(strings.TrimSpace(strings.ReplaceAll(text, ",", ""))); word != "true" && word != "false" && !nullWord(word) {
		g.kinds &^= boolean
	}
}

// nullWord says whether dbt takes a text for no value when it finds out types.
func nullWord(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || strings.EqualFold(text, "null")
}

// typ is the type that dbt gives the column. It gives INTEGER where BIGINT is needed, and then cannot load the file.
func (g *guess) typ() string {
	switch {
	case !g.seen:
		return "INTEGER"
	case g.kinds&number != 0 && g.fraction:
		return "DOUBLE"
	case g.kinds&number != 0 && g.beyond32:
		return "BIGINT"
	case g.kinds&number != 0:
		return "INTEGER"
	case g.kinds&date != 0:
		return "DATE"
	case g.kinds&(timestamp|isoTimestamp) != 0:
		return "TIMESTAMP"
	case g.kinds&boolean != 0:
		return "BOOLEAN"
	}
	return "VARCHAR"
}

const currencies = "؋$ƒ៛¥₡₱£€¢﷼₪₩₭₮₦฿₤₫"

// decimal is what Python takes for a Decimal, once agate has taken off what may stand around it.
var decimal = regexp.MustCompile(`(?i)^[+-]?(?:([0-9_]+)(?:\.([0-9_]*))?|\.([0-9_]+))(?:e([+-]?[0-9_]+))?$|^[+-]?(?:inf|infinity|nan|snan)[0-9]*$`)

// number says whether the text is a number to agate.
func (g *guess) number(text string, line int64) bool {
	if plain, ok := digitsOnly(text); ok { // by far the most
		g.whole(text, plain, line)
		return true
	}
	text = strings.Trim(text, "%")
	negative := strings.HasPrefix(text, "-")
	text = strings.TrimPrefix(text, "-")
	for _, symbol := range currencies {
		text = strings.Trim(text, string(symbol))
	}
	text = strings.TrimSpace(strings.ReplaceAll(text, ",", ""))
	m := decimal.FindStringSubmatch(arabicDigits(text))
	if m == nil {
		return false
	}
	for i := range m {
		m[i] = strings.ReplaceAll(m[i], "_", "")
	}
	exponent, err := strconv.Atoi(m[4])
	if m[4] != "" && err != nil {
		return false
	}
	whole, fraction := m[1], strings.TrimRight(m[2]+m[3], "0")
	if whole == "" && m[3] == "" {
		return m[2] == "" // inf and nan: they have no places
	}
	significant := strings.Trim(whole+fraction, "0")
	places := len(fraction) - exponent
	if fraction == "" { // trailing zeros of the whole part are no places: 1500e-2
		places -= len(whole) - len(strings.TrimRight(whole, "0"))
	}
	if places > 0 && significant != "" {
		g.fraction = true
	}
	if len(whole) > 1 && whole[0] == '0' {
		g.notes.zeros.note(line, text)
	}
	if value, err := strconv.ParseFloat(text, 64); err != nil || lossy(value, significant) {
		g.notes.digits.note(line, text)
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && (v > math.MaxInt32 && !negative || v > -math.MinInt32) {
		g.beyond32 = true
	}
	return true
}

// digitsOnly is the absolute value of a plain integer of up to 18 digits.
func digitsOnly(text string) (int64, bool) {
	t := strings.TrimPrefix(text, "-")
	if t == "" || len(t) > 18 {
		return 0, false
	}
	var n int64
	for i := 0; i < len(t); i++ {
		if t[i] < '0' || t[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(t[i]-'0')
	}
	return n, true
}

func (g *guess) whole(text string, abs, line int64) {
	t := strings.TrimPrefix(text, "-")
	if len(t) > 1 && t[0] == '0' {
		g.notes.zeros.note(line, text)
	}
	if abs > math.MaxInt32+1 || abs > math.MaxInt32 && t == text {
		g.beyond32 = true
	}
	if abs > 1<<53 && int64(float64(abs)) != abs {
		g.notes.digits.note(line, text)
	}
}

// lossy says whether a DOUBLE is another number than the digits it was read from.
func lossy(value float64, significant string) bool {
	if len(significant) <= 15 {
		return math.IsInf(value, 0) || value == 0 && significant != ""
	}
	short := strconv.FormatFloat(math.Abs(value), 'e', -1, 64)
	short, _, _ = strings.Cut(short, "e")
	return strings.Trim(strings.Replace(short, ".", "", 1), "0") != significant
}

// arabicDigits are digits of other scripts as ASCII: Python reads them too.
func arabicDigits(text string) string {
	return strings.Map(func(r rune) rune {
		for _, zero := range []rune{0x0660, 0x06F0, 0x0966, 0xFF10} {
			if r >= zero && r <= zero+9 {
				return '0' + r - zero
			}
		}
		return r
	}, text)
}

var (
	dateForm      = regexp.MustCompile(`^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})$`)
	timestampForm = regexp.MustCompile(`^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})\s+([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})$`)
	isoTime       = regexp.MustCompile(`^(?:([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[,.]([0-9]+))?|([0-9]{2})([0-9]{2})([0-9]{2})(?:[,.]([0-9]+))?|([0-9]{2}):?([0-9]{2})(?:[,.][0-9]+)?|([0-9]{2})(?:[,.][0-9]+)?)(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?$`)
	isoDate       = regexp.MustCompile(`^(?:([0-9]{4})-?([0-9]{2})-?([0-9]{2})|[0-9]{4}-?W([0-9]{2})(?:-?[1-7])?|[0-9]{4}-?[0-9]{3}|[0-9]{4}-?[0-9]{2}|[0-9]{4}|[0-9]{2})$`)
)

func isDate(text string) bool {
	m := dateForm.FindStringSubmatch(text)
	return m != nil && day(m[1], m[2], m[3])
}

// day says whether there is such a day.
func day(y, m, d string) bool {
	year, _ := strconv.Atoi(y)
	month, _ := strconv.Atoi(m)
	dom, _ := strconv.Atoi(d)
	when := time.Date(year, time.Month(month), dom, 0, 0, 0, 0, time.UTC)
	return year >= 1 && when.Year() == year && int(when.Month()) == month && when.Day() == dom
}

func isTimestamp(text string) bool {
	m := timestampForm.FindStringSubmatch(text)
	return m != nil && isDate(m[1]) && below(m[2], 24) && below(m[3], 60) && below(m[4], 60)
}

func below(digits string, limit int) bool {
	n, _ := strconv.Atoi(digits)
	return n < limit
}

// iso says whether the text is a timestamp of ISO 8601 to Python's isodate. Of the forms without a day of the month not all are
// held against the calendar: DuckDB reads none of them.
func (g *guess) iso(text string, line int64) bool {
	day8, clock, found := strings.Cut(text, "T")
	if !found || strings.Contains(clock, "T") {
		return false
	}
	d, c := isoDate.FindStringSubmatch(day8), isoTime.FindStringSubmatch(clock)
	if d == nil || c == nil || d[1] != "" && !day(d[1], d[2], d[3]) {
		return false
	}
	for _, i := range []int{1, 5, 9, 11} {
		if !below(c[i], 24) {
			return false
		}
	}
	for _, i := range []int{2, 3, 6, 7, 10} {
		if !below(c[i], 60) {
			return false
		}
	}
	if zone := c[12]; strings.Trim(zone, "Z+-:0") != "" {
		g.notes.offset.note(line, text)
	}
	if fraction := c[4] + c[8]; len(fraction) > 6 && strings.Trim(fraction[6:], "0") != "" {
		g.notes.nanos.note(line, text)
	}
	return true
}
