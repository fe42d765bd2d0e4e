package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline/journal"
)

// causesOf finds the nodes that failed by themselves and folds under each what was kept back because of it. Those that
// held back the most come first.
func causesOf(r *Run) []Cause {
	causes, at := []Cause{}, map[string]int{}
	for _, n := range r.Nodes {
		c := Cause{Node: n.Name, Hint: n.Hint, Message: n.Error}
		for _, k := range n.Checks {
			if k.Status.Bad() {
				c.Checks = append(c.Checks, k.Name)
			}
		}
		if n.Status != journal.Failed && n.Status != journal.ChecksFailed && len(c.Checks) == 0 {
			continue
		}
		if n.Status != journal.Failed && len(c.Checks) > 0 { // its error lists them, and they are told below
			c.Message = fmt.Sprintf("%s of %s %s", number(len(c.Checks)), count(len(n.Checks), "check"), verb(len(c.Checks), "fails", "fail"))
			if c.Hint = ""; r.Subject == "" {
				c.Hint = "mend the rows in the source, or the rule, then `millrace retry " + r.ID + "`"
			}
		}
		at[n.Name] = len(causes)
		causes = append(causes, c)
	}
	if len(causes) == 0 && r.Error != "" && (r.State == string(journal.Failed) || r.State == string(journal.Partial)) {
		causes = append(causes, Cause{Message: r.Error})
	}
	loose := Cause{Message: "what these nodes wait for did not come to its end"}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		if n.Status != journal.UpstreamFailed && n.Status != journal.Withheld {
			continue
		}
		held := Held{n.Name, n.Status, n.Error}
		root := r.root(n, at)
		switch i, known := at[root]; {
		case known:
			n.Cause = root
			causes[i].Held = append(causes[i].Held, held)
		case len(causes) > 0: // a pipeline that publishes all or nothing waits for every node
			n.Cause = causes[0].Node
			causes[0].Held = append(causes[0].Held, held)
		default:
			loose.Held = append(loose.Held, held)
		}
	}
	if len(loose.Held) > 0 {
		causes = append(causes, loose)
	}
	slices.SortStableFunc(causes, func(a, b Cause) int { return len(b.Held) - len(a.Held) })
	return causes
}

// root goes from a node that was kept back to the one that failed. The journal has no field for it: the reason of such a
// step begins with the name of the node that it needs.
func (r *Run) root(n *Node, failed map[string]int) string {
	for range r.Nodes { // no longer than the longest way there can be
		needs := ""
		for i := range r.Nodes {
			name := r.Nodes[i].Name
			if len(name) > len(needs) && strings.HasPrefix(n.Error, name+" ") {
				needs = name
			}
		}
		if _, found := failed[needs]; found || needs == "" {
			return needs
		}
		n = r.node(needs)
	}
	return ""
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
	if t.Warned > 0 || t.Quarantined > 0 {
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
	case len(r.Causes) > 0 && r.Error != "":
		first = "The run failed: " + sentenceEnd(firstLine(r.Error))
	}
	if held > 0 {
		first += fmt.Sprintf("; %s kept back because of it", verb(held, "1 node was", number(held)+" nodes were"))
		if len(names) > 1 {
			first = strings.TrimSuffix(first, "it") + "them"
		}
	}
	return first + "; " + published(r) + "."
}

// sentenceEnd fits an error into a sentence: what stands behind its first semicolon is mostly advice.
func sentenceEnd(s string) string {
	s, _, _ = strings.Cut(s, "; ")
	return strings.TrimRight(cut(s, 160), ".;: ")
}
