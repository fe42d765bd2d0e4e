package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/textcast"
)

// footer is what a Parquet file says of itself.
type footer struct {
	rows   int64
	names  []string // top-level columns
	schema string
}

// maxRowsPerByte is how many rows a byte of a Parquet file may stand for before its counts are taken for forged.
const maxRowsPerByte = 10_000

// readFooter opens a Parquet file with parquet-go and looks for lies; DuckDB gets no file that does not pass.
func readFooter(root *os.Root, f fileID) (out footer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("file %s is not a sound Parquet file: %v", f.Name, p)
		}
	}()
	in, err := root.Open(f.Name)
	if err != nil {
		return out, err
	}
	defer in.Close()
	cut := fmt.Errorf("file %s is cut off: it does not end like a Parquet file, so it is still being written or its copy broke; set min_age, or let the writer use a temporary name and rename the finished file", f.Name)
	var head, tail [4]byte
	if f.Size < 12 {
		return out, cut
	}
	if _, err := in.ReadAt(head[:], 0); err != nil {
		return out, fmt.Errorf("read file %s: %w", f.Name, err)
	}
	if _, err := in.ReadAt(tail[:], f.Size-4); err != nil {
		return out, fmt.Errorf("read file %s: %w", f.Name, err)
	}
	switch {
	case string(tail[:]) == "PARE" || string(head[:]) == "PARE":
		return out, fmt.Errorf("file %s is encrypted, which Millrace does not read", f.Name)
	case string(head[:]) != "PAR1":
		return out, fmt.Errorf("file %s is not a Parquet file", f.Name)
	case string(tail[:]) != "PAR1":
		return out, cut
	}
	pf, err := parquet.OpenFile(in, f.Size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return out, fmt.Errorf("file %s is not a sound Parquet file: %w", f.Name, err)
	}
	meta := pf.Metadata()
	var sum int64
	for g, rg := range meta.RowGroups {
		if rg.NumRows < 0 || sum+rg.NumRows < sum {
			return out, fmt.Errorf("file %s is not a sound Parquet file: row group %d has %d rows", f.Name, g, rg.NumRows)
		}
		sum += rg.NumRows
		for c, col := range rg.Columns {
			m := col.MetaData
			from := m.DataPageOffset
			if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < from {
				from = m.DictionaryPageOffset
			}
			if from < 4 || m.TotalCompressedSize < 0 || from > f.Size || m.TotalCompressedSize > f.Size-from || m.NumValues < 0 {
				return out, fmt.Errorf("file %s is not a sound Parquet file: column %d of row group %d lies outside it", f.Name, c, g)
			}
		}
	}
	if sum != meta.NumRows {
		return out, fmt.Errorf("file %s is not a sound Parquet file: it claims %d rows, its row groups %d", f.Name, meta.NumRows, sum)
	}
	if sum/maxRowsPerByte > f.Size {
		return out, fmt.Errorf("file %s is not a sound Parquet file: %d rows in %d bytes", f.Name, sum, f.Size)
	}
	out.rows = sum
	seen := map[string]bool{}
	for _, field := range pf.Schema().Fields() {
		low := strings.ToLower(field.Name())
		if seen[low] {
			return out, fmt.Errorf("file %s has two columns named %q", f.Name, field.Name())
		}
		seen[low] = true
		out.names = append(out.names, field.Name())
	}
	out.schema = pf.Schema().String()
	return out, nil
}

// parquetTypes asks DuckDB for the columns of one file.
func parquetTypes(ctx context.Context, db *duckdb.DB, name, path string) ([]extract.Column, error) {
	cols, err := db.Describe(ctx, fmt.Sprintf("SELECT * FROM read_parquet(%s, hive_partitioning=false)", text(path)))
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", name, err)
	}
	out := make([]extract.Column, len(cols))
	for i, c := range cols {
		out[i] = extract.Column{Name: c.Name, Type: c.Type}
	}
	return out, nil
}

