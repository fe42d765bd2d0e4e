package journal

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	_ "modernc.org/sqlite" // the driver "sqlite": pure Go, so that the journal works where DuckDB does not load
)

// Open opens the journal at path, makes it when it is missing and migrates it when it is old. It refuses a journal
// from a newer millrace, a damaged one, and a folder on a network file system, where locks and fsync cannot be
// trusted.
func Open(ctx context.Context, path string) (*Journal, error) {
	if err := refuseNetwork(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := refuseForeign(path); err != nil {
		return nil, err
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	} else if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	dsn := "file:" + (&pathEscaper).Replace(path) + "?_txlock=immediate" +
		"&_pragma=" + waitLong + "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	db.SetMaxOpenConns(1) // one writer; every statement of ours is short
	j := &Journal{db: db, path: path}
	if err := j.migrateInTurn(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open journal %s: %w", path, j.explain(err))
	}
	return j, nil
}

// migrateInTurn migrates while no other process does: two that open a new journal at once would each switch it to
// WAL, which SQLite answers with BUSY at once, whatever the timeout.
func (j *Journal) migrateInTurn(ctx context.Context) error {
	lock, err := os.OpenFile(j.path+".opening", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return j.migrate(ctx)
}

var pathEscaper = *strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

// refuseForeign finds a file that is no SQLite database before SQLite does, and says so in our words.
func refuseForeign(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // missing, or unreadable: the open that follows says which
	}
	defer f.Close()
	head := make([]byte, 16)
	if n, _ := f.Read(head); n > 0 && string(head[:n]) != "SQLite format 3\x00"[:n] {
		return fmt.Errorf("open journal %s: %w: it is not a SQLite file", path, ErrCorrupt)
	}
	return nil
}

// refuseNetwork refuses NFS, SMB, FUSE mounts of object stores and the like by their file system's magic number
// (statfs(2)).
func refuseNetwork(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	names := map[int64]string{0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x5346414F: "AFS", 0x65735546: "FUSE", 0x01021997: "9P"}
	if name, ok := names[int64(st.Type)&0xFFFFFFFF]; ok {
		return fmt.Errorf("%s: %w (%s): put the project on a local disk; the target may be elsewhere", dir, ErrNetwork, name)
	}
	return nil
}

func (j *Journal) migrate(ctx context.Context) error {
	var have int
	if err := j.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > len(migrations) {
		return fmt.Errorf("%w (its version is %d, this one knows %d): use the newer millrace, or restore a backup", ErrNewer, have, len(migrations))
	}
	var verdict string
	if err := j.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	if have == len(migrations) {
		return nil
	}
	return j.tx(ctx, "migrate", func(tx *sql.Tx) error {
		// Again inside the transaction: another process may have migrated since.
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
			return err
		}
		for v := have; v < len(migrations); v++ {
			if _, err := tx.ExecContext(ctx, migrations[v]); err != nil {
				return fmt.Errorf("migrate to version %d: %w", v+1, err)
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", max(have, len(migrations))))
		return err
	})
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Backup writes a consistent copy to path, which must not exist.
func (j *Journal) Backup(ctx context.Context, path string) error {
	_, err := j.db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err != nil {
		return fmt.Errorf("back up journal: %w", err)
	}
	return os.Chmod(path, 0o600)
}
