package clean

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email is a valid address in lower case, without mailto: and the name that may stand around it; else nothing.
func Email(dst []byte, t string) []byte {
	start := len(dst)
	t = strings.TrimSpace(t)
	if open := strings.LastIndexByte(t, '<'); open >= 0 { // Bob <bob@example.com>
		inner, _, closed := strings.Cut(t[open+1:], ">")
		if !closed {
			return dst
		}
		t = inner
	}
	dst = Text(dst, t)
	b := bytes.Trim(dst[start:], " \"'<>,;.()[]")
	if len(b) > 7 && strings.EqualFold(string(b[:7]), "mailto:") {
		b = bytes.TrimLeft(b[7:], " ")
		b, _, _ = bytes.Cut(b, []byte{'?'})
	}
	if len(b) > 320 {
		return dst[:start]
	}
	dst = append(dst[:start], b...) // moves to the left only
	if isASCII(dst[start:]) {
		for i := start; i < len(dst); i++ {
			if ascii[dst[i]]&asUpper != 0 {
				dst[i] += 'a' - 'A'
			}
		}
	} else {
		dst = append(dst[:start], Text(nil, strings.ToLower(string(dst[start:])))...)
	}
	at := bytes.IndexByte(dst[start:], '@')
	if at < 0 || !localPart(dst[start:start+at]) || !domain(dst[start+at+1:]) {
		return dst[:start]
	}
	return dst
}

// localPart says whether it may stand before the @: the characters of RFC 5322 without quotes, letters of any script, single dots.
func localPart(b []byte) bool {
	if len(b) == 0 || len(b) > 64 || b[0] == '.' || b[len(b)-1] == '.' {
		return false
	}
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == '.' && b[i-1] == '.': // not the first: see above
			return false
		case r < utf8.RuneSelf && ascii[r]&(asLetter|asDigit) == 0 && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r):
			return false
		case r >= utf8.RuneSelf && (r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)):
			return false
		}
		i += size
	}
	return true
}

// domain says whether it is a name of at least two labels, the last of which is no number.
func domain(b []byte) bool {
	if len(b) > 253 {
		return false
	}
	labels := 0
	for {
		label, rest, more := bytes.Cut(b, []byte{'.'})
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		letters := 0
		for _, r := range string(label) {
			switch {
			case unicode.IsLetter(r), unicode.IsMark(r):
				letters++
			case r != '-' && !unicode.IsDigit(r):
				return false
			}
		}
		labels++
		if !more {
			return labels > 1 && letters > 0 && utf8.RuneCount(label) > 1
		}
		b = rest
	}
}

// EmailCanonical is Email without a +tag; of Gmail's addresses, which are delivered whatever their dots, without dots, all at gmail.com.
func EmailCanonical(dst []byte, t string) []byte {
	start := len(dst)
	dst = Email(dst, t)
	local, host, ok := bytes.Cut(dst[start:], []byte{'@'})
	if !ok {
		return dst
	}
	if plus := bytes.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	gmail := string(host) == "gmail.com" || string(host) == "googlemail.com"
	var space [512]byte
	out := space[:0]
	for _, c := range local {
		if !gmail || c != '.' {
			out = append(out, c)
		}
	}
	out = append(out, '@')
	if gmail {
		out = append(out, "gmail.com"...)
	} else {
		out = append(out, host...)
	}
	return append(dst[:start], out...)
}

// EmailLocal is what stands before the @ of Email.
func EmailLocal(dst []byte, t string) []byte {
	start := len(dst)
	dst = Email(dst, t)
	return dst[:start+max(0, bytes.IndexByte(dst[start:], '@'))]
}

// EmailDomain is what stands behind it.
func EmailDomain(dst []byte, t string) []byte {
	start := len(dst)
	dst = Email(dst, t)
	return append(dst[:start], dst[start+bytes.IndexByte(dst[start:], '@')+1:]...)
}
