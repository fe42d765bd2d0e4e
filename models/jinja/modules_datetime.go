package jinja

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// These are modules.datetime and modules.pytz: Python's date, time, datetime and timedelta over Go's time.

// date is a day; its time is midnight UTC.
type date struct{ t time.Time }

// datetime is a moment: t is its wall clock as if it were UTC where zone is nil (a naive one), else the moment in the zone.
type datetime struct {
	t    time.Time
	zone *zone
}

// clockTime is a time of day without a zone, in microseconds since midnight.
type clockTime struct{ micros int64 }

// timedelta is a span in microseconds.
type timedelta struct{ micros int64 }

// zone is a tzinfo.
type zone struct {
	name string
	loc  *time.Location
}

var utcZone = &zone{"UTC", time.UTC}

// fixedZone is the zone of an offset in seconds.
func fixedZone(seconds int) *zone {
	if seconds == 0 {
		return utcZone
	}
	name := "UTC" + offsetText(seconds, ":")
	return &zone{name, time.FixedZone(name, seconds)}
}

// offsetText is +HH:MM with a separator, and seconds where there are some.
func offsetText(seconds int, sep string) string {
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	s := fmt.Sprintf("%s%02d%s%02d", sign, seconds/3600, sep, seconds/60%60)
	if seconds%60 != 0 {
		s += fmt.Sprintf("%s%02d", sep, seconds%60)
	}
	return s
}

const (
	microsPerDay = 24 * 3600 * 1_000_000
	maxDelta     = 100_000_000 * microsPerDay // more than there are between the years 1 and 9999
)

func errYear() error { return failf("date value out of range: a year is from 1 to 9999") }

func checkYear(t time.Time) error {
	if t.Year() < 1 || t.Year() > 9999 {
		return errYear()
	}
	return nil
}