// asLanded is the type that a column which DuckDB reads is landed as.
func asLanded(typ string) (string, error) {
	switch typ {
	case "TIME WITH TIME ZONE": // Parquet means UTC by it
		return "TIME", nil
	case "HUGEINT":
		return "DECIMAL(38,0)", nil
	case "UHUGEINT", "BIT":
		return "", fmt.Errorf("type %s cannot be landed", typ)
	case "\"NULL\"", "NULL":
		return "VARCHAR", nil
	}
	return typ, nil
}

// parquet settles the columns of Parquet files.
func (p *planner) parquet(files []fileID, out *plan) error {
	var names []string
	met := map[string]bool{}
	bySchema := map[string][]extract.Column{}
	types := map[string]guess{}
	from := map[string]string{}
	pinned := map[string]bool{}
	base := p.opt.pins()
	if !p.opt.pinned() {
		base = p.known()
	}
	for _, c := range base {
		pinned[strings.ToLower(c.Name)] = true
	}
	for _, f := range files {
		foot, err := readFooter(p.root, f)
		if err != nil {
			return err
		}
		if _, ok := bySchema[foot.schema]; !ok {
			path, err := p.plainPath(f)
			if err != nil {
				return err
			}
			db, _, err := p.session()
			if err != nil {
				return err
			}
			cols, err := parquetTypes(p.ctx, db, f.Name, path)
			if err != nil {
				return err
			}
			bySchema[foot.schema] = cols
			for _, c := range cols {
				low := strings.ToLower(c.Name)
				typ, err := asLanded(c.Type)
				if err != nil && !pinned[low] {
					return fmt.Errorf("file %s: column %q: %w", f.Name, c.Name, err)
				}
				if !met[low] {
					met[low] = true
					names = append(names, c.Name)
					types[low] = guess{typ: typ}
					from[low] = f.Name
				} else if old := types[low].typ; old != typ && !pinned[low] {
					w := widest(old, typ)
					if w == "" {
						return fmt.Errorf("column %q is %s in %s and %s in %s; pin its type in columns", c.Name, old, from[low], typ, f.Name)
					}
					types[low] = guess{typ: w}
				}
			}
		}
		j := &job{opt: p.opt, spec: sliceSpec{Format: out.format, Columns: base}}
		if len(base) > 0 {
			if _, err := j.layNames(f.Name, foot.names); err != nil {
				return err
			}
		}
	}
	return p.settle(out, names, func(map[string]bool) (map[string]guess, error) { return types, nil })
}

// widest is the integer or float type that holds both; "" when there is none.
func widest(a, b string) string {
	for _, ladder := range [][]string{{"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}, {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}, {"FLOAT", "DOUBLE"}, {"TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP"}} {
		x, y := -1, -1
		for i, t := range ladder {
			if t == a {
				x = i
			}
			if t == b {
				y = i
			}
		}
		if x >= 0 && y >= 0 {
			return ladder[max(x, y)]
		}
	}
	return ""
}

// plainPath is the path of a file for DuckDB, which takes some names for patterns: those get a link in a temporary
// folder.
func (p *planner) plainPath(f fileID) (string, error) {
	path := filepath.Join(p.dir, filepath.FromSlash(f.Name))
	if !hasMeta(path) {
		return path, nil
	}
	_, temp, err := p.session()
	if err != nil {
		return "", err
	}
	return linked(path, temp, 0)
}

// linked gives path another name in dir, by a hard link or else by a copy.
func linked(path, dir string, n int) (string, error) {
	for ; ; n++ {
		to := filepath.Join(dir, fmt.Sprintf("link%06d", n))
		err := os.Link(path, to)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			return to, nil
		}
		in, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer in.Close()
		out, err := os.Create(to)
		if err != nil {
			return "", err
		}
		if _, err := io.Copy(out, in); err != nil {
			out.Close()
			return "", err
		}
		return to, out.Close()
	}
}

// layNames matches names with the columns, for formats whose files name their columns.
func (j *job) layNames(file string, names []string) (*layout, error) {
	return j.lay(file, names, &dialect{Header: true})
}

