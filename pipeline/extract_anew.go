package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// begin decides whether the run adds to what is published or reads the stream anew from its start; why is for the report.
func (x *extraction) begin() (why string, err error) {
	if x.selection.Backfill != nil {
		return "", x.addsTo()
	}
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) || !x.rebuilds() {
		return "", nil
	}
	if x.selection.FullRefresh {
		x.before = nil
		return "", nil
	}
	if why := x.elsewhere(); why != "" {
		return x.replace(why)
	}
	why = x.otherwise()
	if x.softDeleted() {
		return "", x.refuse(fmt.Sprintf("millrace run %s --full-refresh reads it anew", x.node.Name()), "%s, and its rows that were deleted at the source are not thrown away unasked", why)
	}
	x.before = nil
	return "read anew from the start: " + why, nil
}

// rebuilds says whether the run replaces the whole table instead of adding to it.
func (x *extraction) rebuilds() bool {
	return x.node.Stream.Mode == string(extract.Full) || x.selection.FullRefresh || x.replaced != nil || x.run.before.Table(nameOf(x.node)) == nil ||
		x.otherwise() != "" || x.elsewhere() != ""
}

// otherwise says in which other way the published table was made, so that nothing can be added to it; "" when in the same.
func (x *extraction) otherwise() string {
	s, published := x.node.Stream, x.run.before.Table(nameOf(x.node))
	switch {
	case published.Kind != string(models.KindStream):
		return fmt.Sprintf("the table was made by a %s", published.Kind)
	case published.Mode != s.Mode:
		return fmt.Sprintf("the table was made with mode %s", published.Mode)
	case s.Mode == string(extract.Incremental) && !slices.EqualFunc(published.Key, s.Key, strings.EqualFold):
		return fmt.Sprintf("the table was made with key %v", published.Key)
	}
	return ""
}

// elsewhere says which other rows the published table was made of; "" when of the same. What an older manifest does not say
// is taken to be the same.
func (x *extraction) elsewhere() string {
	s, published := x.node.Stream, x.run.before.Table(nameOf(x.node))
	switch {
	case published.OrderedBy != "" && !strings.EqualFold(published.OrderedBy, s.Cursor):
		return fmt.Sprintf("the table was made with cursor %s", published.OrderedBy)
	case published.ReadFrom != "" && published.ReadFrom != x.readFrom():
		return fmt.Sprintf("the table was read from %s, the stream now reads %s", published.ReadFrom, x.readFrom())
	}
	return ""
}

// readFrom names what the stream reads, for the manifest. It is "" in older ones only.
func (x *extraction) readFrom() string {
	return strings.TrimSpace(x.node.Stream.Source.Type + " " + x.source.Identity(asStream(x.node.Stream)))
}

// moved does the same for what only the source could tell: its name for what is read leads elsewhere now.
func (x *extraction) moved(w *extract.Window) (why string, err error) {
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) || w.Of == "" || x.before.Of == "" || w.Of == x.before.Of {
		return "", nil
	}
	if x.selection.Backfill != nil {
		return "", x.refuseBackfill(fmt.Sprintf("the table was read from %s, and what the stream names is now %s", x.before.Of, w.Of))
	}
	return x.replace(fmt.Sprintf("the table was read from %s, and what the stream names is now %s", x.before.Of, w.Of))
}

// replace forgets what is published, as the stream reads something else. Rows that the source may have no more are not thrown
// away for that: those of an append stream, those that were deleted, and those of files, which may be archived.
func (x *extraction) replace(why string) (string, error) {
	t := x.before
	files := t.ReadFrom != "" && !strings.Contains(t.ReadFrom, " ") // the source names no more than its type
	if t.Rows > 0 && (t.Mode == string(extract.Append) || files || x.softDeleted()) {
		return "", x.refuse(fmt.Sprintf("millrace run %s --full-refresh replaces them by what the stream reads now; millrace state set %[1]s VALUE keeps them and reads on after that value of %s (and after that, millrace run: the failed run has nothing more to retry)", x.node.Name(), x.node.Stream.Cursor),
			"%s: its %d rows are neither added to nor thrown away unasked", why, t.Rows)
	}
	x.before, x.replaced = nil, t
	return "read anew from the start: " + why, nil
}

// softDeleted says whether the published table may have rows that are gone from the source.
func (x *extraction) softDeleted() bool {
	return x.before.Rows > 0 && slices.ContainsFunc(x.before.Columns, func(c warehouse.Column) bool { return c.Name == models.DeletedAt })
}