func newDate(t time.Time) date {
	y, m, d := t.Date()
	return date{time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

// plus is t and a span, which may be longer than Go's Duration.
func plus(t time.Time, micros int64) (time.Time, error) {
	if micros > maxDelta || micros < -maxDelta {
		return t, errYear()
	}
	sec, rest := micros/1_000_000, micros%1_000_000
	out := time.Unix(t.Unix()+sec, int64(t.Nanosecond())+rest*1000).In(t.Location())
	return out, checkYear(out)
}

// between is a - b in microseconds.
func between(a, b time.Time) int64 {
	return (a.Unix()-b.Unix())*1_000_000 + int64(a.Nanosecond()-b.Nanosecond())/1000
}

func (date) typeName() string      { return "date" }
func (datetime) typeName() string  { return "datetime" }
func (clockTime) typeName() string { return "time" }
func (timedelta) typeName() string { return "timedelta" }
func (*zone) typeName() string     { return "tzinfo" }

// String is the ISO form.
func (d date) String() string { return d.t.Format(time.DateOnly) }

// String is the ISO form with a blank between day and time.
func (d datetime) String() string { return d.iso(" ", "auto") }

// String is the ISO form.
func (c clockTime) String() string { return clockText(c.time(), "auto") }

// String is the zone's name.
func (z *zone) String() string { return z.name }

func (c clockTime) time() time.Time {
	return time.Unix(0, 0).UTC().Add(time.Duration(c.micros) * time.Microsecond)
}

// clockText is the time of day; spec is Python's timespec.
func clockText(t time.Time, spec string) string {
	micros := t.Nanosecond() / 1000
	switch {
	case spec == "hours":
		return t.Format("15")
	case spec == "minutes":
		return t.Format("15:04")
	case spec == "milliseconds":
		return fmt.Sprintf("%s.%03d", t.Format(time.TimeOnly), micros/1000)
	case spec == "microseconds" || spec == "auto" && micros > 0:
		return fmt.Sprintf("%s.%06d", t.Format(time.TimeOnly), micros)
	}
	return t.Format(time.TimeOnly)
}

func (d datetime) iso(sep, spec string) string {
	s := d.t.Format(time.DateOnly) + sep + clockText(d.t, spec)
	if d.zone != nil {
		_, offset := d.t.Zone()
		s += offsetText(offset, ":")
	}
	return s
}

// String is Python's: "1 day, 2:00:00".
func (d timedelta) String() string {
	days, rest := floorDiv(d.micros, microsPerDay)
	s := ""
	if days != 0 {
		s = strconv.FormatInt(days, 10) + " day"
		if days != 1 && days != -1 {
			s += "s"
		}
		s += ", "
	}
	sec := rest / 1_000_000
	s += fmt.Sprintf("%d:%02d:%02d", sec/3600, sec/60%60, sec%60)
	if micros := rest % 1_000_000; micros > 0 {
		s += fmt.Sprintf(".%06d", micros)
	}
	return s
}

func floorDiv(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

func (d date) show(*render) (string, error) {
	return fmt.Sprintf("datetime.date(%d, %d, %d)", d.t.Year(), d.t.Month(), d.t.Day()), nil
}

func (d datetime) show(*render) (string, error) {
	s := fmt.Sprintf("datetime.datetime(%d, %d, %d, %d, %d", d.t.Year(), d.t.Month(), d.t.Day(), d.t.Hour(), d.t.Minute())
	if micros := d.t.Nanosecond() / 1000; micros > 0 {
		s += fmt.Sprintf(", %d, %d", d.t.Second(), micros)
	} else if d.t.Second() > 0 {
		s += fmt.Sprintf(", %d", d.t.Second())
	}
	if d.zone != nil {
		s += ", tzinfo=<" + d.zone.name + ">"
	}
	return s + ")", nil
}

func (d timedelta) show(*render) (string, error) {
	days, rest := floorDiv(d.micros, microsPerDay)
	var parts []string
	for _, p := range []struct {
		name string
		n    int64
	}{{"days", days}, {"seconds", rest / 1_000_000}, {"microseconds", rest % 1_000_000}} {
		if p.n != 0 {
			parts = append(parts, p.name+"="+strconv.FormatInt(p.n, 10))
		}
	}
	if parts == nil {
		parts = []string{"0"}
	}
	return "datetime.timedelta(" + strings.Join(parts, ", ") + ")", nil
}

func (d timedelta) truth() bool { return d.micros != 0 }

func (d date) equals(_ *render, other any) (bool, error) {
	o, ok := other.(date)
	return ok && d.t.Equal(o.t), nil
}

func (d datetime) equals(_ *render, other any) (bool, error) {
	o, ok := other.(datetime)
	return ok && (d.zone == nil) == (o.zone == nil) && d.t.Equal(o.t), nil
}

func (d date) order(other any) (int, bool) {
	o, ok := other.(date)
	return d.t.Compare(o.t), ok
}

func (d datetime) order(other any) (int, bool) {
	o, ok := other.(datetime)
	return d.t.Compare(o.t), ok && (d.zone == nil) == (o.zone == nil)
}

func (d timedelta) order(other any) (int, bool) {
	o, ok := other.(timedelta)
	return cmp.Compare(d.micros, o.micros), ok
}

func (c clockTime) order(other any) (int, bool) {
	o, ok := other.(clockTime)
	return cmp.Compare(c.micros, o.micros), ok
}

// delta makes a span of a number of microseconds that may be too large.
func delta(micros float64) (timedelta, error) {
	if math.IsNaN(micros) || math.Abs(micros) > maxDelta {
		return timedelta{}, failf("timedelta is out of range: more than 100000000 days")
	}
	return timedelta{int64(math.RoundToEven(micros))}, nil
}

func (d date) operate(op string, other any, isRight bool) (any, bool, error) {
	switch o := other.(type) {
	case timedelta:
		days, _ := floorDiv(o.micros, microsPerDay)
		if op == "-" && !isRight {
			days = -days
		} else if op != "+" {
			return nil, false, nil
		}
		if days > 4_000_000 || days < -4_000_000 {
			return nil, true, errYear()
		}
		t := d.t.AddDate(0, 0, int(days))
		return date{t}, true, checkYear(t)
	case date:
		if op == "-" && !isRight {
			return timedelta{between(d.t, o.t)}, true, nil
		}
	}
	return nil, false, nil
}

func (d datetime) operate(op string, other any, isRight bool) (any, bool, error) {
	switch o := other.(type) {
	case timedelta:
		micros := o.micros
		if op == "-" && !isRight {
			micros = -micros
		} else if op != "+" {
			return nil, false, nil
		}
		// Python adds to the wall clock; the zone's offset stays what it was.
		t, err := plus(d.t, micros)
		return datetime{t, d.zone}, true, err
	case datetime:
		if op != "-" || isRight {
			return nil, false, nil
		}
		if (d.zone == nil) != (o.zone == nil) {
			return nil, true, failf("can't subtract offset-naive and offset-aware datetimes")
		}
		return timedelta{between(d.t, o.t)}, true, nil
	}
	return nil, false, nil
}

func (d timedelta) operate(op string, other any, isRight bool) (any, bool, error) {
	if o, ok := other.(timedelta); ok {
		return d.withDelta(op, o, isRight)
	}
	_, f, _, ok := number(other)
	switch {
	case !ok:
		return nil, false, nil
	case op == "*":
		v, err := delta(float64(d.micros) * f)
		return v, true, err
	case isRight:
		return nil, false, nil
	case (op == "/" || op == "//") && f == 0:
		return nil, true, errZero(true)
	case op == "/":
		v, err := delta(float64(d.micros) / f)
		return v, true, err
	case op == "//":
		v, err := delta(math.Floor(float64(d.micros) / f))
		return v, true, err
	}
	return nil, false, nil
}

func (d timedelta) withDelta(op string, o timedelta, isRight bool) (any, bool, error) {
	a, b := d.micros, o.micros
	if isRight {
		a, b = b, a
	}
	switch op {
	case "+", "-":
		if op == "-" {
			b = -b
		}
		v, err := delta(float64(a) + float64(b))
		if err != nil {
			return nil, true, err
		}
		v.micros = a + b
		return v, true, nil
	case "/", "//", "%":
		if b == 0 {
			return nil, true, errZero(true)
		}
		q, _ := floorDiv(a, b)
		switch op {
		case "/":
			return float64(a) / float64(b), true, nil
		case "//":
			return q, true, nil
		}
		return timedelta{a - q*b}, true, nil
	}
	return nil, false, nil
}

// Attr returns the attributes of a span.
func (d timedelta) Attr(name string) (any, bool) {
	days, rest := floorDiv(d.micros, microsPerDay)
	switch name {
	case "days":
		return days, true
	case "seconds":
		return rest / 1_000_000, true
	case "microseconds":
		return rest % 1_000_000, true
	case "total_seconds":
		return nullary(float64(d.micros) / 1e6), true
	}
	return nil, false
}

// dayAttr are the attributes that date and datetime share.
func dayAttr(t time.Time, name string) (any, bool) {
	switch name {
	case "year":
		return int64(t.Year()), true
	case "month":
		return int64(t.Month()), true
	case "day":
		return int64(t.Day()), true
	case "weekday":
		return nullary(int64(t.Weekday()+6) % 7), true
	case "isoweekday":
		return nullary(int64(t.Weekday()+6)%7 + 1), true
	case "isocalendar":
		y, w := t.ISOWeek()
		return nullary(&Tuple{Items: []any{int64(y), int64(w), int64(t.Weekday()+6)%7 + 1}, names: []string{"year", "week", "weekday"}}), true
	case "toordinal":
		return nullary(between(newDate(t).t, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))/microsPerDay + 1), true
	case "ctime":
		return nullary(t.Format("Mon Jan _2 15:04:05 2006")), true
	}
	return nil, false
}

// Attr returns the attributes of a day.
func (d date) Attr(name string) (any, bool) {
	switch name {
	case "isoformat":
		return nullary(d.String()), true
	case "strftime":
		return Func(func(a Args) (any, error) { return callStrftime(a, d.t, nil) }), true
	case "replace":
		return Func(func(a Args) (any, error) {
			v, err := ints(a, d.t.Year(), int(d.t.Month()), d.t.Day())("year", "month", "day")
			if err != nil {
				return nil, err
			}
			return makeDate(v)
		}), true
	}
	if v, ok := dayAttr(d.t, name); ok {
		return v, true
	}
	return dateClass{}.Attr(name)
}

// Attr returns the attributes of a moment.
func (d datetime) Attr(name string) (any, bool) {
	switch name {
	case "hour":
		return int64(d.t.Hour()), true
	case "minute":
		return int64(d.t.Minute()), true
	case "second":
		return int64(d.t.Second()), true
	case "microsecond":
		return int64(d.t.Nanosecond() / 1000), true
	case "fold":
		return int64(0), true
	case "tzinfo":
		if d.zone == nil {
			return nil, true
		}
		return d.zone, true
	case "date":
		return nullary(newDate(d.t)), true
	case "time", "timetz":
		h, m, s := d.t.Clock()
		return nullary(clockTime{int64(h*3600+m*60+s)*1_000_000 + int64(d.t.Nanosecond()/1000)}), true
	case "timestamp":
		return nullary(float64(between(d.t, time.Unix(0, 0))) / 1e6), true
	case "strftime":
		return Func(func(a Args) (any, error) { return callStrftime(a, d.t, d.zone) }), true
	case "isoformat":
		return Func(d.isoformat), true
	case "replace":
		return Func(d.replace), true
	case "astimezone":
		return Func(d.astimezone), true
	case "utcoffset", "tzname", "dst":
		if d.zone == nil {
			return nullary(nil), true
		}
		tz, offset := d.t.Zone()
		switch name {
		case "tzname":
			return nullary(tz), true
		case "dst":
			return nullary(timedelta{int64(asInt(d.t.IsDST())) * 3600 * 1_000_000}), true
		}
		return nullary(timedelta{int64(offset) * 1_000_000}), true
	}
	if v, ok := dayAttr(d.t, name); ok {
		return v, true
	}
	return datetimeClass{}.Attr(name)
}

// Attr returns the attributes of a time of day.
func (c clockTime) Attr(name string) (any, bool) {
	t := c.time()
	switch name {
	case "hour":
		return int64(t.Hour()), true
	case "minute":
		return int64(t.Minute()), true
	case "second":
		return int64(t.Second()), true
	case "microsecond":
		return int64(t.Nanosecond() / 1000), true
	case "isoformat":
		return nullary(c.String()), true
	case "strftime":
		return Func(func(a Args) (any, error) { return callStrftime(a, t.AddDate(-70, 0, 0), nil) }), true
	}
	return nil, false
}

// ints binds whole numbers with these defaults to names, which come second so that a call reads in order.
func ints(a Args, defaults ...int) func(names ...string) ([]int, error) {
	return func(names ...string) ([]int, error) {
		params := make([]Param, len(names))
		for i, n := range names {
			params[i] = opt(n, int64(defaults[i]))
		}
		v, err := a.Bind(params...)
		if err != nil {
			return nil, err
		}
		return wholes(v, names)
	}
}

func wholes(v []any, names []string) ([]int, error) {
	out := make([]int, len(v))
	for i, x := range v {
		n, err := wantInt(x)
		if err != nil {
			return nil, err
		}
		if n > math.MaxInt32 || n < math.MinInt32 {
			return nil, failf("%s is out of range", names[i])
		}
		out[i] = int(n)
	}
	return out, nil
}

func makeDate(v []int) (any, error) {
	if v[0] < 1 || v[0] > 9999 {
		return nil, failf("year %d is out of range", v[0])
	}
	if v[1] < 1 || v[1] > 12 {
		return nil, failf("month must be in 1..12, not %d", v[1])
	}
	t := time.Date(v[0], time.Month(v[1]), v[2], 0, 0, 0, 0, time.UTC)
	if v[2] < 1 || t.Day() != v[2] {
		return nil, failf("day is out of range for month: %04d-%02d has no day %d", v[0], v[1], v[2])
	}
	return date{t}, nil
}

// makeDatetime takes year, month, day, hour, minute, second, microsecond.
func makeDatetime(v []int, z *zone) (any, error) {
	day, err := makeDate(v[:3])
	if err != nil {
		return nil, err
	}
	for i, limit := range []int{24, 60, 60, 1_000_000} {
		if v[3+i] < 0 || v[3+i] >= limit {
			return nil, failf("%s must be in 0..%d", datetimeParts[3+i], limit-1)
		}
	}
	y, m, d := day.(date).t.Date()
	loc := time.UTC
	if z != nil {
		loc = z.loc
	}
	return datetime{time.Date(y, m, d, v[3], v[4], v[5], v[6]*1000, loc), z}, nil
}

var datetimeParts = []string{"year", "month", "day", "hour", "minute", "second", "microsecond"}

func wantZone(v any) (*zone, error) {
	z, ok := v.(*zone)
	if !ok && v != nil {
		return nil, &Error{Msg: "tzinfo argument must be None or a time zone, not " + typeName(v),
			Hint: "modules.pytz.timezone('Europe/Berlin') makes one"}
	}
	return z, nil
}

func (d datetime) isoformat(a Args) (any, error) {
	v, err := names(a, opt("sep", "T"), opt("timespec", "auto"))
	if err != nil {
		return nil, err
	}
	return d.iso(v[0], v[1]), nil
}

func (d datetime) replace(a Args) (any, error) {
	h, m, s := d.t.Clock()
	now := []int{d.t.Year(), int(d.t.Month()), d.t.Day(), h, m, s, d.t.Nanosecond() / 1000}
	params := make([]Param, 0, 9)
	for i, n := range datetimeParts {
		params = append(params, opt(n, int64(now[i])))
	}
	params = append(params, opt("tzinfo", d.zone), opt("fold", int64(0)))
	v, err := a.Bind(params...)
	if err != nil {
		return nil, err
	}
	z := d.zone
	if v[7] != any(d.zone) {
		if z, err = wantZone(v[7]); err != nil {
			return nil, err
		}
	}
	parts, err := wholes(v[:7], datetimeParts)
	if err != nil {
		return nil, err
	}
	return makeDatetime(parts, z)
}

func (d datetime) astimezone(a Args) (any, error) {
	v, err := a.Bind(opt("tz", utcZone))
	if err != nil {
		return nil, err
	}
	z, err := wantZone(v[0])
	if err != nil {
		return nil, err
	}
	if z == nil {
		z = utcZone
	}
	return datetime{d.t.In(z.loc), z}, nil // a naive one is taken for UTC, whatever this machine's zone is
}

// Attr returns pytz's attributes of a zone.
func (z *zone) Attr(name string) (any, bool) {
	switch name {
	case "zone":
		return z.name, true
	case "localize":
		return Func(func(a Args) (any, error) {
			d, err := z.datetimeArg(a)
			if err != nil {
				return nil, err
			}
			if d.zone != nil {
				return nil, failf("localize(): the datetime has a time zone already")
			}
			y, m, day := d.t.Date()
			h, min, s := d.t.Clock()
			return datetime{time.Date(y, m, day, h, min, s, d.t.Nanosecond(), z.loc), z}, nil
		}), true
	case "normalize", "fromutc":
		return Func(func(a Args) (any, error) {
			d, err := z.datetimeArg(a)
			if err != nil {
				return nil, err
			}
			return datetime{d.t.In(z.loc), z}, nil
		}), true
	case "utcoffset", "tzname":
		return Func(func(a Args) (any, error) {
			d, err := z.datetimeArg(a)
			if err != nil {
				return nil, err
			}
			y, m, day := d.t.Date()
			h, min, s := d.t.Clock()
			tz, offset := time.Date(y, m, day, h, min, s, 0, z.loc).Zone()
			if name == "tzname" {
				return tz, nil
			}
			return timedelta{int64(offset) * 1_000_000}, nil
		}), true
	}
	return nil, false
}

func (z *zone) datetimeArg(a Args) (datetime, error) {
	v, err := a.Bind(req("dt"), opt("is_dst", false))
	if err != nil {
		return datetime{}, err
	}
	d, ok := v[0].(datetime)
	if !ok {
		return d, failf("%s takes a datetime, not %s", a.name, typeName(v[0]))
	}
	return d, nil
}

// dateClass is modules.datetime.date.
type dateClass struct{}

func (dateClass) String() string   { return "<class 'datetime.date'>" }
func (dateClass) typeName() string { return "type" }

// Call makes a day.
func (dateClass) Call(a Args) (any, error) {
	a.name = "date()"
	params := []string{"year", "month", "day"}
	v, err := a.Bind(req(params[0]), req(params[1]), req(params[2]))
	if err != nil {
		return nil, err
	}
	parts, err := wholes(v, params)
	if err != nil {
		return nil, err
	}
	return makeDate(parts)
}

// Attr returns the class's methods.
func (dateClass) Attr(name string) (any, bool) {
	switch name {
	case "today":
		return Func(func(a Args) (any, error) { return newDate(a.now()), nil }), true
	case "fromisoformat":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("date_string"))
			if err != nil {
				return nil, err
			}
			t, err := time.Parse(time.DateOnly, n[0])
			if err != nil {
				return nil, failf("Invalid isoformat string: '%s'", n[0])
			}
			return date{t}, nil
		}), true
	case "fromordinal":
		return Func(func(a Args) (any, error) {
			v, err := ints(a, 1)("ordinal")
			if err != nil {
				return nil, err
			}
			t := time.Date(1, 1, v[0], 0, 0, 0, 0, time.UTC)
			return date{t}, checkYear(t)
		}), true
	case "min":
		return date{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}, true
	case "max":
		return date{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, true
	}
	return nil, false
}

