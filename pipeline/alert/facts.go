package alert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// This file turns what the journal knows of a run into a message.

// base is what every message of a run has.
func base(kind string, r journal.Run) Message {
	logical := r.LogicalTime
	m := Message{Kind: kind, Pipeline: r.Pipeline, Run: r.ID, Attempt: r.Attempt, Trigger: string(r.Trigger), LogicalTime: &logical, At: runEnd(r)}
	if r.Finished != nil {
		m.Took = tookText(r.Finished.Sub(r.Begun()))
	}
	return m
}

// tookText is how long something took, to the second, and below that to the millisecond.
func tookText(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// failureOf names the root of a failed run first, with what was kept back because of it.
func (s *sight) failureOf(ctx context.Context, r journal.Run) (failure, error) {
	steps, err := s.Journal.Steps(ctx, r.ID)
	if err != nil {
		return failure{}, err
	}
	checks, err := s.Journal.Checks(ctx, r.ID)
	if err != nil {
		return failure{}, err
	}
	causes := journal.Causes(outcomes(steps, checks), r.Error)
	f := failure{Message: base(models.OnFailure, r), aside: r.Selection.Aside()}
	f.Command = s.forTarget(pipeline.NextCommand(r))
	f.Published = "nothing; readers see what was published before"
	if r.Snapshot != nil {
		f.Published = fmt.Sprintf("the rest, as snapshot %d", *r.Snapshot)
	}
	behind := s.safe(pipeline.Behind(r.Error))
	for _, step := range steps {
		if step.Status == journal.Succeeded {
			f.Rows += step.Rows
			f.succeeded = append(f.succeeded, step.Node)
		} else {
			f.nodes = append(f.nodes, step.Node)
		}
	}
	if len(f.nodes) == 0 { // the run as a whole
		f.nodes = s.built(r.Selection.Nodes)
	}
	s.addCauses(&f, causes, checks)
	switch {
	case behind == "":
	case f.Node == "":
		f.Text = behind
		if r.Snapshot != nil {
			f.Published = fmt.Sprintf("everything here, as snapshot %d", *r.Snapshot)
		}
	default:
		f.Others = append(f.Others, behind)
		f.print += "\n|" + pattern(behind)
	}
	s.addOwners(&f.Message, causes, checks)
	how := "failed"
	if r.Status == journal.Partial {
		how = "failed in part"
	}
	f.Title = fmt.Sprintf("%s %s: %s", runName(r.Pipeline, f.aside), how, f.Text)
	f.Title = cut(f.Title, 240)
	return f, nil
}

// outcomes joins steps and checks for the search for causes.
func outcomes(steps []journal.Step, checks []check.Result) []journal.NodeOutcome {
	var all []journal.NodeOutcome
	at := map[string]int{}
	for _, s := range steps {
		at[s.Node] = len(all)
		all = append(all, journal.NodeOutcome{Node: s.Node, Status: s.Status, Error: s.Error, Hint: s.Hint})
	}
	for _, c := range checks {
		if !c.Status.Bad() {
			continue
		}
		i, known := at[c.Node]
		if !known {
			i = len(all)
			at[c.Node] = i
			all = append(all, journal.NodeOutcome{Node: c.Node})
		}
		all[i].Checks = append(all[i].Checks, c.Name)
	}
	return all
}

// addCauses tells the root in one sentence, and the rest as lists.
func (s *sight) addCauses(f *failure, causes []journal.Cause, checks []check.Result) {
	var prints []string
	for i, c := range causes {
		text := s.causeText(c, checks)
		prints = append(prints, c.Node+"|"+strings.Join(c.Checks, ",")+"|"+pattern(text))
		for _, held := range c.Held {
			f.Held = append(f.Held, held.Node)
		}
		f.addChecks(c.Node, checks, check.Status.Bad)
		if i == 0 {
			f.Node, f.Text, f.Hint = c.Node, text, s.safe(c.Hint)
			if len(c.Checks) > 0 && f.Hint == "" {
				f.Hint = "mend the rows in the source, or the rule; the run's report shows rows that fail"
			}
			continue
		}
		f.Others = append(f.Others, text)
	}
	if f.Text == "" {
		f.Text = "the journal gives no reason"
	}
	f.print = strings.Join(unique(prints), "\n")
}

func (s *sight) causeText(c journal.Cause, checks []check.Result) string {
	if len(c.Checks) > 0 {
		all := 0
		for _, k := range checks {
			if k.Node == c.Node {
				all++
			}
		}
		return fmt.Sprintf("%s fails %d of its %s", c.Node, len(c.Checks), plural(all, "check"))
	}
	text, at := c.Message, ""
	if before, after, ok := strings.Cut(text, c.Node+": "); ok && c.Node != "" { // behind its place in a file
		text = after
		if before = strings.TrimSuffix(before, ": "); place.MatchString(before) {
			at = " (" + before + ")"
		}
	}
	if text = s.safe(text); c.Node == "" {
		return text
	}
	return c.Node + ": " + text + at
}

func (m *Message) addChecks(node string, checks []check.Result, which func(check.Status) bool) {
	for _, c := range checks {
		if c.Node != node || !which(c.Status) {
			continue
		}
		if len(m.Checks) == mostChecks {
			m.MoreChecks++
			continue
		}
		m.Checks = append(m.Checks, Check{Node: c.Node, Name: c.Name, Severity: string(c.Severity), Status: string(c.Status), Failing: c.Failing, Checked: c.Checked, Owner: c.Owner})
	}
}

// addOwners says whom it is for: the owners of the checks that fail, or of the nodes at fault, or of the pipeline.
func (s *sight) addOwners(m *Message, causes []journal.Cause, checks []check.Result) {
	for _, c := range causes {
		before := len(m.Owners)
		for _, k := range checks {
			if k.Node == c.Node && k.Status.Bad() {
				m.Owners, m.Tags = append(m.Owners, k.Owner), append(m.Tags, k.Tags...)
				m.Severity = append(m.Severity, string(k.Severity))
			}
		}
		if n := s.Project().Node(c.Node); n != nil {
			if len(unique(m.Owners[before:])) == 0 {
				m.Owners = append(m.Owners, n.Owner)
			}
			m.Tags = append(m.Tags, n.Tags...)
		}
		if len(c.Checks) == 0 {
			m.Severity = append(m.Severity, string(models.SeverityError))
		}
	}
	s.finishOwners(m)
}

func (s *sight) finishOwners(m *Message) {
	if m.Owners = unique(m.Owners); len(m.Owners) == 0 {
		m.Owners = s.pipelineOwners(m.Pipeline)
	}
	m.Tags, m.Severity = unique(m.Tags), unique(m.Severity)
}

func (s *sight) pipelineOwners(pipelines string) []string {
	var owners []string
	for _, name := range strings.Split(pipelines, "+") {
		if pl := s.Project().Pipeline(name); pl != nil {
			owners = append(owners, pl.Owner)
		}
	}
	return unique(owners)
}

// forTarget is a command that is to work on our target, for people whose commands work on the project's own.
func (s *sight) forTarget(command string) string { return pipeline.ForTarget(s.Project(), command) }

// manual stands for the pipeline of nodes that are in none.
const manual = "_manual"

// pipelineName is a pipeline in a sentence.
func pipelineName(name string) string {
	if name == manual {
		return "a run of single tables"
	}
	return name
}

// runName is a pipeline's run in a sentence.
func runName(pipeline string, aside bool) string {
	if aside {
		return "a backfill of " + pipelineName(pipeline)
	}
	return pipelineName(pipeline)
}

// lostFiring is a firing that failed without a run that says why; r is the zero value when there is none at all.
func (s *sight) lostFiring(f journal.Firing, r journal.Run) failure {
	at := f.Created
	if f.Finished != nil {
		at = *f.Finished
	}
	logical := f.LogicalTime
	reason := strings.TrimPrefix(s.safe(f.Reason), "failed: ") // the title says so
	if reason == "" || reason == "failed" {
		reason = "its process ended without a word"
	}
	m := Message{Kind: models.OnFailure, Pipeline: f.Pipeline, Run: f.Run, Attempt: r.Attempt, Trigger: string(f.Trigger), LogicalTime: &logical, At: at, Text: reason,
		Title: cut(f.Pipeline+" failed: "+reason, 240), Severity: []string{string(models.SeverityError)}, Command: s.forTarget("millrace run " + f.Pipeline)}
	s.finishOwners(&m)
	return failure{Message: m, print: "firing|" + pattern(reason), nodes: s.nodesOf(f.Pipeline)}
}

func (s *sight) nodesOf(pipeline string) []string {
	var nodes []string
	for _, n := range s.Project().Nodes {
		if n.Pipeline == pipeline {
			nodes = append(nodes, n.Name())
		}
	}
	return s.built(nodes)
}

// built leaves away the nodes that no run has a step of.
func (s *sight) built(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		n := s.Project().Node(name)
		return n != nil && n.Model != nil && n.Model.Materialized == models.Ephemeral
	})
}

