package fsx

import (
	"io/fs"
	"syscall"
)

// Changed is when a file, or what is known of it, was changed last, in nanoseconds; 0 where the system does not tell. Nobody can set it
// back, as cp -p, tar and rsync do with the time that a file's content has.
func Changed(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ctim.Nano()
	}
	return 0
}
