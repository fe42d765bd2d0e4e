package database

import (
	"fmt"

	"github.com/millrace/millrace/extract"
)

// Findings gathers what Examine finds.
type Findings []extract.Finding

// Say adds one finding; hint may be "".
func (f *Findings) Say(check string, level extract.Level, hint, format string, args ...any) {
	*f = append(*f, extract.Finding{Check: check, Level: level, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Unreadable says why a stream cannot be read.
func (f *Findings) Unreadable(stream string, err error) {
	hint := ""
	if h, ok := err.(interface{ Hint() string }); ok {
		hint = h.Hint()
	}
	f.Say("stream "+stream, extract.LevelFail, hint, "%v", err)
}

// Remarks says what one should know of a stream that can be read.
func (f *Findings) Remarks(stream string, remarks []string) {
	for _, remark := range remarks {
		f.Say("stream "+stream, extract.LevelWarn, "", "%s", remark)
	}
}
