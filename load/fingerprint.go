package load

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Fingerprint says what a published table was made of, so that a run can tell whether it would make the same once more. It stands in the
// manifest beside the files, and is committed with them. Tables that were published before there were fingerprints have none, and are built.
type Fingerprint struct {
	models.Definition
	// Rendered and Statement are hashes of all SELECTs that a build of the model may run: of their text, and of how the engine reads it, which
	// comments and layout do not change. None of both but for models.
	Rendered  string `json:"rendered,omitempty"`
	Statement string `json:"statement,omitempty"`
	// Selects are of an incremental model the hashes of its SELECTs, as the engine reads them: that of a build from nothing, and that of one
	// that adds to what is there. Ran is the one of both that ran.
	Selects []string `json:"selects,omitempty"`
	Ran     string   `json:"ran,omitempty"`
	// Own says that a SELECT which adds to the table reads it too. The version that it read is among Inputs then.
	Own bool `json:"own,omitempty"`
	// Start is a hash of what hooks of the run's start make that its SELECTs use: macros, variables, types; "" where they use none.
	Start string `json:"start,omitempty"`
	// Moves says why the same SELECT over the same tables may give other rows; "" when it does not.
	Moves string `json:"moves,omitempty"`
	// Inputs are the versions of the tables that it was made of, by name; "" where nothing tells that version from others.
	Inputs map[string]string `json:"inputs,omitempty"`
	// State tells what a stream has read whole from what its source may have another time; "" where nothing does.
	State string `json:"state,omitempty"`
}

// ContentOf is a hash of the rows, keys and columns of a version, by its files' content; "" of a view, and of files that nobody has hashed.
func ContentOf(v *warehouse.Version) string {
	if v.View != "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q\n", v.Columns, v.Key)
	for _, files := range [][]warehouse.File{v.Base, v.Upserts, v.Deletes} {
		for _, f := range files {
			if f.SHA256 == "" {
				return ""
			}
			b.WriteString(f.SHA256)
		}
		b.WriteByte('\n')
	}
	return models.HashOf(b.String())
}
