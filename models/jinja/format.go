package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth bounds widths and precisions in formats.
const maxWidth = 10_000

// formatSpec is one conversion, of `%` and of str.format alike.
type formatSpec struct {
	fill                     string
	align                    byte // < > = ^ or 0
	sign                     byte // + - space or 0
	alt, zero, comma, uscore bool
	width, prec              int // prec -1 if absent
	verb                     byte
}

// percentFormat is `s % arg`.
func (r *render) percentFormat(s string, arg any) (any, error) {
	var b strings.Builder
	tuple, isTuple := arg.(*Tuple)
	used := 0
	take := func() (any, error) {
		if isTuple {
			if used >= len(tuple.Items) {
				return nil, failf("not enough arguments for format string")
			}
			used++
			return tuple.Items[used-1], nil
		}
		if used > 0 {
			return nil, failf("not enough arguments for format string")
		}
		used++
		return arg, nil
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		var v any
		keyed := false
		if i < len(s) && s[i] == '(' {
			end := strings.IndexByte(s[i:], ')')
			d, ok := arg.(*Dict)
			if end < 0 || !ok {
				return nil, failf("format requires a mapping")
			}
			key := s[i+1 : i+end]
			if v, ok = d.Get(key); !ok {
				return nil, failf("format key %s is not in the dict", quote(key))
			}
			keyed = true
			used = 1
			i += end + 1
		}
		sp := formatSpec{fill: " ", align: '>', prec: -1}
		for ; i < len(s) && strings.IndexByte("-+ #0", s[i]) >= 0; i++ {
			switch s[i] {
			case '-':
				sp.align = '<'
			case '+':
				sp.sign = '+'
			case ' ':
				if sp.sign == 0 {
					sp.sign = ' '
				}
			case '#':
				sp.alt = true
			case '0':
				sp.zero = true
			}
		}
		num := func(out *int) error {
			if i < len(s) && s[i] == '*' {
				i++
				x, err := take()
				if err != nil {
					return err
				}
				n, err := wantInt(x)
				if err != nil {
					return failf("* wants int")
				}
				if n < 0 {
					sp.align, n = '<', -n
				}
				if n < 0 || n > maxWidth {
					return failf("width or precision is larger than %d", maxWidth)
				}
				*out = int(n)
				return nil
			}
			start := i
			for i < len(s) && isDigit(s[i]) {
				i++
			}
			if i == start {
				return nil
			}
			n, err := strconv.Atoi(s[start:i])
			if err != nil || n > maxWidth {
				return failf("width or precision is larger than %d", maxWidth)
			}
			*out = n
			return nil
		}
		if err := num(&sp.width); err != nil {
			return nil, err
		}
		if i < len(s) && s[i] == '.' {
			i++
			sp.prec = 0
			if err := num(&sp.prec); err != nil {
				return nil, err
			}
		}
		for i < len(s) && strings.IndexByte("hlL", s[i]) >= 0 {
			i++
		}
		if i >= len(s) {
			return nil, failf("incomplete format")
		}
		sp.verb = s[i]
		if sp.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !keyed {
			var err error
			if v, err = take(); err != nil {
				return nil, err
			}
		}
		text, err := r.percentVerb(sp, v)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		if err := r.checkSize(b.Len()); err != nil {
			return nil, err
		}
	}
	_, isDict := arg.(*Dict)
	if isTuple && used < len(tuple.Items) || !isTuple && !isDict && used == 0 {
		if _, isList := arg.(*List); !isList && !IsUndefined(arg) {
			return nil, failf("not all arguments converted during string formatting")
		}
	}
	return b.String(), r.charge(b.Len())
}

// ascii escapes what is not ASCII, as Python's ascii() does with a repr.
func ascii(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hex(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hex(c, 4))
		default:
			b.WriteString(`\U` + hex(c, 8))
		}
	}
	return b.String()
}

