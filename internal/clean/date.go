package clean

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Date reads a date, by these formats of strptime and else by the forms that can be read in one way only: ISO, a month's name, the year in
// front, a day above 12. It gives days since 1970-01-01. There is none for a text that is no date, may be two, or stands for none.
func Date(t string, formats []string) (int32, bool) {
	var room [64]byte
	if len(t) > 64 {
		return 0, false
	}
	text := string(Fold(room[:0], t))
	for _, f := range formats {
		if d, ok := parsed(text, f); ok {
			return d.days()
		}
	}
	d, ok := guessed(text)
	if !ok {
		return 0, false
	}
	return d.days()
}

// calendar is a date as it was written.
type calendar struct{ year, month, day int }

// placeholderDates are what programs write where nobody knows.
var placeholderDates = []calendar{{1, 1, 1}, {1000, 1, 1}, {1111, 11, 11}, {1752, 9, 14}, {1753, 1, 1}, {1800, 1, 1}, {1899, 12, 30}, {1899, 12, 31}, {1900, 1, 1},
	{1970, 1, 1}, {2099, 12, 31}, {2222, 2, 2}, {2999, 12, 31}, {3000, 1, 1}, {3333, 3, 3}, {9999, 1, 1}, {9999, 9, 9}, {9999, 12, 31}}

// days are those since 1970-01-01, if the calendar has such a day and it stands for itself.
func (d calendar) days() (int32, bool) {
	if !d.exists() || slices.Contains(placeholderDates, d) {
		return 0, false
	}
	return int32(time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Unix() / 86400), true
}

// KnownDay says of days since 1970-01-01 whether they are a date that stands for itself.
func KnownDay(days int32) bool {
	on := time.Unix(int64(days)*86400, 0).UTC()
	_, ok := calendar{on.Year(), int(on.Month()), on.Day()}.days()
	return ok
}

