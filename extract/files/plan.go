package files

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fsx"
)

// plan is how a window's files are read: one format, one list of columns, one dialect.
type plan struct {
	format  string
	columns []extract.Column
	dialect *dialect
	notes   []string
	pins    []extract.Column // what Describe proposes, where it differs from columns
}

// planner settles a plan by looking at the files.
type planner struct {
	ctx    context.Context
	root   *os.Root
	dir    string
	stream extract.Stream
	opt    *StreamOptions
	db     *duckdb.DB
	temp   string
	remove func() // temp
}

const (
	sniffWhole = 64 << 20 // a file up to this size is looked at whole
	sniffPart  = 32 << 20 // of a larger one, this much
	sniffFiles = 16       // how many files are looked at
)

func (p *planner) plan(files []fileID) (*plan, error) {
	defer p.close()
	out := &plan{}
	for _, f := range files {
		format := p.opt.format(f.Name)
		if out.format != "" && format != out.format {
			return nil, fmt.Errorf("file %s is %s, others are %s: give each format its own stream, or set format", f.Name, format, out.format)
		}
		out.format = format
	}
	var err error
	switch out.format {
	case "csv":
		err = p.csv(files, out)
	case "json":
		err = p.json(files, out)
	case "parquet":
		err = p.parquet(files, out)
	case "arrow":
		err = p.arrow(files, out)
	}
	return out, err
}

// session gives a DuckDB that may read the files and the planner's temporary folder.
func (p *planner) session() (*duckdb.DB, string, error) {
	if p.db != nil {
		return p.db, p.temp, nil
	}
	temp, remove, err := fsx.TempFolder("", "millrace-sniff-")
	if err != nil {
		return nil, "", err
	}
	p.temp, p.remove = temp, remove
	p.db, err = duckdb.Open(p.ctx, duckdb.Config{Memory: 1 << 30, Temp: filepath.Join(temp, "spill"), Dirs: []string{p.dir, temp}})
	return p.db, temp, err
}

func (p *planner) close() {
	if p.db != nil {
		p.db.Close()
	}
	if p.temp != "" {
		p.remove()
	}
}

// known gives the columns of the published version, without the one that we add.
func (p *planner) known() []extract.Column {
	var out []extract.Column
	for _, c := range p.stream.Known {
		if c.Name != p.opt.FilenameColumn {
			out = append(out, extract.Column{Name: c.Name, Type: landed(c.Type)})
		}
	}
	return out
}

// promised are the types of columns by the stream's contract, by lower-case name: of texts, which have none of their own, where
// the project does not pin others.
func (p *planner) promised(format string) map[string]string {
	types := map[string]string{}
	if p.opt.pinned() || selfTyped(format) {
		return types
	}
	for _, c := range p.stream.Types {
		types[strings.ToLower(c.Name)] = landed(c.Type)
	}
	return types
}

// spread picks at most n files, the first, the last and some between.
func spread(files []fileID, n int) []fileID {
	if len(files) <= n {
		return files
	}
	out := make([]fileID, n)
	for i := range n {
		out[i] = files[i*(len(files)-1)/(n-1)]
	}
	return out
}

