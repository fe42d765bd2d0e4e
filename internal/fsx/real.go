package fsx

import "path/filepath"

// Real is a path without links, as far as it leads anywhere.
func Real(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}
