package models

import "strings"

// NameParts takes a stream's name apart at its dots. A part in double quotes may hold dots, and doubled quotes, and is
// given without them. A name whose quotes do not fit is a name with quotes in it: they stay.
func NameParts(name string) []string {
	var parts []string
	for rest := name; ; {
		part, behind, ok := quotedPart(rest)
		if !ok {
			part, behind = rest, ""
			if at := strings.IndexByte(rest, '.'); at >= 0 {
				part, behind = rest[:at], rest[at:]
			}
		}
		parts = append(parts, part)
		if behind == "" {
			return parts
		}
		rest = behind[1:]
	}
}

// quotedPart takes a part in double quotes off the start of a name: a dot or nothing is behind it.
func quotedPart(name string) (part, behind string, ok bool) {
	if !strings.HasPrefix(name, `"`) {
		return "", "", false
	}
	for at := 1; at < len(name); at++ {
		switch {
		case name[at] != '"':
		case strings.HasPrefix(name[at+1:], `"`):
			at++
		default:
			behind = name[at+1:]
			part = strings.ReplaceAll(name[1:at], `""`, `"`)
			return part, behind, part != "" && (behind == "" || behind[0] == '.')
		}
	}
	return "", "", false
}
