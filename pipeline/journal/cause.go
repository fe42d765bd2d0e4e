package journal

import (
	"slices"
	"strings"
)

// NodeOutcome is what became of a node in a run.
type NodeOutcome struct {
	Node        string
	Status      Status // "" of one that was only checked
	Checks      []string
	Error, Hint string
}

// Cause is a node that failed by itself, with everything that was kept back because of it.
type Cause struct {
	Node    string   `json:"node"` // "": the run as a whole
	Checks  []string `json:"checks,omitempty"`
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
	Held    []Held   `json:"held_back,omitempty"`
}

// Held is a node that was skipped or withheld.
type Held struct {
	Node   string `json:"node"`
	Status Status `json:"status"`
	Why    string `json:"why"`
}

// Causes finds the nodes that failed by themselves, Checks being those that keep them from being published, and folds under each
// what was kept back because of it. Those that held back the most come first. Without such a node the error of the run is the
// cause, "" for a run that has none.
func Causes(outcomes []NodeOutcome, ofRun string) []Cause {
	causes, at := []Cause{}, map[string]int{}
	for _, o := range outcomes {
		if o.Status == Failed || o.Status == ChecksFailed || len(o.Checks) > 0 {
			at[o.Node] = len(causes)
			causes = append(causes, Cause{Node: o.Node, Checks: o.Checks, Message: o.Error, Hint: o.Hint})
		}
	}
	if len(causes) == 0 && ofRun != "" {
		causes = append(causes, Cause{Message: ofRun})
	}
	loose := Cause{Message: "what these nodes wait for did not come to its end"}
	for _, o := range outcomes {
		if o.Status != UpstreamFailed && o.Status != Withheld {
			continue
		}
		held := Held{o.Node, o.Status, o.Error}
		switch i, known := at[rootOf(o, outcomes, at)]; {
		case known:
			causes[i].Held = append(causes[i].Held, held)
		case len(causes) > 0: // a pipeline that publishes all or nothing waits for every node
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

// rootOf goes from a node that was kept back to the one that failed. There is no field for it: the reason of such a step begins
// with the name of the node that it needs.
func rootOf(o NodeOutcome, all []NodeOutcome, failed map[string]int) string {
	for range all { // no longer than the longest way there can be
		needs, next := "", NodeOutcome{}
		for _, other := range all {
			if len(other.Node) > len(needs) && strings.HasPrefix(o.Error, other.Node+" ") {
				needs, next = other.Node, other
			}
		}
		if _, found := failed[needs]; found || needs == "" {
			return needs
		}
		o = next
	}
	return ""
}
