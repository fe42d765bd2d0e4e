package main

import (
	"bytes"
	"io"
	"io/fs"
	"path"
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
func (o *openedFiles) Open(name string) (fs.File, error) { return o.open(name, o.FS, name) }

// open opens a file and notes it under the name that it has in the folder.
func (o *openedFiles) open(at string, files fs.FS, name string) (fs.File, error) {
	file, known := o.files[at]
	if !known {
		if o.files == nil {
			o.files = map[string]*openedFile{}
		}
		place := at
		if !filepath.IsAbs(at) {
			place = filepath.Join(o.dir, at)
		}
		file = &openedFile{state: fileState(place)}
		o.files[at] = file
		file.read(files, name)
	}
	switch {
	case file.err != nil:
		return nil, file.err
	case file.info.IsDir():
		return files.Open(name)
	}
	return readFile{bytes.NewReader(file.data), file.info}, nil
}

// outsideFiles are files of elsewhere that the project reads as if they were at a place of its folder.
type outsideFiles struct {
	fs.FS
	opened     *openedFiles
	at, inside string
}

// outside notes what is opened there too.
func (o *openedFiles) outside(at, inside string, files fs.FS) fs.FS {
	return outsideFiles{files, o, at, inside}
}

// Open is of fs.FS.
func (f outsideFiles) Open(name string) (fs.File, error) {
	at := f.at
	if f.inside == "." {
		at = path.Join(f.at, name)
	}
	if file := f.opened.files[at]; file != nil && file.err != nil {
		delete(f.opened.files, at) // it was looked for in the folder, in vain
	}
	return f.opened.open(at, f.FS, name)
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
