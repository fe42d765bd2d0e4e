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
	"unicode/utf8"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
)

// header are the file's columns. People may leave columns out, and put them in another order; rows that Append adds have all that are there.
var header = []string{"id", "at", "by", "kind", "a_source", "a_key", "b_source", "b_key", "field", "value", "of", "why"}

// needed must be there.
var needed = []string{"kind", "a_source", "a_key", "b_source", "b_key"}

// How the file writes that a pin has no value of its own, and that it pins NULL. An empty text is a value, and so is every other text: one that
// begins with a backslash is written with one more before it.
const (
	null = `\N`
	none = `\NULL`
)

// File is the file of an entity's decisions.
type File struct {
	Path     string   // absolute
	Name     string   // as people know it, relative to the project
	Personal []string // sources whose keys are shown to nobody
	// Now is the time of the clock: no decision is later, but for what clocks differ. The zero time is not looked at.
	Now time.Time
}

// ahead is how far another machine's clock may be before this one's.
const ahead = 5 * time.Minute

// Problem is something that is wrong with the file.
type Problem struct {
	File         string
	Line, Column int
	Text, Hint   string
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	if p.Hint != "" {
		text += ": " + p.Hint
	}
	return text
}

// content is what is in the file.
type content struct {
	text      string
	columns   []string   // nil: there is no first line
	rows      [][]string // as they stand there
	decisions []Decision
	problems  []*Problem
}

// Read gives all decisions in the order of the file; none when there is no file. All that is wrong with it is told at once.
func (f File) Read() ([]Decision, error) {
	in, err := f.read()
	return in.decisions, err
}

// Problems are what is wrong with the file; err says that it cannot be read at all.
func (f File) Problems() ([]*Problem, error) {
	in, err := f.read()
	if len(in.problems) > 0 {
		return in.problems, nil
	}
	return nil, err
}

func (f File) read() (in content, err error) {
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil
	}
	if err != nil {
		return in, fmt.Errorf("read decisions: %w", err)
	}
	in.text = string(data)
	if p := f.unreadable(in.text); p != nil {
		in.problems = []*Problem{p}
	} else {
		f.parse(&in)
	}
	errs := make([]error, len(in.problems))
	for i, p := range in.problems {
		errs[i] = p
	}
	return in, errors.Join(errs...)
}

// unreadable says what makes a text no CSV at all.
func (f File) unreadable(text string) *Problem {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return &Problem{f.Name, 1, 1, "the file is UTF-16", "save it as UTF-8"}
	}
	line := 0
	for own := range strings.Lines(text) {
		line++
		if !utf8.ValidString(own) {
			return &Problem{f.Name, line, 1, "the file is not UTF-8", "save it as UTF-8"}
		}
		if strings.HasPrefix(own, "<<<<<<< ") || strings.HasPrefix(own, ">>>>>>> ") {
			return &Problem{f.Name, line, 1, "two branches were not merged",
				"keep the rows of both, and take out the lines that begin with <<<<<<<, ======= and >>>>>>>; merge=union in .gitattributes does"}
		}
	}
	return nil
}

// parse takes the text apart.
func (f File) parse(in *content) {
	bom := len(in.text) - len(strings.TrimPrefix(in.text, "\ufeff"))
	r := csv.NewReader(strings.NewReader(in.text[bom:]))
	r.FieldsPerRecord = -1
	columns, err := r.Read()
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		in.problems = append(in.problems, f.malformed(err))
		return
	}
	line, _ := r.FieldPos(0)
	if text, hint := checkHeader(columns); text != "" {
		in.problems = append(in.problems, &Problem{f.Name, line, 1, text, hint})
		return
	}
	in.columns = columns
	var when time.Time
	for seen := map[string]bool{}; ; {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			in.problems = append(in.problems, f.malformed(err))
			break
		}
		in.rows = append(in.rows, row)
		if !slices.ContainsFunc(row, func(cell string) bool { return cell != "" }) || slices.Equal(row, columns) {
			continue // a spreadsheet leaves empty rows, and a merge the first line of both
		}
		d, p := f.decision(r, columns, row)
		if p != nil {
			in.problems = append(in.problems, p)
			continue
		}
		whole := fmt.Sprintf("%q", row)
		if d.ID != "" && seen[whole] {
			continue // both branches had it
		}
		seen[whole] = true
		if d.when = d.At; d.At.IsZero() {
			d.when = when
		}
		when = d.when
		in.decisions = append(in.decisions, d)
	}
	in.decisions = once(in.decisions)
	Identify(in.decisions)
}