// builds says whether a run of the pipelines, as Run.Pipeline joins them, still has a step of the node.
func (s *sight) builds(pipelines, name string) bool {
	n := s.Project().Node(name)
	return n != nil && len(s.built([]string{name})) > 0 && slices.Contains(strings.Split(pipelines, "+"), cmp.Or(n.Pipeline, manual))
}

// has says whether runs of the pipeline are still to be expected.
func (s *sight) has(pipeline string) bool {
	return pipeline == manual || s.Project().Pipeline(pipeline) != nil
}

// recoveryOf tells that what had failed works again.
func (s *sight) recoveryOf(t *topic, run string, at time.Time) Message {
	since := t.Since
	m := Message{Kind: models.OnRecovery, Pipeline: t.Pipeline, Run: run, At: at, Since: &since, Failures: t.Failures, Owners: t.Owners, Tags: t.Tags, Severity: t.Severity,
		Title: runName(t.Pipeline, t.Aside) + " works again"}
	m.Text = fmt.Sprintf("It had failed %s since %s, the last time: %s", plural(t.Failures, "time"), clockText(t.Since), strings.TrimPrefix(t.Title, runName(t.Pipeline, t.Aside)+" "))
	return m
}

// warned tells the warnings, and the rows in quarantine, of a run that did its work.
func (s *sight) warned(ctx context.Context, r journal.Run) error {
	if !s.wanted(models.OnWarning) {
		return nil
	}
	checks, err := s.Journal.Checks(ctx, r.ID)
	if err != nil {
		return err
	}
	m := base(models.OnWarning, r)
	var prints []string
	for _, c := range checks {
		if c.Status != check.StatusWarn && c.Quarantined == 0 {
			continue
		}
		m.addChecks(c.Node, []check.Result{c}, func(check.Status) bool { return true })
		m.Owners, m.Tags, m.Severity = append(m.Owners, c.Owner), append(m.Tags, c.Tags...), append(m.Severity, string(c.Severity))
		prints = append(prints, c.Node+"|"+c.Name)
		if n := s.Project().Node(c.Node); n != nil {
			m.Tags = append(m.Tags, n.Tags...)
			if c.Owner == "" {
				m.Owners = append(m.Owners, n.Owner)
			}
		}
	}
	key := "warning:" + r.Pipeline
	if len(prints) == 0 {
		if s.topics[key] != nil {
			s.save(key, nil)
		}
		return nil
	}
	s.finishOwners(&m)
	m.Title = fmt.Sprintf("%s did its work, with %s", pipelineName(r.Pipeline), plural(len(prints), "warning"))
	s.warnedOnce(key, m, strings.Join(unique(prints), "\n"))
	return nil
}

