package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/csvrec"
	"github.com/millrace/millrace/internal/textcast"
)

// header reads the first record of a CSV file; nil when the file has none.
func header(ctx context.Context, root *os.Root, name string, o *StreamOptions, d *dialect) ([]string, error) {
	f, err := openStored(ctx, root, name, o.compression(name), o.CSV.Encoding, 1<<62, nil)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readHeader(name, f, o, d)
}

// numbered is a name with the first number that makes it another than those before.
func numbered(name string, seen map[string]int) string {
	for n := 1; ; n++ {
		if tried := fmt.Sprintf("%s_%d", name, n); !taken(seen, tried) {
			return tried
		}
	}
}

func taken(seen map[string]int, name string) bool {
	_, ok := seen[strings.ToLower(name)]
	return ok
}

func readHeader(name string, r io.Reader, o *StreamOptions, d *dialect) ([]string, error) {
	s := csvrec.New(r, d.cut(), o.maxRecord())
	if err := s.SkipLines(d.Skip); err != nil {
		return nil, err
	}
	rec, err := s.Next(-1)
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if rec.Reason != "" {
		hint := ""
		if rec.Reason == extract.ReasonEncoding {
			hint = "; if the file is in another encoding, say so: csv: { encoding: latin-1 } or utf-16; if it is compressed, name it .gz or .zst, or set compression"
		}
		return nil, fmt.Errorf("file %s: the first record cannot be read: %s%s", name, rec.Message, hint)
	}
	names := make([]string, len(rec.Fields))
	if !d.Header {
		for i := range names {
			names[i] = fmt.Sprintf("column%d", i)
		}
		return names, nil
	}
	seen := map[string]int{}
	for i, f := range rec.Fields {
		names[i] = string(f)
		if names[i] == "" {
			names[i] = fmt.Sprintf("column%d", i)
		}
		low := strings.ToLower(names[i])
		if k, ok := seen[low]; ok && o.CSV.Duplicates == "number" {
			names[i] = numbered(names[i], seen)
			low = strings.ToLower(names[i])
		} else if ok {
			return nil, fmt.Errorf("file %s: columns %d and %d are both named %q; rename one of them in the file, set csv: {duplicates: number}, or set csv: {header: \"false\", skip: 1} and list all columns", name, k+1, i+1, names[i])
		}
		seen[low] = i
	}
	return names, nil
}

// field is where a target column is in a file; at is -1 when the file lacks it.
type target struct {
	extract.Column
	typ duckType
	at  int
	key bool // a row without it is rejected
}

// layout is how the files with one header become the stream's columns.
type layout struct {
	header  []string
	targets []target
	files   []int // indexes into sliceSpec.Files
}

