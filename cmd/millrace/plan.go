package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
)

func (a *app) planCommand() *cobra.Command {
	var pin, showSQL, match bool
	var include, exclude []string
	var state, selector string
	c := &cobra.Command{
		Use:   "plan [selectors]",
		Short: "show what a run would read and change",
		Long: "Looks at the sources and at what is published, and shows what a run would do: what is new in each stream, how\n" +
			"columns would change, and whether every model's SQL fits the tables it reads. Of each model it says whether a run\n" +
			"builds it and why, and whom that may break. Nothing is written, except the\n" +
			"types found, by --pin, under the streams of the project that have none. Of an entity it counts the pairs that its\n" +
			"rules make of the records published now.\n",
		Example: "  millrace plan\n  millrace plan +fct_orders --sql\n  millrace plan --pin",
		RunE: func(c *cobra.Command, args []string) error {
			text, err := pipeline.ProjectText(a.dir)
			if err != nil {
				return err
			}
			project, err := a.loaded(c.Context())
			if err != nil {
				return err
			}
			e, closeEngine, err := a.lookingEngine(c.Context(), project)
			if err != nil {
				return err
			}
			defer closeEngine()
			defer a.lookFollower(c.Context(), e)()
			nodes, err := a.toRun(c.Context(), e, selection{append(args, include...), exclude, state, selector})
			if err != nil {
				return err
			}
			if len(nodes) == 0 {
				return a.nothingChanged()
			}
			look := e.Plan
			if match {
				look = e.PlanMatching
			}
			p, err := look(c.Context(), nodes)
			if err != nil {
				return err
			}
			out := plannedAnswer{Plan: p}
			if pin {
				if out.Pinned, err = pipeline.Pin(e.Project, p, text); err != nil {
					return err
				}
			}
			if a.json {
				err = a.printJSON(a.cleanPlan(out))
			} else {
				a.printPlan(a.cleanPlan(out), pin, showSQL)
			}
			if err == nil && p.Problems > 0 {
				return &codeError{code: codeFailed}
			}
			return err
		},
	}
	c.Flags().BoolVar(&pin, "pin", false, "write the found types under the streams that have none, into the project's files")
	c.Flags().BoolVar(&match, "match", false, "match the records of entities as they are published now, and say what would become of golden ids")
	c.Flags().BoolVar(&showSQL, "sql", false, "show each model's SQL as it would run")
	stateFlag(c, &state)
	selectorFlag(c, &selector)
	selectFlag(c, &include)
	c.Flags().StringArrayVar(&exclude, "exclude", nil, "leave these nodes out; may be repeated")
	return c
}

// plannedAnswer is a plan and what --pin wrote.
type plannedAnswer struct {
	*pipeline.Plan
	Pinned []pipeline.Pinned `json:"pinned,omitempty"`
}

// cleanPlan hides secrets in what sources said.
func (a *app) cleanPlan(p plannedAnswer) plannedAnswer {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.Error, n.Hint = a.redactor.Redact(n.Error), a.redactor.Redact(n.Hint)
		for k := range n.Notes {
			n.Notes[k] = a.redactor.Redact(n.Notes[k])
		}
		if n.Build == nil {
			continue
		}
		n.Build.Diff = a.redactor.Redact(n.Build.Diff)
		for k := range n.Build.Why {
			why := &n.Build.Why[k]
			why.From, why.To, why.Text = a.redactor.Redact(why.From), a.redactor.Redact(why.To), a.redactor.Redact(why.Text)
		}
	}
	return p
}

