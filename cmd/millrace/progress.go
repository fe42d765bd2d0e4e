package main

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/millrace/millrace/pipeline"
)

// progress shows a run to people who wait: one live line on a terminal, a line for each step that ends elsewhere, which is
// one of the log when that is JSON.
type progress struct {
	a       *app
	live    bool
	log     *slog.Logger // nil: for people
	mu      sync.Mutex
	started time.Time
	drawn   time.Time
	line    bool
	now     map[string]pipeline.Event
	since   map[string]time.Time // when each node of now began
}

func (a *app) newProgress() *progress {
	p := &progress{a: a, live: a.interactive() && !a.json && a.format == formatText, started: time.Now(), now: map[string]pipeline.Event{}, since: map[string]time.Time{}}
	if a.format == formatJSON && !a.verbose { // else the log has the steps already
		p.log = slog.New(a.redactor.Handler(pipeline.JSONLog(a.stderr, slog.LevelInfo)))
	}
	return p
}

func (p *progress) observe(ev pipeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev.Kind {
	case "start", "progress":
		if old, ok := p.now[ev.Node]; ok && ev.Step == 0 {
			ev.Step, ev.Of = old.Step, old.Of
		}
		if p.now[ev.Node] = ev; ev.Kind == "start" {
			p.since[ev.Node] = time.Now()
		}
	case "slice":
		p.erase()
		p.landed(ev)
	case "said":
		p.erase()
		p.said(ev)
	case "done":
		delete(p.now, ev.Node)
		p.erase()
		p.ended(ev)
	}
	if p.live && time.Since(p.drawn) > 100*time.Millisecond {
		p.draw()
	}
}

// ended writes the lasting line of a step.
func (p *progress) ended(ev pipeline.Event) {
	if p.log != nil && ev.Node != "" {
		p.logged(ev)
	}
	if p.a.json || p.a.format == formatJSON || ev.Node == "" {
		return
	}
	detail := fmt.Sprintf("%d rows", ev.Rows)
	if ev.Rows == 0 && ev.Equation == "" { // a view, whose rows nobody has counted
		detail = "no rows written"
	}
	if ev.Unchanged {
		detail = "unchanged"
	}
	if ev.Bytes > 0 && ev.Took > 0 {
		detail += fmt.Sprintf(", %.1f MB/s", float64(ev.Bytes)/1e6/ev.Took.Seconds())
	}
	if ev.Err != nil {
		detail = firstLine(p.a.redactor.Redact(ev.Err.Error()))
	}
	fmt.Fprintf(p.a.stderr, "[%d/%d] %s %s in %s: %s\n", ev.Step, ev.Of, ev.Node, ev.Status, ev.Took.Round(time.Millisecond), detail)
}

// logged is the same as a line of the log.
func (p *progress) logged(ev pipeline.Event) {
	level, args := slog.LevelInfo, []any{"run", ev.Run, "step", ev.Node, "status", ev.Status, "rows", ev.Rows, "took", ev.Took}
	if ev.Unchanged {
		args = append(args, "unchanged", true)
	}
	if ev.Err != nil {
		level, args = slog.LevelError, append(args, "error", ev.Err.Error())
	}
	p.log.Log(context.Background(), level, "step ends", args...)
}

// said writes what a template has to say.
func (p *progress) said(ev pipeline.Event) {
	switch {
	case p.log != nil:
		p.log.Info(ev.Text, "run", ev.Run, "step", ev.Node)
	case !p.a.json && p.a.format != formatJSON:
		fmt.Fprintln(p.a.stderr, p.a.redactor.Redact(ev.Text))
	}
}

// landed writes the lasting line of a backfill's slice.
func (p *progress) landed(ev pipeline.Event) {
	if !p.a.json && p.a.format != formatJSON {
		fmt.Fprintf(p.a.stderr, "%s: slice %s landed, %d rows (%d/%d)\n", ev.Node, ev.Slice, ev.Rows, ev.Step, ev.Of)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (p *progress) draw() {
	p.drawn = time.Now()
	nodes := make([]string, 0, len(p.now))
	for name := range p.now {
		nodes = append(nodes, name)
	}
	sort.Strings(nodes)
	var parts []string
	for _, name := range nodes {
		ev := p.now[name]
		if name == "" {
			text := ev.Phase
			if ev.Total > 0 {
				text += fmt.Sprintf(" %.1f MB (%d %%)", float64(ev.Bytes)/1e6, min(100, ev.Bytes*100/ev.Total))
			}
			parts = append(parts, text)
			continue
		}
		text := fmt.Sprintf("[%d/%d] %s", min(ev.Step+1, ev.Of), ev.Of, name)
		if ev.Phase == "match" {
			text += matchText(ev)
		} else if ev.Rows > 0 {
			text += fmt.Sprintf(" %d rows", ev.Rows)
		}
		if ev.Bytes > 0 {
			text += fmt.Sprintf(" %.1f MB", float64(ev.Bytes)/1e6)
			if ev.Total > 0 {
				text += fmt.Sprintf(" (%d %%)", min(100, ev.Bytes*100/ev.Total))
			}
			if took := time.Since(p.since[name]).Seconds(); took > 0.1 {
				text += fmt.Sprintf(" %.1f MB/s", float64(ev.Bytes)/1e6/took)
			}
		}
		parts = append(parts, text)
	}
	text := fmt.Sprintf("%s  %s", time.Since(p.started).Round(time.Second), strings.Join(parts, " | "))
	if f, ok := p.a.stderrFile(); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 4 && len(text) > width-1 {
			text = text[:width-2] + "…"
		}
	}
	fmt.Fprintf(p.a.stderr, "\r\x1b[K%s", text)
	p.line = true
}

// matchText says how many pairs of records have been compared, and of how many where that is known.
func matchText(ev pipeline.Event) string {
	text := " match " + millions(ev.Rows)
	if ev.Total > 0 {
		text += " of " + millions(max(ev.Total, ev.Rows))
	}
	return text + " pairs"
}

// millions is a number in them, from one up.
func millions(n int64) string {
	if n < 1e6 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.0fM", float64(n)/1e6)
}

func (p *progress) erase() {
	if p.line {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.line = false
	}
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}
