package snowflake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// cargo is what goes into one staging table: files of the local target as they are, or ones that are written for it.
type cargo struct {
	staging sf.Table
	columns []sf.Column // of the staging table, all of them in the files
	prefix  string      // in the stage, where the files go
	query   string      // that gives its rows locally; "" when the files are sent as they are
	files   []warehouse.File
	written bool // the files are the load's own, and go when they are sent
	rows    int64
	bytes   int64
	size    int64             // a guess at the bytes, before anything is written; and…
	expects int64             // …at the rows
	proof   map[string]string // numbers over the rows, by the local engine
	sent    atomic.Int64      // bytes so far
}

// pack decides what a change sends. The tables that the queries read are exposed when they are views' alone.
func (x *bringing) pack(c *change) error {
	d, rows := x.w.Dialect(), &cargo{columns: c.columns, staging: c.to.Staging(x.b.Load), prefix: c.to.Prefix(x.b.Load, x.attempt)}
	c.cargo = []*cargo{rows}
	rows.size, rows.expects = bytesOf(c.of.Files()), c.of.Rows
	var standing warehouse.Version
	if c.before != nil {
		standing = absolute(c.before.Version, x.cfg.Root)
	}
	switch c.Mode {
	case load.ModeAppend:
		files := unshared(c.of.Base, standing.Base)
		v := c.of.Version
		v.Base, rows.size, rows.expects = files, bytesOf(files), rowsOf(files)
		rows.query = d.Select(v)
		x.asIs(c, rows, files)
	case load.ModeMerge, load.ModeSCD2:
		rows.columns = append(slices.Clone(c.columns), sf.OpColumn)
		rows.query = difference(d, &standing, &c.of.Version)
		rows.size, rows.expects = changedBytes(&standing, &c.of.Version)
	case load.ModePartition:
		return x.packPartitions(c, rows, standing)
	default:
		rows.query = d.Select(c.of.Version)
		if c.keep.history() {
			return x.packHistory(c, rows)
		}
		if len(c.of.Upserts)+len(c.of.Deletes) == 0 && c.of.View == "" {
			x.asIs(c, rows, c.of.Base)
		}
	}
	return nil
}

// packPartitions has two staging tables: the partitions, and their rows.
func (x *bringing) packPartitions(c *change, rows *cargo, standing warehouse.Version) error {
	d := x.w.Dialect()
	var by []warehouse.Column
	var columns []sf.Column
	for _, name := range named(c.columns, c.keep.PartitionBy) {
		i := slices.IndexFunc(c.columns, func(col sf.Column) bool { return col.Name == name })
		by, columns = append(by, c.sources()[i]), append(columns, c.columns[i])
	}
	rows.query = partitionRows(d, &standing, &c.of.Version, by)
	c.cargo = append(c.cargo, &cargo{columns: columns, query: partitions(d, &standing, &c.of.Version, by), staging: c.to.StagingList(x.b.Load), prefix: c.to.PrefixList(x.b.Load, x.attempt)})
	return nil
}

// packHistory begins a history: all rows are current, from the version's own time.
func (x *bringing) packHistory(c *change, rows *cargo) error {
	all, err := c.withKept()
	if err != nil {
		return err
	}
	rows.columns = all
	rows.query = current(x.w.Dialect(), rows.query, c.of.LogicalTime)
	return nil
}

// current is a SELECT in the local engine of rows that hold from a time on.
func current(d *warehouse.Dialect, rows string, from time.Time) string {
	return fmt.Sprintf("SELECT v.*, make_timestamp(%d) AS %s, CAST(NULL AS TIMESTAMP) AS %s, TRUE AS %s FROM (\n%s\n) AS v", from.UnixMicro(),
		d.QuoteIdent(sf.ValidFrom.Name), d.QuoteIdent(sf.ValidTo.Name), d.QuoteIdent(sf.IsCurrent.Name), rows)
}

// asIs lets the files of the local target be sent, when they are fit to be: of a good size or one alone, each once, and with the
// columns of the table as it is now.
func (x *bringing) asIs(c *change, rows *cargo, files []warehouse.File) {
	if !sf.AsIs(c.columns) || len(files) > 1 && rows.size < int64(len(files))*x.cfg.FileSize/4 {
		return
	}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Path] || f.Bytes > 4*x.cfg.FileSize || warehouse.Verify(f.Path, f, c.of.Columns, false) != nil {
			return // what is wrong with a file is found when it is read
		}
		if _, err := sf.Put(f.Path, c.to.Stage(), rows.prefix); err != nil {
			return // the driver cannot be told this path
		}
		seen[f.Path] = true
	}
	rows.query, rows.files = "", slices.Clone(files)
}

// fill makes the files, and looks at each with another reader than its writer.
func (x *bringing) fill(ctx context.Context, c *change, g *cargo) error {
	if g.query != "" {
		if err := x.write(ctx, c, g); err != nil {
			return c.tooLong(err)
		}
	}
	for _, f := range g.files {
		if err := x.reread(ctx, f, g.written); err != nil {
			return err
		}
	}
	numbers, err := x.w.Query(ctx, sf.LocalProof(x.contents(g), g.proven()))
	if err != nil {
		return fmt.Errorf("count what is to be sent: %w", err)
	}
	if g.proof, err = oneRow(numbers); err != nil {
		return err
	}
	// What COPY says of a file without rows is nowhere told: none is sent.
	g.files = slices.DeleteFunc(g.files, func(f warehouse.File) bool { return f.Rows == 0 })
	g.rows, g.bytes = rowsOf(g.files), bytesOf(g.files)
	if err := sf.Fits(g.proven(), g.proof); err != nil || g != c.cargo[0] || !c.keyed() {
		return err
	}
	return x.unique(ctx, c, g)
}