// warnedOnce tells a warning, unless the same was told a short while ago.
func (s *sight) warnedOnce(key string, m Message, print string) {
	t := s.topics[key]
	if t == nil {
		t = &topic{Pipeline: m.Pipeline, Open: true, Since: m.At}
	}
	if t.Run == m.Run && t.Attempt == m.Attempt {
		return
	}
	why, repeat := "", s.rules.Repeat.Std()
	if told, again := t.told(print, m.At, repeat); again {
		why = "the same was told at " + clockText(told)
	} else {
		t.tells(print, m.At, repeat)
	}
	t.Run, t.Attempt = m.Run, m.Attempt
	s.tell(m, key, why)
	s.save(key, t)
}

// wanted says whether any rule is on it.
func (s *sight) wanted(kind string) bool {
	for _, r := range s.rules.Rules {
		for _, on := range r.On {
			if on == kind {
				return true
			}
		}
	}
	return false
}

// clean takes secrets out of every text.
func (m *Message) clean(redact func(string) string) {
	for _, text := range []*string{&m.Title, &m.Text, &m.Hint, &m.Node, &m.Published, &m.Command} {
		*text = redact(*text)
	}
	for _, list := range [][]string{m.Others, m.Held, m.Owners, m.Tags, m.Fresh} {
		for i := range list {
			list[i] = redact(list[i])
		}
	}
	for i := range m.Checks {
		m.Checks[i].Name, m.Checks[i].Owner = redact(visible(m.Checks[i].Name)), redact(m.Checks[i].Owner)
	}
}
