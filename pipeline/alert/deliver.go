package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// Limits of delivery. Each channel is delivered to by itself and in order: one that does not answer holds up no other.
const (
	perMinute  = 10               // messages to one channel of people
	perMinuteM = 120              // to a webhook: machines want each
	foldOver   = 5                // more than so many that wait become one
	mostAtOnce = 5000             // in one digest
	mostVain   = 2                // tries of different messages that fail one after the other, before the channel is left alone
	tryTime    = 20 * time.Second // for one message to a server
	firstWait  = 30 * time.Second // at most, before the second try; twice as long before each that follows
	longest    = time.Hour
	giveUpTime = 24 * time.Hour
)

// sender is a channel that takes messages. A nil error says that the message has arrived.
type sender interface {
	send(ctx context.Context, id string, at time.Time, m *Message) error
}

// refused is an error that another try would meet again.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// postponed is an error of a server that says when to come again.
type postponed struct {
	error
	after time.Duration
}

func (p postponed) Unwrap() error { return p.error }

// dispatch starts a delivery for each channel for which something waits and none goes on.
func (a *Alerter) dispatch(ctx context.Context, alerts *models.Alerts, wait *sync.WaitGroup) error {
	waiting, err := a.Journal.PendingChannels(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		a.mu.Lock()
		taken := a.busy[name]
		a.busy[name] = true
		a.mu.Unlock()
		if taken {
			continue
		}
		wait.Go(func() {
			err := a.deliver(ctx, alerts, name)
			a.mu.Lock()
			delete(a.busy, name)
			a.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				a.Log.Error("alerts: " + a.Redact(err.Error()))
			}
		})
	}
	return nil
}

// deliver sends what waits for the channel, the oldest first, until nothing is due any more. After one that does not arrive another is
// tried: it may be the message, and not the channel, that something is wrong with.
func (a *Alerter) deliver(ctx context.Context, alerts *models.Alerts, name string) error {
	rest, err := a.Journal.Rest(ctx, name)
	if err != nil || a.rests(rest) {
		return err
	}
	channel := alerts.Channel(name)
	rest = journal.Rest{}
	for vain := 0; !rest.Asked && ctx.Err() == nil; {
		next, err := a.next(ctx, alerts, name, channel, vain > 0)
		if err != nil || next == nil {
			return err
		}
		if rest, err = a.try(ctx, channel, *next, rest); err != nil {
			return err
		}
		if vain++; rest.Until.IsZero() {
			vain = 0
		}
		if vain == mostVain {
			return a.giveUp(context.WithoutCancel(ctx), name)
		}
	}
	return nil
}

// giveUp gives up what has waited too long for a channel that takes nothing: to try each of them once more would take hours.
func (a *Alerter) giveUp(ctx context.Context, channel string) error {
	now := a.Clock()
	n, err := a.Journal.GiveUpAlerts(ctx, channel, now.Add(-giveUpTime), now, "the channel took nothing for a day")
	if err != nil || n == 0 {
		return err
	}
	text := fmt.Sprintf("%s for %s given up: it took nothing for a day", plural(n, "more message"), channel)
	a.Log.Error("alerts: " + text)
	return a.Journal.AddEvent(ctx, journal.Event{At: now, Kind: journal.EventAlertFailed, Text: text})
}

// rests says whether a channel is to be left alone. A rest that ends further ahead than any does was noted before a clock was set back.
func (a *Alerter) rests(r journal.Rest) bool {
	ahead, most := r.Until.Sub(a.Clock()), longest
	if r.Asked {
		most = giveUpTime
	}
	return ahead > 0 && ahead <= most
}

// hasten makes channels due for which there is something new: after an outage it must not wait for as long as what waits before it.
// At most once a minute, and not for servers that have said when to come again.
func (a *Alerter) hasten(ctx context.Context) error {
	now := a.Clock()
	for channel := range a.fresh {
		delete(a.fresh, channel)
		rest, err := a.Journal.Rest(ctx, channel)
		if err != nil {
			return err
		}
		if within(now, a.hastened[channel], time.Minute) || rest.Asked && a.rests(rest) {
			continue
		}
		a.hastened[channel] = now
		if err := a.Journal.HastenAlerts(ctx, channel, now); err != nil {
			return err
		}
	}
	return nil
}

