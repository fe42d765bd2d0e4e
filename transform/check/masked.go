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
	engineError = regexp.MustCompile(`\b([A-Z][A-Za-z]+(?: (?:of )?[A-Z][A-Za-z]+)* Error): `)
	quotedText  = regexp.MustCompile(`(?s)['"].*['"]`)
	// dataState is a SQLSTATE of the classes that are about values: data, and constraints.
	dataState = regexp.MustCompile(`\b(?:SQLSTATE |Error [0-9]{4} \()2[123][0-9A-Z]{3}\b`)
)

// ofNoRow are the errors of engines that are about a statement before it runs, or about the machine: no value is in them.
var ofNoRow = []string{"Binder Error", "Parser Error", "Catalog Error", "Out of Memory Error", "IO Error", "Permission Error"}

// Masked is an error in words that may be shown where values are personal. Engines quote the value that they could not read, in
// ways from which it cannot be cut out for sure, so that of their words only the kind of the error stays, and the column, if it is
// one of these. What they say of a statement before it runs has no values.
func Masked(err error, columns []string) string {
	text := err.Error()
	all := engineError.FindAllStringSubmatchIndex(text, -1)
	if len(all) == 0 {
		if mistaken(err) {
			return text
		}
		return quotedText.ReplaceAllString(text, "'***'")
	}
	if !slices.ContainsFunc(all, func(at []int) bool { return !slices.Contains(ofNoRow, text[at[2]:at[3]]) }) {
		return text
	}
	masked := text[:all[0][3]]
	if i := strings.LastIndex(text, castFrom); i >= 0 && slices.Contains(columns, text[i+len(castFrom):]) {
		masked += " in column " + text[i+len(castFrom):]
	}
	return masked + ": what the engine says is not shown, for it may have personal values"
}

// Remasked are results as they may be shown now: what was tagged pii since is masked in their samples, too.
func Remasked(results []Result, personal func(node, column string) bool) []Result {
	results = slices.Clone(results)
	for i, r := range results {
		if r.Sample == nil {
			continue
		}
		masked := &Sample{Columns: r.Sample.Columns}
		for _, row := range r.Sample.Rows {
			row = slices.Clone(row)
			for k := range row {
				if k < len(masked.Columns) && row[k] != nil && personal(r.Node, masked.Columns[k]) {
					hidden := "***"
					row[k] = &hidden
				}
			}
			masked.Rows = append(masked.Rows, row)
		}
		results[i].Sample = masked
	}
	return results
}

// Words is an error in words that may be shown: masked where one of the nodes, or any that it reads, however far up, has columns that
// are tagged pii. The columns, and those of the nodes, may be named.
func Words(err error, columns []string, nodes ...*models.Node) string {
	if !slices.ContainsFunc(nodes, touchesPersonal) {
		return err.Error()
	}
	columns = slices.Clone(columns)
	for _, n := range nodes {
		for _, column := range n.Columns {
			columns = append(columns, column.Name)
		}
	}
	return Masked(err, columns)
}

// OfEngine says whether it is an engine or a database that speaks in an error: what we say ourselves has no values.
func OfEngine(err error) bool {
	var sql *warehouse.SQLError
	return errors.As(err, &sql) || engineError.MatchString(err.Error()) || dataState.MatchString(err.Error())
}

// touchesPersonal says whether the node has columns that are tagged pii, or is made of one that does.
func touchesPersonal(n *models.Node) bool {
	tagged := func(n *models.Node) bool { return len(Secrets(n)) > 0 }
	return tagged(n) || slices.ContainsFunc(n.Upstream(), tagged)
}

// words is why a check could not be run. Where a table that it reads has personal values these are not among them.
func words(c *models.Check, err error) string {
	nodes := append([]*models.Node{c.Node}, c.Reads...)
	if args, ok := c.Args.(*models.Reconcile); ok && args.Node != nil {
		nodes = append(nodes, args.Node)
	}
	return Words(err, c.Columns, nodes...)
}
