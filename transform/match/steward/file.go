package steward

import (
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
)

// header are the file's columns. People may leave columns out, and put them in another order; rows that Append adds have all that are there.
var header = []string{"id", "at", "by", "kind", "a_source", "a_key", "b_source", "b_key", "field", "value", "of", "why"}

// needed must be there.
var needed = []string{"kind", "a_source", "a_key", "b_source", "b_key"}

// null is how the file writes that a pin has no value of its own. An empty text is a value.
const null = `\N`

// File is the file of an entity's decisions.
type File struct {
	Path string // absolute
	Name string // as people know it, relative to the project
}

// Read gives all decisions in the order of the file; none when there is no file. All that is wrong with it is told at once.
func (f File) Read() ([]Decision, error) {
	decisions, _, err := f.read()
	return decisions, err
}

func (f File) read() (decisions []Decision, columns []string, err error) {
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, header, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read decisions: %w", err)
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	columns, err = r.Read()
	if errors.Is(err, io.EOF) {
		return nil, header, nil
	}
	if err == nil {
		err = f.checkHeader(columns)
	}
	if err != nil {
		return nil, nil, f.wrap(err)
	}
	var problems []error
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return decisions, columns, errors.Join(problems...)
		}
		if err != nil {
			return nil, nil, errors.Join(append(problems, f.wrap(err))...)
		}
		line, _ := r.FieldPos(0)
		d, why := decisionOf(columns, row)
		d.Place = fmt.Sprintf("%s:%d", f.Name, line)
		if why == "" {
			why = d.problem()
		}
		if why != "" {
			problems = append(problems, fmt.Errorf("%s: %s", d.Place, why))
			continue
		}
		decisions = append(decisions, d)
	}
}

// wrap puts the file's name and line before what the parser says.
func (f File) wrap(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("%s:%d:%d: %w", f.Name, parse.Line, parse.Column, parse.Err)
	}
	return fmt.Errorf("%s:1: %w", f.Name, err)
}

func (f File) checkHeader(columns []string) error {
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(c))
		if !slices.Contains(header, columns[i]) {
			hint := "the columns are " + strings.Join(header, ", ")
			if s := config.Suggest(columns[i], header); s != "" {
				hint = fmt.Sprintf("did you mean %q?", s)
			}
			return fmt.Errorf("unknown column %q: %s", c, hint)
		}
		if slices.Contains(columns[:i], columns[i]) {
			return fmt.Errorf("column %q is there twice", c)
		}
	}
	for _, c := range needed {
		if !slices.Contains(columns, c) {
			return fmt.Errorf("column %q is missing: the first line names the columns %s", c, strings.Join(header, ", "))
		}
	}
	return nil
}

// decisionOf takes a row apart. why says what cannot be read.
func decisionOf(columns, row []string) (d Decision, why string) {
	for i, c := range columns {
		v := row[i]
		switch c {
		case "id":
			d.ID = v
		case "at":
			if d.At, why = parseTime(v, why); why != "" {
				return d, why
			}
		case "by":
			d.By = v
		case "kind":
			d.Kind = Kind(strings.ToLower(strings.TrimSpace(v)))
		case "a_source":
			d.A.Source = v
		case "a_key":
			d.A.Key = v
		case "b_source":
			d.B.Source = v
		case "b_key":
			d.B.Key = v
		case "field":
			d.Field = v
		case "value":
			if v != null {
				d.Value = &v
			}
		case "of":
			d.Of = v
		case "why":
			d.Why = v
		}
	}
	if d.Kind != Pin {
		d.Value = nil
	}
	return d, ""
}

func parseTime(text, why string) (time.Time, string) {
	if text == "" {
		return time.Time{}, why
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, why
		}
	}
	return time.Time{}, fmt.Sprintf("at %q is no time: write 2026-01-31T12:00:00Z", text)
}

// Append adds a decision, with an id, and gives it back. It refuses one that contradicts others. The caller holds a lock, so that nobody else
// adds one meanwhile; the file is replaced by a complete one, so that a crash leaves the old or the new.
func (f File) Append(d Decision) (*Decision, error) {
	if why := d.problem(); why != "" {
		return nil, errors.New(why)
	}
	all, columns, err := f.read()
	if err != nil {
		return nil, err
	}
	d.ID = newID(all)
	if _, err := Rule(append(slices.Clone(all), d)); err != nil {
		return nil, &ContradictionError{err}
	}
	for _, c := range header { // what people have left out is needed for this one, or for who reads it
		if !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write(columns)
	for _, old := range append(all, d) {
		_ = w.Write(old.row(columns))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return nil, fmt.Errorf("write decisions: %w", err)
	}
	if err := errors.Join(fsx.Sweep(f.Path), fsx.Write("decisions", f.Path, []byte(text.String()), 0o644)); err != nil {
		return nil, fmt.Errorf("write decisions: %w", err)
	}
	d.Place = f.Name
	return &d, nil
}

func (d *Decision) row(columns []string) []string {
	at, value := "", null
	if !d.At.IsZero() {
		at = d.At.UTC().Format(time.RFC3339Nano)
	}
	if d.Value != nil {
		value = *d.Value
	} else if d.Kind != Pin {
		value = ""
	}
	all := map[string]string{"id": d.ID, "at": at, "by": d.By, "kind": string(d.Kind), "a_source": d.A.Source, "a_key": d.A.Key,
		"b_source": d.B.Source, "b_key": d.B.Key, "field": d.Field, "value": value, "of": d.Of, "why": d.Why}
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = all[c]
	}
	return row
}

// newID is short enough to be typed, and not taken.
func newID(all []Decision) string {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		id := hex.EncodeToString(b[:])
		if !slices.ContainsFunc(all, func(d Decision) bool { return d.ID == id }) {
			return id
		}
	}
}