// settle makes the columns from what is pinned, what is known, and what the files have beyond that. names are the
// columns of all files in the order met; sniff is asked only for names that neither pins nor known cover.
func (p *planner) settle(out *plan, names []string, sniff func(only map[string]bool) (map[string]guess, error)) error {
	base := p.opt.pins()
	if !p.opt.pinned() {
		base = p.known()
	}
	promised := p.promised(out.format)
	for i, c := range base {
		base[i].Type = cmp.Or(promised[strings.ToLower(c.Name)], c.Type)
	}
	have := map[string]bool{}
	for _, c := range base {
		have[strings.ToLower(c.Name)] = true
	}
	out.columns = base
	unknown := map[string]bool{}
	for _, n := range names {
		if !have[strings.ToLower(n)] {
			unknown[strings.ToLower(n)] = true
		}
	}
	extra := p.opt.extra(out.format)
	if len(base) > 0 && (extra == "ignore" || extra == "fail" || p.opt.pinned() && !selfTyped(out.format)) {
		unknown = nil
	}
	if len(unknown) > 0 || len(base) == 0 {
		types, err := sniff(unknown)
		if err != nil {
			return err
		}
		for _, n := range names {
			low := strings.ToLower(n)
			if !unknown[low] {
				continue
			}
			delete(unknown, low)
			g := types[low]
			if promised[low] != "" {
				g = guess{typ: promised[low]}
			}
			if g.typ == "" {
				g.typ = "VARCHAR"
			}
			out.columns = append(out.columns, extract.Column{Name: n, Type: g.typ})
			if g.pin != "" {
				out.pins = append(out.pins, extract.Column{Name: n, Type: g.pin})
			}
			if g.note != "" {
				out.notes = append(out.notes, fmt.Sprintf("column %q: %s", n, g.note))
			}
		}
	}
	if p.opt.FilenameColumn != "" {
		for _, n := range names {
			if strings.EqualFold(n, p.opt.FilenameColumn) {
				return fmt.Errorf("filename_column %q is already a column of the files; choose another name", n)
			}
		}
		out.columns = append(out.columns[:len(out.columns):len(out.columns)], extract.Column{Name: p.opt.FilenameColumn, Type: "VARCHAR"})
	}
	if len(out.columns) == 0 {
		return fmt.Errorf("the files have no columns")
	}
	return nil
}

// guess is what sniffing found out about a column.
type guess struct {
	typ  string // "" when all values are NULL
	pin  string // what to propose instead
	note string
}

// wider is the type that holds both.
func wider(a, b guess) guess {
	switch {
	case a.typ == "" || a.typ == b.typ:
		if a.pin != b.pin {
			b.pin = ""
		}
		return b
	case b.typ == "":
		return a
	}
	is := func(x, y string) bool { return a.typ == x && b.typ == y || a.typ == y && b.typ == x }
	switch {
	case is("BIGINT", "DOUBLE"):
		return guess{typ: "DOUBLE"}
	case is("DATE", "TIMESTAMP"):
		return guess{typ: "TIMESTAMP"}
	}
	return guess{typ: "VARCHAR", note: fmt.Sprintf("it looks like %s in one file and like %s in another, so it is read as VARCHAR", a.typ, b.typ)}
}

// csv settles dialect and columns of CSV files.
func (p *planner) csv(files []fileID, out *plan) error {
	var full []fileID
	for _, f := range files {
		if f.Size > 0 {
			full = append(full, f)
		}
	}
	guided := p.opt.pinned() || len(p.known()) > 0
	d, err := p.dialect(files[0].Name, full)
	if err != nil {
		return err
	}
	out.dialect = d
	// 01/02/2024 is two dates, and each run guesses anew.
	if f := d.DateFormat; f != "" && f != p.opt.CSV.DateFormat && f != "%Y-%m-%d" {
		out.notes = append(out.notes, fmt.Sprintf("dates are taken to be %s: pin it as csv.date_format, another file could be taken otherwise", f))
	}
	if f := d.TimestampFormat; f != "" && f != p.opt.CSV.TimestampFormat && !strings.HasPrefix(f, "%Y-%m-%d") {
		out.notes = append(out.notes, fmt.Sprintf("timestamps are taken to be %s: pin it as csv.timestamp_format, another file could be taken otherwise", f))
	}
	var names []string
	met := map[string]bool{}
	headers := map[string][]fileID{} // files by header
	var order []string
	for _, f := range full {
		h, err := header(p.ctx, p.root, f.Name, p.opt, d)
		if err != nil {
			return err
		}
		if h == nil {
			continue
		}
		key := strings.Join(h, "\x00")
		if len(headers[key]) == 0 {
			order = append(order, key)
		}
		headers[key] = append(headers[key], f)
		for _, n := range h {
			if low := strings.ToLower(n); !met[low] {
				met[low] = true
				names = append(names, n)
			}
		}
	}
	if !d.Header {
		if p.opt.pinned() {
			names = nil
			for _, c := range p.opt.pins() {
				names = append(names, c.Name)
			}
		}
	}
	if len(names) == 0 && !guided {
		return fmt.Errorf("no file has a record to tell the columns from: %w", extract.ErrEmpty)
	}
	err = p.settle(out, names, func(only map[string]bool) (map[string]guess, error) {
		types := map[string]guess{}
		n := 0
		for _, key := range order {
			relevant := false
			for _, h := range strings.Split(key, "\x00") {
				relevant = relevant || only[strings.ToLower(h)]
			}
			if !relevant || n >= 2*sniffFiles {
				continue
			}
			for _, f := range spread(headers[key], max(2, sniffFiles/len(order))) {
				n++
				got, note, err := p.sniffCSV(f, strings.Split(key, "\x00"), d)
				if err != nil {
					return nil, err
				}
				if note != "" {
					out.notes = append(out.notes, note)
				}
				for name, g := range got {
					if old, ok := types[name]; ok {
						g = wider(old, g)
					}
					types[name] = g
				}
			}
		}
		return types, nil
	})
	if err != nil {
		return err
	}
	j := &job{ctx: p.ctx, root: p.root, dir: p.dir, opt: p.opt, spec: sliceSpec{Columns: out.columns}}
	for _, key := range order { // every file must fit before the first one is read
		h := strings.Split(key, "\x00")
		if !d.Header {
			h = nil
		}
		if _, err := j.lay(headers[key][0].Name, h, d); err != nil {
			return err
		}
	}
	return nil
}

