package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
)

// point is an object of a history as an indented JSON text has it. No JSON string holds a line break, so nothing but an
// object without others inside can match.
var point = regexp.MustCompile(`\{\n +"run": "[^"\n]*",\n +"(?:at|logical_time)": [^{}]*?\n +\}`)

// JSON writes the report for machines: the fields of Run, and nothing that the other formats lack.
func JSON(w io.Writer, r *Run) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report as JSON: %w", err)
	}
	// A point of a trend is a line: there are ninety a check.
	lines := point.ReplaceAllFunc(b.Bytes(), func(m []byte) []byte {
		var line bytes.Buffer
		if json.Compact(&line, m) != nil {
			return m
		}
		return line.Bytes()
	})
	_, err := w.Write(lines)
	return err
}
