package warehouse

import (
	"fmt"
	"os"
)

// CountRows counts the rows of a Parquet file by its footer, as the second reader reads it.
func CountRows(path string) (rows int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	err = guard(func() error {
		parsed, err := openParquet(file, info.Size())
		if err == nil {
			rows = parsed.NumRows()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count rows of %s: %w: %w", path, ErrCorrupt, err)
	}
	return rows, nil
}