// datetimeClass is modules.datetime.datetime.
type datetimeClass struct{}

func (datetimeClass) String() string   { return "<class 'datetime.datetime'>" }
func (datetimeClass) typeName() string { return "type" }

// Call makes a moment.
func (datetimeClass) Call(a Args) (any, error) {
	a.name = "datetime()"
	var params []Param
	for i, n := range datetimeParts {
		if i < 3 {
			params = append(params, req(n))
			continue
		}
		params = append(params, opt(n, int64(0)))
	}
	v, err := a.Bind(append(params, opt("tzinfo", nil), opt("fold", int64(0)))...)
	if err != nil {
		return nil, err
	}
	z, err := wantZone(v[7])
	if err != nil {
		return nil, err
	}
	parts, err := wholes(v[:7], datetimeParts)
	if err != nil {
		return nil, err
	}
	return makeDatetime(parts, z)
}

// Attr returns the class's methods.
func (datetimeClass) Attr(name string) (any, bool) {
	switch name {
	case "now", "utcnow", "today":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(opt("tz", nil))
			if err != nil {
				return nil, err
			}
			z, err := wantZone(v[0])
			if err != nil {
				return nil, err
			}
			if z == nil { // a naive moment is taken for UTC, whatever this machine's zone is
				return datetime{a.now(), nil}, nil
			}
			return datetime{a.now().In(z.loc), z}, nil
		}), true
	case "strptime":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("date_string"), req("format"))
			if err != nil {
				return nil, err
			}
			return strptime(n[0], n[1])
		}), true
	case "fromisoformat":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("date_string"))
			if err != nil {
				return nil, err
			}
			return parseISO(n[0])
		}), true
	case "fromtimestamp", "utcfromtimestamp":
		return Func(fromTimestamp), true
	case "combine":
		return Func(combine), true
	case "min":
		return datetime{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), nil}, true
	case "max":
		return datetime{time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), nil}, true
	}
	return nil, false
}

