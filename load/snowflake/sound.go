package snowflake

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// sound remembers what was found of local files, by path and hash: each is hashed once, before the local engine reads it. A byte that
// has changed on the disk since it was published would else be brought, and proven.
type sound map[string]error

// check hashes files that were not hashed yet, some at once, and returns what is wrong with one of them.
func (s sound) check(ctx context.Context, files []warehouse.File) error {
	name := func(f warehouse.File) string { return f.Path + "\x00" + f.SHA256 }
	todo := map[string]warehouse.File{}
	for _, f := range files {
		if _, known := s[name(f)]; !known {
			todo[name(f)] = f
		}
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for name, f := range todo {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			found := whole(f)
			mu.Lock()
			defer mu.Unlock()
			s[name] = found
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, f := range files {
		if err := s[name(f)]; err != nil {
			return err
		}
	}
	return nil
}

// whole compares a file with what its manifest says of it.
func whole(f warehouse.File) error {
	sum, size, err := warehouse.Hash(f.Path)
	if err != nil {
		return err
	}
	if sum != f.SHA256 || size != f.Bytes {
		return fmt.Errorf("%s is damaged: it has %d bytes and sha256 %s, the manifest says %d and %s: `millrace verify` tells more", f.Path, size, sum, f.Bytes, f.SHA256)
	}
	return nil
}

// comparable hashes the files of the versions that are there, where changes are found by them. Where one is damaged, all rows are sent
// instead; a history, which cannot be, is refused.
func (x *bringing) comparable(ctx context.Context) error {
	for _, c := range x.changes {
		if err := x.emptied(ctx, c); err != nil {
			if err := x.aside(ctx, x.s, c, err); err != nil {
				return err
			}
		}
		if !c.pending() || c.Mode != load.ModeMerge && c.Mode != load.ModePartition && c.Mode != load.ModeSCD2 {
			continue
		}
		v := absolute(c.before.Version, x.cfg.Root)
		err := x.sound.check(ctx, v.Files())
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && c.keep.history():
			c.refuse(fmt.Errorf("the version that is there cannot be compared with: %w: the history cannot be continued; --renew begins it anew", err))
		case err != nil:
			c.settled(fully(c.keep, "the version that is there cannot be compared with: "+err.Error()))
		}
	}
	return nil
}
