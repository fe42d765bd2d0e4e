package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// followed is of how many pipelines one has no schedule and follows the one before it.
const followed = 20

// scheduler has a thousand pipelines fire each minute for three minutes of real time, 50 of them because they follow another,
// with runs that end at once and a real journal: the share of a core that this takes, that of a minute in which nothing is
// due, and fires that were missed or doubled.
func (b *bench) scheduler() error {
	const pipelines, minutes = 1000, 3
	busy, starts, err := b.scheduled("* * * * *", pipelines, minutes*time.Minute+15*time.Second)
	if err != nil {
		return err
	}
	idle, _, err := b.scheduled("0 0 1 1 *", pipelines, time.Minute)
	if err != nil {
		return err
	}
	missed, doubled := 0, 0
	times := map[time.Time]int{}
	for _, n := range starts {
		doubled += n - 1
	}
	for f := range starts {
		times[f.at]++
	}
	for _, n := range times {
		missed += pipelines - n
	}
	b.add(fmt.Sprintf("scheduler: %d pipelines, nothing due: CPU", pipelines), idle*100, "% of core", 5)
	b.add(fmt.Sprintf("scheduler: %d pipelines each minute: CPU", pipelines), busy*100, "% of core", 0)
	b.add(fmt.Sprintf("scheduler: fires missed in %d minutes", len(times)), float64(missed), "fires", 0)
	b.add(fmt.Sprintf("scheduler: fires doubled in %d minutes", len(times)), float64(doubled), "fires", 0)
	if len(times) < minutes || missed+doubled > 0 {
		return fmt.Errorf("scheduler: %d of %d minutes fired, %d fires were missed, %d doubled", len(times), minutes, missed, doubled)
	}
	return nil
}

// fired is one pipeline at one logical time.
type fired struct {
	pipeline string
	at       time.Time
}

// instant counts starts, of runs that end at once.
type instant struct {
	mu     sync.Mutex
	starts map[fired]int
}

func (i *instant) Start(f journal.Firing) (scheduler.Worker, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.starts[fired{f.Pipeline, f.LogicalTime}]++
	return done{}, nil
}

type done struct{}

func (done) Wait() scheduler.Result { return scheduler.Result{} }
func (done) Stop()                  {}

// scheduled runs a scheduler for a while and gives the share of a core that it took, and what was started.
func (b *bench) scheduled(expression string, n int, span time.Duration) (share float64, starts map[fired]int, err error) {
	dir, err := os.MkdirTemp(b.data, "scheduler-")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	j, err := journal.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	project := &models.Project{Concurrency: 50}
	for i := range n {
		pl := &models.Pipeline{Name: fmt.Sprintf("p%04d", i), Schedule: expression, Timezone: "Europe/Berlin",
			Misfire: models.MisfireOne, MisfireWindow: config.Duration(24 * time.Hour), Overlap: models.OverlapQueue}
		if i%followed == followed-1 {
			pl.Schedule, pl.After = "", []string{project.Pipelines[i-1].Name}
		}
		project.Pipelines = append(project.Pipelines, pl)
	}
	counter := &instant{starts: map[fired]int{}}
	s, err := scheduler.New(scheduler.Config{Project: func() *models.Project { return project }, Store: j, Launcher: counter, Clock: clock.System,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return 0, nil, err
	}
	before, began := cpu(), time.Now()
	err = s.Run(ctx)
	return (cpu() - before).Seconds() / time.Since(began).Seconds(), counter.starts, err
}

// cpu is the time that this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
