package warehouse

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	maxPageBytes  = 1 << 30 // DuckDB ends a page at 100 MB, one long value apart
	maxPageValues = 1 << 28
)

// checkPages walks the page headers before a decoder does. Both decoders allocate what a header says, and what the
// frame of compressed data inside says: a file of 6 kB with one wrong byte has asked for 9 GB.
func checkPages(r io.ReaderAt, m *format.FileMetaData) error {
	for g, group := range m.RowGroups {
		for _, c := range group.Columns {
			if err := checkChunkPages(r, &c.MetaData); err != nil {
				return fmt.Errorf("column %q of row group %d: %w", c.MetaData.PathInSchema, g, err)
			}
		}
	}
	return nil
}

func checkChunkPages(r io.ReaderAt, c *format.ColumnMetaData) error {
	if c.Codec != format.Zstd && c.Codec != format.Uncompressed { // ours; parquet-go loops for ever on a forged LZ4 page
		return fmt.Errorf("codec %s", c.Codec)
	}
	at := c.DataPageOffset
	if d := c.DictionaryPageOffset; d > 0 && d < at {
		at = d
	}
	end := at + c.TotalCompressedSize
	var values int64
	for at < end && values < c.NumValues {
		h, n, err := pageHeader(r, at, end)
		if err != nil {
			return fmt.Errorf("page header: %w", err)
		}
		size, compressed := int64(h.UncompressedPageSize), int64(h.CompressedPageSize)
		inPage := int64(h.DataPageHeader.V.NumValues) + int64(h.DataPageHeaderV2.V.NumValues)
		dictionary := int64(h.DictionaryPageHeader.V.NumValues)
		body := at + n
		switch {
		case size < 0 || size > maxPageBytes || compressed < 0 || compressed > end-body:
			return fmt.Errorf("a page of %d bytes, %d compressed", size, compressed)
		case inPage < 0 || inPage > c.NumValues-values || inPage > maxPageValues || dictionary < 0 || dictionary > size+1:
			return fmt.Errorf("a page of %d values", max(inPage, dictionary))
		}
		if c.Codec == format.Zstd && compressed > 0 {
			if err := checkFrame(r, body+levelsBefore(h), size); err != nil {
				return err
			}
		}
		values += inPage
		at = body + compressed
	}
	return nil
}

// levelsBefore are the bytes of a second-version page that are not compressed.
func levelsBefore(h *format.PageHeader) int64 {
	v2 := h.DataPageHeaderV2.V
	return max(int64(v2.DefinitionLevelsByteLength), 0) + max(int64(v2.RepetitionLevelsByteLength), 0)
}

// checkFrame compares what a zstd frame says of its content with the page's own word.
func checkFrame(r io.ReaderAt, at, size int64) error {
	var b [zstd.HeaderMaxSize]byte
	n, err := r.ReadAt(b[:], at)
	if n == 0 {
		return err
	}
	var h zstd.Header
	if err := h.Decode(b[:n]); err != nil {
		return fmt.Errorf("zstd: %w", err)
	}
	if h.HasFCS && h.FrameContentSize > uint64(size) || !h.Skippable && h.WindowSize > maxPageBytes {
		return fmt.Errorf("zstd: %d bytes in a page of %d", h.FrameContentSize, size)
	}
	return nil
}

// pageHeader reads one header and its length.
func pageHeader(r io.ReaderAt, at, end int64) (*format.PageHeader, int64, error) {
	var err error
	for _, limit := range []int64{512, 1 << 20} { // few headers carry long statistics
		b := make([]byte, min(limit, end-at))
		n, readErr := r.ReadAt(b, at)
		if n == 0 {
			return nil, 0, readErr
		}
		h := new(format.PageHeader)
		protocol := new(thrift.CompactProtocol)
		reader := protocol.NewReaderFromBytes(b[:n])
		if err = thrift.NewDecoder(reader).Decode(h); err == nil {
			return h, int64(reader.BytesRead()), nil
		}
	}
	return nil, 0, err
}
