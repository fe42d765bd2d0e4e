package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/warehouse"
)

// Train learns the weights of an entity from what is published of its sources, without labels. The notes are about what was found odd.
// Nothing is written.
func (e *Engine) Train(ctx context.Context, entity *models.Entity, progress func(done, of int64)) (weights *match.Weights, notes []string, err error) {
	err = e.matching(ctx, entity, func(_ *run, job master.Job) (err error) {
		job.Progress = progress
		weights, notes, err = master.Learn(ctx, job)
		return err
	})
	return weights, notes, err
}

// training is the lock under which weights are written, of an entity.
const training = "_train_"

// WriteWeights writes weights of an entity to a file, whole or not at all.
func (e *Engine) WriteWeights(entity *models.Entity, w *match.Weights, path string) error {
	unlock, err := e.lock([]string{training + entity.Name})
	if err != nil {
		return err
	}
	defer unlock()
	if err := errors.Join(fsx.Sweep(path), w.WriteFile(path)); err != nil {
		return fmt.Errorf("write weights: %w", err)
	}
	return nil
}

// matching gives f a job about an entity in an engine of SQL that has what is published of what it reads, and of its own tables. Nothing is
// published, and the job's folder goes away.
func (e *Engine) matching(ctx context.Context, entity *models.Entity, f func(r *run, job master.Job) error) (err error) {
	m, err := e.current(ctx)
	if err != nil {
		return err
	}
	dir, remove, err := fsx.TempFolder("", "millrace-match-")
	if err != nil {
		return err
	}
	defer remove()
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: dir + "/spill", Dirs: []string{dir, e.TargetRoot}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	x := &exposure{run: r, w: w, seen: map[string]bool{}}
	if err := x.sources(ctx, entity); err != nil {
		return err
	}
	job := master.Job{Entity: entity, Warehouse: w, Dir: dir, Before: golden.Tables{}, Run: "plan", At: e.Clock(), Threads: e.Threads, Memory: e.Memory / 2, Log: e.Log}
	for _, part := range models.EntityParts {
		name := warehouse.Name{Schema: entity.Schema, Table: entity.Table(part)}
		if t := m.Table(name); t != nil {
			job.Before[part] = &t.Version
			x.name(ctx, name.String())
		}
	}
	if err := f(r, job); err != nil {
		return shown(entity.Node, explainModel(entity.Node, shown(entity.Node, err))) // a plan tells what is within
	}
	return nil
}

// exposeSources exposes what an entity reads, as it is published.
func (e *Engine) exposeSources(ctx context.Context, m *load.Manifest, w warehouse.Warehouse, entity *models.Entity) error {
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	return (&exposure{run: r, w: w, seen: map[string]bool{}}).sources(ctx, entity)
}

// sources exposes what an entity reads, as it is published.
func (x *exposure) sources(ctx context.Context, entity *models.Entity) error {
	for _, need := range reads(entity.Node) {
		if x.before.Table(nameOf(need)) == nil {
			return fmt.Errorf("it reads %s, which is not published: millrace run +%s brings it", need.Name(), entity.Name)
		}
		x.name(ctx, need.Name())
		if why := x.unreadable[need.Name()]; why != nil {
			return fmt.Errorf("%s cannot be read: %w", need.Name(), why)
		}
	}
	return nil
}
