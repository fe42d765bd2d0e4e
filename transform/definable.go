package transform

import (
	"errors"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// definable refuses a model whose settings cannot be built, at its place. What the loader has looked at is not looked at again.
func definable(p *models.Project, n *models.Node) error {
	switch n.Model.Materialized {
	case models.External:
		if _, err := ExportPath(p, n); err != nil {
			return err
		}
		_, err := exportOptions(warehouse.DuckDB, n)
		return err
	case models.Snapshot:
		if n.Model.Slowly == nil {
			return &Error{Pos: n.Pos.String(), Err: errors.New("it does not say how a change is found out"), Hint: "write it as a snapshot, with unique_key and strategy"}
		}
	}
	return nil
}
