package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file watches what no run tells: runs that take too long, do not start or are gone, tables that grow old, schedules that
// were paused, projects that were refused. Each is told once and is over when it is over.

// historyRuns is how many runs lateness is measured by, and fewestRuns how many there must be.
const (
	historyRuns = 30
	fewestRuns  = 5
)

// unended looks at runs that go on and firings that wait.
func (s *sight) unended(ctx context.Context) error {
	runs, firings, err := s.Journal.Unended(ctx)
	if err != nil {
		return err
	}
	going := map[string]bool{}
	for _, r := range runs {
		if !s.ours(r) {
			continue
		}
		gone, err := s.gone(ctx, r)
		if err != nil {
			return err
		}
		if gone {
			continue
		}
		going["late:"+r.ID] = true
		if err := s.lateRun(ctx, r); err != nil {
			return err
		}
	}
	for _, f := range firings {
		if f.State == journal.FiringWaiting && (f.Trigger == journal.TriggerSchedule || f.Trigger == journal.TriggerAfter) { // others may queue for long
			going["late:"+f.ID] = true
			s.lateStart(f)
		}
	}
	for key := range s.topics {
		if strings.HasPrefix(key, "late:") && !going[key] {
			s.save(key, nil)
		}
	}
	for id := range s.expected {
		if !going["late:"+id] {
			delete(s.expected, id)
		}
	}
	return nil
}

// gone tells a run whose process ended without a word. The scheduler sees to those that it started.
func (s *sight) gone(ctx context.Context, r journal.Run) (bool, error) {
	if s.State == nil || s.State(r) == pipeline.StateRunning {
		return false, nil
	}
	again, err := s.Journal.ExactRun(ctx, r.ID) // it may have ended between the two looks
	if err != nil || again.Status != journal.Running || again.Attempt != r.Attempt {
		return true, ignoreMissing(err)
	}
	firing, told, err := s.byFiring(ctx, again)
	if err != nil || told || r.Selection.Replay != nil {
		return true, err
	}
	if firing.Finished != nil { // only of an attempt that somebody began since: of the others its end has told
		steps, err := s.Journal.Steps(ctx, r.ID)
		if err != nil || !slices.ContainsFunc(steps, func(step journal.Step) bool { return step.Attempt == r.Attempt && step.Started.After(*firing.Finished) }) {
			return true, err
		}
	}
	f := failure{Message: base(models.OnFailure, r), print: "gone", nodes: s.built(r.Selection.Nodes), aside: r.Selection.Aside()}
	f.At = s.now
	f.Text = "its process ended without a word: killed, out of memory, or with the machine"
	f.Title = runName(r.Pipeline, f.aside) + " failed: " + f.Text
	f.Hint = "the next run takes up what was landed; look at the memory and the log of the machine"
	f.Command = s.forTarget("millrace retry " + r.ID)
	f.Severity = []string{string(models.SeverityError)}
	s.finishOwners(&f.Message)
	s.failed(f)
	return true, nil
}

// lateRun tells a run that takes longer than twice what 95 in 100 of its pipeline's took.
func (s *sight) lateRun(ctx context.Context, r journal.Run) error {
	took := s.now.Sub(r.Begun())
	if took < s.rules.LateAfter.Std() || r.Selection.Aside() || r.Selection.FullRefresh || !s.wanted(models.OnLate) {
		return nil // a backfill and a rebuild take as long as they take
	}
	usual, known := s.expected[r.ID]
	if !known {
		times, err := s.Journal.RunTimes(ctx, r.Pipeline, pipeline.TargetOf(s.Project()), historyRuns)
		if err != nil {
			return err
		}
		usual = percentile95(times)
		s.expected[r.ID] = usual
	}
	if usual == 0 || took < 2*usual {
		return nil
	}
	m := base(models.OnLate, r)
	m.At, m.Took = s.now, ""
	m.Title = fmt.Sprintf("%s is late: it has run for %s, and mostly takes no more than %s", pipelineName(r.Pipeline), round(took), round(usual))
	m.Hint = "`millrace runs show " + r.ID + "` shows where it is"
	s.once("late:"+r.ID, m)
	return nil
}

// percentile95 is what 95 in 100 did not exceed; 0 when there are too few to tell.
func percentile95(times []time.Duration) time.Duration {
	if len(times) < fewestRuns {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)*95+99)/100-1]
}