// once takes out rows without ids that the next decision about the same repeats: it tells where they are. What stands between two that say
// the same makes the second one a decision of its own: a pair that was split meanwhile matches again.
func once(all []Decision) []Decision {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return all[x].order().Compare(all[y].order()) })
	last, drop := map[subject]int{}, map[int]bool{}
	for _, i := range order {
		d := &all[i]
		about := d.about()
		if d.Kind == Revoke {
			about = subject{field: "of " + d.Of}
		}
		before, ok := last[about]
		if ok && d.ID == "" && all[before].ID == "" && d.fingerprint(0) == all[before].fingerprint(0) {
			d.Repeats, drop[before] = append(all[before].Repeats, all[before].Place), true
		}
		if d.Kind == Revoke {
			clear(last)
		}
		last[about] = i
	}
	kept := all[:0]
	for i := range all {
		if !drop[i] {
			kept = append(kept, all[i])
		}
	}
	return kept
}

// decision reads the row that was read last.
func (f File) decision(r *csv.Reader, columns, row []string) (Decision, *Problem) {
	line, _ := r.FieldPos(0)
	if len(row) != len(columns) {
		return Decision{}, &Problem{f.Name, line, 1, fmt.Sprintf("the row has %d cells, and the first line names %d columns", len(row), len(columns)),
			"they are " + strings.Join(columns, ", ")}
	}
	d, cell, why := decisionOf(columns, row)
	d.Place, d.Personal = fmt.Sprintf("%s:%d", f.Name, line), f.Personal
	hint := ""
	if why == "" {
		cell, why = d.problem()
	}
	if why == "" && !f.Now.IsZero() && d.At.After(f.Now.Add(ahead)) {
		cell, why = "at", fmt.Sprintf("at %s is in the future: it would hold against all that is decided until then", d.At.UTC().Format(time.RFC3339))
		hint = "write when it was decided, in UTC or with its zone; it is " + f.Now.UTC().Format(time.RFC3339) + " now"
	}
	if why == "" {
		return d, nil
	}
	column := 1
	if i := slices.Index(columns, cell); i >= 0 {
		line, column = r.FieldPos(i)
	}
	return d, &Problem{File: f.Name, Line: line, Column: column, Text: why, Hint: hint}
}

// malformed says in words what the parser says.
func (f File) malformed(err error) *Problem {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return &Problem{f.Name, 1, 1, err.Error(), ""}
	}
	const hint = `a cell with a quote in it is written "so ""named"" one", and each quote that is opened is closed`
	return &Problem{f.Name, parse.Line, parse.Column, `a quote (") stands where none may`, hint}
}

// checkHeader says what is wrong with the first line, and what to do. It writes the columns in lower case.
func checkHeader(columns []string) (text, hint string) {
	names := strings.Join(header, ", ")
	if len(columns) == 1 && strings.ContainsAny(columns[0], ";\t") {
		return "no columns are separated by commas", "save the file as CSV with commas"
	}
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(c))
		if !slices.Contains(header, columns[i]) {
			hint := config.DidYouMean(columns[i], header, "the columns are "+names)
			return fmt.Sprintf("unknown column %q", c), hint
		}
		if slices.Contains(columns[:i], columns[i]) {
			return fmt.Sprintf("column %q is there twice", c), ""
		}
	}
	for _, c := range needed {
		if !slices.Contains(columns, c) {
			return fmt.Sprintf("column %q is missing", c), "the first line names the columns " + names
		}
	}
	return "", ""
}

