package clean

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Phone is a valid number in the form of E.164, +493012345678; nothing for any other text. of is the country of numbers without a code of their
// own; without it only those with + or 00 in front are understood.
func Phone(dst []byte, t, of string) []byte {
	if len(Digits(make([]byte, 0, 32), t)) < 5 {
		return dst
	}
	region := "ZZ"
	if of != "" {
		if code := country(of); code != "" {
			region = code
		}
	}
	t = strings.TrimSpace(t)
	if rest, ok := strings.CutPrefix(t, "00"); ok && region == "ZZ" {
		t = "+" + rest
	}
	if strings.HasPrefix(t, "+") || strings.HasPrefix(t, "00") {
		t = strings.Replace(t, "(0)", "", 1) // +49 (0) 30: the 0 is for callers at home
	}
	if out, known := phoneFast(dst, t, region); known {
		return out
	}
	return phoneSlow(dst, t, region)
}

// phoneSlow asks the library.
func phoneSlow(dst []byte, t, region string) []byte {
	n, err := phonenumbers.Parse(t, region)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return dst
	}
	return append(dst, phonenumbers.Format(n, phonenumbers.E164)...)
}
