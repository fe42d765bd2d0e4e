package transform

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/fileread"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

// This file puts tables in the place of files that a SELECT reads by itself: the engine opens none, a stream of the project has brought
// their rows in before.

// fromTables gives the output with the tables of files in the place of what reads them.
func (b *Builder) fromTables(ctx context.Context, out *jinja.Output) (*jinja.Output, error) {
	edits, err := b.fileEdits(ctx, out.Text)
	var at *misplaced
	if errors.As(err, &at) {
		return nil, &Error{Pos: out.Source(at.offset).String(), Err: errors.New(at.why), Hint: at.hint}
	}
	if err != nil || len(edits) == 0 {
		return out, err
	}
	return out.Replace(edits), nil
}

// misplaced is something that reads files and may not, at an offset of a text.
type misplaced struct {
	offset    int
	why, hint string
}

func (m *misplaced) Error() string { return m.why }

// fileEdits are what to put where a query reads files.
func (b *Builder) fileEdits(ctx context.Context, query string) ([]jinja.Edit, error) {
	if !fileread.Suspected(query) {
		return nil, nil
	}
	found, err := models.FindFileReads(ctx, b.trees, []string{query})
	if err != nil {
		return nil, err
	}
	var edits []jinja.Edit
	for _, r := range found[0] {
		n := b.Project.FileTable(r.Call)
		if n == nil {
			return nil, b.unread(r)
		}
		text := b.Warehouse.Dialect().Table(warehouse.Name{Schema: n.Schema, Table: n.Table})
		if !r.Aliased && portable.Nameable(query, r.At) {
			text += " AS " + b.Warehouse.Dialect().QuoteIdent(r.Alias)
		}
		edits = append(edits, jinja.Edit{From: r.At, To: r.End, Text: text})
	}
	return edits, nil
}

// unread says why there is no table of files that a query reads.
func (b *Builder) unread(r models.FileRead) error {
	switch {
	case r.Trouble != nil:
		return &misplaced{r.At, r.Trouble.Why, r.Trouble.Hint}
	case !b.Project.DBT:
		return &misplaced{r.At, r.Call + ": a model opens no files; what it reads comes in by a source, which counts it",
			fmt.Sprintf("define a source of type scan in %s, with a stream - { name: orders, read: %q }, and read it by source()",
				models.ProjectFile, r.Call)}
	}
	return &misplaced{r.At,
		fmt.Sprintf("%s was not found when the project was loaded: the template makes it of what only a run knows", r.Call),
		fmt.Sprintf("write the path where the template needs no query to know it, or define a source of type scan in %s", models.ProjectFile)}
}

// trees asks the engine's parser; see models.Loading.
func (b *Builder) trees(ctx context.Context, queries []string) ([]string, error) {
	all := make([]string, len(queries))
	for i, query := range queries {
		tree, err := b.Warehouse.Tree(ctx, query)
		var wrong *warehouse.SQLError
		switch {
		case errors.As(err, &wrong):
			all[i] = `{"error": true}`
		case err != nil:
			return nil, err
		default:
			all[i] = string(tree)
		}
	}
	return all, nil
}
