package alert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file finds the channels of a message and puts it into the outbox.

// tell puts the message into the outbox for every channel that a rule leads it to; suppressed when there is a reason.
func (s *sight) tell(m Message, key, suppressed string) {
	m.Project = s.Project().Name
	if m.Run != "" && s.rules.ReportURL != "" {
		m.Link = s.rules.ReportURL + "/runs/" + m.Run
	}
	m.clean(s.Redact)
	for _, channel := range route(s.rules, &m) {
		a := s.row(channel, key, m)
		if suppressed != "" {
			a.State, a.Error, a.Closed = journal.AlertSuppressed, suppressed, &s.now
		}
		s.alerts = append(s.alerts, a)
	}
}

// row is a message as the outbox has it.
func (a *Alerter) row(channel, key string, m Message) journal.Alert {
	now := a.Clock()
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("alert: %T is not JSON: %v", m, err)) // our own plain struct: a bug
	}
	return journal.Alert{ID: journal.NewAlertID(now), Channel: channel, Kind: m.Kind, Key: key, Pipeline: m.Pipeline, Run: m.Run, Title: m.Title,
		Message: text, State: journal.AlertPending, Due: now, Since: now, Created: now}
}

// route finds the channels that the rules lead a message to, each once.
func route(rules *models.Alerts, m *Message) []string {
	var channels []string
	for _, r := range rules.Rules {
		on := slices.Contains(r.On, m.Kind) || m.Kind == models.OnFailure && m.First && slices.Contains(r.On, models.OnFirstFailure)
		if on && meets(r.Pipelines, strings.Split(m.Pipeline, "+")) && meets(r.Owners, m.Owners) && meets(r.Tags, m.Tags) && meets(r.Severity, m.severities()) {
			channels = append(channels, r.To...)
		}
	}
	return unique(channels)
}

// meets says whether two lists share something; a condition that names nothing holds for all.
func meets(condition, facts []string) bool {
	return len(condition) == 0 || slices.ContainsFunc(facts, func(f string) bool { return slices.Contains(condition, f) })
}

func (m *Message) severities() []string {
	if len(m.Severity) == 0 {
		return []string{string(models.SeverityError)}
	}
	return m.Severity
}
