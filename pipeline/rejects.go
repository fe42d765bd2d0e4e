package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline/journal"
)

// RejectSet is what one run rejected of one stream.
type RejectSet struct {
	Node    string           `json:"node"`
	Run     string           `json:"run"`
	Rows    int64            `json:"rows"`
	Reasons map[string]int64 `json:"reasons"`
	Gone    bool             `json:"gone"` // some of the files have been collected: only the counts are left
	files   []string
}

// RejectedRecord is one rejected record.
type RejectedRecord struct {
	Node    string `json:"node"`
	Run     string `json:"run"`
	File    string `json:"file"`
	Line    int64  `json:"line"`
	Offset  int64  `json:"offset"`
	Column  string `json:"column"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Raw     string `json:"raw"`
}

// Rejects lists what was rejected: of one run, or of the latest run of each node when run is "". node "" means all
// nodes. The journal knows every run; for a published table of which it knows nothing the manifest is asked.
func (e *Engine) Rejects(ctx context.Context, node, run string) ([]RejectSet, error) {
	sets := map[string]RejectSet{}
	known := map[string]bool{}
	if run != "" {
		r, err := e.Journal.Run(ctx, run)
		if err != nil {
			return nil, err
		}
		if err := e.rejectsOf(ctx, r, node, sets, known); err != nil {
			return nil, err
		}
		run = r.ID
	} else {
		runs, err := e.Journal.Runs(ctx, journal.Filter{})
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if err := e.rejectsOf(ctx, r, node, sets, known); err != nil {
				return nil, err
			}
			if node != "" && known[node] {
				break
			}
		}
	}
	if err := e.publishedRejects(ctx, node, run, sets, known); err != nil {
		return nil, err
	}
	all := []RejectSet{}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if sets[name].Rows > 0 {
			all = append(all, sets[name])
		}
	}
	return all, nil
}

// rejectsOf adds the rejects of the run's streams that no later run has read.
func (e *Engine) rejectsOf(ctx context.Context, r journal.Run, node string, sets map[string]RejectSet, known map[string]bool) error {
	parts, err := e.Journal.Parts(ctx, r.ID, node)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	for _, p := range parts {
		if known[p.Node] && !here[p.Node] {
			continue
		}
		known[p.Node], here[p.Node] = true, true
		if p.Rejects != nil {
			set := sets[p.Node]
			set.Node, set.Run = p.Node, r.ID
			set.add(load.Rejects(*p.Rejects))
			sets[p.Node] = set
		}
	}
	return nil
}

func (s *RejectSet) add(r load.Rejects) {
	if s.Reasons == nil {
		s.Reasons = map[string]int64{}
	}
	s.Rows += r.File.Rows
	for reason, n := range r.Reasons {
		s.Reasons[reason] += n
	}
	if _, err := os.Stat(r.File.Path); err != nil {
		s.Gone = true
		return
	}
	s.files = append(s.files, r.File.Path)
}

// publishedRejects adds those that the manifest names: of tables that the journal knows nothing of, or whose files
// in the state folder are gone.
func (e *Engine) publishedRejects(ctx context.Context, node, run string, sets map[string]RejectSet, known map[string]bool) error {
	m, err := e.current(ctx)
	if err != nil {
		return err
	}
	for _, t := range m.Tables {
		name := t.Name.String()
		old, have := sets[name]
		switch {
		case len(t.Rejects) == 0, node != "" && name != node, run != "" && t.Run != run:
			continue
		case known[name] && !(have && old.Gone && old.Run == t.Run):
			continue
		}
		set := RejectSet{Node: name, Run: t.Run}
		for _, r := range t.Rejects {
			set.add(r)
		}
		sets[name] = set
	}
	return nil
}

// Each reads the set's records, file by file, until f returns false.
func (s RejectSet) Each(ctx context.Context, f func(RejectedRecord) bool) error {
	for _, path := range s.files {
		more, err := s.eachOf(ctx, path, f)
		if err != nil {
			return fmt.Errorf("read rejects of %s: %s: %w", s.Node, path, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

func (s RejectSet) eachOf(ctx context.Context, path string, f func(RejectedRecord) bool) (more bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	defer func() { // a third party's decoder, on a file that may have been damaged
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	r := parquet.NewGenericReader[rejectRow](file)
	defer r.Close()
	rows := make([]rejectRow, 100)
	for ctx.Err() == nil {
		n, err := r.Read(rows)
		for _, row := range rows[:n] {
			if !f(RejectedRecord{s.Node, s.Run, row.File, row.Line, row.Offset, row.Column, row.Reason, row.Message, row.Raw}) {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		clear(rows)
	}
	return false, context.Cause(ctx)
}

// ReasonCount is a reason and how often it was given.
type ReasonCount struct {
	Reason string
	Rows   int64
}

// ByReason lists the set's reasons, the most frequent first.
func (s RejectSet) ByReason() []ReasonCount {
	var all []ReasonCount
	for reason, n := range s.Reasons {
		all = append(all, ReasonCount{reason, n})
	}
	sort.Slice(all, func(i, k int) bool {
		if all[i].Rows != all[k].Rows {
			return all[i].Rows > all[k].Rows
		}
		return all[i].Reason < all[k].Reason
	})
	return all
}
