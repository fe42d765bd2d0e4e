package serve

import (
	"bytes"
	"io"
)

// The last lines of a log are looked for in its end, from there backwards.
const (
	mostTail  = 10_000
	tailBytes = 8 << 20
	tailChunk = 64 << 10
)

// lastLines is where the last n whole lines of a file begin, or those of its last tailBytes when they are longer.
func lastLines(f io.ReaderAt, size int64, n int) (int64, error) {
	end, ends := size, 0
	buffer := make([]byte, tailChunk)
	for end > max(size-tailBytes, 0) {
		begin := max(end-tailChunk, 0)
		chunk := buffer[:end-begin]
		if _, err := f.ReadAt(chunk, begin); err != nil {
			return 0, err
		}
		for i := bytes.LastIndexByte(chunk, '\n'); i >= 0; i = bytes.LastIndexByte(chunk[:i], '\n') {
			if ends++; ends > n {
				return begin + int64(i) + 1, nil
			}
		}
		end = begin
	}
	return end, nil
}
