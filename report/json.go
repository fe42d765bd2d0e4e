package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes the report for machines: the fields of Run, and nothing that the other formats lack.
func JSON(w io.Writer, r *Run) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report as JSON: %w", err)
	}
	_, err := w.Write(indented(b.Bytes()))
	return err
}

// indented lays out compact JSON for people as encoding/json does, but keeps an object without others inside on one
// line: a point of a trend, an equation's term. There are ninety points a check, so it passes over the text once.
func indented(compact []byte) []byte {
	out := make([]byte, 0, len(compact)*3/2)
	depth := 0
	line := func() {
		out = append(out, '\n')
		for range depth {
			out = append(out, "  "...)
		}
	}
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := stringEnd(compact, i)
			out = append(out, compact[i:end]...)
			i = end - 1
		case '{', '[':
			if end := flat(compact, i); end > 0 {
				out = append(out, compact[i:end]...)
				i = end - 1
				continue
			}
			out = append(out, c)
			depth++
			line()
		case '}', ']':
			depth--
			line()
			out = append(out, c)
		case ',':
			out = append(out, c)
			line()
		case ':':
			out = append(out, ": "...)
		default:
			out = append(out, c)
		}
	}
	return out
}

// stringEnd is the index behind the string that begins at i.
func stringEnd(s []byte, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// flat is the index behind the object or list at i when nothing is nested in it and it fits a line; 0 otherwise.
func flat(s []byte, i int) int {
	const longest = 200
	for k := i + 1; k-i < longest; k++ {
		switch s[k] {
		case '"':
			k = stringEnd(s, k) - 1
		case '{', '[':
			return 0
		case '}', ']':
			if k-i >= longest {
				return 0
			}
			return k + 1
		}
	}
	return 0
}