// readParquet scans the files natively; the counts come from the footers as parquet-go reads them.
func (j *job) readParquet() (*extract.Snapshot, error) {
	p := &planner{ctx: j.ctx, root: j.root, dir: j.dir, opt: j.opt}
	defer p.close()
	db, _, err := p.session()
	if err != nil {
		return nil, err
	}
	counts := make([]fileCount, len(j.spec.Files))
	types := map[string][]extract.Column{}
	var fast, slow []*extract.Scan
	groups := map[string]*parquetGroup{}
	var order []*parquetGroup
	for i, f := range j.spec.Files {
		foot, err := readFooter(j.root, f)
		if err != nil {
			if uerr := j.unchanged(); uerr != nil {
				return nil, uerr
			}
			return nil, err
		}
		counts[i].Records = foot.rows
		path := filepath.Join(j.dir, filepath.FromSlash(f.Name))
		if hasMeta(path) {
			if path, err = linked(path, j.req.Scratch, i); err != nil {
				return nil, err
			}
			if types[foot.schema] == nil {
				local, err := p.plainPath(f)
				if err != nil {
					return nil, err
				}
				if types[foot.schema], err = parquetTypes(j.ctx, db, f.Name, local); err != nil {
					return nil, err
				}
			}
		}
		g := groups[foot.schema]
		if g == nil {
			l, err := j.layNames(f.Name, foot.names)
			if err != nil {
				return nil, err
			}
			g = &parquetGroup{job: j, layout: l}
			if g.have = types[foot.schema]; g.have == nil {
				if g.have, err = parquetTypes(j.ctx, db, f.Name, path); err != nil {
					return nil, err
				}
			}
			groups[foot.schema] = g
			order = append(order, g)
		}
		g.paths = append(g.paths, path)
		g.names = append(g.names, f.Name)
	}
	casts := false
	for _, g := range order {
		f, s, c := g.scans()
		fast, slow, casts = append(fast, f), append(slow, s), casts || c
	}
	scan := union(fast)
	scan.Rejects = ""
	if casts {
		scan.Fallback = func(context.Context, error) (*extract.Scan, error) { return union(slow), nil }
	}
	h := j.hashAll(counts)
	return &extract.Snapshot{
		Scan:  scan,
		Close: h.stop,
		Outcome: func() (extract.Outcome, error) {
			if err := h.wait(); err != nil {
				return extract.Outcome{}, err
			}
			for _, c := range counts {
				j.req.Progress(0, c.Records)
			}
			return j.outcome(counts)
		},
	}, nil
}

// parquetGroup are the files of one schema.
type parquetGroup struct {
	*job
	layout       *layout
	have         []extract.Column
	paths, names []string
}

