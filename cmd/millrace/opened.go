package main

import (
	"bytes"
	"io"
	"io/fs"
	"path/filepath"
)

// openedFiles notes what is opened in a folder, or looked for in vain, and holds what the files said: whoever opens one again
// reads the same, whatever is written meanwhile.
type openedFiles struct {
	fs.FS
	dir   string // the folder's path
	files map[string]*openedFile
}

// mostRead is more than the loader takes of a file.
const mostRead = 17 << 20

// openedFile is a file as it was read.
type openedFile struct {
	state string // before it was opened, see fileState
	err   error  // of opening it
	info  fs.FileInfo
	data  []byte
}

// Open is of fs.FS.
func (o *openedFiles) Open(name string) (fs.File, error) {
	file, known := o.files[name]
	if !known {
		if o.files == nil {
			o.files = map[string]*openedFile{}
		}
		file = &openedFile{state: fileState(filepath.Join(o.dir, name))}
		o.files[name] = file
		file.read(o.FS, name)
	}
	switch {
	case file.err != nil:
		return nil, file.err
	case file.info.IsDir():
		return o.FS.Open(name)
	}
	return readFile{bytes.NewReader(file.data), file.info}, nil
}

func (f *openedFile) read(files fs.FS, name string) {
	opened, err := files.Open(name)
	if err != nil {
		f.err = err
		return
	}
	defer opened.Close()
	if f.info, f.err = opened.Stat(); f.err == nil && !f.info.IsDir() {
		f.data, f.err = io.ReadAll(io.LimitReader(opened, mostRead))
	}
}

// readFile is a file that was read.
type readFile struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat is of fs.File.
func (f readFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close is of fs.File.
func (f readFile) Close() error { return nil }
