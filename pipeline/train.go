package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/warehouse"
)

// Train learns the weights of an entity from what is published of its sources, without labels. The notes are about what was found odd.
// Nothing is written.
func (e *Engine) Train(ctx context.Context, entity *models.Entity, progress func(done, of int64)) (_ *match.Weights, notes []string, err error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "millrace-train-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: dir + "/spill", Dirs: []string{dir, e.TargetRoot}})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := e.exposeSources(ctx, m, w, entity); err != nil {
		return nil, nil, err
	}
	weights, notes, err := master.Learn(ctx, master.Job{Entity: entity, Warehouse: w, Dir: dir, At: e.Clock(), Threads: e.Threads, Memory: e.Memory / 2, Log: e.Log, Progress: progress})
	if err != nil {
		return nil, nil, shown(entity.Node, explainModel(entity.Node, err))
	}
	return weights, notes, nil
}

// exposeSources exposes what an entity reads, as it is published.
func (e *Engine) exposeSources(ctx context.Context, m *load.Manifest, w warehouse.Warehouse, entity *models.Entity) error {
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	x := &exposure{run: r, w: w, seen: map[string]bool{}}
	for _, need := range reads(entity.Node) {
		if m.Table(nameOf(need)) == nil {
			return fmt.Errorf("it reads %s, which is not published: millrace run +%s brings it", need.Name(), entity.Name)
		}
		x.name(ctx, need.Name())
		if why := r.unreadable[need.Name()]; why != nil {
			return fmt.Errorf("%s cannot be read: %w", need.Name(), why)
		}
	}
	return nil
}