// lateStart tells a firing that should have started long ago.
func (s *sight) lateStart(f journal.Firing) {
	waits := s.now.Sub(f.Due)
	if waits < s.rules.LateAfter.Std() {
		return
	}
	logical := f.LogicalTime
	why := s.safe
	if f.Tries == 0 { // no run has failed yet: the scheduler says itself what it waits for
		why = s.plain
	}
	m := Message{Kind: models.OnLate, Pipeline: f.Pipeline, Trigger: string(f.Trigger), LogicalTime: &logical, At: s.now,
		Title: fmt.Sprintf("%s is late: it should have started at %s", f.Pipeline, clockText(f.Due)), Text: why(f.Reason)}
	s.once("late:"+f.ID, m)
}

// once tells something that goes on, one time.
func (s *sight) once(key string, m Message) {
	if s.topics[key] != nil {
		return
	}
	s.finishOwners(&m)
	s.tell(m, key, "")
	s.save(key, &topic{Pipeline: m.Pipeline, Open: true, Since: m.At, Told: m.At, Failures: 1, Title: m.Title, Owners: m.Owners})
}

// overdue tells pipelines whose tables are older than promised, and when they are fresh again.
func (s *sight) overdue(ctx context.Context, timed bool) error {
	if s.Overdue == nil || !timed {
		return nil
	}
	all, err := s.Overdue(ctx, s.since)
	if err != nil {
		return fmt.Errorf("how old the tables are: %w", err)
	}
	stale := map[string]bool{}
	for _, o := range all {
		key := "freshness:" + o.Pipeline
		stale[key] = true
		s.stale(key, o)
	}
	for _, key := range s.keys() {
		t := s.topics[key]
		if !strings.HasPrefix(key, "freshness:") || stale[key] {
			continue
		}
		if pl := s.Project().Pipeline(t.Pipeline); pl != nil && pl.Freshness > 0 { // otherwise nothing is promised any more
			m := Message{Kind: models.OnRecovery, Pipeline: t.Pipeline, At: s.now, Title: t.Pipeline + " is fresh again", Owners: t.Owners, Tags: t.Tags,
				Text: "It had been stale since " + clockText(t.Since) + "."}
			s.tell(m, key, "")
		}
		s.save(key, nil)
	}
	return nil
}

// stale tells the tables of a pipeline that are too old and were not told. Tables seldom grow old at one moment: those that come later
// wait until the time of repeat is over, unless there are none of the same owner and tags among those that were told.
func (s *sight) stale(key string, o pipeline.Overdue) {
	t := s.topics[key]
	if t == nil {
		t = &topic{Pipeline: o.Pipeline, Open: true, Since: s.now}
	}
	t.Nodes = slices.DeleteFunc(t.Nodes, func(name string) bool { return !slices.Contains(o.Tables, name) })
	m := Message{Kind: models.OnFreshness, Pipeline: o.Pipeline, At: s.now, Command: s.forTarget("millrace run " + o.Pipeline)}
	waits := within(s.now, t.Told, s.rules.Repeat.Std())
	var matched []facts
	for _, name := range o.Tables {
		f := facts{}
		if n := s.Project().Node(name); n != nil {
			f.Owners, f.Tags = unique([]string{n.Owner}), n.Tags
		}
		if !slices.Contains(t.Nodes, name) && !(waits && t.matched(f)) {
			m.Fresh, m.Owners, m.Tags, matched = append(m.Fresh, name), append(m.Owners, f.Owners...), append(m.Tags, f.Tags...), append(matched, f)
		}
	}
	if len(m.Fresh) > 0 {
		m.Title = fmt.Sprintf("%s is stale: %s older than %s", o.Pipeline, arePlural(len(m.Fresh), "table"), config.Duration(o.Promised))
		m.Text = fmt.Sprintf("The oldest was made %s ago. Either its runs fail, or they do not happen.", round(o.Oldest))
		if more := len(t.Nodes); more > 0 {
			m.Text = fmt.Sprintf("Besides %s that was told. ", plural(more, "table")) + m.Text
		}
		s.finishOwners(&m)
		s.tell(m, key, "")
		t.Told, t.Owners, t.Tags = s.now, unique(append(t.Owners, m.Owners...)), unique(append(t.Tags, m.Tags...))
		for _, f := range matched {
			t.match(f)
		}
		t.Nodes = append(t.Nodes, m.Fresh...)
	}
	s.save(key, t)
}

