package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	loaders "github.com/millrace/millrace/load/all"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is about the place that follows a target: commands open it, and tell what was brought there.

// openFollower opens what follows the target, if anything does, for commands that bring something there or ask it. It does not connect yet. The caller
// closes what it returns.
func (a *app) openFollower(ctx context.Context, e *pipeline.Engine) (closeFollower func(), err error) {
	if e.Project.Target.FollowedBy() == "" {
		return func() {}, nil
	}
	rate := 0.0
	if e.Journal != nil {
		if rate, err = e.Journal.LoadRate(ctx, e.Project.Target.Name); err != nil {
			return nil, err
		}
	}
	parent := e.Project.StateDir()
	if _, err := os.Stat(parent); err != nil { // doctor asks before anything has run, and makes nothing
		parent = ""
	}
	temp, remove, err := fsx.TempFolder(parent, "load-")
	if err != nil {
		return nil, err
	}
	f, err := loaders.OpenFollower(e.Project, loaders.FollowerEnv{Temp: temp, Warehouse: e.Warehouse, Memory: e.Memory * 6 / 10, Threads: e.Threads, Clock: e.Clock, Log: e.Log, Rate: rate})
	if err != nil {
		remove()
		return nil, usage("target %s: %w", e.Project.Target.Name, err)
	}
	e.Follower = f
	return func() {
		if err := f.Close(); err != nil {
			e.Log.Warn("the connections were not closed in order", "place", e.Project.Target.FollowedBy(), "error", err)
		}
		remove()
	}, nil
}

// lookFollower is openFollower for commands that only look, and have something to say without that place.
func (a *app) lookFollower(ctx context.Context, e *pipeline.Engine) (closeFollower func()) {
	closeFollower, err := a.openFollower(ctx, e)
	if err != nil {
		a.note("%s is not asked: %v", e.Project.Target.FollowedBy(), err)
		return func() {}
	}
	return closeFollower
}

// cleanLoad takes secrets out of what the journal says of a load.
func (a *app) cleanLoad(l *journal.Load) {
	l.Error = a.redactor.Redact(l.Error)
	for i := range l.Tables {
		l.Tables[i].Error, l.Tables[i].Hint = a.redactor.Redact(l.Tables[i].Error), a.redactor.Redact(l.Tables[i].Hint)
	}
	for i := range l.Sent {
		l.Sent[i].SQL, l.Sent[i].Error = a.redactor.Redact(l.Sent[i].SQL), a.redactor.Redact(l.Sent[i].Error)
	}
}

// printLoad tells what a load brought, a line for each table.
func (a *app) printLoad(l journal.Load) {
	moment := ""
	if l.Status == journal.Succeeded {
		moment = momentText(l.Load)
	}
	a.out("load %s: snapshot %d, %s in %s, %s%s", l.ID, l.Snapshot, l.Status, tookText(l.Started, l.Finished), costText(l.LoadCost), moment)
	if l.Error != "" {
		a.out("  %s", l.Error)
	}
	a.printLoaded(l.Load)
}

// printLoadOf tells of a load under the error of what has asked for it, which has that of the load in it.
func (a *app) printLoadOf(l journal.Load) {
	l.Error = ""
	a.printLoad(l)
}

// printLoaded tells a line for each table of a load that is planned or done.
func (a *app) printLoaded(l load.Load) {
	if len(l.Tables) == 0 {
		return
	}
	g := grid{header: []string{"  TABLE", "MODE", "SENT", "ROWS", "FILES", "BYTES", "CREDITS", "BECAUSE"}, right: []bool{false, false, true, true, true, true, true}, width: a.terminalWidth()}
	for _, t := range l.Tables {
		because := t.Why
		if t.Error != "" {
			because = "NOT BROUGHT: " + t.Error
		}
		sent, rows := fmt.Sprint(t.Sent), fmt.Sprint(t.Rows)
		if l.ID == "" { // it is planned: what differs is found when it is sent, and the rows of a view too
			if sent = "-"; t.Rows == 0 {
				rows = "-"
			}
		}
		g.add("  "+t.Name.String(), string(t.Mode), sent, rows, fmt.Sprint(t.Files), bytesText(t.Bytes), creditsText(t.Credits), oneLine(a.redactor.Redact(because)))
	}
	_ = g.print(a.stdout)
	a.printHints(l)
}