// lay matches a header with the columns, by name or, without a header, by place.
func (j *job) lay(file string, header []string, d *dialect) (*layout, error) {
	l := &layout{header: header}
	at := map[string]int{}
	for i, h := range header {
		at[strings.ToLower(h)] = i
	}
	var absent []string
	used := 0
	for i, c := range j.spec.Columns {
		t, err := parseType(c.Type)
		if err != nil && j.spec.Format != "parquet" { // which is landed as it is
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		if err != nil {
			t = duckType{}
		}
		place, ok := at[strings.ToLower(c.Name)]
		switch {
		case c.Name == j.opt.FilenameColumn:
			place, ok = -1, true
		case !d.Header:
			place, ok = i, true // too few columns is a matter of each record
			used++
		case ok:
			used++
		}
		if !ok {
			absent = append(absent, c.Name)
			place = -1
		}
		l.targets = append(l.targets, target{c, t, place, j.isKey(c.Name)})
	}
	if !d.Header { // the number of columns is the stream's, not the first record's
		for len(l.header) < used {
			l.header = append(l.header, fmt.Sprintf("column%d", len(l.header)))
		}
		l.header = l.header[:used]
	}
	if len(absent) > 0 && j.opt.OnMissing != "null" {
		return nil, missing(file, absent, header)
	}
	if len(l.header) > used && j.opt.extra(j.spec.Format) == "fail" {
		var extra []string
		for _, h := range header {
			known := false
			for _, c := range j.spec.Columns {
				known = known || strings.EqualFold(c.Name, h)
			}
			if !known {
				extra = append(extra, h)
			}
		}
		return nil, fmt.Errorf("file %s has the unexpected column %s; add it to columns, or set extra_columns: ignore", file, quoteAll(extra))
	}
	return l, nil
}

// csvRead is one slice of CSV files being read.
type csvRead struct {
	*job
	d       *dialect
	layouts []*layout
	paths   []string // by file: what DuckDB opens, a plain UTF-8 file
	counts  []fileCount
	rules   textcast.Rules

	cancel context.CancelFunc
	done   chan struct{} // the audit has ended
	failed error         // of the audit; read it after done
	slow   bool
}

// readCSV starts a slice: DuckDB reads clean files by itself while the audit counts the records and watches that
// no value is changed. What is not clean goes through the splitter.
func (j *job) readCSV() (*extract.Snapshot, error) {
	if j.spec.Dialect == nil {
		return nil, fmt.Errorf("slice %s of stream %q: no dialect", j.req.Slice.ID, j.req.Stream.Name)
	}
	c := &csvRead{job: j, d: j.spec.Dialect, rules: j.spec.Dialect.rules(), counts: make([]fileCount, len(j.spec.Files)), paths: make([]string, len(j.spec.Files))}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	snap := &extract.Snapshot{Outcome: c.finish, Close: c.stop}
	if !c.d.plain() {
		scan, err := c.split(j.ctx)
		if err != nil {
			return nil, err
		}
		snap.Scan = scan
		return snap, nil
	}
	scan, err := c.fast()
	if err != nil {
		c.stop()
		return nil, err
	}
	snap.Scan = scan
	return snap, nil
}

// prepare makes a plain UTF-8 file of each file that DuckDB cannot or shall not read as it is, and reads the headers.
func (c *csvRead) prepare() error {
	byHeader := map[string]*layout{}
	for i, f := range c.spec.Files {
		c.paths[i] = filepath.Join(c.dir, filepath.FromSlash(f.Name))
		encoding := c.opt.CSV.Encoding
		if c.opt.compression(f.Name) != "none" || encoding != "" && encoding != "utf-8" || hasMeta(c.paths[i]) {
			if err := c.unpack(i); err != nil {
				return err
			}
		}
		if f.Size == 0 {
			h, err := hashFile(c.ctx, c.root, f.Name)
			if err != nil {
				return err
			}
			c.counts[i].Hash = h
			continue
		}
		r, err := os.Open(c.paths[i])
		if err != nil {
			return fmt.Errorf("open file %s: %w", f.Name, err)
		}
		names, err := readHeader(f.Name, r, c.opt, c.d)
		r.Close()
		if err != nil {
			return err
		}
		if names == nil { // blank lines or a byte order mark, and nothing else
			if c.counts[i].Hash == "" {
				if c.counts[i].Hash, err = hashFile(c.ctx, c.root, f.Name); err != nil {
					return err
				}
			}
			continue
		}
		if !c.d.Header {
			names = nil
		}
		key := strings.Join(names, "\x00")
		l := byHeader[key]
		if l == nil {
			if l, err = c.lay(f.Name, names, c.d); err != nil {
				return err
			}
			byHeader[key] = l
			c.layouts = append(c.layouts, l)
		}
		l.files = append(l.files, i)
	}
	return nil
}

// unpack writes the text of file i to the scratch folder.
func (c *csvRead) unpack(i int) error {
	f := c.spec.Files[i]
	in, err := openStored(c.ctx, c.root, f.Name, c.opt.compression(f.Name), c.opt.CSV.Encoding, c.opt.maxExpanded(f.Size), func(n int64) { c.req.Progress(n, 0) })
	if err != nil {
		return err
	}
	defer in.Close()
	path := filepath.Join(c.req.Scratch, fmt.Sprintf("in%06d.csv", i))
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20)); err != nil {
		return err
	}
	if c.counts[i].Hash, err = in.sum(); err != nil {
		return err
	}
	c.paths[i] = path
	return out.Close()
}