func parseISO(s string) (any, error) {
	for _, sep := range []string{"T", " "} {
		for _, layout := range []string{"2006-01-02", "2006-01-02" + sep + "15", "2006-01-02" + sep + "15:04", "2006-01-02" + sep + "15:04:05"} {
			if t, err := time.Parse(layout, s); err == nil {
				return datetime{t, nil}, nil
			}
			if t, err := time.Parse(layout+"Z07:00", s); err == nil {
				_, offset := t.Zone()
				z := fixedZone(offset)
				return datetime{t.In(z.loc), z}, nil
			}
		}
	}
	return nil, failf("Invalid isoformat string: '%s'", s)
}

func fromTimestamp(a Args) (any, error) {
	v, err := a.Bind(req("timestamp"), opt("tz", nil))
	if err != nil {
		return nil, err
	}
	_, f, _, ok := number(v[0])
	if !ok {
		return nil, failf("a timestamp must be a number, not %s", typeName(v[0]))
	}
	z, err := wantZone(v[1])
	if err != nil {
		return nil, err
	}
	if math.IsNaN(f) || math.Abs(f) > 1e12 {
		return nil, errYear()
	}
	t := time.UnixMicro(int64(math.RoundToEven(f * 1e6))).UTC()
	if z != nil {
		t = t.In(z.loc)
	}
	return datetime{t, z}, checkYear(t)
}