// dialect takes what is given and finds out the rest from the first file.
func (p *planner) dialect(name string, files []fileID) (*dialect, error) {
	c := p.opt.CSV
	d := &dialect{Delim: ',', Quote: '"', Header: true, Null: c.Null, DateFormat: c.DateFormat, TimestampFormat: c.TimestampFormat, DecimalComma: c.Decimal == ",", Skip: c.Skip}
	if len(d.Null) == 0 {
		d.Null = []string{""}
	}
	if c.Delimiter != "" {
		d.Delim = c.Delimiter[0]
	} else if p.opt.isTab(name) {
		d.Delim = '\t'
	} else if d.DecimalComma {
		d.Delim = ';'
	}
	if c.Quote != nil {
		d.Quote = 0
		if *c.Quote != "" {
			d.Quote = (*c.Quote)[0]
		}
	}
	d.Escape = d.Quote
	if c.Escape != "" {
		d.Escape = c.Escape[0]
	}
	if c.Comment != "" {
		d.Comment = c.Comment[0]
	}
	auto := c.Header == "" || c.Header == "auto"
	if !auto {
		d.Header = c.Header == "true"
	}
	// With columns given nothing is guessed. Known columns say nothing of the dialect, so it is found out again.
	if len(files) == 0 || p.opt.pinned() {
		return d, nil
	}
	got, err := p.sniffDialect(files[0], d, c.Delimiter == "" && !p.opt.isTab(name))
	if err != nil || got == nil {
		return d, err
	}
	if c.Delimiter == "" && got.delim != 0 {
		d.Delim = got.delim
	}
	if c.Quote == nil && got.quote != 0 {
		d.Quote = got.quote
		if c.Escape == "" {
			d.Escape = d.Quote
			if got.escape != 0 {
				d.Escape = got.escape
			}
		}
	}
	if auto && !p.opt.pinned() {
		d.Header = got.header
	}
	if c.DateFormat == "" && !p.opt.pinned() {
		d.DateFormat = got.dateFormat
	}
	if c.TimestampFormat == "" && !p.opt.pinned() {
		d.TimestampFormat = got.timestampFormat
	}
	return d, nil
}

