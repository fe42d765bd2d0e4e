package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/csvrec"
	"github.com/millrace/millrace/internal/textcast"
)

// ReasonUnexpected is the reason of a JSON record with a key that the stream has no column for.
const ReasonUnexpected = "unexpected_column"

// byLine says whether a JSON file has one record a line.
func (o *StreamOptions) byLine(ctx context.Context, root *os.Root, name string) (bool, error) {
	if o.Format == "ndjson" {
		return true, nil
	}
	base := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	if ext := path.Ext(base); o.Format == "" && (ext == ".ndjson" || ext == ".jsonl") {
		return true, nil
	}
	if o.Records != "" {
		return false, nil
	}
	// A .json file whose first line is an object on its own, with more lines after it, is NDJSON by another name.
	f, err := openStored(ctx, root, name, o.compression(name), "", 1<<62, nil)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 1<<20)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")), " \t\r\n")
	first, rest, ok := bytes.Cut(head, newline)
	if !ok || len(bytes.TrimSpace(rest)) == 0 || len(first) == 0 || first[0] != '{' {
		return false, nil
	}
	_, err = parseJSON(bytes.TrimSpace(first))
	return err == nil, nil
}

func (o *StreamOptions) openJSON(ctx context.Context, root *os.Root, f fileID, progress func(int64)) (*stored, *jsonSplitter, error) {
	lines, err := o.byLine(ctx, root, f.Name)
	if err != nil {
		return nil, nil, err
	}
	in, err := openStored(ctx, root, f.Name, o.compression(f.Name), "", o.maxExpanded(f.Size), progress)
	if err != nil {
		return nil, nil, err
	}
	return in, newJSONSplitter(in, lines, o.Records, o.maxRecord()), nil
}

func jsonFault(name string, err error) error {
	if errors.Is(err, errCutOff) {
		return fmt.Errorf("file %s is cut off (%w): it is still being written or its copy broke; set min_age, or let the writer use a temporary name and rename the finished file", name, err)
	}
	return fmt.Errorf("file %s: %w", name, err)
}

