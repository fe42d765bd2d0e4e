package models

import (
	"time"

	"github.com/millrace/millrace/internal/config"
)

const (
	// leastHistory is what whoever comes back after a weekend asks for, and what a rule that knows weekdays compares with.
	leastHistory = 7 * 24 * time.Hour
	// usualHistory has the same day of the year before.
	usualHistory = config.Duration(400 * 24 * time.Hour)
	// usualWindow is how many runs a check compares with when it does not say.
	usualWindow = 90
)

// history validates how long the journal keeps what is over.
func (l *loader) history() {
	l.p.History = usualHistory
	pos := l.file.Origin.At("history")
	switch kept := l.file.History; {
	case l.told(pos) || !l.had(l.files[ProjectFile].Root(nil).Get("history")):
	case kept.Std() < leastHistory:
		l.problem(pos, "write 7d or more; 400d is the default", "history: %s is too short: people look at last week, and checks compare with the same weekday", kept)
	default:
		l.p.History = kept
	}
}

// HistoryWindow is how many earlier runs a figure is compared with, by the check that looks back the furthest.
func (p *Project) HistoryWindow() int {
	most := usualWindow
	for _, n := range p.Nodes {
		for _, c := range n.Checks {
			switch a := c.Args.(type) {
			case *Volume:
				most = max(most, a.Window)
			case *Distribution:
				most = max(most, a.Window)
			}
		}
	}
	return most
}
