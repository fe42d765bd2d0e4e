package snowflake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// Sweep removes staging tables, and files in stages, that are older than the target keeps them, and that the ledger knows to be of a load of
// this project which is over.
func (f *Follower) Sweep(ctx context.Context, dryRun bool) (*load.Swept, error) {
	s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	x := &sweeping{Follower: f, s: s, out: &load.Swept{DryRun: dryRun, Tables: []string{}, Stages: []string{}, Kept: []string{}}, before: f.cfg.Clock().Add(-f.cfg.KeepStaging), held: map[string]string{}}
	places, err := f.swept(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, schema := range slices.Sorted(maps.Keys(places)) {
		if err := errors.Join(x.tables(ctx, places[schema]), x.files(ctx, places[schema])); err != nil {
			return x.out, fmt.Errorf("sweep %s: %w", schema, err)
		}
	}
	return x.out, nil
}

type sweeping struct {
	*Follower
	s      *snowflake.Session
	out    *load.Swept
	before time.Time
	held   map[string]string // by load: why all that it has made stays; "" when it does not
}

// holds says why what a load has made stays.
func (x *sweeping) holds(ctx context.Context, id string) (string, error) {
	why, known := x.held[id]
	if known {
		return why, nil
	}
	rows, err := x.ask(ctx, x.s, x.ledger.Load(id))
	if err != nil && !missing(err) {
		return "", err
	}
	why = "the ledger knows no such load of this project"
	for _, row := range rows {
		if row["project"] == x.cfg.Project {
			why = ""
		}
	}
	if slices.ContainsFunc(rows, func(row map[string]string) bool { return row["state"] == sf.StateStarted }) {
		why = "its load is not over, as far as the ledger knows"
	}
	x.held[id] = why
	return why, nil
}

// swept are the schemas of the project's tables, those that it has no more among them.
func (f *Follower) swept(ctx context.Context, s *snowflake.Session) (map[string]sf.Table, error) {
	places, err := f.places()
	if err != nil {
		return nil, err
	}
	standing, err := f.standing(ctx, s)
	if errors.Is(err, load.ErrNothing) {
		return places, nil
	}
	if err != nil {
		return nil, err
	}
	for _, t := range standing.Tables {
		if to, err := f.cfg.Naming.Table(t.Name); err == nil {
			places[to.InSchema()] = to
		}
	}
	return places, nil
}

func (x *sweeping) tables(ctx context.Context, in sf.Table) error {
	r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.ShowStaging(in), Step: stepTidy})
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, row := range records(r) {
		t := in
		t.Name = row["name"]
		id, ok := sf.IsStaging(t.Name)
		if !ok {
			continue
		}
		made, err := time.Parse(time.RFC3339Nano, row["created_on"])
		if err != nil {
			return fmt.Errorf("%s: when it was made: %w", t, err)
		}
		if kept, err := x.keeps(ctx, t.String(), id, made); err != nil {
			return err
		} else if kept {
			continue
		}
		x.out.Tables = append(x.out.Tables, t.String())
		if err := x.do(ctx, sf.Drop(t)); err != nil {
			return err
		}
	}
	return nil
}

// files looks at the prefixes of loads: TABLE/LOAD/.
func (x *sweeping) files(ctx context.Context, in sf.Table) error {
	r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.List(in.Stage(), ""), Step: stepTidy})
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	newest := map[string]time.Time{}
	for _, row := range records(r) {
		parts := strings.Split(row["name"], "/")
		if len(parts) < 4 {
			continue // not a load's
		}
		modified, err := time.Parse(time.RFC1123, row["last_modified"])
		if err != nil {
			return fmt.Errorf("%s: when it was written: %w", row["name"], err)
		}
		prefix := parts[1] + "/" + parts[2] + "/"
		if modified.After(newest[prefix]) {
			newest[prefix] = modified
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(newest)) {
		name := "@" + in.Stage().String() + "/" + prefix
		if kept, err := x.keeps(ctx, name, strings.ToUpper(path.Base(prefix)), newest[prefix]); err != nil {
			return err
		} else if kept {
			continue
		}
		x.out.Stages = append(x.out.Stages, name)
		if err := x.do(ctx, sf.Remove(in.Stage(), prefix)); err != nil {
			return err
		}
	}
	return nil
}

// keeps says whether something stays, and tells why.
func (x *sweeping) keeps(ctx context.Context, what, id string, made time.Time) (bool, error) {
	why, err := x.holds(ctx, id)
	if err != nil {
		return false, err
	}
	if why == "" && made.After(x.before) {
		why = "younger than keep_staging"
	}
	if why != "" {
		x.out.Kept = append(x.out.Kept, what+": "+why)
	}
	return why != "", nil
}

func (x *sweeping) do(ctx context.Context, sql string) error {
	if x.out.DryRun {
		return nil
	}
	_, err := x.s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepTidy})
	return err
}