// readJSON splits the records into a scratch file, from which DuckDB casts them.
func (j *job) readJSON() (*extract.Snapshot, error) {
	var targets []target
	index := map[string]int{}
	n := 0
	for _, c := range j.spec.Columns {
		t, err := parseType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		at := -1
		if c.Name != j.opt.FilenameColumn {
			at = n
			index[c.Name] = n
			n++
		}
		targets = append(targets, target{c, t, at, j.isKey(c.Name)})
	}
	for _, t := range targets { // keys match columns as DuckDB matches names: by case only when there is a choice
		if low := strings.ToLower(t.Name); t.at >= 0 {
			if _, ok := index[low]; !ok {
				index[low] = t.at
			}
		}
	}
	file := filepath.Join(j.req.Scratch, "records.parquet")
	w, err := csvrec.NewScratch(file, n)
	if err != nil {
		return nil, err
	}
	r := &jsonRead{job: j, w: w, targets: targets, index: index, row: make([][]byte, n), isNull: make([]bool, n), typeOf: make([]duckType, n)}
	for _, t := range targets {
		if t.at >= 0 {
			r.typeOf[t.at] = t.typ
		}
	}
	counts := make([]fileCount, len(j.spec.Files))
	for i, f := range j.spec.Files {
		if counts[i], err = r.file(f); err != nil {
			w.Close()
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &extract.Snapshot{
		Scan:    typed(file, targets, textcast.Rules{}, j.opt.FilenameColumn),
		Outcome: func() (extract.Outcome, error) { return j.outcome(counts) },
	}, nil
}

// jsonRead is one slice of JSON files being split.
type jsonRead struct {
	*job
	w       *csvrec.Scratch
	targets []target
	index   map[string]int
	typeOf  []duckType
	row     [][]byte
	isNull  []bool
}

func (r *jsonRead) file(f fileID) (fileCount, error) {
	var c fileCount
	in, s, err := r.opt.openJSON(r.ctx, r.root, f, func(n int64) { r.req.Progress(n, 0) })
	if err != nil {
		return c, err
	}
	defer in.Close()
	for {
		rec, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			if uerr := r.unchanged(); uerr != nil {
				return c, uerr
			}
			return c, jsonFault(f.Name, err)
		}
		c.Records++
		if c.Records%10_000 == 0 {
			r.req.Progress(0, 10_000)
		}
		reason, column, message := rec.Reason, "", rec.Message
		if reason == "" {
			reason, column, message = r.record(rec.Raw)
			if reason == ReasonUnexpected && r.opt.extra("json") == "fail" {
				return c, fmt.Errorf("file %s, line %d: %s; add it to columns, or set extra_columns: ignore", f.Name, rec.Line, message)
			}
		}
		if reason != "" {
			err := r.req.Reject(extract.Reject{File: f.Name, Line: rec.Line, Offset: rec.Offset, Column: column, Reason: reason, Message: message, Raw: printable(rec.Raw, extract.MaxRaw)})
			if err != nil {
				return c, err
			}
			continue
		}
		r.w.Place(f.Name, rec.Line, rec.Offset, printable(rec.Raw, extract.MaxRaw))
		for i, v := range r.row {
			if r.isNull[i] {
				r.w.Null(i)
			} else {
				r.w.Value(i, v)
			}
		}
		if err := r.w.End(r.ctx); err != nil {
			return c, err
		}
	}
	r.req.Progress(0, c.Records%10_000)
	c.Hash, err = in.sum()
	return c, err
}

// record takes one record apart into row; a reason says that it cannot.
func (r *jsonRead) record(raw []byte) (reason, column, message string) {
	n, err := parseJSON(raw)
	if errors.Is(err, errUTF8) {
		return extract.ReasonEncoding, "", "the record is not valid UTF-8"
	}
	if err != nil {
		return extract.ReasonSyntax, "", err.Error()
	}
	if n.kind != jsonObject {
		return extract.ReasonSyntax, "", "the record is not an object"
	}
	for i := range r.row {
		r.row[i], r.isNull[i] = r.row[i][:0], true
	}
	for k, key := range n.keys {
		i, ok := r.index[key]
		if !ok {
			i, ok = r.index[strings.ToLower(key)]
		}
		if !ok {
			if r.opt.extra("json") == "ignore" {
				continue
			}
			return ReasonUnexpected, key, fmt.Sprintf("key %q is not one of the columns", key)
		}
		if len(r.row[i]) > 0 || !r.isNull[i] {
			return extract.ReasonSyntax, key, fmt.Sprintf("key %q is there twice, in different case", key)
		}
		if n.items[k].kind == jsonNull {
			continue
		}
		out, why := normalize(r.row[i], n.items[k], r.typeOf[i], true, r.opt.extra("json") == "ignore")
		if why != "" {
			return extract.ReasonCast, key, fmt.Sprintf("key %q: %s", key, why)
		}
		r.row[i], r.isNull[i] = out, false
	}
	return "", "", ""
}

// normalize appends the text that SQL casts to t. At the top a scalar is its bare text; below it is a JSON string,
// so that no number passes through a double, and every field of a STRUCT is there.
func normalize(out []byte, n jsonNode, t duckType, top, ignore bool) (_ []byte, why string) {
	switch t.base {
	case "LIST":
		if n.kind != jsonArray {
			return out, fmt.Sprintf("%s is not a list", brief(n.raw))
		}
		out = append(out, '[')
		for i, item := range n.items {
			if i > 0 {
				out = append(out, ',')
			}
			if out, why = normalizeInner(out, item, *t.elem, ignore); why != "" {
				return out, why
			}
		}
		return append(out, ']'), ""
	case "STRUCT":
		if n.kind != jsonObject {
			return out, fmt.Sprintf("%s is not an object", brief(n.raw))
		}
		used := 0
		out = append(out, '{')
		for i, f := range t.fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSONString(out, f.name)
			out = append(out, ':')
			found := false
			for k, key := range n.keys {
				if key == f.name {
					found = true
					used++
					if out, why = normalizeInner(out, n.items[k], f.typ, ignore); why != "" {
						return out, f.name + ": " + why
					}
					break
				}
			}
			if !found {
				out = append(out, "null"...)
			}
		}
		if used < len(n.keys) && !ignore {
			for _, key := range n.keys {
				known := false
				for _, f := range t.fields {
					known = known || f.name == key
				}
				if !known {
					return out, fmt.Sprintf("key %q is not a field of %s", key, t)
				}
			}
		}
		return append(out, '}'), ""
	}
	text := n.raw
	switch {
	case t.base == "JSON":
	case n.kind == jsonString:
		text = []byte(n.text)
	case n.kind == jsonNumber && (t.integer() || t.base == "DECIMAL"):
		text = []byte(plainNumber(string(n.raw)))
	case (n.kind == jsonObject || n.kind == jsonArray) && t.base != "VARCHAR":
		return out, fmt.Sprintf("%s is not a %s", brief(n.raw), t)
	}
	if top {
		return append(out, text...), ""
	}
	return appendJSONString(out, string(text)), ""
}

func normalizeInner(out []byte, n jsonNode, t duckType, ignore bool) ([]byte, string) {
	if n.kind == jsonNull {
		return append(out, "null"...), ""
	}
	return normalize(out, n, t, false, ignore)
}

