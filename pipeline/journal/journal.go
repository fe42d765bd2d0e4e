// Package journal keeps the history of runs in one SQLite file: runs, steps, windows, landed parts, and an index
// of the published cursors. It is written after the data it speaks of is safe on disk, never before, and it is an
// index: what is published stands in the manifests, from which `millrace state rebuild` restores it. It never
// opens a Parquet file. Read Open, then Run, Step and Part.
package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// Errors of Open that callers tell apart.
var (
	ErrNewer   = errors.New("the journal was written by a newer millrace")
	ErrCorrupt = errors.New("the journal is damaged")
	ErrNetwork = errors.New("the state folder is on a network file system")
	// ErrNotFound says that there is no such run.
	ErrNotFound = errors.New("no such run")
	// ErrAmbiguous says that the beginning of an id is that of several runs.
	ErrAmbiguous = errors.New("several runs begin so: give more of the id")
)

// Journal is an open state.db. Its methods may be called from several goroutines.
type Journal struct {
	db   *sql.DB
	path string
}

// explain turns SQLite's words for a damaged file into ErrCorrupt, and those for a full disk into ENOSPC, which
// SQLite mostly calls an I/O error.
func (j *Journal) explain(err error) error {
	var code interface{ Code() int }
	if errors.As(err, &code) {
		const full, ioErr = 13, 10
		primary := code.Code() & 0xff
		if primary == full || primary == ioErr && diskFull(filepath.Dir(j.path)) {
			return fmt.Errorf("%w (%w)", syscall.ENOSPC, err)
		}
	}
	text := err.Error()
	if strings.Contains(text, "malformed") || strings.Contains(text, "not a database") || strings.Contains(text, "file is encrypted") {
		return fmt.Errorf("%w: %s", ErrCorrupt, text)
	}
	return err
}

// IsBusy says whether the error is that another process held the journal for longer than anybody waits: to try again later helps.
func IsBusy(err error) bool {
	var code interface{ Code() int }
	const busy, locked = 5, 6
	return errors.As(err, &code) && (code.Code()&0xff == busy || code.Code()&0xff == locked)
}

// diskFull says whether the disk has no room for even a page of the journal and its log.
func diskFull(dir string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(dir, &st) == nil && int64(st.Bavail)*st.Bsize < 128<<10
}