// next is the message to send now; nil when none is due, or the channel has had enough for this minute.
func (a *Alerter) next(ctx context.Context, alerts *models.Alerts, name string, channel *models.AlertChannel, leastTried bool) (*journal.Alert, error) {
	now := a.Clock()
	waiting, err := a.Journal.DueAlerts(ctx, name, now, now.Add(longest), leastTried, foldOver+1)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	machine, most := channel != nil && channel.Type == "webhook", perMinute
	if machine {
		most = perMinuteM
	}
	sent, err := a.Journal.DeliveredAlerts(ctx, name, now.Add(-time.Minute), now)
	if err != nil || sent >= most {
		return nil, err
	}
	// One that was tried may have arrived: it keeps its id and its place.
	if machine || waiting[0].Tries > 0 || len(waiting) <= foldOver {
		return &waiting[0], nil
	}
	if waiting, err = a.Journal.DueAlerts(ctx, name, now, now.Add(longest), leastTried, mostAtOnce); err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(slices.Clone(waiting), func(w journal.Alert) bool { return w.Tries > 0 || w.Kind == kindDigest || w.Kind == kindTest })
	if len(fresh) <= foldOver {
		return &waiting[0], nil
	}
	into := a.digest(name, fresh, alerts.ReportURL)
	return &into, a.Journal.FoldAlerts(ctx, into, fresh)
}

// digest tells many messages in one.
func (a *Alerter) digest(channel string, all []journal.Alert, url string) journal.Alert {
	counts, worst := countKinds(all)
	m := Message{Kind: kindDigest, Project: a.Project().Name, At: a.Clock(), Count: len(all), Title: a.Project().Name + ": " + counts, Worst: worst}
	for _, w := range all {
		if len(m.Members) < mostMembers {
			m.Members = append(m.Members, Member{ID: w.ID, Kind: w.Kind, Pipeline: w.Pipeline, Run: w.Run, Title: cut(w.Title, 120)})
		}
	}
	m.Hint = "`millrace alerts` lists all of them"
	m.Link = url
	return a.row(channel, kindDigest, m)
}

// worstFirst are the kinds of messages that a digest may tell of, and how it counts their pipelines.
var worstFirst = []struct{ kind, verb string }{{models.OnFailure, "failed"}, {models.OnPaused, "paused"}, {models.OnProject, ""}, {models.OnFreshness, "with stale tables"},
	{models.OnLate, "late"}, {models.OnWarning, "with warnings"}, {models.OnRecovery, "recovered"}}

// countKinds says how many pipelines failed, recovered and so on, and which of the kinds is the worst.
func countKinds(all []journal.Alert) (text, worst string) {
	of := map[string]map[string]bool{}
	for _, w := range all {
		if of[w.Kind] == nil {
			of[w.Kind] = map[string]bool{}
		}
		of[w.Kind][w.Pipeline] = true
	}
	var parts []string
	for _, k := range worstFirst {
		n := len(of[k.kind])
		if n == 0 {
			continue
		}
		worst = cmp.Or(worst, k.kind)
		if k.kind == models.OnProject {
			parts = append(parts, "a changed project refused")
		} else {
			parts = append(parts, plural(n, "pipeline")+" "+k.verb)
		}
	}
	if len(parts) == 0 {
		return plural(len(all), "message"), worst
	}
	return join(parts), worst
}

// worstOf is the worst kind of the members that a digest names, for one that a version before that of Message.Worst left in the outbox.
func worstOf(members []Member) string {
	for _, k := range worstFirst {
		if slices.ContainsFunc(members, func(m Member) bool { return m.Kind == k.kind }) {
			return k.kind
		}
	}
	return ""
}

func join(parts []string) string {
	text := parts[0]
	for i, p := range parts[1:] {
		if i == len(parts)-2 {
			text += " and " + p
		} else {
			text += ", " + p
		}
	}
	return text
}

