package telemetry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline/journal"
)

// classes are what DuckDB calls its errors by, as far as data and projects cause them.
var classes = []string{
	"Binder Error", "Catalog Error", "Connection Error", "Constraint Error", "Conversion Error", "Dependency Error", "Divide by Zero Error",
	"FATAL Error", "HTTP Error", "INTERNAL Error", "INTERRUPT Error", "IO Error", "Invalid Configuration Error", "Invalid Input Error",
	"Mismatch Type Error", "Missing Extension Error", "Not implemented Error", "Out of Memory Error", "Out of Range Error", "Parser Error",
	"Permission Error", "Sequence Error", "Serialization Error", "TransactionContext Error",
}

// failure describes what failed to a receiver that others may read. The text of an error quotes values of cells, so none of it is told but
// its class; where the rest is, is said instead.
func failure(what string, status journal.Status, text, run string) string {
	class := ""
	for part := range strings.SplitSeq(text, ":") {
		if part = strings.TrimSpace(part); slices.Contains(classes, part) {
			class = " by " + part
			break
		}
	}
	return fmt.Sprintf("%s: %s%s; millrace runs logs %s tells more", what, status, class, run)
}
