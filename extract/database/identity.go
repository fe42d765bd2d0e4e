package database

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/millrace/millrace/extract"
)

// Identity names what a stream reads, for extract.Source: address is that of the database, table what the stream's name
// means there. A query is named by a hash of its text. It changes when someone edits the project, and only then: a server
// that was upgraded, or one that took over under the name of another, goes on.
func (o *Options) Identity(address, table string, s extract.Stream) string {
	if o.SSH != nil {
		address += " by way of " + o.SSH.Host
	}
	if so, err := OptionsOf(s); err == nil && so.Query != "" {
		sum := sha256.Sum256([]byte(strings.TrimSpace(so.Query)))
		return fmt.Sprintf("%s, query %x", address, sum[:6])
	}
	return address + ", " + table
}