// fast builds the scan of clean files and starts the audit.
func (c *csvRead) fast() (*extract.Scan, error) {
	var parts []string
	audits := make([][]auditColumn, len(c.layouts))
	for k, l := range c.layouts {
		cols, sql, err := c.fastSQL(l)
		if err != nil {
			return nil, err
		}
		audits[k] = cols
		parts = append(parts, sql)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		c.failed = c.auditAll(ctx, audits)
	}()
	scan := c.scan(parts)
	scan.Fallback = func(ctx context.Context, cause error) (*extract.Scan, error) {
		c.wait()
		// The disk or the memory may be at fault instead of the records; the splitter would meet that again.
		c.req.Stream.Options, c.slow = c.opt, true
		return c.split(ctx)
	}
	return scan, nil
}

func (c *csvRead) scan(parts []string) *extract.Scan {
	s := &extract.Scan{SQL: strings.Join(parts, "\nUNION ALL\n")}
	for _, l := range c.layouts {
		for _, i := range l.files {
			s.Files = append(s.Files, c.paths[i])
		}
	}
	if len(parts) == 0 {
		s.SQL = c.nothing()
	}
	return s
}

// nothing is a relation with the stream's columns and no rows.
func (j *job) nothing() string {
	items := make([]string, len(j.spec.Columns))
	for i, c := range j.spec.Columns {
		items[i] = fmt.Sprintf("NULL::%s AS %s", landed(c.Type), ident(c.Name))
	}
	return "SELECT " + strings.Join(items, ", ") + " WHERE false"
}

// fastSQL is the query over the files of one layout, and what the audit must prove to make it right.
func (c *csvRead) fastSQL(l *layout) ([]auditColumn, string, error) {
	cols := make([]auditColumn, len(l.header))
	reader := make([]string, len(l.header))
	for i := range reader {
		reader[i] = "VARCHAR"
	}
	for _, t := range l.targets {
		if t.at < 0 {
			continue
		}
		if k, ok := native(t.typ, c.rules); ok {
			cols[t.at] = auditColumn{k, t.typ.scale}
			reader[t.at] = t.typ.String()
		}
	}
	// Columns that are written in another form from the start ("+5", "1.500") are cast by SQL, which knows more.
	odd, err := c.sample(l, cols)
	if err != nil {
		return nil, "", err
	}
	for i := range cols {
		if odd[i] {
			cols[i], reader[i] = auditColumn{}, "VARCHAR"
		}
	}
	var items []string
	for _, t := range l.targets {
		x := fmt.Sprintf("c%d", t.at)
		switch {
		case t.Name == c.opt.FilenameColumn && t.at < 0:
			x = c.filename(l, "filename")
		case t.at < 0:
			x = "NULL::" + t.typ.String()
		case reader[t.at] == "VARCHAR":
			x = guarded(x, t.Name, t.typ, c.rules)
		}
		if t.key && t.at >= 0 {
			x = fmt.Sprintf("CASE WHEN c%d IS NULL THEN error(%s) ELSE %s END", t.at, text("key column "+t.Name+" is NULL"), x)
		}
		items = append(items, x+" AS "+ident(t.Name))
	}
	var paths, decl []string
	for _, i := range l.files {
		paths = append(paths, text(c.paths[i]))
	}
	for i, typ := range reader {
		decl = append(decl, fmt.Sprintf("'c%d': %s", i, text(typ)))
	}
	return cols, fmt.Sprintf("SELECT %s\nFROM read_csv([%s], auto_detect=false, %s, columns={%s})",
		strings.Join(items, ", "), strings.Join(paths, ", "), c.dialectSQL(), strings.Join(decl, ", ")), nil
}