// unique refuses rows of which two have the same key.
func (x *bringing) unique(ctx context.Context, c *change, g *cargo) error {
	var key []string
	for _, col := range g.proven() {
		if slices.Contains(c.key(), col.Name) {
			key = append(key, col.Source)
		}
	}
	r, err := x.w.Query(ctx, fmt.Sprintf("SELECT count(*) AS n FROM (SELECT 1 FROM %s GROUP BY %s HAVING count(*) > 1) AS twice", x.contents(g), x.w.Dialect().Idents(key)))
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	twice, err := oneRow(r)
	if err == nil && twice["n"] != "0" {
		err = fmt.Errorf("%s keys %v are more than once in what is to be sent: nothing of it was; make the key unique at its node, then run it anew", twice["n"], c.of.Key)
	}
	return err
}

// reread compares a file with what its writer said of it. One of the load's own was hashed when it was written.
func (x *bringing) reread(ctx context.Context, f warehouse.File, own bool) error {
	if !own {
		if err := x.sound.check(ctx, []warehouse.File{f}); err != nil {
			return err
		}
	}
	return warehouse.Verify(f.Path, f, nil, false)
}

// write has the local engine write the rows into files of about the right size.
func (x *bringing) write(ctx context.Context, c *change, g *cargo) error {
	g.written = true
	dir := filepath.Join(x.temp, filepath.FromSlash(g.prefix))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	query := sf.FileSelect(g.columns, "(\n"+g.query+"\n) AS q")
	n := int((g.size + x.cfg.FileSize - 1) / x.cfg.FileSize)
	if n <= 1 {
		f, err := x.w.Write(ctx, query, filepath.Join(dir, "1.parquet"))
		if err != nil {
			return fmt.Errorf("write what is to be sent: %w", err)
		}
		g.files = []warehouse.File{f}
	} else if err := x.split(ctx, g, query, dir, n); err != nil {
		return err
	}
	for i := range g.files {
		if err := rename(&g.files[i], i); err != nil {
			return err
		}
	}
	return nil
}

// split writes n files, each with so many consecutive rows, and one for rows beyond the guess.
func (x *bringing) split(ctx context.Context, g *cargo, query, dir string, n int) error {
	paths := make([]string, n+1)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprintf("%d.parquet", i+1))
	}
	each := max(1, (g.expects+int64(n)-1)/int64(n))
	files, err := x.w.Split(ctx, query, fmt.Sprintf("least((row_number() OVER () - 1) // %d, %d)", each, n), paths)
	if err != nil {
		return fmt.Errorf("write what is to be sent: %w", err)
	}
	for _, f := range files {
		if f != nil {
			g.files = append(g.files, *f)
		}
	}
	if len(g.files) == 0 { // no rows at all: the file tells the columns
		f, err := x.w.Write(ctx, query, paths[0])
		if err != nil {
			return fmt.Errorf("write what is to be sent: %w", err)
		}
		g.files = []warehouse.File{f}
	}
	return nil
}

// rename gives a file the name that it has in the stage: its number and the beginning of its hash.
func rename(f *warehouse.File, i int) error {
	to := filepath.Join(filepath.Dir(f.Path), fmt.Sprintf("%05d-%.16s.parquet", i+1, f.SHA256))
	if err := os.Rename(f.Path, to); err != nil {
		return err
	}
	f.Path = to
	return nil
}

// contents is the table expression of the rows in the files.
func (x *bringing) contents(g *cargo) string {
	d, columns := x.w.Dialect(), g.proven()
	local := make([]warehouse.Column, len(columns))
	for i, c := range columns {
		local[i] = warehouse.Column{Name: c.Source, Type: c.DuckDB}
	}
	return "(\n" + d.Scan(g.files, local) + "\n) AS q"
}

// proven are the columns as the files have them.
func (g *cargo) proven() []sf.Column {
	if g.written {
		return sf.Written(g.columns)
	}
	return g.columns
}

// discard removes a file that was written to be sent.
func (g *cargo) discard(f warehouse.File) error {
	if !g.written {
		return nil
	}
	return os.Remove(f.Path)
}

// oneRow is an answer of one row, its values as texts.
func oneRow(r *warehouse.Result) (map[string]string, error) {
	if len(r.Rows) != 1 {
		return nil, errors.New("the local engine gave no row of numbers")
	}
	out := map[string]string{}
	for i, c := range r.Columns {
		if v := r.Rows[0][i]; v != nil {
			out[strings.ToLower(c.Name)] = fmt.Sprint(v)
		}
	}
	return out, nil
}

func bytesOf(files []warehouse.File) (n int64) {
	for _, f := range files {
		n += f.Bytes
	}
	return n
}

func rowsOf(files []warehouse.File) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// changedBytes bounds what a difference sends: the rows of the files that are new, or hidden by new ones.
func changedBytes(a, b *warehouse.Version) (bytes, rows int64) {
	for _, files := range [][]warehouse.File{unshared(b.Base, a.Base), unshared(b.Upserts, a.Upserts), unshared(b.Deletes, a.Deletes)} {
		bytes += bytesOf(files)
		rows += rowsOf(files)
	}
	return bytes, rows
}
