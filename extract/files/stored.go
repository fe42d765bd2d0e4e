package files

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// stored is an open file of the source: Read gives its text as UTF-8, and the hash is of the bytes as stored.
type stored struct {
	io.Reader
	f     *os.File
	h     *xxh3.Hasher
	close func()
	name  string
	comp  string
}

// open opens one file for reading from the start.
func openStored(ctx context.Context, root *os.Root, name, compression, encoding string, maxExpanded int64, progress func(int64)) (*stored, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		if err == nil {
			err = fmt.Errorf("%s is %s, not a regular file: refused", name, kindOf(info.Mode()))
		}
		return nil, err
	}
	s := &stored{f: f, h: xxh3.New(), name: name, comp: compression, close: func() {}}
	s.Reader = &hashing{ctx: ctx, r: f, h: s.h, progress: progress}
	switch compression {
	case "gzip":
		z, err := kgzip.NewReader(s.Reader)
		if err != nil {
			s.Close()
			return nil, s.explain(err)
		}
		s.Reader = &limited{r: z, left: maxExpanded, name: name}
	case "zstd":
		z, err := zstd.NewReader(s.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			s.Close()
			return nil, s.explain(err)
		}
		s.close = z.Close
		s.Reader = &limited{r: z, left: maxExpanded, name: name}
	}
	switch encoding {
	case "latin-1":
		s.Reader = transform.NewReader(s.Reader, charmap.ISO8859_1.NewDecoder())
	case "utf-16":
		s.Reader = transform.NewReader(s.Reader, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	}
	return s, nil
}

// Read implements io.Reader, with errors that say what to do.
func (s *stored) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = s.explain(err)
	}
	return n, err
}

func (s *stored) explain(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("file %s is cut off (%s): it is still being written or its copy broke; set min_age, or let the writer use a temporary name and rename the finished file", s.name, s.comp)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, kgzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return fmt.Errorf("file %s is not %s data: %w; set compression: none if it is not compressed", s.name, s.comp, err)
	case errors.Is(err, kgzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return fmt.Errorf("file %s is damaged: %w", s.name, err)
	case errors.Is(err, errBomb), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("read file %s: %w", s.name, err)
}

// sum reads what is left of the stored bytes and gives their hash.
func (s *stored) sum() (string, error) {
	if _, err := io.Copy(s.h, s.f); err != nil {
		return "", fmt.Errorf("read file %s: %w", s.name, err)
	}
	b := s.h.Sum128().Bytes()
	return hex.EncodeToString(b[:]), nil
}

func (s *stored) Close() {
	s.close()
	s.f.Close()
}

// hashing hashes and counts what passes through it, and stops with ctx.
type hashing struct {
	ctx      context.Context
	r        io.Reader
	h        *xxh3.Hasher
	progress func(int64)
}

func (h *hashing) Read(p []byte) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := h.r.Read(p)
	_, _ = h.h.Write(p[:n])
	if n > 0 && h.progress != nil {
		h.progress(int64(n))
	}
	return n, err
}

var errBomb = errors.New("expands too far")

// limited fails when a file expands beyond what is allowed.
type limited struct {
	r    io.Reader
	left int64
	name string
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("file %s: %w: it holds far more than its size promises; set max_expanded if that is right", l.name, errBomb)
	}
	return n, err
}

// hashFile gives the hash of the stored bytes.
func hashFile(ctx context.Context, root *os.Root, name string) (string, error) {
	s, err := openStored(ctx, root, name, "none", "", 0, nil)
	if err != nil {
		return "", err
	}
	defer s.Close()
	buf := make([]byte, 1<<20)
	for {
		_, err := s.Reader.Read(buf)
		if err == io.EOF {
			return s.sum()
		}
		if err != nil {
			return "", fmt.Errorf("read file %s: %w", name, err)
		}
	}
}

// hasMeta says whether DuckDB would take a path for a pattern.
func hasMeta(name string) bool { return strings.ContainsAny(name, "*?[") }