// filename is the SQL that turns the path that DuckDB read into the file's name in the source.
func (c *csvRead) filename(l *layout, path string) string {
	if len(l.files) == 1 {
		return text(c.spec.Files[l.files[0]].Name)
	}
	var keys, values []string
	for _, i := range l.files {
		keys = append(keys, text(c.paths[i]))
		values = append(values, text(c.spec.Files[i].Name))
	}
	return fmt.Sprintf("map([%s], [%s])[%s]", strings.Join(keys, ", "), strings.Join(values, ", "), path)
}

// dialectSQL spells the dialect as arguments of read_csv.
func (c *csvRead) dialectSQL() string {
	d := c.d
	char := func(b byte) string {
		if b == 0 {
			return "''"
		}
		return text(string(rune(b)))
	}
	nulls := make([]string, len(d.Null))
	for i, n := range d.Null {
		nulls[i] = text(n)
	}
	s := fmt.Sprintf("header=%t, delim=%s, quote=%s, escape=%s, nullstr=[%s], compression='none', filename=%t, hive_partitioning=false", d.Header, char(d.Delim),
		char(d.Quote), char(d.Quote), strings.Join(nulls, ", "), c.opt.FilenameColumn != "")
	if d.DateFormat != "" {
		s += ", dateformat=" + text(d.DateFormat)
	}
	if d.TimestampFormat != "" {
		s += ", timestampformat=" + text(d.TimestampFormat)
	}
	return s
}

const sampleBytes = 1 << 20

// sample looks at the start of the layout's first file for columns that are not written in plain form.
func (c *csvRead) sample(l *layout, cols []auditColumn) ([]bool, error) {
	f, err := os.Open(c.paths[l.files[0]])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, sampleBytes)
	n, err := io.ReadFull(f, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	a := newAudit(c.d, cols)
	a.keepGoing = true
	_, _ = a.block(buf[:n], n < len(buf)) // a file that is not clean is for the audit to find
	odd := make([]bool, len(cols))
	for i, bad := range a.unclean {
		odd[i] = bad > 0
	}
	return odd, nil
}

const auditBlock = 1 << 20

// auditAll audits the files of all layouts, a few at once when there are many.
func (c *csvRead) auditAll(ctx context.Context, audits [][]auditColumn) error {
	buf := make([]byte, auditBlock)
	for k, l := range c.layouts {
		for _, i := range l.files {
			if err := c.auditFile(ctx, i, audits[k], buf); err != nil {
				return fmt.Errorf("file %s: %w", c.spec.Files[i].Name, err)
			}
		}
	}
	return nil
}