// printHints tells what to do about the tables that a load has not brought: no line of a table has the room.
func (a *app) printHints(l load.Load) {
	for _, t := range l.Tables {
		if t.Hint != "" {
			a.out("  to bring %s: %s", t.Name, oneLine(a.redactor.Redact(t.Hint)))
		}
	}
}

func costText(c load.LoadCost) string {
	return fmt.Sprintf("%s, %s, %s, %s", plural(c.Files, "file"), bytesText(c.Bytes), plural(c.Statements, "statement"), creditsText(c.Credits)+" credits")
}

// momentText says whether several tables become visible together.
func momentText(l load.Load) string {
	switch {
	case len(l.Differing()) < 2:
		return ""
	case l.Together:
		return "; all of it by one commit"
	}
	return "; not all of it at one moment"
}

// creditsText is an estimate, so no more of it is shown than it is worth.
func creditsText(credits float64) string {
	if credits == 0 {
		return "0"
	}
	return fmt.Sprintf("~%.2g", credits)
}

// printStatements tells the statements of a load, each with what finds it in the place's own history.
func (a *app) printStatements(sent []load.Statement) {
	for _, s := range sent {
		state := "in the air when its process ended"
		if s.Ended != nil {
			state = tookText(s.Sent, s.Ended)
		}
		if s.Error != "" {
			state += ", " + oneLine(s.Error)
		}
		a.out("  %3d %s %s query %s: %s", s.Seq, s.Step, orDash(s.Table), orDash(s.QueryID), state)
		a.out("      %s", strings.ReplaceAll(strings.TrimSpace(s.SQL), "\n", "\n      "))
	}
}

// printFollowing tells how far the place that follows the target has come.
func (a *app) printFollowing(f *pipeline.Following) {
	has := "nothing was brought there yet"
	if b := f.Brought; b != nil {
		has = fmt.Sprintf("snapshot %d was brought at %s by load %s", b.Snapshot, clockText(b.Started), b.ID)
		switch {
		case f.Elsewhere():
			has += ", to another place, or with tables kept otherwise, than is configured now"
		case f.Unknown():
			has += ", which is not here"
		}
	}
	a.out("\n%s: %s; %s credits in 30 days", f.Place, has, creditsText(f.Credits))
	switch {
	case f.Lacking && len(f.Behind) == 0:
		a.out("  snapshot %d was not brought there, though no table is known to differ", f.Published)
	case f.Lacking:
		a.out("  behind by %s: %s", plural(len(f.Behind), "table"), strings.Join(f.Behind, ", "))
	}
	switch l := f.Last; {
	case l == nil:
	case l.Status == journal.Running:
		a.out("  load %s is under way since %s", l.ID, clockText(l.Started))
	default:
		a.out("  load %s of %s: %s: %s; %s", l.ID, clockText(l.Started), l.Status, oneLine(l.Error), f.WayOut())
		a.printHints(l.Load)
	}
}

// printPlannedLoad tells what a run would be followed by.
func (a *app) printPlannedLoad(p *pipeline.PlannedLoad) {
	following := p.Following
	if p.Now != nil { // the place itself was asked what it lacks
		following.Lacking = false
	}
	a.printFollowing(&following)
	if p.Now != nil {
		a.out("  to bring now: %s%s", costText(p.Now.LoadCost), momentText(*p.Now))
		a.printLoaded(*p.Now)
	}
	if p.Unasked != "" {
		a.out("  %s", p.Unasked)
	}
	for _, t := range p.Left {
		a.out("  %s: %s", t.Name, oneLine(t.Why))
	}
	switch {
	case p.Known == 0:
		a.out("  forecast for this run: none, no load has brought its tables yet")
	default:
		a.out("  forecast for this run, by the last loads of %d of its %s: %s", p.Known, plural(p.Tables, "table"), costText(p.Forecast))
	}
	if p.TooDear() {
		a.out("  %s", overText(p.Dearest(), p.MaxCredits))
	}
}

// overText says of a load that it would be refused.
func overText(credits, most float64) string {
	return fmt.Sprintf("%s credits are more than max_credits: %g of the target allows in one load: it would be refused", creditsText(credits), most)
}

// pushed turns what became of a push into an exit code.
func pushed(err error) error {
	if errors.Is(err, pipeline.ErrNoTable) {
		return usage("%w", err)
	}
	return err
}
