package models

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// csvRows reads rows of CSV: an empty field is NULL, and so is one that a short row lacks. at is where the text begins.
func (l *loader) csvRows(f *Fixture, text string, at config.Pos) *Fixture {
	f.Rows, f.CSV = []FixtureRow{}, true
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF")))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		l.problem(at, "the first line names the columns", "the CSV has no header")
		return nil
	}
	for err == nil {
		var record []string
		if record, err = r.Read(); err != nil {
			break
		}
		line, _ := r.FieldPos(0)
		if len(record) > len(header) {
			l.problem(at, "put values with commas into quotes", "line %d of the CSV has %d fields, its header has %d", line, len(record),
				len(header))
			return nil
		}
		row := FixtureRow{Columns: header, Values: make([]any, len(header)), Pos: at}
		for i, field := range record {
			if field != "" {
				row.Values[i] = field
			}
		}
		f.Rows = append(f.Rows, row)
	}
	if !errors.Is(err, io.EOF) {
		l.problem(at, "", "the CSV cannot be read: %v", err)
		return nil
	}
	return f
}
