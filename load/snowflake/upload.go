package snowflake

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// parcel is one file to upload.
type parcel struct {
	c    *change
	g    *cargo
	file warehouse.File
}

// uploadAll writes what is to be sent and uploads it, of all tables, before a warehouse has anything to do. Files are uploaded, each by a
// statement of its own, while the next are written: gosnowflake would send those above 64 MB that one statement names one after the other.
func (x *bringing) uploadAll(ctx context.Context) error {
	group, within := errgroup.WithContext(ctx)
	parcels := make(chan parcel)
	group.Go(func() error {
		defer close(parcels)
		return x.produce(within, parcels)
	})
	for range x.cfg.Uploads {
		group.Go(func() error {
			return eachBySession(within, x, parcels, func(s *snowflake.Session, p parcel) error { return x.upload(within, s, p) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range x.changes {
		for _, g := range c.cargo {
			if !c.pending() {
				break
			}
			if err := x.arrived(ctx, c, g); err != nil {
				if err := x.aside(ctx, x.s, c, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// produce makes the files of each table and hands them to those who upload.
func (x *bringing) produce(ctx context.Context, parcels chan<- parcel) error {
	for _, c := range x.changes {
		for _, g := range c.cargo {
			if !x.goesOn(c) {
				break
			}
			err := x.empty(ctx, c, g)
			if err == nil {
				x.progress(c, "write", 0, g.size)
				err = x.fill(ctx, c, g)
			}
			if err != nil {
				if err := x.aside(ctx, x.s, c, err); err != nil {
					return err
				}
				break
			}
			for _, f := range g.files {
				select {
				case parcels <- parcel{c, g, f}:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
	}
	return nil
}

// empty removes what an earlier attempt may have left under the prefix, and proves that nothing is there.
func (x *bringing) empty(ctx context.Context, c *change, g *cargo) error {
	stage := c.to.Stage()
	if _, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.Remove(stage, g.prefix), Step: stepClear, Table: c.Name.String()}); err != nil {
		return err
	}
	there, err := x.listed(ctx, c, g)
	if err != nil {
		return err
	}
	for name := range there {
		return fmt.Errorf("the stage is not empty after it was cleared: %s/%s%s is there: does something else write to it?", stage, g.prefix, name)
	}
	return nil
}

// upload sends one file, unless its table is left out by now.
func (x *bringing) upload(ctx context.Context, s *snowflake.Session, p parcel) error {
	goes := x.goesOn(p.c)
	if goes {
		if err := x.put(ctx, s, p); err != nil {
			if err := x.aside(ctx, s, p.c, fmt.Errorf("upload %s: %w", filepath.Base(p.file.Path), err)); err != nil {
				return err
			}
			goes = false
		}
	}
	if err := p.g.discard(p.file); err != nil {
		return fmt.Errorf("upload %s: %w", p.c.Name, err)
	}
	if goes {
		x.progress(p.c, "upload", p.g.sent.Add(p.file.Bytes), p.g.bytes)
	}
	return nil
}

// put uploads one file and reads what the driver says of it.
func (x *bringing) put(ctx context.Context, s *snowflake.Session, p parcel) error {
	text, err := sf.Put(p.file.Path, p.c.to.Stage(), p.g.prefix)
	if err != nil {
		return err
	}
	r, err := s.Query(ctx, snowflake.Statement{SQL: text, Step: stepUpload, Table: p.c.Name.String()})
	if err != nil {
		if unread := readableFile(p.file); unread != nil && ctx.Err() == nil {
			return unread
		}
		return err
	}
	return uploaded(r, p.file)
}

// readableFile says why a file cannot be read. The driver's error does not tell that from a connection that is lost.
func readableFile(f warehouse.File) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	return file.Close()
}

// uploaded reads what the driver says of the one file that was sent.
func uploaded(r *snowflake.Result, f warehouse.File) error {
	rows := records(r)
	if len(rows) != 1 {
		return fmt.Errorf("%w: the driver tells of %d files, and one was sent", load.ErrUnproven, len(rows))
	}
	if got := rows[0]; !strings.EqualFold(got["status"], "UPLOADED") || got["source_size"] != strconv.FormatInt(f.Bytes, 10) || !sizeFits(got["target_size"], f.Bytes) {
		return fmt.Errorf("%w: status %s, %s of %d bytes, which are %s in the stage %s", load.ErrUnproven, got["status"], got["source_size"], f.Bytes, got["target_size"], got["message"])
	}
	return nil
}

// arrived compares the stage with what was sent.
func (x *bringing) arrived(ctx context.Context, c *change, g *cargo) error {
	there, err := x.listed(ctx, c, g)
	if err != nil {
		return err
	}
	return exactly(there, g.files)
}

// exactly says whether the stage has these files, with these sizes, and no others.
func exactly(there map[string]string, files []warehouse.File) error {
	for _, f := range files {
		name := filepath.Base(f.Path)
		size, ok := there[name]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s is not in the stage", load.ErrUnproven, name)
		case !sizeFits(size, f.Bytes):
			return fmt.Errorf("%w: %s has %s bytes in the stage, %d were sent", load.ErrUnproven, name, size, f.Bytes)
		}
		delete(there, name)
	}
	for name := range there {
		return fmt.Errorf("%w: %s is in the stage, and was not sent", load.ErrUnproven, name)
	}
	return nil
}

// sizeFits compares a size in a stage with a file's: it is the same, or padded to the next multiple of 16, by at least a byte, where the
// driver has encrypted the file (gosnowflake v2.1.0, encrypt_util.go).
func sizeFits(there string, bytes int64) bool {
	n, err := strconv.ParseInt(there, 10, 64)
	return err == nil && (n == bytes || n == bytes/16*16+16)
}

// listed are the files under a cargo's prefix with their sizes.
func (x *bringing) listed(ctx context.Context, c *change, g *cargo) (map[string]string, error) {
	r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.List(c.to.Stage(), g.prefix), Step: stepClear, Table: c.Name.String()})
	if err != nil {
		return nil, err
	}
	return under(g.prefix, r)
}

// under are the files of a list with their sizes, all of them under a prefix.
func under(prefix string, r *snowflake.Result) (map[string]string, error) {
	files := map[string]string{}
	for _, row := range records(r) {
		if dir := path.Dir(row["name"]) + "/"; !strings.HasSuffix(dir, "/"+prefix) {
			return nil, fmt.Errorf("the list of %s names %q, which is not in it", prefix, row["name"])
		}
		files[path.Base(row["name"])] = row["size"]
	}
	return files, nil
}

// records are the rows of an answer by their columns' names; NULL is absent.
func records(r *snowflake.Result) []map[string]string {
	out := make([]map[string]string, len(r.Rows))
	for i, row := range r.Rows {
		out[i] = map[string]string{}
		for k, v := range row {
			if v != nil {
				out[i][r.Columns[k]] = *v
			}
		}
	}
	return out
}