func (c *csvRead) auditFile(ctx context.Context, i int, cols []auditColumn, buf []byte) error {
	a := newAudit(c.d, cols)
	progress := func(n, records int64) { c.req.Progress(n, records) }
	if c.counts[i].Hash != "" { // unpacked and hashed already
		f, err := os.Open(c.paths[i])
		if err != nil {
			return err
		}
		defer f.Close()
		if err := a.run(ctxReader{ctx, f}, buf, c.opt.maxRecord(), func(_, n int64) { c.req.Progress(0, n) }); err != nil {
			return err
		}
		c.counts[i].Records = a.records
		return nil
	}
	in, err := openStored(ctx, c.root, c.spec.Files[i].Name, "none", "", 0, nil)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := a.run(in, buf, c.opt.maxRecord(), progress); err != nil {
		return err
	}
	c.counts[i].Records = a.records
	c.counts[i].Hash, err = in.sum()
	return err
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// wait stops the audit, if it runs, and waits for it.
func (c *csvRead) wait() {
	if c.cancel != nil {
		c.cancel()
		<-c.done
	}
}

func (c *csvRead) stop() { c.wait() }

// finish is the snapshot's Outcome.
func (c *csvRead) finish() (extract.Outcome, error) {
	if c.done != nil && !c.slow {
		<-c.done
		if c.failed != nil {
			if err := c.unchanged(); err != nil {
				return extract.Outcome{}, err
			}
			if errors.Is(c.failed, errUnclean) {
				return extract.Outcome{}, fmt.Errorf("%w: %w", c.failed, extract.ErrInexact)
			}
			return extract.Outcome{}, c.failed
		}
	}
	return c.outcome(c.counts)
}

// split is the slow way: the splitter writes the records as text to the scratch folder, DuckDB casts them from there.
func (c *csvRead) split(ctx context.Context) (*extract.Scan, error) {
	var scans []*extract.Scan
	for k, l := range c.layouts {
		path := filepath.Join(c.req.Scratch, fmt.Sprintf("records%03d.parquet", k))
		if err := c.splitLayout(ctx, l, path); err != nil {
			return nil, err
		}
		scans = append(scans, typed(path, l.targets, c.rules, c.opt.FilenameColumn))
	}
	if len(scans) == 0 {
		return &extract.Scan{SQL: c.nothing()}, nil
	}
	return union(scans), nil
}

// union puts scans of the same columns one after the other.
func union(scans []*extract.Scan) *extract.Scan {
	out := &extract.Scan{}
	var sql, rejects []string
	for _, s := range scans {
		sql = append(sql, s.SQL)
		rejects = append(rejects, s.Rejects)
		out.Files = append(out.Files, s.Files...)
	}
	out.SQL = strings.Join(sql, "\nUNION ALL\n")
	out.Rejects = strings.Join(rejects, "\nUNION ALL\n")
	return out
}

func (c *csvRead) splitLayout(ctx context.Context, l *layout, path string) error {
	w, err := csvrec.NewScratch(path, len(l.header))
	if err != nil {
		return err
	}
	for _, i := range l.files {
		if err := c.splitFile(ctx, i, len(l.header), w); err != nil {
			w.Close()
			return err
		}
	}
	return w.Close()
}

func (c *csvRead) splitFile(ctx context.Context, i, columns int, w *csvrec.Scratch) error {
	name := c.spec.Files[i].Name
	// Rejects name places in the uncompressed file; what was unpacked is read from the scratch folder.
	var in io.Reader
	var sum func() (string, error)
	unpacked := c.paths[i] != filepath.Join(c.dir, filepath.FromSlash(name))
	if unpacked {
		f, err := os.Open(c.paths[i])
		if err != nil {
			return err
		}
		defer f.Close()
		in = ctxReader{ctx, f}
	} else {
		f, err := openStored(ctx, c.root, name, "none", "", 0, func(n int64) { c.req.Progress(n, 0) })
		if err != nil {
			return err
		}
		defer f.Close()
		in, sum = f, f.sum
	}
	s := csvrec.New(in, c.d.cut(), c.opt.maxRecord())
	if err := s.SkipLines(c.d.Skip); err != nil {
		return err
	}
	if c.d.Header {
		if _, err := s.Next(-1); err != nil && err != io.EOF {
			return err
		}
	}
	var records int64
	for {
		rec, err := s.Next(columns)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		records++
		if records%10_000 == 0 {
			c.req.Progress(0, 10_000)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if rec.Reason != "" {
			err := c.req.Reject(extract.Reject{File: name, Line: rec.Line, Offset: rec.Offset, Reason: rec.Reason, Message: rec.Message, Raw: printable(rec.Raw, extract.MaxRaw)})
			if err != nil {
				return err
			}
			continue
		}
		w.Place(name, rec.Line, rec.Offset, printable(rec.Raw, extract.MaxRaw))
		for k, f := range rec.Fields {
			if c.d.isNull(f) {
				w.Null(k)
			} else {
				w.Value(k, f)
			}
		}
		if err := w.End(ctx); err != nil {
			return err
		}
	}
	c.req.Progress(0, records%10_000)
	c.counts[i].Records = records
	if sum != nil {
		h, err := sum()
		if err != nil {
			return err
		}
		c.counts[i].Hash = h
	}
	return nil
}

// typed is the scan over a scratch file: records that convert exactly are landed, the others rejected.
func typed(path string, targets []target, rules textcast.Rules, filenameColumn string) *extract.Scan {
	from := fmt.Sprintf("read_parquet(%s)", text(path))
	var parsing, values, items, faulty, columns, reasons, messages []string
	for k, t := range targets {
		name := ident(t.Name)
		if t.at < 0 {
			x := "NULL::" + t.typ.String()
			if t.Name == filenameColumn {
				x = "file"
			}
			items = append(items, x+" AS "+name)
			continue
		}
		x := fmt.Sprintf("c%d", t.at)
		v := exact(x, t.typ, rules)
		if t.typ.nested() { // parsed once, in a projection of its own: each mention would parse again
			parsing = append(parsing, fmt.Sprintf("%s AS p%d", parsed(x, t.typ), k))
			v = nestedValue(fmt.Sprintf("p%d", k), t.typ, rules, 0)
		}
		if t.key {
			null := x + " IS NULL"
			faulty = append(faulty, null)
			columns = append(columns, fmt.Sprintf("WHEN %s THEN %s", null, text(t.Name)))
			reasons = append(reasons, fmt.Sprintf("WHEN %s THEN %s", null, text(extract.ReasonNullKey)))
			messages = append(messages, fmt.Sprintf("CASE WHEN %s THEN %s END", null, text(fmt.Sprintf("the key column %q is NULL", t.Name))))
		}
		if v == x {
			items = append(items, x+" AS "+name)
			continue
		}
		values = append(values, fmt.Sprintf("%s AS v%d", v, k))
		items = append(items, fmt.Sprintf("v%d AS %s", k, name))
		b := bad(x, fmt.Sprintf("v%d", k))
		if t.typ.nested() {
			values = append(values, fmt.Sprintf("coalesce(%s, false) AS b%d", nestedBad(fmt.Sprintf("p%d", k), t.typ, rules, 0), k))
			b = fmt.Sprintf("b%d", k)
		}
		faulty = append(faulty, b)
		columns = append(columns, fmt.Sprintf("WHEN %s THEN %s", b, text(t.Name)))
		reasons = append(reasons, fmt.Sprintf("WHEN %s THEN %s", b, why(x, t.typ)))
		messages = append(messages, fmt.Sprintf("CASE WHEN %s THEN %s || left(%s, 200) || %s END", b,
			text(fmt.Sprintf("column %q: ", t.Name)+`"`), x, text(fmt.Sprintf(`" is not exactly a %s`, t.typ))))
	}
	s := &extract.Scan{Files: []string{path}}
	if len(faulty) == 0 {
		s.SQL = fmt.Sprintf("SELECT %s FROM %s", strings.Join(items, ", "), from)
		s.Rejects = fmt.Sprintf(`SELECT file, line, "offset", '' AS "column", '' AS reason, '' AS message, raw FROM %s WHERE false`, from)
		return s
	}
	if len(parsing) > 0 {
		from = fmt.Sprintf("(SELECT *, %s FROM %s)", strings.Join(parsing, ", "), from)
	}
	inner := fmt.Sprintf("(SELECT %s FROM %s)", strings.Join(append([]string{"*"}, values...), ", "), from)
	any := strings.Join(faulty, " OR ")
	s.SQL = fmt.Sprintf("SELECT %s\nFROM %s\nWHERE NOT (%s)", strings.Join(items, ", "), inner, any)
	s.Rejects = fmt.Sprintf("SELECT file, line, \"offset\", CASE %s END AS \"column\", CASE %s END AS reason, concat_ws('; ', %s) AS message, raw\nFROM %s\nWHERE %s",
		strings.Join(columns, " "), strings.Join(reasons, " "), strings.Join(messages, ", "), inner, any)
	return s
}
