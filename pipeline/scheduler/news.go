package scheduler

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file keeps in mind about which pipelines there is news, so that of those that follow others only those are judged
// anew whose forerunners have come to an end, and all of them now and then: what has ended by other ways is seen then, and
// what only the time decides.

// news is what may have changed since the last look.
type news struct {
	known   bool // false: nothing is known, so that there may be news about all
	all     bool // all are judged in this look
	end     int64
	swept   time.Time       // when all were judged
	told    map[string]bool // pipelines
	blocked map[string]bool // firings that waited for others at the last look
}

// about says whether there is news about a pipeline or one that it follows.
func (n *news) about(pl *models.Pipeline) bool {
	return n.all || n.told[pl.Name] || slices.ContainsFunc(pl.After, func(name string) bool { return n.told[name] })
}

// gatherNews asks the journal what has ended since the last look.
func (s *Scheduler) gatherNews(ctx context.Context) error {
	n, now := &s.loop.news, s.Clock()
	n.all = !n.known || now.Before(n.swept) || now.Sub(n.swept) >= longest
	if n.all {
		end, err := s.Store.LastEnd(ctx)
		if err != nil {
			return err
		}
		n.known, n.swept, n.end = true, now, end
		return nil
	}
	names, end, err := s.Store.EndedSince(ctx, n.end)
	if err != nil {
		return err
	}
	n.end = end
	for _, name := range names { // a run may be of several
		for _, one := range strings.Split(name, "+") {
			n.told[one] = true
		}
	}
	return nil
}

// noteNews keeps what a decision has changed for the next look, which comes soon when there is any.
func (s *Scheduler) noteNews(d *decider, decision journal.Decision) {
	n := &s.loop.news
	n.told, n.blocked = map[string]bool{}, map[string]bool{}
	for _, f := range slices.Concat(decision.Add, decision.Save) {
		n.told[f.Pipeline] = true
	}
	for _, state := range decision.States {
		n.told[state.Pipeline] = true
	}
	for _, it := range d.items {
		if it.blocked {
			n.blocked[it.ID] = true
		}
	}
	if len(n.told) > 0 && slices.ContainsFunc(s.loop.project.Pipelines, func(pl *models.Pipeline) bool { return len(pl.After) > 0 && n.about(pl) }) {
		s.Wake()
	}
}
