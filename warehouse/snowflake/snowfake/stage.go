package snowfake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// upload tells the driver where a PUT's files go (file_transfer_agent.go, parseCommand).
func (s *Server) upload(r *request, q *run) (*uploadData, error) {
	u := q.answer.Upload
	stage, err := s.cfg.Account.StageDir(u.Stage)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(stage, filepath.FromSlash(u.Prefix))
	data := &uploadData{
		QueryID: q.QueryID, Command: "UPLOAD", Sources: u.Sources, Parallel: u.Parallel, AutoCompress: u.Compress, Overwrite: u.Overwrite,
		SourceCompression: u.Compression,
	}
	r.staged = targets(dir, u)
	s.mu.Lock()
	s.staged = r.staged
	s.mu.Unlock()
	if s.cfg.Stage == S3 {
		data.StageInfo, data.EncryptionMaterial = s.store.open(stage, u.Prefix, q.QueryID)
		return data, nil
	}
	data.StageInfo = stageInfo{LocationType: "LOCAL_FS", Location: dir}
	if !u.Overwrite {
		return data, nil
	}
	// The driver writes over a file that is there without shortening it (local_storage_client.go, line 53), which no cloud does.
	for _, file := range r.staged {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("make room for an upload: %w", err)
		}
	}
	return data, nil
}

// targets are the files that an upload will make. The server reads the client's folder for it: they share the machine, whatever the transport.
func targets(dir string, u *Upload) []string {
	var files []string
	for _, source := range u.Sources {
		found, err := filepath.Glob(source)
		if err != nil {
			continue // the driver tells of it
		}
		for _, file := range found {
			name := filepath.Base(file)
			if u.Compress {
				name += ".gz"
			}
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}

// maim cuts the tail off what was staged last. Of a PUT that is its own files: they come only once it is answered, so they are cut
// before the session does anything else.
func (s *Server) maim(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.holder(r); c != nil && r.staged != nil {
		c.maimed = append(c.maimed, r.staged...)
		return
	}
	shorten(s.staged)
}

// damage does what maim has left for later.
func (s *Server) damage(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shorten(c.maimed)
	c.maimed = nil
}

// shorten takes the last 16 bytes of files. One that is not there was removed in the meantime: nothing to lose.
func shorten(files []string) {
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			_ = os.Truncate(file, max(info.Size()-16, 0)) // the fault's Hits tell the test that it was tried, its LIST that it took
		}
	}
}

// encrypt says whether clients encrypt what they stage: LIST then tells the size that it has so.
func (a *Account) encrypt(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cfg.Encrypted = on
}
