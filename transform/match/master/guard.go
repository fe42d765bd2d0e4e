package master

import (
	"context"
	"errors"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
)

// This file refuses tables that have lost much of what they had, as streams refuse snapshots: most likely a source is broken, and golden
// ids that were retired do not come back.

// guardRecords looks at the records before anything is compared.
func (m *matching) guardRecords(context.Context) error {
	return m.guard("records", models.PartRecords, m.out.Read.Get("records"))
}

// guard refuses to replace one of the published tables by so many rows, unless somebody has said yes.
func (m *matching) guard(what, part string, rows int64) error {
	published := m.Before[part]
	if published == nil || published.Rows == 0 {
		return nil
	}
	why := ""
	if len(m.keptOut) > 0 {
		why = "; " + strings.Join(m.keptOut, "; ")
	}
	e := m.Entity
	if rows == 0 {
		if e.AllowEmpty || m.AllowEmpty {
			return nil
		}
		return match.Wrong(e.Pos, "if that is right: millrace run --allow-empty, or allow_empty: true on the entity",
			"%s has no %s any more, and %d are published%s", e.Name, what, published.Rows, why)
	}
	lost := published.Rows - rows
	if lost <= 0 || m.AllowShrunken || !e.MaxShrink.Exceeded(lost, published.Rows) {
		return nil
	}
	return match.Wrong(e.Pos, "if that is right: millrace run --allow-shrunken, or raise max_shrink on the entity",
		"the %s of %s have shrunk from %d to %d, by more than max_shrink: %s%s", what, e.Name, published.Rows, rows, e.MaxShrink, why)
}

// refusal is what a plan tells of what guard refuses: it cannot be told yes.
func refusal(err error) string {
	text := "a run would refuse this: " + err.Error()
	if e := (*match.Error)(nil); errors.As(err, &e) {
		text += ": " + e.Hint
	}
	return text
}