func (r *render) percentVerb(sp formatSpec, v any) (string, error) {
	switch sp.verb {
	case 's', 'r', 'a':
		text, err := r.str(v)
		if sp.verb != 's' {
			text, err = r.repr(v)
		}
		if err != nil {
			return "", err
		}
		if sp.verb == 'a' {
			text = ascii(text)
		}
		sp.zero = false
		return sp.pad("", cutRunes(text, sp.prec)), nil
	case 'c':
		if s, ok := v.(string); ok && utf8.RuneCountInString(s) == 1 {
			return sp.pad("", s), nil
		}
		if n, ok := integer(v); ok && n >= 0 && n <= utf8.MaxRune {
			return sp.pad("", string(rune(n))), nil
		}
		return "", failf("%%c requires int or char")
	}
	if strings.IndexByte("diuxXoeEfFgG", sp.verb) < 0 {
		return "", failf("unsupported format character '%c'", sp.verb)
	}
	if u, ok := v.(*Undefined); ok {
		return "", undefinedErr(u)
	}
	i, f, isInt, ok := number(v)
	if strings.IndexByte("diuxXo", sp.verb) < 0 {
		if !ok {
			return "", failf("must be real number, not %s", typeName(v))
		}
		return sp.float(f), nil
	}
	if !ok {
		return "", failf("%%%c format: a real number is required, not %s", sp.verb, typeName(v))
	}
	if !isInt {
		if strings.IndexByte("diu", sp.verb) < 0 {
			return "", failf("%%%c format: an integer is required, not float", sp.verb)
		}
		n, err := floatToInt(f, nil)
		if err != nil {
			return "", err
		}
		if n == nil {
			return "", failf("cannot convert float %s to integer", formatFloat(f))
		}
		i = n.(int64)
	}
	return sp.integer(i, sp.prec), nil
}

func cutRunes(s string, n int) string {
	if n < 0 || n >= len(s) {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// pad puts sign and digits (or a text) into the width.
func (sp formatSpec) pad(sign, s string) string {
	n := sp.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(s)
	if n <= 0 {
		return sign + s
	}
	fill := sp.fill
	align := sp.align
	if sp.zero && align != '<' && align != '^' {
		fill, align = "0", '='
	}
	switch align {
	case '<':
		return sign + s + strings.Repeat(fill, n)
	case '=':
		return sign + strings.Repeat(fill, n) + s
	case '^':
		return strings.Repeat(fill, n/2) + sign + s + strings.Repeat(fill, n-n/2)
	}
	return strings.Repeat(fill, n) + sign + s
}

func (sp formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case sp.sign == '+' || sp.sign == ' ':
		return string(sp.sign)
	}
	return ""
}

func (sp formatSpec) integer(i int64, minDigits int) string {
	base, prefix := 10, ""
	switch sp.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(sp.verb)
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	}
	u := uint64(i)
	if i < 0 {
		u = -u
	}
	digits := strconv.FormatUint(u, base)
	if sp.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	digits = strings.Repeat("0", max(minDigits-len(digits), 0)) + digits
	sign := sp.signOf(i < 0)
	if sp.alt {
		sign += prefix
	}
	return sp.pad(sign, sp.group(digits))
}

func (sp formatSpec) float(f float64) string {
	verb, prec := sp.verb, sp.prec
	upper := verb == 'E' || verb == 'F' || verb == 'G'
	percent := verb == '%'
	if percent {
		f, verb = f*100, 'f'
	}
	if prec < 0 {
		prec = 6
	}
	var s string
	abs := math.Abs(f)
	switch lower := verb | 0x20; {
	case math.IsInf(f, 0) || math.IsNaN(f):
		s = strings.TrimPrefix(formatFloat(abs), "-")
	case verb == 0: // str.format without a type
		if s = formatFloat(abs); sp.prec >= 0 {
			s = strconv.FormatFloat(abs, 'g', max(sp.prec, 1), 64)
			if !strings.ContainsAny(s, ".e") && len(s) < sp.prec {
				s += ".0"
			}
		}
	case lower == 'g':
		s = strconv.FormatFloat(abs, 'g', max(prec, 1), 64)
	default:
		s = strconv.FormatFloat(abs, lower, prec, 64)
	}
	if upper {
		s = strings.ToUpper(s)
	}
	whole, frac := s, ""
	if i := strings.IndexAny(s, ".eE"); i >= 0 {
		whole, frac = s[:i], s[i:]
	}
	s = sp.group(whole) + frac
	if percent {
		s += "%"
	}
	return sp.pad(sp.signOf(math.Signbit(f) && !math.IsNaN(f)), s)
}

