package pipeline

import (
	"strconv"
	"strings"
)

// SafeCell puts a quote before what a spreadsheet would run as a formula (OWASP, CSV injection), and before what has such a
// quote already, so that plainCell brings every text back. Numbers stay as they are.
func SafeCell(s string) string {
	if formula(strings.TrimLeft(s, "'")) {
		return "'" + s
	}
	return s
}

// plainCell is the text of which SafeCell made the cell.
func plainCell(s string) string {
	if rest, quoted := strings.CutPrefix(s, "'"); quoted && formula(strings.TrimLeft(rest, "'")) {
		return rest
	}
	return s
}

func formula(s string) bool {
	if s == "" || !strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err != nil
}