// local gives a plain UTF-8 file with the start of f for DuckDB to look at.
func (p *planner) local(f fileID, temp string) (path string, whole bool, err error) {
	path = filepath.Join(p.dir, filepath.FromSlash(f.Name))
	encoding := p.opt.CSV.Encoding
	plain := p.opt.compression(f.Name) == "none" && (encoding == "" || encoding == "utf-8") && !hasMeta(path)
	if plain && f.Size <= sniffWhole {
		return path, true, nil
	}
	in, err := openStored(p.ctx, p.root, f.Name, p.opt.compression(f.Name), encoding, 1<<62, nil)
	if err != nil {
		return "", false, err
	}
	defer in.Close()
	out, err := os.CreateTemp(temp, "sample-*.csv")
	if err != nil {
		return "", false, err
	}
	defer out.Close()
	n, err := io.CopyN(out, struct{ io.Reader }{in}, sniffPart)
	if err == io.EOF {
		return out.Name(), true, nil
	}
	if err != nil {
		return "", false, err
	}
	// The last record is cut off: leave it out.
	tail := make([]byte, 1<<20)
	at := max(0, n-int64(len(tail)))
	m, err := out.ReadAt(tail, at)
	if err != nil && err != io.EOF {
		return "", false, err
	}
	for m > 0 && tail[m-1] != '\n' {
		m--
	}
	return out.Name(), false, out.Truncate(at + int64(m))
}

type sniffed struct {
	delim, quote, escape        byte
	header                      bool
	dateFormat, timestampFormat string
	types                       []string
}

func first(s string) byte {
	if len(s) == 1 && s[0] < 0x80 {
		return s[0]
	}
	return 0
}

// runSniffer asks DuckDB's sniffer; nil when it can make nothing of the file.
func (p *planner) runSniffer(path, args string) (*sniffed, error) {
	db, _, err := p.session()
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(p.ctx, fmt.Sprintf(`SELECT Delimiter, Quote, Escape, HasHeader, coalesce(DateFormat, ''), coalesce(TimestampFormat, ''), to_json(list_transform(Columns, lambda c: c.type))::VARCHAR FROM sniff_csv(%s, sample_size=-1, ignore_errors=true%s)`, text(path), args))
	if err != nil {
		if p.ctx.Err() != nil {
			return nil, err
		}
		return nil, nil
	}
	if len(rows.Values) != 1 {
		return nil, nil
	}
	v := rows.Values[0]
	str := func(i int) string {
		s, _ := v[i].(string)
		if s == "(empty)" {
			return ""
		}
		return s
	}
	out := &sniffed{delim: first(str(0)), quote: first(str(1)), escape: first(str(2)), dateFormat: str(4), timestampFormat: str(5)}
	out.header, _ = v[3].(bool)
	out.types = jsonStrings(str(6))
	return out, nil
}

func (p *planner) sniffDialect(f fileID, d *dialect, delim bool) (*sniffed, error) {
	_, temp, err := p.session()
	if err != nil {
		return nil, err
	}
	path, _, err := p.local(f, temp)
	if err != nil {
		return nil, err
	}
	args := ", compression='none'"
	if !delim {
		args += ", delim=" + text(string(rune(d.Delim)))
	}
	if d.DecimalComma {
		args += ", decimal_separator=','"
	}
	if d.Skip > 0 {
		args += fmt.Sprintf(", skip=%d", d.Skip)
	}
	if d.Comment != 0 {
		args += ", comment=" + text(string(rune(d.Comment)))
	}
	return p.runSniffer(path, args)
}

// rounded is the SQL that is true when x, a number, has more than 15 digits and is not what a DOUBLE prints itself:
// what programs write as their own doubles, to 17 digits, comes back the same.
func rounded(x string) string {
	digits := fmt.Sprintf("ltrim(regexp_replace(split_part(lower(%s), 'e', 1), '[^0-9]', '', 'g'), '0')", x)
	return fmt.Sprintf("length(%s) > 15 AND TRY_CAST(TRY_CAST(%s AS DOUBLE) AS VARCHAR) IS DISTINCT FROM ltrim(%[2]s, '+ ')", digits, x)
}