func (d calendar) exists() bool {
	if d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1 {
		return false
	}
	return d.day <= 28 || d.day <= time.Date(d.year, time.Month(d.month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// century completes a year of two digits: up to next year it is of this century, else of the one before.
func century(year int) int {
	next := thisYear() + 1
	if y := next/100*100 + year; y <= next {
		return y
	}
	return next/100*100 - 100 + year
}

// thisYear is asked once: a statement must not begin in one century and end in another.
var thisYear = sync.OnceValue(func() int { return time.Now().UTC().Year() })

// guessed reads the forms that can be read in one way.
func guessed(t string) (calendar, bool) {
	parts, ok := dateParts(t)
	if !ok {
		return calendar{}, false
	}
	month := slices.IndexFunc(parts, func(p datePart) bool { return p.month > 0 })
	switch {
	case len(parts) == 1 && parts[0].digits == 8: // 20240229
		n := parts[0].number
		return calendar{n / 10000, n / 100 % 100, n % 100}, n/10000 > 1000 && n/100%100 <= 12
	case len(parts) != 3:
		return calendar{}, false
	case month == 0 || month == 1: // Feb 29, 2024; 29 Feb 2024; 2024 Feb 29
		day, year := parts[1-month], parts[2]
		if day.digits == 4 {
			day, year = year, day
		}
		return withYear(year, parts[month].month, day)
	case month == 2:
		return calendar{}, false
	case parts[0].digits == 4:
		return withYear(parts[0], parts[1].number, parts[2])
	}
	return dayAndMonth(parts[0], parts[1], parts[2])
}

// dayAndMonth reads 13.12.2024 and 12/13/2024, and what is the same day either way. Between dots the day comes first, everywhere.
func dayAndMonth(a, b, year datePart) (calendar, bool) {
	switch {
	case a.digits > 2 || b.digits > 2:
		return calendar{}, false
	case year.digits != 4 && a.number > 31, year.digits == 2 && year.number <= 31 && a.behind != '.': // 24/02/29: of three that may be a year, which?
		return calendar{}, false
	case a.number > 12 || a.number == b.number || a.behind == '.' && b.behind == '.':
		return withYear(year, b.number, a)
	case b.number > 12:
		return withYear(year, a.number, b)
	}
	return calendar{}, false
}

func withYear(year datePart, month int, day datePart) (calendar, bool) {
	d := calendar{year.number, month, day.number}
	switch {
	case day.digits == 0 || day.digits > 2:
		return d, false
	case year.digits == 2:
		d.year = century(d.year)
	case year.digits != 4:
		return d, false
	}
	return d, true
}

// datePart is a number or a month's name.
type datePart struct {
	number, digits int
	month          int  // by name; 0: it is a number
	behind         byte // the sign that follows, 0 at the end
}

// dateParts parts a text into its numbers and the month's name. A time of day, a zone and the day of the week are passed over; any other word
// makes it no date.
func dateParts(t string) ([]datePart, bool) {
	t = withoutTime(t)
	var parts []datePart
	for i := 0; i < len(t); {
		c := t[i]
		switch {
		case c >= '0' && c <= '9':
			p := datePart{}
			for i < len(t) && t[i] >= '0' && t[i] <= '9' {
				if p.digits++; p.digits > 8 {
					return nil, false
				}
				p.number = p.number*10 + int(t[i]-'0')
				i++
			}
			if i < len(t) {
				p.behind = t[i]
			}
			parts = append(parts, p)
		case ascii[c]&asLetter != 0 || c >= utf8.RuneSelf:
			k := i
			for k < len(t) && (ascii[t[k]]&asLetter != 0 || t[k] >= utf8.RuneSelf) {
				k++
			}
			switch word := t[i:k]; {
			case months()[word] > 0:
				parts = append(parts, datePart{month: months()[word]})
			case !fillers[word] && !weekdays()[word]:
				return nil, false
			}
			i = k
		case strings.IndexByte("-/., '", c) >= 0:
			i++
		default:
			return nil, false
		}
		if len(parts) > 3 {
			return nil, false
		}
	}
	return parts, true
}

// fillers stand in dates without meaning anything: 1st of May, 1 de mayo de 2024, den 3. Mai.
var fillers = map[string]bool{"st": true, "nd": true, "rd": true, "th": true, "of": true, "the": true, "de": true, "del": true, "do": true, "den": true, "le": true, "el": true, "er": true, "am": true, "il": true, "roku": true, "r": true}

// withoutTime cuts the time of day off: it stands behind a T or a blank, and has a colon.
func withoutTime(t string) string {
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		if n := len(t); n > 10 && t[4] == '-' && t[10] == 't' { // 2024-02-29T12Z
			return t[:10]
		}
		return t
	}
	at := strings.LastIndexAny(t[:colon], " t,")
	if at <= 0 {
		return ""
	}
	return strings.TrimRight(t[:at], ", ")
}

// months are numbers by name and by what names are cut to: three letters or more that no other month begins with.
var months = sync.OnceValue(func() map[string]int {
	all := map[string]int{}
	var names []string
	number := map[string]int{}
	for i, line := range lines(monthsText) {
		_, list, _ := strings.Cut(line, ":")
		for _, name := range strings.Split(list, ",") {
			name = string(Fold(nil, name))
			names = append(names, name)
			number[name] = i + 1
			all[name] = i + 1
		}
	}
	for _, name := range names {
		for n := 3; n < len(name); n++ {
			short := name[:n]
			alone := !slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, short) && number[other] != number[name] })
			if _, known := all[short]; !known && alone && utf8.ValidString(short) {
				all[short] = number[name]
			}
		}
	}
	return all
})