func (a *app) printPlan(p plannedAnswer, pin, showSQL bool) {
	g := grid{header: []string{"NODE", "KIND", "HOW", "PUBLISHED", "AGE", "TO DO", "COLUMNS"}, right: []bool{false, false, false, true, true}}
	for _, n := range p.Nodes {
		published, age := "never", "-"
		if n.Mode == "ephemeral" {
			published = "-"
		}
		if n.Published != nil {
			published, age = fmt.Sprint(n.Published.Rows), ago(n.Published.AgeSeconds)
			if n.Published.View {
				published = "view"
			}
		}
		g.add(n.Name, n.Kind, how(n), published, age, toDo(n), columnsText(n))
	}
	_ = g.print(a.stdout)
	for _, n := range p.Nodes {
		a.printPlanned(n, showSQL)
	}
	a.out("")
	for _, l := range p.Locks {
		if l.Held {
			a.out("pipeline %s is locked by %s: a run now would exit with code %d", l.Pipeline, ownerText(l.Owner), codeLocked)
		}
	}
	if r := p.Pending; r != nil {
		switch {
		case r.Resumed:
			a.out("run %s was interrupted with %s landed: the next run resumes it", r.Run, plural(r.Parts, "part"))
		case r.Status == pipeline.StateRunning:
			a.out("run %s is running now", r.Run)
		default:
			a.out("run %s was interrupted; the next run gives it up: %s", r.Run, r.Why)
		}
	}
	var locks []string
	for _, l := range p.Locks {
		locks = append(locks, l.Pipeline)
	}
	a.out("%s to run, locks: %s, target: %s", plural(len(p.Nodes), "node"), strings.Join(locks, ", "), p.Target)
	if p.Load != nil {
		a.printPlannedLoad(p.Load)
	}
	if p.Problems > 0 {
		a.out("%s: a run would fail there", plural(p.Problems, "problem"))
	}
	var guessed []string
	for _, n := range p.Nodes {
		if len(n.Pins) > 0 {
			guessed = append(guessed, n.Name)
		}
	}
	if len(guessed) > 0 && !pin {
		a.out("types are guessed: %s; millrace plan --pin writes them into the project", strings.Join(guessed, ", "))
	}
	for _, w := range p.Pinned {
		a.out("pinned in %s: %s: %s: %s", w.File, w.Node, w.Key, w.YAML)
	}
	if pin && len(p.Pinned) == 0 {
		a.out("nothing to pin: every stream that could be looked at has its types")
	}
}

func how(n pipeline.PlannedNode) string {
	if n.Strategy != "" {
		return n.Mode + " (" + n.Strategy + ")"
	}
	return n.Mode
}

// toDo says what a stream has for the next run, and whether that builds a model.
func toDo(n pipeline.PlannedNode) string {
	switch {
	case n.Error != "" || len(n.CheckProblems) > 0:
		return "PROBLEM"
	case n.Unknown:
		return "unknown"
	case n.Build != nil:
		text := map[string]string{pipeline.ActionReuse: "unchanged", pipeline.ActionBuild: "build",
			pipeline.ActionDepends: "build if changed"}[n.Build.Action]
		if n.Kind == "seed" && n.Bytes >= 0 {
			text += fmt.Sprintf(", %s, %s", bytesText(n.Bytes), plural(int(n.Rows), "row"))
		}
		return text
	case n.Kind != "stream":
		return ""
	case n.UpToDate:
		return "nothing new"
	}
	text := plural(n.Slices, "slice")
	if n.SliceBytes > 0 {
		text += ", " + bytesText(n.SliceBytes)
	}
	if n.Rows >= 0 && n.SliceBytes == n.Bytes {
		text += ", ~" + plural(int(n.Rows), "row")
	}
	return text
}

func columnsText(n pipeline.PlannedNode) string {
	if len(n.Columns) == 0 {
		return ""
	}
	text := fmt.Sprint(len(n.Columns))
	if len(n.Changes) > 0 {
		text += fmt.Sprintf(", %s", plural(len(n.Changes), "change"))
	}
	return text
}