// decisionOf takes a row apart. why says what cannot be read, in which cell.
func decisionOf(columns, row []string) (d Decision, cell, why string) {
	for i, c := range columns {
		v := row[i]
		switch c {
		case "id":
			d.ID = v
		case "at":
			if d.At, why = parseTime(v, why); why != "" {
				return d, c, why
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
			switch {
			case v == none:
				d.Null = true
			case v != null:
				if strings.HasPrefix(v, `\\`) {
					v = v[1:]
				}
				d.Value = &v
			}
		case "of":
			d.Of = v
		case "why":
			d.Why = v
		}
	}
	if d.Kind != Pin {
		d.Value, d.Null = nil, false
	}
	return d, "", ""
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

// Append adds a decision, with an id, and gives it back. It refuses one that contradicts others: those of the file, and those that were
// decided elsewhere. What stands in the file stays as it is, byte for byte, unless its first line lacks columns. The caller holds a lock,
// so that nobody else adds one meanwhile; the file is replaced by a complete one, so that a crash leaves the old or the new.
func (f File) Append(d Decision, elsewhere ...Decision) (*Decision, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	in, err := f.read()
	if err != nil {
		return nil, err
	}
	if err := d.revokes(in.decisions, elsewhere); err != nil {
		return nil, err
	}
	all := Ordered(slices.Concat(elsewhere, in.decisions))
	d.ID, d.Why, d.By, d.Personal = newID(all), line(d.Why), line(d.By), f.Personal
	if len(all) > 0 { // it is the latest, whatever another machine's clock has said
		d.when = all[len(all)-1].order()
		if !d.At.IsZero() && d.At.Before(d.when) {
			d.At = d.when
		}
	}
	if before, err := Rule(all); err == nil && d.Kind != Revoke {
		if over := before.Of(&d); over != nil {
			over := *over
			d.Over = &over
		}
	}
	if _, err := Agreed(append(all, d)); err != nil && d.Kind != Revoke { // of several contradictions one is taken back after another
		return nil, err
	}
	text, err := in.with(&d)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return nil, fmt.Errorf("write decisions: %w", err)
	}
	if err := errors.Join(fsx.Sweep(f.Path), fsx.Write("decisions", f.Path, []byte(text), 0o644)); err != nil {
		return nil, fmt.Errorf("write decisions: %w", err)
	}
	d.Place, d.when = f.placed(text, d.ID), d.At
	return &d, nil
}

// placed is where in a text of the file a decision stands.
func (f File) placed(text, id string) string {
	in := content{text: text}
	f.parse(&in)
	if at := slices.IndexFunc(in.decisions, func(d Decision) bool { return d.ID == id }); at >= 0 {
		return in.decisions[at].Place
	}
	return f.Name
}

// revokes finds what a revoke takes back, by its id or by file:line, and refuses what cannot be.
func (d *Decision) revokes(own, elsewhere []Decision) error {
	if d.Kind != Revoke {
		return nil
	}
	at := slices.IndexFunc(own, func(old Decision) bool {
		return old.ID == d.Of || old.Place == d.Of || slices.Contains(old.Repeats, d.Of)
	})
	if at < 0 {
		for _, old := range elsewhere {
			if old.ID == d.Of {
				return &RefusedError{fmt.Sprintf("decision %s stands in %s: take it out there, or decide anew", d.Of, old.Place)}
			}
		}
		return &RefusedError{fmt.Sprintf("no decision has the id %q: match decisions lists them", d.Of)}
	}
	d.Of = own[at].ID
	if own[at].Kind == Revoke {
		return &RefusedError{fmt.Sprintf("%s is a revoke, and stays one: decide anew what it took back", d.Of)}
	}
	for _, old := range own {
		if old.Kind == Revoke && old.Of == d.Of {
			return &RefusedError{fmt.Sprintf("%s was revoked already, by %s", d.Of, old.ID)}
		}
	}
	return nil
}

// line is a text in one line: the file is compared by lines.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// with is the text of the file with one more decision.
func (in *content) with(d *Decision) (string, error) {
	crlf := strings.Contains(in.text, "\r\n")
	cells := d.cells()
	columns := slices.Clone(in.columns)
	for _, c := range header {
		empty := cells[c] == "" && (c != "value" || d.Value == nil) // an empty text is a value
		if !slices.Contains(columns, c) && (in.columns == nil || !empty) {
			columns = append(columns, c)
		}
	}
	var rows [][]string
	text := in.text
	if len(columns) > len(in.columns) {
		text = ""
		if strings.HasPrefix(in.text, "\ufeff") {
			text = "\ufeff"
		}
		rows = append(rows, columns)
		for _, row := range in.rows {
			rows = append(rows, widened(in.columns, columns, row))
		}
	} else if !strings.HasSuffix(text, "\n") {
		text += map[bool]string{true: "\r\n", false: "\n"}[crlf]
	}
	own := make([]string, len(columns))
	for i, c := range columns {
		own[i] = cells[c]
	}
	var added strings.Builder
	w := csv.NewWriter(&added)
	w.UseCRLF = crlf
	err := w.WriteAll(append(rows, own))
	return text + added.String(), err
}

// widened is a row with cells for columns that it had none for.
func widened(from, to, row []string) []string {
	wide := slices.Clone(row)
	for _, c := range to[len(from):] {
		cell := ""
		if at := slices.Index(from, "kind"); c == "value" && at < len(row) && strings.EqualFold(strings.TrimSpace(row[at]), string(Pin)) {
			cell = null
		}
		wide = append(wide, cell)
	}
	return wide
}

// cells are the decision as the file has it, by columns.
func (d *Decision) cells() map[string]string {
	at, value := "", null
	if !d.At.IsZero() {
		at = d.At.UTC().Format(time.RFC3339Nano)
	}
	switch {
	case d.Value != nil:
		if value = *d.Value; strings.HasPrefix(value, `\`) {
			value = `\` + value
		}
	case d.Kind != Pin:
		value = ""
	case d.Null:
		value = none
	}
	return map[string]string{"id": d.ID, "at": at, "by": d.By, "kind": string(d.Kind), "a_source": d.A.Source, "a_key": d.A.Key,
		"b_source": d.B.Source, "b_key": d.B.Key, "field": d.Field, "value": value, "of": d.Of, "why": d.Why}
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
