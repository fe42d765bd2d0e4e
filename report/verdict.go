package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// causesOf finds the nodes that failed by themselves, with what was kept back because of them, and tells each node its cause.
func causesOf(r *Run) []Cause {
	var outcomes []journal.NodeOutcome
	for _, n := range r.Nodes {
		o := journal.NodeOutcome{Node: n.Name, Status: n.Status, Error: n.Error, Hint: n.Hint}
		for _, k := range n.Checks {
			if k.Status.Bad() {
				o.Checks = append(o.Checks, k.Name)
			}
		}
		if n.Status != journal.Failed && len(o.Checks) > 0 { // its error lists them, and they are told below
			o.Error = fmt.Sprintf("%s of %s %s", number(len(o.Checks)), count(len(n.Checks), "check"), verb(len(o.Checks), "fails", "fail"))
			if o.Hint = ""; r.Subject == "" {
				o.Hint = "mend the rows in the source, or the rule, then `millrace retry " + r.ID + "`"
			}
		}
		outcomes = append(outcomes, o)
	}
	ofRun := ""
	if r.State == string(journal.Failed) || r.State == string(journal.Partial) {
		ofRun = r.Error
	}
	causes := journal.Causes(outcomes, ofRun)
	for _, c := range causes {
		for _, held := range c.Held {
			r.node(held.Node).Cause = c.Node
		}
	}
	return causes
}

func (r *Run) node(name string) *Node {
	for i := range r.Nodes {
		if r.Nodes[i].Name == name {
			return &r.Nodes[i]
		}
	}
	return nil
}

// verdictOf says it all in one word and one sentence.
func verdictOf(r *Run) Verdict {
	switch {
	case r.State == "":
		return Verdict{WordUnknown, "Nothing is known of this run but its id."}
	case r.State == string(journal.Running):
		return Verdict{WordRunning, fmt.Sprintf("The run has not ended yet: %s of %s done so far.", number(r.Totals.NodesBuilt), count(r.Totals.Nodes, "node"))}
	case r.State == string(journal.Interrupted):
		return Verdict{WordInterrupted, "The run was interrupted; " + published(r) + ". The next one takes it up."}
	case r.State == string(journal.Abandoned):
		return Verdict{WordInterrupted, "The run was interrupted and overtaken by a later one; " + published(r) + "."}
	case r.State == string(journal.Succeeded) && r.Totals.Bad() == 0:
		return goodVerdict(r)
	case r.State == string(journal.Partial):
		return Verdict{WordPartial, badSentence(r)}
	}
	return Verdict{WordFailed, badSentence(r)}
}

func goodVerdict(r *Run) Verdict {
	t, word := r.Totals, WordPassed
	var first string
	switch {
	case t.Checks == 0:
		first = count(t.Nodes, "node") + " built; no checks ran"
	case t.Warned > 0:
		first = fmt.Sprintf("%s of %s %s", number(t.Warned), count(t.Checks, "check"), verb(t.Warned, "warns", "warn"))
	case t.Skipped > 0:
		first = fmt.Sprintf("%s of %s passed; %s skipped", number(t.Passed), count(t.Checks, "check"), verb(t.Skipped, "one was", number(t.Skipped)+" were"))
	case t.Checks == 1:
		first = "The one check passed"
	default:
		first = fmt.Sprintf("All %s passed", count(t.Checks, "check"))
	}
	if t.Quarantined > 0 {
		first += ", " + verb(int(min(t.Quarantined, 2)), "1 row is in quarantine", number(t.Quarantined)+" rows are in quarantine")
	}
	if len(r.Warnings) > 0 {
		first += fmt.Sprintf(", with %s of the run itself", count(len(r.Warnings), "warning"))
	}
	if t.Warned > 0 || t.Quarantined > 0 || len(r.Warnings) > 0 {
		word = WordWarned
	}
	return Verdict{word, first + "; " + published(r) + "."}
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// published says what readers see of the run.
func published(r *Run) string {
	switch n := r.Totals.NodesBuilt; {
	case r.Snapshot == nil && r.State == string(journal.Succeeded):
		return "there was nothing new to publish"
	case r.Snapshot == nil:
		return "nothing was published"
	case n == r.Totals.Nodes:
		return fmt.Sprintf("everything is published as snapshot %d", *r.Snapshot)
	default:
		return fmt.Sprintf("%s %s published as snapshot %d", count(n, "node"), verb(n, "is", "are"), *r.Snapshot)
	}
}

// badSentence names the culprit, what it cost, and what readers see.
func badSentence(r *Run) string {
	first, held := "The run failed", 0
	var names []string
	for _, c := range r.Causes {
		held += len(c.Held)
		if c.Node != "" {
			names = append(names, c.Node)
		}
	}
	switch {
	case len(names) == 1:
		c := r.Causes[slices.IndexFunc(r.Causes, func(c Cause) bool { return c.Node != "" })]
		if n := r.node(c.Node); len(c.Checks) > 0 && n.Status != journal.Failed {
			first = fmt.Sprintf("%s fails %s of its %s", c.Node, number(len(c.Checks)), count(len(n.Checks), "check"))
		} else {
			why := firstLine(c.Message)
			if _, after, ok := strings.Cut(why, c.Node+": "); ok { // behind its place in a file
				why = after
			}
			first = fmt.Sprintf("%s failed: %s", c.Node, sentenceEnd(why))
		}
	case len(names) > 1:
		first = fmt.Sprintf("%s failed: %s", count(len(names), "node"), listing(names))
	case pipeline.Behind(r.Error) != "":
		return sentenceEnd(firstLine(pipeline.Behind(r.Error))) + "; " + published(r) + "."
	case len(r.Causes) > 0 && r.Error != "":
		first = "The run failed: " + sentenceEnd(firstLine(r.Error))
	}
	if held > 0 {
		first += fmt.Sprintf("; %s kept back because of it", verb(held, "1 node was", number(held)+" nodes were"))
		if len(names) > 1 {
			first = strings.TrimSuffix(first, "it") + "them"
		}
	}
	if behind := pipeline.Behind(r.Error); behind != "" {
		first += "; " + sentenceEnd(firstLine(behind))
	}
	return first + "; " + published(r) + "."
}

// sentenceEnd fits an error into a sentence: what stands behind its first semicolon is mostly advice.
func sentenceEnd(s string) string {
	s, _, _ = strings.Cut(s, "; ")
	return strings.TrimRight(cut(s, 160), ".;: ")
}