func combine(a Args) (any, error) {
	v, err := a.Bind(req("date"), req("time"), opt("tzinfo", nil))
	if err != nil {
		return nil, err
	}
	day, ok := v[0].(date)
	if d, isMoment := v[0].(datetime); isMoment {
		day, ok = newDate(d.t), true
	}
	at, okTime := v[1].(clockTime)
	if !ok || !okTime {
		return nil, failf("combine() takes a date and a time, not %s and %s", typeName(v[0]), typeName(v[1]))
	}
	z, err := wantZone(v[2])
	if err != nil {
		return nil, err
	}
	t := at.time()
	return makeDatetime([]int{day.t.Year(), int(day.t.Month()), day.t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1000}, z)
}

// callTime is modules.datetime.time(hour, minute, second, microsecond).
func callTime(a Args) (any, error) {
	a.name = "time()"
	v, err := ints(a, 0, 0, 0, 0)("hour", "minute", "second", "microsecond")
	if err != nil {
		return nil, err
	}
	d, err := makeDatetime(append([]int{1970, 1, 1}, v...), nil)
	if err != nil {
		return nil, err
	}
	return clockTime{d.(datetime).t.UnixMicro()}, nil
}

// callTimedelta is modules.datetime.timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks).
func callTimedelta(a Args) (any, error) {
	a.name = "timedelta()"
	units := []struct {
		name   string
		micros float64
	}{{"days", microsPerDay}, {"seconds", 1e6}, {"microseconds", 1}, {"milliseconds", 1000},
		{"minutes", 60e6}, {"hours", 3600e6}, {"weeks", 7 * microsPerDay}}
	params := make([]Param, len(units))
	for i, u := range units {
		params[i] = opt(u.name, int64(0))
	}
	v, err := a.Bind(params...)
	if err != nil {
		return nil, err
	}
	total := 0.0
	for i, x := range v {
		_, f, _, ok := number(x)
		if !ok {
			return nil, failf("timedelta(): %s must be a number, not %s", units[i].name, typeName(x))
		}
		total += f * units[i].micros
	}
	return delta(total)
}

// callTimezone is modules.pytz.timezone(name).
func callTimezone(a Args) (any, error) {
	n, err := names(a, req("zone"))
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(n[0], "utc") {
		return utcZone, nil
	}
	loc, err := time.LoadLocation(n[0])
	if err != nil || n[0] == "" || n[0] == "Local" {
		return nil, &Error{Msg: "pytz.timezone(): there is no time zone '" + n[0] + "'", Hint: "write a name such as 'Europe/Berlin'"}
	}
	return &zone{n[0], loc}, nil
}