// paused tells schedules that the scheduler paused by itself.
func (s *sight) paused(ctx context.Context) error {
	pauses, err := s.Journal.Pauses(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(pauses)) {
		p := pauses[name]
		if p.By != "" {
			continue // a person did it, and knows
		}
		s.once("paused:"+name, Message{Kind: models.OnPaused, Pipeline: name, At: p.Since, Title: name + " is paused", Text: s.safe(p.Reason),
			Hint: "mend the cause, then resume it: until then its schedule does not fire", Command: "millrace resume " + name})
	}
	for key := range s.topics {
		if name, ok := strings.CutPrefix(key, "paused:"); ok && pauses[name].Since.IsZero() {
			s.save(key, nil)
		}
	}
	return nil
}

// events tells what the audit log says and nothing else does.
func (s *sight) events(ctx context.Context) error {
	for {
		events, err := s.Journal.EventsAfter(ctx, s.event, atOnce)
		if err != nil {
			return err
		}
		for _, e := range events {
			s.event = e.ID
			switch e.Kind {
			case journal.EventReloadRefused:
				s.refused(e)
			case journal.EventReload:
				s.accepted(e)
			case journal.EventRunUnstarted:
				if pipeline.TargetOf(s.Project()).Is(e.Target) {
					s.failed(s.unstarted(e))
				}
			case journal.EventMissed:
				s.missed(e)
			}
		}
		if len(events) < atOnce {
			return nil
		}
	}
}

// projectKey is the topic of a project that was refused.
const projectKey = "project"

// refused tells that a changed project was refused. Whoever mends it saves it more than once: one message does while it lasts.
func (s *sight) refused(e journal.Event) {
	t, why := s.topics[projectKey], ""
	if t == nil {
		t = &topic{Open: true, Since: e.At}
	}
	if t.Failures++; within(e.At, t.Told, s.rules.Repeat.Std()) {
		why = "it was told at " + clockText(t.Told)
	} else {
		t.Told = e.At
	}
	m := Message{Kind: models.OnProject, At: e.At, Title: s.Project().Name + ": the changed project was refused", Text: s.plain(e.Text),
		Hint: "runs go on with the project as it was; `millrace lint` shows all that is wrong", Command: "millrace lint"}
	if s.Refused {
		m.Title, m.Hint = s.Project().Name+": the project has mistakes, and no run can begin", "`millrace lint` shows all that is wrong"
	}
	s.tell(m, projectKey, why)
	s.save(projectKey, t)
}

// accepted tells that the project's files are in order again.
func (s *sight) accepted(e journal.Event) {
	t := s.topics[projectKey]
	if t == nil {
		return
	}
	s.tell(Message{Kind: models.OnRecovery, At: e.At, Title: s.Project().Name + ": the project's files are in order again",
		Text: "They had been refused since " + clockText(t.Since) + "."}, projectKey, "")
	s.save(projectKey, nil)
}

// missed tells times of a schedule that nothing makes up for: once for each time that nothing was scheduled.
func (s *sight) missed(e journal.Event) {
	m := Message{Kind: models.OnLate, Pipeline: e.Pipeline, At: e.At, Title: e.Pipeline + " did not run: " + s.plain(e.Text), Command: "millrace trigger " + e.Pipeline,
		Hint: "nothing scheduled it then: see why `millrace serve` was not running; misfire: says what is made up for"}
	s.finishOwners(&m)
	s.tell(m, "missed:"+e.Pipeline, "")
}

// unstarted is a run that could not even begin.
func (s *sight) unstarted(e journal.Event) failure {
	text := s.safe(e.Text)
	m := Message{Kind: models.OnFailure, Pipeline: e.Pipeline, At: e.At, Text: text, Title: cut(pipelineName(e.Pipeline)+" could not begin: "+text, 240),
		Severity: []string{string(models.SeverityError)}}
	s.finishOwners(&m)
	return failure{Message: m, print: "unstarted|" + pattern(text)}
}

func arePlural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}

// round is a time span as people say it.
func round(d time.Duration) string {
	if d >= time.Hour {
		return config.Duration(d.Round(time.Minute)).String()
	}
	return config.Duration(d.Round(time.Second)).String()
}
