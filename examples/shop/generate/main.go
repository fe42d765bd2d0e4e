// Command generate writes the deliveries of the example shop: inbox/ (the first night), night2/ (what arrives a day
// later, laid out like inbox/) and expected.json (what a run must count, reject by reject).
//
//	go run ./examples/shop/generate            # from the root of the repository; also puts inbox/ back to night one
//
// Everything is invented, from one fixed seed: the same code writes the same bytes on every machine. The program plants
// all dirt itself, one kind per row, so expected.json is known rather than measured. Nothing here reads a clock.
//
// Read outFile first, then streams in streams.go.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// Why a row must be rejected. A row with the reason "" lands.
const (
	tooFewColumns  = "too_few_columns"
	tooManyColumns = "too_many_columns"
	invalidUTF8    = "invalid_utf8"
	cast           = "bad_cast"
	malformedJSON  = "bad_syntax"
)

// outFile is one file of one night's delivery.
type outFile struct {
	night  int    // 1 or 2
	stream string // as in millrace.yml: crm.customers
	path   string // inside inbox/ or night2/
	header string // first line of a delimited file
	rows   []row
}

// row is one record as it stands in a text file, with what the program knows about it.
type row struct {
	key    string // value of the stream's key
	cursor string // value of the cursor; empty where the stream has none
	text   string // the line or lines, without the last newline
	reason string // why it must be rejected, or ""
	erp    *erpCustomer
}

func main() {
	dir := flag.String("dir", "examples/shop", "the example's folder")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	// The folders below are deleted first, so be sure that this is the example.
	if _, err := os.Stat(filepath.Join(dir, "millrace.yml")); err != nil {
		return fmt.Errorf("%s is not the example (run this from the root of the repository, or give -dir): %w", dir, err)
	}
	return write(dir, deliveries())
}

// write replaces inbox/, night2/ and expected.json in dir.
func write(dir string, files []outFile) error {
	for _, folder := range []string{"inbox", "night2"} {
		if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
			return err
		}
	}
	for _, f := range files {
		data, err := f.encode()
		if err != nil {
			return fmt.Errorf("encode %s: %w", f.path, err)
		}
		path := filepath.Join(dir, f.folder(), filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(expect(files), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "expected.json"), append(data, '\n'), 0o644)
}

func (f outFile) folder() string {
	if f.night == 2 {
		return "night2"
	}
	return "inbox"
}

// encode returns the bytes of the file in the format its name says.
func (f outFile) encode() ([]byte, error) {
	if strings.HasSuffix(f.path, ".parquet") {
		return encodeParquet(f.rows)
	}
	var text bytes.Buffer
	if f.header != "" {
		text.WriteString(f.header + "\n")
	}
	for _, r := range f.rows {
		text.WriteString(r.text + "\n")
	}
	var out bytes.Buffer
	switch filepath.Ext(f.path) {
	case ".gz":
		z := gzip.NewWriter(&out) // the zero header: no name, no time
		if _, err := z.Write(text.Bytes()); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	case ".zst":
		// One goroutine: where blocks end must not depend on the number of cores.
		z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(text.Bytes()); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}
	return text.Bytes(), nil
}

func encodeParquet(rows []row) ([]byte, error) {
	var out bytes.Buffer
	w := parquet.NewGenericWriter[erpCustomer](&out,
		parquet.CreatedBy("millrace-example-erp", "1", "0"), // the default names the library's build
		parquet.Compression(&parquet.Zstd))
	for _, r := range rows {
		if _, err := w.Write([]erpCustomer{*r.erp}); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
