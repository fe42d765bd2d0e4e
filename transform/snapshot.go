package transform

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// snapshot brings what the SELECT gives now into the table of all states that its rows have had.
func (b *Builder) snapshot(ctx context.Context, job Job, name warehouse.Name, sql string, made []warehouse.Column) (*Built, error) {
	how := job.Node.Model.Slowly
	if job.Divider != nil {
		return nil, &Error{Pos: job.Node.Pos.String(), Err: errors.New("rows cannot be kept out of a snapshot: they would count as deleted"),
			Hint: "severity: quarantine belongs to the model that the snapshot reads"}
	}
	file, columns, err := b.write(ctx, job, sql)
	if err != nil {
		return nil, err
	}
	in := slowlyInput(how)
	in.Name, in.Landed, in.Columns, in.Now, in.Dir = name, file, columns, job.Now, filepath.Join(job.Dir, "states")
	var known []warehouse.Column // as readers know them
	if job.Before != nil {
		in.Prev, known = job.Before.AsStored(), job.Before.Columns
	}
	if err := fsx.MkdirAll("model", in.Dir, 0o700); err != nil {
		return nil, err
	}
	out, err := warehouse.Slowly(ctx, b.Warehouse, in)
	if err != nil {
		return nil, slowlyError(job.Node, err)
	}
	if job.Shape == nil {
		out.Version.Columns = warehouse.Remade(out.Version.Columns, known, made)
	}
	return b.built(ctx, out.Version, []warehouse.File{file}, out.Written, out.Equations...)
}

// slowlyInput is how a snapshot's rows become states.
func slowlyInput(how *models.Slowly) warehouse.SlowlyInput {
	names := warehouse.DBTNames
	for key, name := range map[string]*string{"dbt_scd_id": &names.ID, "dbt_updated_at": &names.UpdatedAt, "dbt_valid_from": &names.ValidFrom,
		"dbt_valid_to": &names.ValidTo, "dbt_is_deleted": &names.Deleted} {
		*name = cmp.Or(how.Columns[key], *name)
	}
	in := warehouse.SlowlyInput{Key: how.UniqueKey, UpdatedAt: how.UpdatedAt, ByTime: how.Strategy == "timestamp", Deletes: warehouse.Deletes(how.HardDeletes),
		ValidTo: how.ValidTo, Names: names}
	if !how.CheckAll {
		in.Check = how.CheckCols
	}
	return in
}

func slowlyError(n *models.Node, err error) error {
	var wrong *warehouse.SlowlyError
	if errors.As(err, &wrong) {
		return &Error{Pos: n.Pos.String(), Err: err, Hint: wrong.Hint}
	}
	return err
}
