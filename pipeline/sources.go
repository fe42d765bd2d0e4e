package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// SourceSpecs turns the specs of sources into what the project loader wants: neither knows the other.
func SourceSpecs(specs []extract.Spec) []models.SourceSpec {
	all := make([]models.SourceSpec, 0, len(specs))
	for _, s := range specs {
		all = append(all, models.SourceSpec{Type: s.Type, Summary: s.Summary, Options: s.Options, StreamOptions: s.StreamOptions,
			AppendsByCursor: s.AppendsByCursor, FindsDeletes: s.FindsDeletes, ReadsRanges: s.ReadsRanges, Check: checker(s)})
	}
	return all
}

func checker(s extract.Spec) func(any, []*models.Stream) []models.Finding {
	return func(options any, streams []*models.Stream) []models.Finding {
		if s.Check == nil {
			return nil
		}
		asked := make([]extract.Stream, 0, len(streams))
		for _, st := range streams {
			asked = append(asked, asStream(st))
		}
		var findings []models.Finding
		for _, p := range s.Check(options, asked) {
			findings = append(findings, models.Finding(p))
		}
		return findings
	}
}

// asked is the node's stream with the types of its contract.
func asked(n *models.Node) extract.Stream {
	s := asStream(n.Stream)
	if c := n.Contract(); c != nil {
		for _, column := range c.Columns {
			s.Types = append(s.Types, extract.Column{Name: column.Name, Type: column.Type})
		}
	}
	return s
}

// asStream is a stream of the project as the source contract has it.
func asStream(st *models.Stream) extract.Stream {
	return extract.Stream{Name: st.Name, Node: st.Source.Name + "." + st.Table, Mode: extract.Mode(st.Mode), Key: st.Key, Cursor: st.Cursor, Deletes: st.Deletes != models.DeletesIgnored, Options: st.Options}
}

// SourceOpener opens sources of the project by their type.
func SourceOpener(p *models.Project, specs []extract.Spec, log *slog.Logger) func(*models.Source) (extract.Source, error) {
	return func(s *models.Source) (extract.Source, error) {
		var streams []extract.Stream
		for _, st := range s.Streams {
			streams = append(streams, asStream(st))
		}
		exclude := []string{p.StateDir()}
		if p.Target != nil { // a checks file has none
			exclude = append(exclude, p.TargetDir())
		}
		for _, spec := range specs {
			if spec.Type == s.Type {
				return spec.Open(extract.Env{Name: s.Name, Streams: streams, Project: p.Dir, Exclude: exclude, Stored: warehouse.Stored, Log: log}, s.Options)
			}
		}
		return nil, fmt.Errorf("no source of type %q", s.Type)
	}
}

// Examine looks at what a source's runs lean on; see extract.Spec.Examine.
type Examine func(ctx context.Context, source extract.Source, streams []extract.Stream) ([]extract.Finding, error)

// Examiner gives what a source's type has for the doctor; nil when there is nothing but its streams to look at.
func Examiner(specs []extract.Spec) func(*models.Source) Examine {
	return func(s *models.Source) Examine {
		for _, spec := range specs {
			if spec.Type == s.Type {
				return spec.Examine
			}
		}
		return nil
	}
}

// sources opens each source once, when its first stream is read.
type sources struct {
	engine *Engine
	mu     sync.Mutex
	open   map[*models.Source]extract.Source
}

func (s *sources) get(source *models.Source) (extract.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[source]; open != nil {
		return open, nil
	}
	opened, err := s.engine.openSource(source)
	if err != nil {
		return nil, err
	}
	s.open[source] = opened
	return opened, nil
}

func (s *sources) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, source := range s.open {
		errs = append(errs, source.Close())
	}
	return errors.Join(errs...)
}

func (e *Engine) openSource(source *models.Source) (extract.Source, error) {
	opened, err := e.OpenSource(source)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", source.Name, err)
	}
	return opened, nil
}
