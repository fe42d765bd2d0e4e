package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file decides what is told. All that it remembers are marks, up to where the journal has been looked at, and topics, what
// has been told and is not over. Both are kept in the journal, in the transaction that puts the messages into the outbox.

// topic is something that was told, or would have been, and is not over.
type topic struct {
	Pipeline string    `json:"pipeline"`
	Aside    bool      `json:"aside,omitempty"` // of backfills
	Open     bool      `json:"open"`            // it goes on; a closed one is kept to see whether it comes again
	Title    string    `json:"title,omitempty"`
	Since    time.Time `json:"since"`
	Told     time.Time `json:"told"`
	Failures int       `json:"failures,omitempty"` // since it began
	Untold   int       `json:"untold,omitempty"`   // since it was told
	Run      string    `json:"run,omitempty"`      // the last that was counted, with its attempt
	Attempt  int       `json:"attempt,omitempty"`
	Nodes    []string  `json:"nodes,omitempty"` // that have not succeeded since, or tables that were told to be stale
	Left     []string  `json:"left,omitempty"`  // where no node is known to be at fault: the pipelines of which no run has succeeded since
	Owners   []string  `json:"owners,omitempty"`
	Tags     []string  `json:"tags,omitempty"`
	Severity []string  `json:"severity,omitempty"`
	// Causes are when each was told, by their prints, and Matched what rules look at of the failures since it began.
	Causes  map[string]time.Time `json:"causes,omitempty"`
	Matched []facts              `json:"matched,omitempty"`
	// A topic that opens again and again is flapping: Flips counts since FlipsSince, and when they are too many, Quiet.
	Flips      int       `json:"flips,omitempty"`
	FlipsSince time.Time `json:"flips_since"`
	Quiet      bool      `json:"quiet,omitempty"`
	Owed       string    `json:"owed,omitempty"` // run of a recovery that was not told
}

// mostFlips is how often something may begin anew within the time of repeat before that is told no more.
const mostFlips = 3

// mostCauses is how many causes, and combinations of owners, tags and severities, a topic remembers.
const mostCauses = 50

// told says when the cause was told, if that was within the span.
func (t *topic) told(print string, at time.Time, span time.Duration) (time.Time, bool) {
	told, known := t.Causes[short(print)]
	return told, known && within(at, told, span)
}

// tells notes that the cause is told now, and forgets those for which that was long ago.
func (t *topic) tells(print string, at time.Time, span time.Duration) {
	maps.DeleteFunc(t.Causes, func(_ string, told time.Time) bool { return !within(at, told, span) })
	if t.Causes == nil || len(t.Causes) >= mostCauses {
		t.Causes = map[string]time.Time{}
	}
	t.Told, t.Causes[short(print)] = at, at
}

// short stands for a cause: it may be long, and only whether it is the same matters.
func short(print string) string {
	sum := sha256.Sum256([]byte(print))
	return hex.EncodeToString(sum[:8])
}

// Keys of what is remembered.
const (
	markEnded   = "mark:ended"
	markEvent   = "mark:event"
	markSince   = "mark:since"
	topicPrefix = "topic:"
)

// sight is one look at the journal, and what comes of it.
type sight struct {
	*Alerter
	rules    *models.Alerts
	now      time.Time
	alerts   []journal.Alert
	remember map[string]string
	marks
	since time.Time // when the first look was
}

// marks are up to where the journal was looked at: the number of the last end, and that of the last line of the audit log.
type marks struct{ ended, event int64 }

const (
	atOnce     = 500         // ends that are looked at in one transaction
	lookBack   = time.Hour   // what ended before the first look of all and is told nevertheless
	idlePeriod = time.Minute // between looks at what changes by time alone
	keepFor    = 90 * 24 * time.Hour
)

// look decides on everything that is new. When nothing was written to the journal it costs one question to SQLite.
func (a *Alerter) look(ctx context.Context, rules *models.Alerts) error {
	now := a.Clock()
	changes, err := a.Journal.Changes(ctx)
	if err != nil {
		return err
	}
	timed := !within(now, a.soonest.Add(-idlePeriod), idlePeriod)
	if a.topics != nil && changes == a.changes && !timed {
		return nil
	}
	for more := true; more; {
		if more, err = a.lookOnce(ctx, rules, now, timed); err != nil {
			a.topics = nil // what is in memory may be ahead of the journal
			return err
		}
	}
	a.soonest = now.Add(idlePeriod)
	a.changes, err = a.Journal.Changes(ctx)
	return err
}