func (a *app) printPlanned(n pipeline.PlannedNode, showSQL bool) {
	explained := n.Unknown && n.Kind != "entity" // of all seven it is the same, and it is told of what reads them
	told := toldBuild(n)
	if len(n.Changes)+len(n.Notes)+len(n.CheckProblems)+len(told) == 0 && n.Error == "" && !explained && !(showSQL && n.SQL != "") {
		return
	}
	a.out("\n%s", n.Name)
	for _, line := range told {
		a.out("  %s", line)
	}
	for _, c := range n.Changes {
		a.out("  %s", c)
	}
	for _, note := range n.Notes {
		a.out("  note: %s", note)
	}
	if explained {
		a.out("  not checked: %s", n.UnknownCause)
	}
	if n.Error != "" {
		at := ""
		if n.At != "" {
			at = n.At + ": "
		}
		a.out("  PROBLEM %s%s", at, n.Error)
		if n.Hint != "" {
			a.out("  → %s", n.Hint)
		}
	}
	for _, c := range n.CheckProblems {
		a.out("  PROBLEM %s: %s: %s", c.At, c.Check, strings.ReplaceAll(c.Error, "\n", "\n    "))
	}
	if showSQL && n.SQL != "" {
		a.out("  %s", strings.ReplaceAll(strings.TrimSpace(n.SQL), "\n", "\n  "))
	}
}

// longPlannedDiff is how many lines of a template's changes are shown; JSON has all of them.
const longPlannedDiff = 40

// toldBuild says why a model is built and what that does to its readers, in lines.
func toldBuild(n pipeline.PlannedNode) []string {
	if n.Build == nil {
		return nil
	}
	var lines []string
	for _, why := range joined(n.Build.Why) {
		head := "build: "
		switch {
		case n.Published == nil: // that it was never built is in its line
			continue
		case why.Effect:
		case why.Kind == "read" || why.Kind == "upstream": // that what it reads may change goes without saying
			continue
		case why.Kind == "select":
			head = "perhaps: "
		case why.Kind == "check":
			head = ""
		default:
			head = "no effect: "
		}
		lines = append(lines, head+why.Text)
		if why.Kind == "body" && n.Build.Diff != "" {
			diff := strings.Split(n.Build.Diff, "\n")
			for i, line := range diff {
				if i == longPlannedDiff {
					lines = append(lines, fmt.Sprintf("  … %s more; --json has all", plural(len(diff)-i, "line")))
					break
				}
				lines = append(lines, "  "+oneLine(line))
			}
		}
	}
	for _, b := range n.Build.Breaking {
		lines = append(lines, "BREAKING: "+b)
	}
	if len(n.Build.Breaks) > 0 {
		lines = append(lines, "BREAKS: "+strings.Join(n.Build.Breaks, ", ")+" cannot be built over it")
	}
	if len(n.Build.Exposures) > 0 {
		lines = append(lines, "READ BY: "+strings.Join(n.Build.Exposures, ", "))
	}
	if n.Build.Action == pipeline.ActionBuild && n.Published != nil && len(n.Build.Breaking) == 0 && changedItself(n.Build) {
		lines = append(lines, "not breaking: its columns stay or are added to; its rows may change")
	}
	return lines
}

// joined puts tables that are built for one cause into one reason.
func joined(all []pipeline.Reason) []pipeline.Reason {
	var out []pipeline.Reason
	of := map[string]int{}
	for _, why := range all {
		at, known := of[why.Cause]
		if known && why.Effect {
			out[at].Name += ", " + why.Name
			out[at].Text = out[at].Name + " are built: " + why.Cause
			continue
		}
		if out = append(out, why); why.Cause != "" && why.Effect {
			of[why.Cause] = len(out) - 1
		}
	}
	return out
}

// changedItself says whether it is built for something else than what it reads.
func changedItself(b *pipeline.PlannedBuild) bool {
	return slices.ContainsFunc(b.Why, func(why pipeline.Reason) bool { return why.Effect && why.Kind != "upstream" })
}

// ownerText says who holds a lock; another tool than ours leaves no name.
func ownerText(o *pipeline.Owner) string {
	if o == nil || o.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d since %s (%s)", o.PID, clockText(o.Since), o.Command)
}
