package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// callStrftime is the method strftime(format) of a date, a moment and a time.
func callStrftime(a Args, t time.Time, z *zone) (any, error) {
	n, err := names(a, req("format"))
	if err != nil {
		return nil, err
	}
	s := strftime(n[0], t, z)
	return s, a.r.charge(len(s))
}

// strftime is C's, as Python has it on Linux: what it does not know stays as it is.
func strftime(format string, t time.Time, z *zone) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^#", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		text, known := directive(format[i], t, z)
		if !known {
			b.WriteByte('%')
			if flag != 0 {
				b.WriteByte(flag)
			}
			b.WriteByte(format[i])
			continue
		}
		b.WriteString(flagged(flag, text))
	}
	return b.String()
}

// flagged is the text of a directive with glibc's flag.
func flagged(flag byte, s string) string {
	switch flag {
	case '-':
		if short := strings.TrimLeft(s, "0 "); short != "" {
			return short
		}
		return s[len(s)-min(1, len(s)):]
	case '_':
		rest := strings.TrimLeft(s[:max(len(s)-1, 0)], "0")
		return strings.Repeat(" ", max(len(s)-1-len(rest), 0)) + s[max(len(s)-1-len(rest), 0):]
	case '^':
		return strings.ToUpper(s)
	}
	return s
}

// directive is the text of one %x.
func directive(c byte, t time.Time, z *zone) (string, bool) {
	two := func(n int) string { return fmt.Sprintf("%02d", n) }
	hour12 := (t.Hour()+11)%12 + 1
	switch c {
	case 'Y':
		return strconv.Itoa(t.Year()), true
	case 'C':
		return two(t.Year() / 100), true
	case 'y':
		return two(t.Year() % 100), true
	case 'm':
		return two(int(t.Month())), true
	case 'd':
		return two(t.Day()), true
	case 'e':
		return fmt.Sprintf("%2d", t.Day()), true
	case 'H':
		return two(t.Hour()), true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'I':
		return two(hour12), true
	case 'l':
		return fmt.Sprintf("%2d", hour12), true
	case 'M':
		return two(t.Minute()), true
	case 'S':
		return two(t.Second()), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), true
	case 'p':
		return t.Format("PM"), true
	case 'P':
		return strings.ToLower(t.Format("PM")), true
	case 'A':
		return t.Weekday().String(), true
	case 'a':
		return t.Weekday().String()[:3], true
	case 'B':
		return t.Month().String(), true
	case 'b', 'h':
		return t.Month().String()[:3], true
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return two((t.YearDay() + 6 - int(t.Weekday())) / 7), true
	case 'W':
		return two((t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7), true
	case 'V':
		_, w := t.ISOWeek()
		return two(w), true
	case 'G':
		y, _ := t.ISOWeek()
		return strconv.Itoa(y), true
	case 'g':
		y, _ := t.ISOWeek()
		return two(y % 100), true
	case 'D', 'x':
		return t.Format("01/02/06"), true
	case 'F':
		return t.Format(time.DateOnly), true
	case 'T', 'X':
		return t.Format(time.TimeOnly), true
	case 'R':
		return t.Format("15:04"), true
	case 'r':
		return t.Format("03:04:05 PM"), true
	case 'c':
		return t.Format("Mon Jan _2 15:04:05 2006"), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	case 'z', 'Z':
		if z == nil {
			return "", true
		}
		name, offset := t.Zone()
		if c == 'Z' {
			return name, true
		}
		return offsetText(offset, ""), true
	}
	return "", false
}

// parsed is what strptime has read.
type parsed struct {
	year, month, day, hour, minute, second, micros, yearDay int
	pm, half                                                bool
	zone                                                    *zone
}