func (a *Alerter) lookOnce(ctx context.Context, rules *models.Alerts, now time.Time, timed bool) (more bool, err error) {
	s := &sight{Alerter: a, rules: rules, now: now, remember: map[string]string{}}
	if err := s.recall(ctx); err != nil {
		return false, err
	}
	if a.Refused {
		return false, errors.Join(s.events(ctx), s.keep(ctx))
	}
	if a.FromFiles {
		s.accepted(journal.Event{At: now})
	}
	ends, err := a.Journal.Ended(ctx, s.ended, atOnce)
	if err != nil {
		return false, err
	}
	for _, e := range ends {
		if err := s.end(ctx, e); err != nil {
			return false, err
		}
		s.ended = e.Seq
	}
	var blind error // that the tables cannot be looked at keeps nothing else from being told
	if more = len(ends) == atOnce; !more {
		if err := errors.Join(s.unended(ctx), s.paused(ctx), s.events(ctx)); err != nil {
			return false, err
		}
		blind = s.overdue(ctx, timed)
		s.owed()
	}
	err = errors.Join(s.keep(ctx), blind)
	if !more {
		err = errors.Join(err, s.reroute(ctx))
	}
	if err != nil || more || now.Sub(a.cleaned) < time.Hour {
		return more, err
	}
	a.cleaned = now
	return false, a.Journal.ForgetAlerts(ctx, now.Add(-keepFor))
}

// whose begins the keys of what is remembered for another target than the project's own: what was seen of one is not seen of another.
func (s *sight) whose() string {
	if t := pipeline.TargetOf(s.Project()); !t.Default {
		return "target " + t.Name + ": "
	}
	return ""
}

// recall reads what was remembered. The first look of all begins with the runs of the last hour.
func (s *sight) recall(ctx context.Context) error {
	memory, err := s.Journal.AlertMemory(ctx)
	if err != nil {
		return err
	}
	if whose := s.whose(); s.topics == nil || whose != s.of {
		topics := map[string]*topic{}
		for key, value := range memory {
			if name, ok := strings.CutPrefix(key, whose+topicPrefix); ok {
				t := &topic{}
				if err := json.Unmarshal([]byte(value), t); err != nil {
					return fmt.Errorf("recall %s: %w", key, err)
				}
				topics[name] = t
			}
		}
		s.topics, s.of = topics, whose
	}
	if _, known := memory[s.of+markSince]; !known {
		s.since = s.now
		if s.ended, err = s.Journal.EndedBefore(ctx, s.now.Add(-lookBack)); err != nil {
			return err
		}
		if s.event, err = s.Journal.LastEvent(ctx); s.Refused {
			s.event-- // that of the mistakes, which has just been noted
		}
		return err
	}
	var wrong [3]error
	s.ended, wrong[0] = strconv.ParseInt(memory[s.of+markEnded], 10, 64)
	s.event, wrong[1] = strconv.ParseInt(memory[s.of+markEvent], 10, 64)
	s.since, wrong[2] = time.Parse(time.RFC3339Nano, memory[s.of+markSince])
	if err := errors.Join(wrong[:]...); err != nil {
		return fmt.Errorf("recall how far the journal was looked at: %w", err)
	}
	return nil
}

// keep writes messages, topics and marks in one transaction.
func (s *sight) keep(ctx context.Context) error {
	s.remember[s.of+markEnded], s.remember[s.of+markEvent] = strconv.FormatInt(s.ended, 10), strconv.FormatInt(s.event, 10)
	s.remember[s.of+markSince] = s.since.Format(time.RFC3339Nano)
	if err := s.Journal.AddAlerts(ctx, s.alerts, s.remember); err != nil {
		return err
	}
	s.seen = s.marks
	for _, a := range s.alerts {
		if a.State == journal.AlertPending {
			s.fresh[a.Channel] = true
		}
	}
	return nil
}

// save notes a topic as it is now, or that it is over.
func (s *sight) save(key string, t *topic) {
	if t == nil {
		delete(s.topics, key)
		s.remember[s.of+topicPrefix+key] = ""
		return
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("alert: %T is not JSON: %v", t, err)) // our own plain struct: a bug
	}
	s.topics[key] = t
	s.remember[s.of+topicPrefix+key] = string(text)
}

// keys are those of the topics, in an order that is the same each time.
func (s *sight) keys() []string { return slices.Sorted(maps.Keys(s.topics)) }

