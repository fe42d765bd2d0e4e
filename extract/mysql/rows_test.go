package mysql

import (
	"database/sql/driver"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/internal/arrowx"
)

// panicking is a result whose driver has a bug.
type panicking struct{ driver.Rows }

func (panicking) Columns() []string         { return nil }
func (panicking) Next([]driver.Value) error { panic("index out of range in the driver") }

// TestDriverPanics: it is an error of the stream, not the end of the process.
func TestDriverPanics(t *testing.T) {
	b := arrowx.NewBatcher(schema(nil), func(r arrow.RecordBatch) error { r.Release(); return nil })
	defer b.Release()
	_, err := readRows(t.Context(), panicking{}, intake{}, b)
	mentions(t, told(err), "panic while reading rows", "index out of range in the driver", "rows.go")
}