// strptime reads a date as Python's datetime.strptime does.
func strptime(s, format string) (any, error) {
	p := parsed{year: 1900, month: 1, day: 1}
	rest := s
	bad := func() error { return failf("time data '%s' does not match format '%s'", s, format) }
	for i := 0; i < len(format); i++ {
		c := format[i]
		switch {
		case c == ' ':
			trimmed := strings.TrimLeft(rest, " \t\n")
			if trimmed == rest {
				return nil, bad()
			}
			rest = trimmed
			continue
		case c != '%' || i+1 == len(format):
			if rest == "" || !strings.EqualFold(rest[:1], string(c)) {
				return nil, bad()
			}
			rest = rest[1:]
			continue
		}
		i++
		n, known, ok := p.read(rest, format[i])
		if !known {
			return nil, failf("'%c' is a bad directive in format '%s'", format[i], format)
		}
		if !ok {
			return nil, bad()
		}
		rest = rest[n:]
	}
	if rest != "" {
		return nil, failf("unconverted data remains: %s", rest)
	}
	return p.moment()
}

// read takes one directive from the front of s and tells how many bytes it took.
func (p *parsed) read(s string, c byte) (n int, known, ok bool) {
	number := func(digits int, into *int) (int, bool, bool) {
		n := 0
		for n < digits && n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, err := strconv.Atoi(s[:n])
		*into = v
		return n, true, err == nil
	}
	name := func(names func(i int) string, count int, into *int, first int) (int, bool, bool) {
		for i := range count {
			w := names(i)
			if len(s) >= len(w) && strings.EqualFold(s[:len(w)], w) {
				*into = i + first
				return len(w), true, true
			}
		}
		return 0, true, false
	}
	unused := 0
	switch c {
	case 'Y':
		n, known, ok = number(4, &p.year)
		return n, known, ok && n == 4
	case 'y':
		n, known, ok = number(2, &p.year)
		p.year += 1900
		if p.year < 1969 {
			p.year += 100
		}
		return n, known, ok && n == 2
	case 'm':
		return number(2, &p.month)
	case 'd', 'e':
		return number(2, &p.day)
	case 'j':
		return number(3, &p.yearDay)
	case 'H':
		return number(2, &p.hour)
	case 'I':
		p.half = true
		return number(2, &p.hour)
	case 'M':
		return number(2, &p.minute)
	case 'S':
		return number(2, &p.second)
	case 'f':
		n, known, ok = number(6, &p.micros)
		for i := n; i < 6; i++ {
			p.micros *= 10
		}
		return n, known, ok
	case 'w', 'u':
		return number(1, &unused)
	case 'p':
		n, known, ok = name(func(i int) string { return []string{"AM", "PM"}[i] }, 2, &unused, 0)
		p.pm = unused == 1
		return n, known, ok
	case 'B':
		return name(func(i int) string { return time.Month(i + 1).String() }, 12, &p.month, 1)
	case 'b', 'h':
		return name(func(i int) string { return time.Month(i + 1).String()[:3] }, 12, &p.month, 1)
	case 'A':
		return name(func(i int) string { return time.Weekday(i).String() }, 7, &unused, 0)
	case 'a':
		return name(func(i int) string { return time.Weekday(i).String()[:3] }, 7, &unused, 0)
	case 'z':
		return p.readZone(s)
	case 'Z':
		for _, w := range []string{"UTC", "GMT"} {
			if strings.HasPrefix(strings.ToUpper(s), w) {
				return 3, true, true
			}
		}
		return 0, true, true
	case '%':
		return 1, true, strings.HasPrefix(s, "%")
	}
	return 0, false, false
}

func (p *parsed) readZone(s string) (n int, known, ok bool) {
	if strings.HasPrefix(s, "Z") {
		p.zone = utcZone
		return 1, true, true
	}
	for _, layout := range []string{"-07:00:00", "-070000", "-07:00", "-0700"} {
		if len(s) < len(layout) {
			continue
		}
		if t, err := time.Parse(layout, s[:len(layout)]); err == nil {
			_, offset := t.Zone()
			p.zone = fixedZone(offset)
			return len(layout), true, true
		}
	}
	return 0, true, false
}

func (p *parsed) moment() (any, error) {
	if p.half {
		p.hour %= 12
		if p.pm {
			p.hour += 12
		}
	}
	if p.yearDay > 0 {
		t := time.Date(p.year, 1, p.yearDay, 0, 0, 0, 0, time.UTC)
		p.month, p.day = int(t.Month()), t.Day()
	}
	return makeDatetime([]int{p.year, p.month, p.day, p.hour, p.minute, p.second, p.micros}, p.zone)
}
