package report

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// How long texts may get, in characters. A report is read by people and passed on by mail; what is longer stands in
// the table.
const (
	maxCell = 300
	maxText = 2_000 // messages, errors, notes
	maxSQL  = 20_000
	maxName = 500
)

// clean takes secrets out of every text that is reachable from v, a pointer, and cuts the long ones. It knows no field
// by name beside a few limits, so that a field that is added tomorrow is cleaned as well.
func clean(v any, redact func(string) string) {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	cleanValue(reflect.ValueOf(v).Elem(), maxText, redact)
}

func cleanValue(v reflect.Value, limit int, redact func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" { // first redact: half a secret is not found any more
			v.SetString(cut(strings.ToValidUTF8(redact(s), "\uFFFD"), limit))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			cleanValue(v.Elem(), limit, redact)
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanValue(v.Index(i), limit, redact)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			cleanValue(v.Field(i), limitOf(v.Type().Field(i).Name, limit), redact)
		}
	}
}

// limitOf is how long the texts of a field may get.
func limitOf(field string, limit int) int {
	switch field {
	case "SQL":
		return maxSQL
	case "Sample":
		return maxCell
	case "Name", "Node", "Owner", "Pos", "Columns":
		return min(limit, maxName)
	}
	return limit
}

// cut shortens a text to n characters and says how long it was.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	have := utf8.RuneCountInString(s)
	if have <= n {
		return s
	}
	end := 0
	for range n {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return fmt.Sprintf("%s… (%s characters)", s[:end], number(have))
}

// visible shows what a reader would not see or what would change how the text around it is shown: control characters,
// and marks that turn the direction of writing round. Line breaks and tabs stay.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		switch {
		case !hidden(c):
			b.WriteRune(c)
		case c < ' ':
			b.WriteRune('\u2400' + c) // Unicode's pictures of control characters
		case c == 0x7f:
			b.WriteRune('\u2421')
		default:
			fmt.Fprintf(&b, "⟨U+%04X⟩", c)
		}
	}
	return b.String()
}

func hidden(c rune) bool {
	switch {
	case c == '\n', c == '\t':
		return false
	case c < ' ', c >= 0x7f && c < 0xa0: // C0, DEL, C1
		return true
	case c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0x200e, c == 0x200f, c == 0x2028, c == 0x2029:
		return true
	}
	return c == 0xfeff || c == 0xfffe || c == 0xffff
}

// oneLine is visible for a place that has one line.
func oneLine(s string) string {
	return strings.NewReplacer("\n", "↵", "\t", "⇥").Replace(visible(s))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// number writes 1234567 as 1,234,567.
func number[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// count is a number with its noun, in the plural unless there is one.
func count[N int | int64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return number(n) + " " + noun + "s"
}

// listing names up to three things and counts the rest.
func listing(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %s more", number(len(names)-most))
	}
	if len(names) > 1 {
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return strings.Join(names, "")
}

// when is a time for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// span is the time from one moment to another; "" when one is not known.
func span(from time.Time, to *time.Time) string {
	if to == nil || from.IsZero() {
		return ""
	}
	return duration(to.Sub(from))
}

func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// percent is a change in words, such as "+4.2%"; "" when there is nothing to compare with.
func percent(was, now int64) string {
	if was == 0 {
		return ""
	}
	p := (float64(now) - float64(was)) / float64(was) * 100
	switch {
	case p > 0 && p < 0.1:
		return "+<0.1%"
	case p < 0 && p > -0.1:
		return "−<0.1%"
	case p < 0:
		return fmt.Sprintf("−%.1f%%", -p)
	}
	return fmt.Sprintf("+%.1f%%", p)
}