// end looks at a run, or a firing, that came to an end. What a firing led to is judged when the firing ends: before that it may be
// tried again.
func (s *sight) end(ctx context.Context, e journal.End) error {
	if e.Kind == journal.EndOfFiring {
		return s.firingEnded(ctx, e.ID)
	}
	r, err := s.Journal.ExactRun(ctx, e.ID)
	if err != nil {
		return ignoreMissing(err)
	}
	f, told, err := s.byFiring(ctx, r)
	if err != nil || told {
		return err
	}
	if f.Finished != nil && !f.OfCommand() { // which of them came first, the clock does not say: it may have been set back
		end, err := s.Journal.EndOfFiring(ctx, f.ID)
		if err != nil || end > e.Seq {
			return err
		}
	}
	return s.judge(ctx, r)
}

// byFiring finds the run's firing, and says whether its end is going to tell of the run. One that a command made to stand for its own
// run may never end: when the command is killed, only a scheduler takes it up.
func (s *sight) byFiring(ctx context.Context, r journal.Run) (f journal.Firing, told bool, err error) {
	if r.Firing == "" {
		return f, false, nil
	}
	if f, err = s.Journal.Firing(ctx, r.Firing); err != nil {
		return f, false, ignoreMissing(err)
	}
	scheduled := !f.OfCommand() || s.Alive == nil || s.Alive()
	return f, f.State.Open() && scheduled, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, journal.ErrNotFound) {
		return nil
	}
	return err
}

