package snowflake

import (
	"context"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// Shows asks by SHOW alone, which needs no warehouse. That another target has taken the place over, with tables of the same names and as many rows,
// it does not see: the next load with something to bring does.
func (f *Follower) Shows(ctx context.Context, m *load.Manifest) (bool, error) {
	s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return false, err
	}
	defer s.Close()
	seen := listing{}
	if row, err := seen.table(ctx, s, f.ledger.Place()); row == nil || row["rows"] == "0" || err != nil {
		return false, err
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		keep := f.keep(t.Name)
		if keep.Mode == "none" {
			continue
		}
		to, err := f.cfg.Naming.Table(t.Name)
		if err != nil {
			return false, nil // a load says why
		}
		row, err := seen.table(ctx, s, to)
		if row == nil || err != nil {
			return false, err
		}
		counted := t.View == "" && !keep.marks(t) && !keep.history() // else it has other rows too, or nobody knows how many
		if counted && row["rows"] != strconv.FormatInt(t.Rows, 10) {
			return false, nil
		}
	}
	return true, nil
}

// listing is what SHOW TABLES tells of schemas, each asked about once: by schema, then by name.
type listing map[string]map[string]map[string]string

// table is the row of a table; nil when it is not there, or not in a list that was cut.
func (l listing) table(ctx context.Context, s *snowflake.Session, t sf.Table) (map[string]string, error) {
	if l[t.InSchema()] == nil {
		r, err := s.Query(ctx, snowflake.Statement{SQL: sf.ShowSchema(t), Step: stepLook})
		if err != nil && !missing(err) {
			return nil, fmt.Errorf("look at schema %s: %w", t.InSchema(), err)
		}
		l[t.InSchema()] = map[string]map[string]string{}
		if err == nil {
			for _, row := range records(r) {
				l[t.InSchema()][row["name"]] = row
			}
		}
	}
	return l[t.InSchema()][t.Name], nil
}
