package load

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// Folder is the folder of a table below data/ and below a snapshot: schema/table, made fit for any name.
func Folder(n warehouse.Name) string { return filepath.Join(escape(n.Schema), escape(n.Table)) }

// escape makes a table's or schema's name a file name: a node may be called almost anything.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' || c == '/' || c < ' ' || c == 0x7f || (i == 0 && (c == '.' || c == '_')) {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
