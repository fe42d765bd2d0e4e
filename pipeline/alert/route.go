package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
		leads := func(f facts) bool {
			return meets(r.Owners, f.Owners) && meets(r.Tags, f.Tags) && meets(r.Severity, f.Severity)
		}
		on := slices.Contains(r.On, m.Kind) || m.Kind == models.OnFailure && slices.Contains(r.On, models.OnFirstFailure) && !slices.ContainsFunc(m.before, leads)
		if on && meets(r.Pipelines, strings.Split(m.Pipeline, "+")) && leads(m.facts()) {
			channels = append(channels, r.To...)
		}
	}
	return unique(channels)
}

// reroute finds channels for what waits for one that the project has no more: it was renamed, or taken away.
func (s *sight) reroute(ctx context.Context) error {
	waiting, err := s.Journal.PendingChannels(ctx)
	if err != nil {
		return err
	}
	added := map[string][]string{} // channels that a message has been led to here, by its text: its rows for others may be far from these
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		if s.rules.Channel(name) != nil {
			continue
		}
		for again := true; again; {
			left, err := s.Journal.PendingAlerts(ctx, name, mostAtOnce)
			if err != nil {
				return err
			}
			again = false
			for _, old := range left {
				led, err := s.rerouteOne(ctx, old, added)
				if err != nil {
					return err
				}
				again = again || led && old.Kind == kindDigest // what was in it waits by itself now
			}
		}
	}
	return nil
}

// rerouteOne leads a message by the rules as they are now. One to which they lead nowhere is left to be given up.
func (s *sight) rerouteOne(ctx context.Context, old journal.Alert, added map[string][]string) (led bool, err error) {
	var m Message
	if json.Unmarshal(old.Message, &m) != nil {
		return false, nil // whoever tries to send it says so
	}
	if !m.First {
		m.before = []facts{m.facts()}
	}
	channels := route(s.rules, &m)
	if len(channels) == 0 && m.Kind != kindDigest { // the messages in a digest are led one by one
		return false, nil
	}
	have, err := s.Journal.SameAlert(ctx, old)
	if err != nil {
		return false, err
	}
	have = append(have, added[string(old.Message)]...)
	var into []journal.Alert
	for _, channel := range channels {
		if !slices.Contains(have, channel) {
			added[string(old.Message)] = append(added[string(old.Message)], channel)
			into = append(into, s.row(channel, old.Key, m))
		}
	}
	why := "the project has no channel of that name any more: it is told as the rules are now"
	return true, s.Journal.ReplaceAlert(ctx, old, why, s.now, into, m.Kind == kindDigest)
}

// facts are what conditions of rules look at: a series of failures begins for a rule with the first of them that it holds for.
type facts struct {
	Owners   []string `json:"owners,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Severity []string `json:"severity,omitempty"`
}

// match notes what was told, or would have been. Beyond what is remembered another combination may be told as a first one again.
func (t *topic) match(f facts) {
	if !t.matched(f) && len(t.Matched) < mostCauses {
		t.Matched = append(t.Matched, f)
	}
}

func (t *topic) matched(f facts) bool {
	return slices.ContainsFunc(t.Matched, func(other facts) bool {
		return slices.Equal(f.Owners, other.Owners) && slices.Equal(f.Tags, other.Tags) && slices.Equal(f.Severity, other.Severity)
	})
}

// meets says whether two lists share something; a condition that names nothing holds for all.
func meets(condition, facts []string) bool {
	return len(condition) == 0 || slices.ContainsFunc(facts, func(f string) bool { return slices.Contains(condition, f) })
}

func (m *Message) facts() facts {
	f := facts{m.Owners, m.Tags, m.Severity}
	if len(f.Severity) == 0 {
		f.Severity = []string{string(models.SeverityError)}
	}
	return f
}
