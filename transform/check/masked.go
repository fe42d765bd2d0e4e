package check

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// castFrom is what stands before the name of the column, at the end of an engine's error, whose value it could not cast.
const castFrom = "when casting from source column "

var (
	engineError = regexp.MustCompile(`\b([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)* Error): `)
	quotedText  = regexp.MustCompile(`(?s)['"].*['"]`)
)

// Masked is an error in words that may be shown where values are personal. Engines quote the value that they could not read, in
// ways from which it cannot be cut out for sure, so that of their words only the kind of the error stays, and the column, if it is
// one of these. What they say of a statement before it runs has no values.
func Masked(err error, columns []string) string {
	text := err.Error()
	var sql *warehouse.SQLError
	if errors.As(err, &sql) && slices.ContainsFunc([]string{"Binder", "Parser", "Catalog"}, func(kind string) bool { return strings.HasPrefix(sql.Message, kind) }) || mistaken(err) && sql == nil {
		return text
	}
	at := engineError.FindStringSubmatchIndex(text)
	if at == nil {
		return quotedText.ReplaceAllString(text, "'***'")
	}
	masked := text[:at[3]]
	if i := strings.LastIndex(text, castFrom); i >= 0 && slices.Contains(columns, text[i+len(castFrom):]) {
		masked += " in column " + text[i+len(castFrom):]
	}
	return masked + ": what the engine says is not shown, for it may have personal values"
}

// words is why a check could not be run. Where a table that it reads has personal values these are not among them.
func words(c *models.Check, err error) string {
	nodes := append([]*models.Node{c.Node}, c.Reads...)
	if args, ok := c.Args.(*models.Reconcile); ok && args.Node != nil {
		nodes = append(nodes, args.Node)
	}
	columns, secret := slices.Clone(c.Columns), false
	for _, n := range nodes {
		secret = secret || len(Secrets(n)) > 0
		for _, column := range n.Columns {
			columns = append(columns, column.Name)
		}
	}
	if secret {
		return Masked(err, columns)
	}
	return err.Error()
}