// scans gives the query that raises on a value that does not fit its column, the one that rejects such records,
// and whether there is any cast that could fail.
func (g *parquetGroup) scans() (fast, slow *extract.Scan, casts bool) {
	var paths []string
	for _, p := range g.paths {
		paths = append(paths, text(p))
	}
	name := text(g.names[0])
	if len(g.names) > 1 {
		var names []string
		for _, n := range g.names {
			names = append(names, text(n))
		}
		name = fmt.Sprintf("map([%s], [%s])[filename]", strings.Join(paths, ", "), strings.Join(names, ", "))
	}
	// Columns are read by place through names of ours, since theirs may be those that we add.
	from := fmt.Sprintf("read_parquet([%s], hive_partitioning=false)", strings.Join(paths, ", "))
	withName := strings.TrimSuffix(from, ")") + ", filename=true)"
	var items, inner, all, faulty, columns, messages []string
	for k, t := range g.layout.targets {
		x, typ := "NULL::"+t.typ.String(), t.typ.String()
		switch {
		case t.Name == g.opt.FilenameColumn && t.at < 0:
			x, from = name, withName
		case t.at >= 0:
			have := g.have[t.at]
			x = ident(have.Name)
			if t.typ.base == "" { // a type that we do not parse is landed as it is
				typ = t.Type
			}
			switch {
			case have.Type == typ || landed(have.Type) == typ && have.Type != "HUGEINT":
			case have.Type == "TIME WITH TIME ZONE" && typ == "TIME":
				x += "::TIME"
			default:
				casts = true
				v := fmt.Sprintf("TRY_CAST(%s AS %s)", x, typ)
				ok := fmt.Sprintf("TRY_CAST(%s AS %s) IS NOT DISTINCT FROM %s", v, have.Type, x)
				if have.Type == "VARCHAR" {
					v = exact(x, t.typ, textcast.Rules{})
					ok = fmt.Sprintf("NOT %s", bad(x, v))
				}
				inner = append(inner, fmt.Sprintf("%s AS v%d, (%s) AS ok%d", v, k, ok, k))
				faulty = append(faulty, fmt.Sprintf("NOT ok%d", k))
				columns = append(columns, fmt.Sprintf("WHEN NOT ok%d THEN %s", k, text(t.Name)))
				messages = append(messages, fmt.Sprintf("CASE WHEN NOT ok%d THEN %s || left(%s::VARCHAR, 200) || %s END", k, text(fmt.Sprintf("column %q: ", t.Name)+`"`), x, text(fmt.Sprintf(`" is not exactly a %s`, typ))))
				all = append(all, fmt.Sprintf("v%d AS %s", k, ident(t.Name)))
				items = append(items, fmt.Sprintf("CASE WHEN %s THEN %s ELSE error(%s || %s::VARCHAR) END AS %s", ok, v, text(fmt.Sprintf("column %q cannot be %s: ", t.Name, typ)), x, ident(t.Name)))
				continue
			}
		}
		items = append(items, x+" AS "+ident(t.Name))
		all = append(all, x+" AS "+ident(t.Name))
	}
	fast = &extract.Scan{SQL: "SELECT " + strings.Join(items, ", ") + "\nFROM " + from, Files: g.paths}
	if !casts {
		return fast, &extract.Scan{SQL: fast.SQL, Files: g.paths,
			Rejects: (`SELECT '' AS file, 0::BIGINT AS line, -1::BIGINT AS "offset", '' AS "column", '' AS reason, '' AS message, '' AS raw WHERE false`)}, false
	}
	rows := strings.TrimSuffix(withName, ")") + ", file_row_number=true)"
	source := fmt.Sprintf("(SELECT *, %s FROM %s)", strings.Join(inner, ", "), rows)
	anyBad := strings.Join(faulty, " OR ")
	var raw []string
	for _, h := range g.have {
		raw = append(raw, fmt.Sprintf("%s := %s", ident(h.Name), ident(h.Name)))
	}
	slow = &extract.Scan{Files: g.paths, SQL: fmt.Sprintf("SELECT %s\nFROM %s\nWHERE NOT (%s)", strings.Join(all, ", "), source, anyBad)}
	slow.Rejects = fmt.Sprintf("SELECT %s AS file, file_row_number + 1 AS line, -1::BIGINT AS \"offset\", CASE %s END AS \"column\", 'bad_cast' AS reason, concat_ws('; ', %s) AS message, left(to_json(struct_pack(%s))::VARCHAR, %d) AS raw\nFROM %s\nWHERE %s",
		name, strings.Join(columns, " "), strings.Join(messages, ", "), strings.Join(raw, ", "), extract.MaxRaw, source, anyBad)
	return fast, slow, true
}

// hashes are being computed beside a scan.
type hashes struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func (j *job) hashAll(counts []fileCount) *hashes {
	ctx, cancel := context.WithCancel(j.ctx)
	h := &hashes{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		for i, f := range j.spec.Files {
			if counts[i].Hash, h.err = hashFile(ctx, j.root, f.Name); h.err != nil {
				return
			}
			j.req.Progress(f.Size, 0)
		}
	}()
	return h
}

func (h *hashes) wait() error { <-h.done; return h.err }
func (h *hashes) stop()       { h.cancel(); <-h.done }