// group puts separators between the thousands.
func (sp formatSpec) group(digits string) string {
	sep := ""
	if sp.comma {
		sep = ","
	} else if sp.uscore {
		sep = "_"
	}
	if sep == "" || strings.Trim(digits, "0123456789") != "" {
		return digits
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(sep)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// strFormat is s.format(…).
func (r *render) strFormat(s string, a Args) (any, error) {
	auto := 0
	out, err := r.formatFields(s, a, &auto, 0)
	if err != nil {
		return nil, err
	}
	return out, r.charge(len(out))
}

func (r *render) formatFields(s string, a Args, auto *int, depth int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c == '}' {
			return "", failf("single '}' encountered in format string")
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end, level := -1, 0
		for j := i; j < len(s); j++ {
			if s[j] == '{' {
				level++
			} else if s[j] == '}' {
				if level--; level == 0 {
					end = j
					break
				}
			}
		}
		if end < 0 {
			return "", failf("expected '}' before end of string")
		}
		text, err := r.formatField(s[i+1:end], a, auto, depth)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		if err := r.charge(len(text)); err != nil {
			return "", err
		}
		if err := r.checkSize(b.Len()); err != nil {
			return "", err
		}
		i = end
	}
	return b.String(), nil
}

// formatField renders one `name!conversion:spec`.
func (r *render) formatField(field string, a Args, auto *int, depth int) (string, error) {
	if depth > 1 {
		return "", failf("max string recursion exceeded")
	}
	name, spec, _ := strings.Cut(field, ":")
	name, conv, hasConv := strings.Cut(name, "!")
	v, err := r.formatValue(name, a, auto)
	if err != nil {
		return "", err
	}
	if spec, err = r.formatFields(spec, a, auto, depth+1); err != nil {
		return "", err
	}
	if hasConv {
		switch conv {
		case "r":
			v, err = r.repr(v)
		case "a":
			var s string
			s, err = r.repr(v)
			v = ascii(s)
		case "s":
			v, err = r.str(v)
		default:
			err = failf("unknown conversion specifier %s", quote(conv))
		}
		if err != nil {
			return "", err
		}
	}
	return r.formatOne(v, spec)
}

func (r *render) formatValue(name string, a Args, auto *int) (any, error) {
	i := strings.IndexAny(name, ".[")
	rest := ""
	if i >= 0 {
		name, rest = name[:i], name[i:]
	}
	mixed := failf("cannot mix {} and {0} in a format string")
	if name == "" {
		if *auto < 0 {
			return nil, mixed
		}
		name = strconv.Itoa(*auto)
		*auto++
	} else if isDigit(name[0]) {
		if *auto > 0 {
			return nil, mixed
		}
		*auto = -1 // there were numbers
	}
	var v any
	if n, err := strconv.Atoi(name); err == nil {
		if n < 0 || n >= len(a.Pos) {
			return nil, failf("replacement index %d out of range for positional args", n)
		}
		v = a.Pos[n]
	} else {
		found := false
		for _, k := range a.Kw {
			if k.Name == name {
				v, found = k.Value, true
			}
		}
		if !found {
			return nil, failf("format key %s is not given", quote(name))
		}
	}
	for rest != "" {
		var err error
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			v, err = r.getAttr(v, rest[1:end])
			rest = rest[end:]
		} else {
			end := strings.IndexByte(rest, ']')
			if rest[0] != '[' || end < 0 {
				return nil, failf("missing ']' in format string")
			}
			var key any = rest[1:end]
			if n, e := strconv.ParseInt(rest[1:end], 10, 64); e == nil {
				key = n
			}
			v, err = r.getItem(v, key)
			rest = rest[end+1:]
		}
		if err != nil {
			return nil, err
		}
		if u, ok := v.(*Undefined); ok {
			return nil, undefinedErr(u)
		}
	}
	return v, nil
}

// formatOne is format(v, spec).
func (r *render) formatOne(v any, spec string) (string, error) {
	if spec == "" {
		return r.str(v)
	}
	sp, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	i, f, isInt, isNum := number(v)
	if _, isBool := v.(bool); isBool && sp.verb == 0 {
		sp.verb = 'd'
	}
	if isNum {
		if sp.align == 0 {
			sp.align = '>'
		}
		switch {
		case strings.IndexByte("eEfFgG%", sp.verb) >= 0 && sp.verb != 0 || !isInt && (sp.verb == 0 || sp.verb == 'n'):
			return sp.float(f), nil
		case isInt && sp.verb == 'c':
			if i < 0 || i > utf8.MaxRune {
				return "", failf("%%c arg not in range")
			}
			return sp.pad("", string(rune(i))), nil
		case isInt && sp.prec >= 0:
			return "", failf("precision not allowed in integer format specifier")
		case isInt && (sp.verb == 0 || strings.IndexByte("dbnoxX", sp.verb) >= 0):
			return sp.integer(i, 0), nil
		}
		return "", failf("unknown format code '%c' for object of type '%s'", sp.verb, typeName(v))
	}
	s, ok := v.(string)
	if !ok {
		return "", failf("unsupported format string passed to %s.__format__", typeName(v))
	}
	if sp.verb != 0 && sp.verb != 's' {
		return "", failf("unknown format code '%c' for object of type 'str'", sp.verb)
	}
	if sp.align == '=' || sp.sign != 0 || sp.comma {
		return "", failf("format %s is not allowed for strings", quote(spec))
	}
	if sp.zero && sp.align == 0 {
		sp.fill = "0"
	}
	sp.zero = false
	if sp.align == 0 {
		sp.align = '<'
	}
	return sp.pad("", cutRunes(s, sp.prec)), nil
}

// parseSpec reads [[fill]align][sign][#][0][width][,|_][.precision][type].
func parseSpec(spec string) (formatSpec, error) {
	sp := formatSpec{fill: " ", prec: -1}
	bad := failf("invalid format specifier %s", quote(spec))
	s := spec
	isAlign := func(c byte) bool { return strings.IndexByte("<>=^", c) >= 0 }
	if _, n := utf8.DecodeRuneInString(s); len(s) > n && isAlign(s[n]) {
		sp.fill, sp.align, s = s[:n], s[n], s[n+1:]
	} else if isAlign(s[0]) {
		sp.align, s = s[0], s[1:]
	}
	skip := func(set string) byte {
		if s == "" || strings.IndexByte(set, s[0]) < 0 {
			return 0
		}
		c := s[0]
		s = s[1:]
		return c
	}
	digits := func() (int, bool, error) {
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if n == 0 {
			return 0, false, nil
		}
		v, err := strconv.Atoi(s[:n])
		s = s[n:]
		if err != nil || v > maxWidth {
			return 0, false, failf("width or precision is larger than %d", maxWidth)
		}
		return v, true, nil
	}
	sp.sign = skip("+- ")
	sp.alt = skip("#") != 0
	sp.zero = skip("0") != 0 && sp.align == 0
	var err error
	if sp.width, _, err = digits(); err != nil {
		return sp, err
	}
	switch skip(",_") {
	case ',':
		sp.comma = true
	case '_':
		sp.uscore = true
	}
	if skip(".") != 0 {
		var ok bool
		if sp.prec, ok, err = digits(); err != nil {
			return sp, err
		}
		if !ok {
			return sp, failf("format specifier missing precision")
		}
	}
	if s != "" {
		sp.verb, s = s[0], s[1:]
	}
	if s != "" || sp.verb >= utf8.RuneSelf {
		return sp, bad
	}
	return sp, nil
}