// try sends one message and records what came of it; it returns the rest of the channel, which is over when it has answered.
func (a *Alerter) try(ctx context.Context, channel *models.AlertChannel, w journal.Alert, rest journal.Rest) (journal.Rest, error) {
	err := a.sendTo(ctx, channel, w)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return rest, nil // we were asked to end: it says nothing about the channel
	}
	now := a.Clock()
	w.Tries++
	w.Error = ""
	switch {
	case err == nil:
		w.State, w.Closed, rest = journal.AlertDelivered, &now, journal.Rest{}
	case errors.As(err, new(refused)):
		w.State, w.Closed, w.Error, rest = journal.AlertFailed, &now, a.short(err), journal.Rest{}
	default:
		w.Due, w.Error = now.Add(a.wait(w.Tries, err)), a.short(err)
		rest.Asked = errors.As(err, new(postponed))
		if w.Due.After(rest.Until) {
			rest.Until = w.Due
		}
		if now.Sub(w.Since) >= giveUpTime {
			w.State, w.Closed = journal.AlertFailed, &now
		}
	}
	// What has arrived is recorded although we were asked to end.
	ctx = context.WithoutCancel(ctx)
	if _, err := a.Journal.SaveAlert(ctx, w, rest); err != nil || w.State != journal.AlertFailed {
		return rest, err
	}
	a.Log.Error("alerts: a message could not be delivered", "channel", w.Channel, "alert", w.ID, "why", w.Error)
	return rest, a.Journal.AddEvent(ctx, journal.Event{At: now, Kind: journal.EventAlertFailed, Pipeline: w.Pipeline, Run: w.Run,
		Text: fmt.Sprintf("%q was not delivered to %s after %s: %s", w.Title, w.Channel, tries(w.Tries), w.Error)})
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

func (a *Alerter) short(err error) string { return cut(visible(a.Redact(err.Error())), mostText) }

// wait is how long until the next try: at random up to a bound that doubles, so that many do not come back at one moment; never
// sooner than the server asks for.
func (a *Alerter) wait(tries int, err error) time.Duration {
	bound := longest
	if tries < 8 {
		bound = min(longest, firstWait<<(tries-1))
	}
	wait := max(time.Second, time.Duration(a.Random()*float64(bound)))
	var p postponed
	if errors.As(err, &p) {
		wait = max(wait, min(p.after, giveUpTime))
	}
	return wait
}

func (a *Alerter) sendTo(ctx context.Context, channel *models.AlertChannel, w journal.Alert) error {
	if channel == nil {
		return errors.New("the project has no channel of that name any more")
	}
	var m Message
	if err := json.Unmarshal(w.Message, &m); err != nil {
		return refused{fmt.Errorf("read the message: %w", err)}
	}
	s, err := a.sender(channel)
	if err != nil {
		return err
	}
	return s.send(ctx, w.ID, w.Created, &m)
}

// sender opens a channel.
func (a *Alerter) sender(c *models.AlertChannel) (sender, error) {
	if c.Broken != "" {
		return nil, errors.New(c.Broken)
	}
	switch o := c.Options.(type) {
	case *models.SlackChannel:
		return &slack{poster{a.Client, o.URL, a.Clock}}, nil
	case *models.TeamsChannel:
		return &teams{poster{a.Client, o.URL, a.Clock}}, nil
	case *models.WebhookChannel:
		key, err := o.Key()
		return &webhook{poster{a.Client, o.URL, a.Clock}, key}, err
	case *models.EmailChannel:
		return &email{o, a.TLS}, nil
	case *models.CommandChannel:
		return &command{o, a.Project().Dir}, nil
	}
	return nil, fmt.Errorf("channels of type %q are not known here", c.Type)
}

// Test sends a message that says that it is a test to the channel, now and past the outbox, and returns what came back.
func (a *Alerter) Test(ctx context.Context, channel *models.AlertChannel) error {
	s, err := a.sender(channel)
	if err != nil {
		return err
	}
	m := Message{Kind: kindTest, Project: a.Project().Name, At: a.Clock(), Title: "a test of channel " + channel.Name,
		Text: "Nothing has happened. Somebody wanted to know whether messages of this project arrive here."}
	if err := s.send(ctx, journal.NewAlertID(m.At), m.At, &m); err != nil {
		return errors.New(a.short(err))
	}
	return nil
}