var weekdays = sync.OnceValue(func() map[string]bool {
	return wordSet("monday,mon,montag,mo,lundi,lunes,lunedi,maandag,mandag,måndag,tuesday,tue,tues,dienstag,di,mardi,martes,martedi,dinsdag,tirsdag,tisdag," +
		"wednesday,wed,mittwoch,mi,mercredi,miercoles,mercoledi,woensdag,onsdag,thursday,thu,thur,thurs,donnerstag,jeudi,jueves,giovedi,donderdag,torsdag," +
		"friday,fri,freitag,fr,vendredi,viernes,venerdi,vrijdag,fredag,saturday,sat,samstag,sa,sonnabend,samedi,sabado,sabato,zaterdag,lørdag,lördag," +
		"sunday,sun,sonntag,so,dimanche,domingo,domenica,zondag,søndag,söndag")
})

// parsed reads a date by a format of strptime: %Y %y %m %d %b %B %j %e, their forms with -, times of day, which do not count, and iso. What
// the format does not name may not be there.
func parsed(t, format string) (calendar, bool) {
	if strings.EqualFold(format, "iso") {
		parts, ok := dateParts(t)
		if !ok || len(parts) != 3 || parts[0].digits != 4 {
			return calendar{}, false
		}
		return withYear(parts[0], parts[1].number, parts[2])
	}
	d, yearDay := calendar{month: 1, day: 1}, 0
	f := string(foldFormat(format))
	for i := 0; i < len(f); i++ {
		if f[i] != '%' || i+1 == len(f) {
			if t == "" || t[0] != f[i] {
				return d, false
			}
			t = t[1:]
			continue
		}
		i++
		if f[i] == '-' && i+1 < len(f) {
			i++
		}
		ok := true
		switch f[i] {
		case 'Y':
			d.year, t, ok = number(t, 4, 4)
		case 'y':
			if d.year, t, ok = number(t, 2, 2); ok {
				d.year = century(d.year)
			}
		case 'm':
			d.month, t, ok = number(t, 1, 2)
		case 'd', 'e':
			d.day, t, ok = number(strings.TrimLeft(t, " "), 1, 2)
		case 'j':
			yearDay, t, ok = number(t, 1, 3)
		case 'b', 'B':
			word := letters(t)
			d.month, ok = months()[word]
			t = t[len(word):]
		case 'a', 'A', 'p', 'Z':
			word := letters(t)
			t, ok = t[len(word):], word != ""
		case 'H', 'I', 'M', 'S':
			_, t, ok = number(t, 1, 2)
		case 'f', 'g', 'n':
			_, t, ok = number(t, 1, 9)
		case 'z':
			t, ok = strings.TrimLeft(t, "+-0123456789:z"), true
		case '%':
			t, ok = strings.CutPrefix(t, "%")
		default:
			ok = false
		}
		if !ok {
			return d, false
		}
	}
	if yearDay > 0 {
		on := time.Date(d.year, 1, yearDay, 0, 0, 0, 0, time.UTC)
		return calendar{on.Year(), int(on.Month()), on.Day()}, t == "" && on.Year() == d.year
	}
	return d, t == ""
}

// foldFormat folds what stands around a format's signs as the text is folded, which has no capitals.
func foldFormat(f string) []byte {
	var out []byte
	for i := 0; i < len(f); i++ {
		c := f[i]
		if ascii[c]&asUpper != 0 && (i == 0 || f[i-1] != '%' && !(f[i-1] == '-' && i > 1 && f[i-2] == '%')) {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

// number reads a number of so many digits at the beginning.
func number(t string, least, most int) (int, string, bool) {
	n, i := 0, 0
	for i < len(t) && i < most && t[i] >= '0' && t[i] <= '9' {
		n = n*10 + int(t[i]-'0')
		i++
	}
	return n, t[i:], i >= least
}

// letters are those at the beginning.
func letters(t string) string {
	return t[:len(t)-len(strings.TrimLeftFunc(t, func(r rune) bool { return r >= utf8.RuneSelf || r < utf8.RuneSelf && ascii[r]&asLetter != 0 }))]
}