func appendJSONString(out []byte, s string) []byte {
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

func brief(b []byte) string { return printable(b, 100) }

const (
	sniffRecords   = 20_480
	sniffJSONBytes = 64 << 20
)

// json settles the columns of JSON files: without pins they are inferred from the first records.
func (p *planner) json(files []fileID, out *plan) error {
	if p.opt.pinned() || len(p.known()) > 0 && p.opt.extra("json") != "evolve" {
		return p.settle(out, nil, nil)
	}
	_, temp, err := p.session()
	if err != nil {
		return err
	}
	sample, err := os.CreateTemp(temp, "sample-*.ndjson")
	if err != nil {
		return err
	}
	defer sample.Close()
	look := &jsonLook{long: map[string]bool{}}
	looked := spread(files, sniffFiles)
	for _, f := range looked {
		if err := p.sampleJSON(f, sample, look, max(1, sniffRecords/len(looked))); err != nil {
			return err
		}
	}
	if look.records == 0 {
		if len(p.known()) > 0 {
			return p.settle(out, nil, nil)
		}
		return fmt.Errorf("no file has a record to tell the columns from: %w", extract.ErrEmpty)
	}
	types, err := p.inferJSON(sample.Name(), look)
	if err != nil {
		return err
	}
	if look.partial || len(looked) < len(files) {
		out.notes = append(out.notes, fmt.Sprintf("types guessed from the first %d records; a record with a key beyond these is rejected", look.records))
	}
	return p.settle(out, look.keys, func(map[string]bool) (map[string]guess, error) { return types, nil })
}

// jsonLook is what was seen in a sample.
type jsonLook struct {
	keys    []string // in the order met
	met     map[string]bool
	long    map[string]bool // keys with whole numbers that a DOUBLE would round
	records int
	partial bool
}

func (p *planner) sampleJSON(f fileID, w io.Writer, look *jsonLook, n int) error {
	in, s, err := p.opt.openJSON(p.ctx, p.root, f, nil)
	if err != nil {
		return err
	}
	defer in.Close()
	if look.met == nil {
		look.met = map[string]bool{}
	}
	size := 0
	for range n {
		rec, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return jsonFault(f.Name, err)
		}
		node, perr := parseJSON(rec.Raw)
		if rec.Reason != "" || perr != nil || node.kind != jsonObject {
			continue // the read rejects it
		}
		for i, k := range node.keys {
			low := strings.ToLower(k)
			if !look.met[low] {
				look.met[low] = true
				look.keys = append(look.keys, k)
			}
			if v := node.items[i]; v.kind == jsonNumber && len(v.raw) > 16 && !bytes.ContainsAny(v.raw, ".eE") {
				look.long[low] = true
			}
		}
		look.records++
		line := bytes.ReplaceAll(bytes.ReplaceAll(rec.Raw, newline, []byte(" ")), []byte("\r"), []byte(" "))
		if _, err := w.Write(append(append([]byte(nil), line...), '\n')); err != nil {
			return err
		}
		if size += len(line); size > sniffJSONBytes/sniffFiles {
			break
		}
	}
	if _, err := s.next(); err != io.EOF {
		look.partial = true
	}
	return nil
}

// inferJSON asks DuckDB for types and tries them on the sample.
func (p *planner) inferJSON(sample string, look *jsonLook) (map[string]guess, error) {
	db, _, err := p.session()
	if err != nil {
		return nil, err
	}
	out := map[string]guess{}
	cols, err := db.Describe(p.ctx, fmt.Sprintf("SELECT * FROM read_json(%s, format='newline_delimited', sample_size=-1, map_inference_threshold=-1, maximum_object_size=%d)", text(sample), p.opt.maxRecord()+16))
	if err != nil {
		return nil, fmt.Errorf("infer the types of JSON records: %w", err)
	}
	for _, c := range cols {
		low := strings.ToLower(c.Name)
		t, err := parseType(c.Type)
		g := guess{typ: t.String()}
		switch {
		case err != nil:
			g = guess{typ: "JSON", note: fmt.Sprintf("%s cannot be landed, so it is read as JSON", c.Type)}
		case t.base == "DOUBLE" && look.long[low]:
			g = guess{typ: "VARCHAR", note: "it has whole numbers that no number type here holds exactly, so it is read as VARCHAR"}
		case t.nested() && hasDouble(t):
			g.note = "numbers inside it are guessed to be DOUBLE; pin DECIMAL if they must be exact"
		}
		out[low] = g
	}
	return out, nil
}

func hasDouble(t duckType) bool {
	switch t.base {
	case "LIST":
		return hasDouble(*t.elem)
	case "STRUCT":
		for _, f := range t.fields {
			if hasDouble(f.typ) {
				return true
			}
		}
	}
	return t.base == "DOUBLE"
}
