package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock takes the target's lock, which is held for the seconds that a publish or a collection takes, and waits for
// it while ctx lasts. A process that is killed lets go of it.
func (l *Loader) Lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(l.cfg.Root, ".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock target: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock target %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock target %s: another process is publishing: %w", path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
