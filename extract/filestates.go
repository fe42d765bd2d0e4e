package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/fsx"
)

// Settled is how long ago a file must have been changed for its time to tell it from what it was: clocks of file systems are coarse, and
// one that was changed just now may be changed once more without another time.
const Settled = 2 * time.Second

// FileState is a file as it lies there.
type FileState struct {
	Name    string // by which its source knows it
	Size    int64
	MTime   int64 // nanoseconds
	Changed int64 // see fsx.Changed
	Inode   uint64
}

// FileStates are the files of a stream, in its order.
type FileStates []FileState

// StateOfFile is the state that a look at a file has found.
func StateOfFile(name string, info fs.FileInfo) FileState {
	f := FileState{Name: name, Size: info.Size(), MTime: info.ModTime().UnixNano(), Changed: fsx.Changed(info)}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Inode = st.Ino
	}
	return f
}

// Hash tells the files, and what is read of them, from what they were.
func (files FileStates) Hash(read string) string {
	h := sha256.New()
	h.Write([]byte(read))
	for _, f := range files {
		fmt.Fprintf(h, "%q %d %d %d %d\n", f.Name, f.Size, f.MTime, f.Changed, f.Inode)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Settled says whether the hash tells the files from what they will be.
func (files FileStates) Settled(now time.Time) bool {
	for _, f := range files {
		if now.Sub(time.Unix(0, f.MTime)) < Settled {
			return false
		}
	}
	return true
}

// OwnFolder is the error of a file that Excludes is true of, by the name that people know it by.
func OwnFolder(file string) error {
	return Advise(fmt.Errorf("%s lies in a folder of Millrace's own", file), "models read published tables by ref() and source()")
}

// Excludes says whether a file is the engine's own: a glob such as **/*.parquet would read what it has published. Links in the file's own
// path have been followed.
func (e Env) Excludes(path string) bool {
	for _, dir := range e.Exclude {
		if rel, err := filepath.Rel(fsx.Real(dir), path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