func (s *sight) firingEnded(ctx context.Context, id string) error {
	f, err := s.Journal.Firing(ctx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	if f.State != journal.FiringFailed && f.State != journal.FiringSucceeded {
		return nil // somebody, or a rule of the schedule, wanted it so
	}
	var r journal.Run
	if f.Run != "" {
		if r, err = s.Journal.ExactRun(ctx, f.Run); ignoreMissing(err) != nil {
			return err
		}
		if r.Status == journal.Succeeded || r.Status == journal.Failed || r.Status == journal.Partial {
			return s.judge(ctx, r)
		}
		if r.Status == journal.Running && f.Finished != nil && r.Begun().After(*f.Finished) {
			return nil // it is retried already: its next end tells
		}
	}
	stopped := f.OfCommand() && r.Status == journal.Interrupted // by somebody, as any command may be
	if f.State == journal.FiringFailed && !stopped {
		s.failed(s.lostFiring(f, r))
	}
	return nil
}

// judge tells a run that has ended.
func (s *sight) judge(ctx context.Context, r journal.Run) error {
	if r.Selection.Replay != nil || r.Selection.ByHand || !s.ours(r) {
		return nil // somebody sits before it
	}
	switch r.Status {
	case journal.Failed, journal.Partial:
		f, err := s.failureOf(ctx, r)
		if err != nil {
			return err
		}
		s.failed(f)
		return s.recovered(ctx, r)
	case journal.Succeeded:
		if err := s.recovered(ctx, r); err != nil {
			return err
		}
		if r.Selection.Aside() {
			return nil // what it warns of is old
		}
		return s.warned(ctx, r)
	case journal.Abandoned: // a backfill that nobody wants any more; any other run is overtaken by one that tells
		key := failureKey(r.Pipeline, true)
		if t := s.topics[key]; r.Selection.Aside() && t != nil && t.Run == r.ID {
			s.save(key, nil)
		}
	}
	return nil
}

// ours says whether a run publishes to the target that we tell of: what became of another says nothing of its tables.
func (s *sight) ours(r journal.Run) bool {
	return pipeline.TargetOf(s.Project()).Is(r.Selection.Target)
}

// within says whether less than the span has gone by since then. What lies far ahead was noted before a clock was set back: it counts
// for nothing. Not so far ahead is what ended beside each other and is looked at in another order.
func within(at, since time.Time, span time.Duration) bool {
	gone := at.Sub(since)
	return gone < span && gone > -lookBack
}

// failure is what is known of a run that failed.
type failure struct {
	Message
	print     string
	nodes     []string // that have to succeed before all is well
	succeeded []string
	aside     bool // of a backfill: it says nothing about the runs that read what is new, and they nothing about it
}

// failureKey is the topic of a pipeline's failures. Spaces are in no pipeline's name.
func failureKey(pipeline string, aside bool) string {
	if aside {
		return "failure:backfill of " + pipeline
	}
	return "failure:" + pipeline
}

// failed tells a failure, unless the same was told a short while ago.
func (s *sight) failed(f failure) {
	key := failureKey(f.Pipeline, f.aside)
	t := s.topics[key]
	if t == nil {
		t = &topic{Pipeline: f.Pipeline, Aside: f.aside, FlipsSince: f.At}
	}
	if t.Run == f.Run && t.Attempt == f.Attempt && f.Run != "" {
		return
	}
	repeat := s.rules.Repeat.Std()
	f.First = !t.Open
	if f.First {
		if !within(f.At, t.FlipsSince, repeat) {
			t.Flips, t.FlipsSince, t.Quiet = 0, f.At, false
		}
		t.Open, t.Since, t.Failures, t.Untold, t.Owed, t.Nodes, t.Left, t.Matched = true, f.At, 0, 0, "", nil, nil, nil
		t.Flips++
	}
	t.Failures++
	why := ""
	told, again := t.told(f.print, f.At, repeat)
	switch {
	case again && t.Quiet && within(f.At, t.FlipsSince, repeat):
		why = "it fails and recovers again and again"
	case again && !f.First:
		why = "the same was told at " + clockText(told)
	}
	if t.Flips == mostFlips && f.First {
		t.Quiet = true
		f.Quiet = clockText(t.FlipsSince.Add(repeat))
	}
	since := t.Since
	f.Failures, f.Since, f.Untold = t.Failures, &since, t.Untold
	t.Title, t.Run, t.Attempt = f.Title, f.Run, f.Attempt
	t.Nodes = unique(append(slices.DeleteFunc(t.Nodes, func(n string) bool { return slices.Contains(f.succeeded, n) }), f.nodes...))
	if len(t.Nodes) == 0 {
		t.Left = strings.Split(t.Pipeline, "+")
	}
	f.before = slices.Clone(t.Matched)
	t.match(f.facts())
	t.Owners, t.Tags, t.Severity = f.Owners, f.Tags, f.Severity
	if why != "" {
		t.Untold++
	} else {
		t.Untold = 0
		t.tells(f.print, f.At, repeat)
	}
	s.tell(f.Message, key, why)
	s.save(key, t)
}

// recovered closes the topics of failures whose nodes have all succeeded since.
func (s *sight) recovered(ctx context.Context, r journal.Run) error {
	var succeeded []string
	for _, key := range s.keys() {
		t := s.topics[key]
		if !t.Open || !strings.HasPrefix(key, "failure:") || t.Aside != r.Selection.Aside() || t.Run == r.ID && t.Attempt == r.Attempt || !meets(strings.Split(t.Pipeline, "+"), strings.Split(r.Pipeline, "+")) {
			continue
		}
		if succeeded == nil {
			steps, err := s.Journal.Steps(ctx, r.ID)
			if err != nil {
				return err
			}
			succeeded = []string{}
			for _, step := range steps {
				if step.Status == journal.Succeeded {
					succeeded = append(succeeded, step.Node)
				}
			}
		}
		if len(t.Nodes) == 0 && len(t.Left) == 0 { // of a version that did not note them
			t.Left = strings.Split(t.Pipeline, "+")
		}
		before := len(t.Nodes) + len(t.Left)
		t.Nodes = slices.DeleteFunc(t.Nodes, func(n string) bool { return slices.Contains(succeeded, n) || !s.builds(t.Pipeline, n) })
		if r.Status == journal.Succeeded {
			t.Left = slices.DeleteFunc(t.Left, func(name string) bool { return slices.Contains(strings.Split(r.Pipeline, "+"), name) || !s.has(name) })
		}
		switch len(t.Nodes) + len(t.Left) {
		case before:
			continue
		case 0:
			s.closed(key, t, r)
		default:
			s.save(key, t)
		}
	}
	return nil
}

// closed tells that something works again, unless it flaps: then that is owed.
func (s *sight) closed(key string, t *topic, r journal.Run) {
	t.Open = false
	if t.Quiet && within(runEnd(r), t.FlipsSince, s.rules.Repeat.Std()) {
		t.Owed = r.ID
		s.save(key, t)
		return
	}
	s.tell(s.recoveryOf(t, r.ID, runEnd(r)), key, "")
	s.save(key, t)
}

func runEnd(r journal.Run) time.Time {
	if r.Finished != nil {
		return *r.Finished
	}
	return r.Started
}

// owed tells the recoveries that were not told while their pipelines flapped, and forgets topics that have been over for long.
func (s *sight) owed() {
	for _, key := range s.keys() {
		t := s.topics[key]
		if t.Open || !strings.HasPrefix(key, "failure:") || within(s.now, t.FlipsSince, s.rules.Repeat.Std()) {
			continue
		}
		if t.Owed != "" {
			s.tell(s.recoveryOf(t, t.Owed, s.now), key, "")
		}
		s.save(key, nil)
	}
}
