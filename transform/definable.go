package transform

import (
	"fmt"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// definable refuses a model whose settings cannot be built, at its place.
func definable(p *models.Project, n *models.Node) error {
	m := n.Model
	wrong := func(hint, format string, args ...any) error {
		return &Error{Pos: n.Pos.String(), Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch m.Materialized {
	case models.External:
		if _, err := ExportPath(p, n); err != nil {
			return err
		}
		_, err := exportOptions(warehouse.DuckDB, n)
		return err
	case models.Snapshot:
		return snapshotable(n)
	case models.Incremental:
		switch {
		case m.Strategy == models.StrategyInsertOverwrite && len(m.PartitionBy) == 0:
			return wrong("add partition_by to config(); materialized='table' replaces all rows", "incremental_strategy='insert_overwrite' needs partition_by, the columns that say which rows are replaced")
		case m.Strategy == models.StrategyMerge && len(m.UniqueKey) == 0:
			return wrong("add unique_key to config()", "incremental_strategy='merge' needs a unique_key")
		case m.MergeUpdate != nil && m.MergeExclude != nil:
			return wrong("leave one of them out", "merge_update_columns and merge_exclude_columns contradict each other")
		case len(m.Predicates) > 0 && (m.Strategy == models.StrategyAppend || m.Strategy == models.StrategyInsertOverwrite):
			return wrong("leave them out", "incremental_predicates mean nothing with incremental_strategy=%q, which looks at no row", m.Strategy)
		}
	}
	return nil
}

// snapshotable refuses a snapshot that does not say how a change is found out.
func snapshotable(n *models.Node) error {
	how := n.Model.Slowly
	wrong := func(message string) error {
		return &Error{Pos: n.Pos.String(), Err: fmt.Errorf("%s", message), Hint: "a snapshot needs unique_key, and strategy='timestamp' with updated_at, or strategy='check' with check_cols"}
	}
	switch {
	case how == nil:
		return wrong("it does not say how a change is found out")
	case len(how.UniqueKey) == 0:
		return wrong("it has no unique_key")
	case how.Strategy != "timestamp" && how.Strategy != "check":
		return wrong(fmt.Sprintf("strategy=%q is not known", how.Strategy))
	case how.Strategy == "timestamp" && how.UpdatedAt == "":
		return wrong("strategy='timestamp' needs updated_at, the column with the moment of a row's last change")
	case how.Strategy == "check" && !how.CheckAll && len(how.CheckCols) == 0:
		return wrong("strategy='check' needs check_cols: 'all', or a list of columns")
	}
	switch warehouse.Deletes(how.HardDeletes) {
	case "", warehouse.DeletesIgnored, warehouse.DeletesInvalidated, warehouse.DeletesRecorded:
		return nil
	}
	return wrong(fmt.Sprintf("hard_deletes=%q is not known: ignore, invalidate or new_record", how.HardDeletes))
}
