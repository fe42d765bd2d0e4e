//go:build !linux

package fsx

import "io/fs"

// Changed is 0: see the one of Linux.
func Changed(fs.FileInfo) int64 { return 0 }
