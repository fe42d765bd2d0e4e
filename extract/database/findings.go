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

// Streams looks at each stream: look gives what one should know of it, or why it cannot be read.
func (f *Findings) Streams(streams []extract.Stream, look func(extract.Stream) (remarks []string, err error)) {
	readable := 0
	for _, st := range streams {
		remarks, err := look(st)
		if err != nil {
			hint := ""
			if h, ok := err.(interface{ Hint() string }); ok {
				hint = h.Hint()
			}
			f.Say("stream "+st.Name, extract.LevelFail, hint, "%v", err)
			continue
		}
		readable++
		for _, remark := range remarks {
			f.Say("stream "+st.Name, extract.LevelWarn, "", "%s", remark)
		}
	}
	if readable > 0 {
		f.Say("streams", extract.LevelOK, "", "%d of %d can be read", readable, len(streams))
	}
}