// sniffCSV guesses the types of one file's columns and tries every value that it looks at: a type that would
// change one of them is not taken.
func (p *planner) sniffCSV(f fileID, names []string, d *dialect) (map[string]guess, string, error) {
	db, temp, err := p.session()
	if err != nil {
		return nil, "", err
	}
	path, whole, err := p.local(f, temp)
	if err != nil {
		return nil, "", err
	}
	note := ""
	if !whole {
		note = fmt.Sprintf("types guessed from the first %d MB of %s", sniffPart>>20, f.Name)
	}
	c := &csvRead{job: &job{opt: p.opt}, d: d}
	args := ", auto_detect=true, " + strings.Replace(c.dialectSQL(), "filename=true", "filename=false", 1)
	if d.DecimalComma {
		args += ", decimal_separator=','"
	}
	if d.Escape != d.Quote && d.Escape != 0 {
		args = strings.Replace(args, "escape="+text(string(rune(d.Quote))), "escape="+text(string(rune(d.Escape))), 1)
	}
	if d.Skip > 0 {
		args += fmt.Sprintf(", skip=%d", d.Skip)
	}
	if d.Comment != 0 {
		args += ", comment=" + text(string(rune(d.Comment)))
	}
	out := map[string]guess{}
	got, err := p.runSniffer(path, args)
	if err != nil {
		return nil, "", err
	}
	if got == nil || len(got.types) != len(names) {
		for _, n := range names {
			out[strings.ToLower(n)] = guess{typ: "VARCHAR"}
		}
		return out, fmt.Sprintf("types of %s cannot be guessed; all columns are read as VARCHAR", f.Name), nil
	}
	var decl, items []string
	for i := range names {
		decl = append(decl, fmt.Sprintf("'c%d': 'VARCHAR'", i))
	}
	rules := d.rules()
	for i, typ := range got.types {
		x := fmt.Sprintf("c%d", i)
		t, err := parseType(typ)
		if err != nil {
			t = duckType{base: "VARCHAR"}
			got.types[i] = "VARCHAR"
		}
		point := "."
		if d.DecimalComma {
			point = ","
		}
		items = append(items,
			fmt.Sprintf("count(%s)", x),
			fmt.Sprintf("count(*) FILTER (%s)", bad(x, exact(x, t, rules))),
			fmt.Sprintf(`count(*) FILTER (regexp_matches(%s, '^\s*[+-]?0[0-9]'))`, x),
			fmt.Sprintf("coalesce(max(length(split_part(%s, '%s', 2))), 0)", x, point),
			fmt.Sprintf("count(*) FILTER (NOT regexp_full_match(%s, '[+-]?[0-9]{1,14}([.,][0-9]{0,4})?'))", x),
			fmt.Sprintf("count(*) FILTER (%s)", rounded(x)))
	}
	args = strings.Replace(args, "auto_detect=true", "auto_detect=false", 1)
	args = strings.Replace(args, ", decimal_separator=','", "", 1)
	rows, err := db.Query(p.ctx, fmt.Sprintf("SELECT %s FROM read_csv(%s%s, ignore_errors=true, columns={%s})", strings.Join(items, ", "), text(path), args, strings.Join(decl, ", ")))
	if err != nil {
		return nil, "", fmt.Errorf("look at file %s: %w", f.Name, err)
	}
	num := func(i int) int64 { n, _ := rows.Values[0][i].(int64); return n }
	for i, n := range names {
		values, wrong, zeros, decimals, wild, long := num(6*i), num(6*i+1), num(6*i+2), num(6*i+3), num(6*i+4), num(6*i+5)
		t, _ := parseType(got.types[i])
		g := guess{typ: t.String()}
		switch {
		case values == 0:
			g.typ = ""
		case zeros > 0 && (t.integer() || t.base == "DOUBLE" || t.base == "DECIMAL"):
			g = guess{typ: "VARCHAR", note: "it has numbers with leading zeros, so it is read as VARCHAR"}
		case wrong > 0:
			g = guess{typ: "VARCHAR", note: fmt.Sprintf("it looks like %s, but %d of %d values would be changed by that, so it is read as VARCHAR", got.types[i], wrong, values)}
		case t.base == "DOUBLE" && long > 0:
			g = guess{typ: "VARCHAR", note: fmt.Sprintf("%d of its numbers have more digits than a DOUBLE holds, so it is read as VARCHAR; pin a DECIMAL that holds them", long)}
		case t.base == "DOUBLE" && wild == 0:
			g.pin = fmt.Sprintf("DECIMAL(18,%d)", decimals)
		}
		out[strings.ToLower(n)] = g
	}
	return out, note, nil
}
