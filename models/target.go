package models

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// targets decodes all targets. Of those that are not chosen no secret is looked up and no variable of the environment is
// needed, but for their path: gc of the history asks each what it holds. Templates of dbt_project.yml see the target: it is known before
// they are rendered.
func (l *loader) targets() {
	if l.file.Targets.Len() == 0 && l.dbtProfile.IsMapping() {
		l.profileTargets()
		return
	}
	if l.file.Targets.Len() == 0 {
		local := Target{Name: "local", Type: "local", Path: "warehouse", Schema: "main"}
		local.Retention = Retention{Versions: 3, For: config.Duration(7 * 24 * time.Hour), Quarantine: config.Duration(30 * 24 * time.Hour)}
		l.p.Targets = append(l.p.Targets, &local)
	}
	want, pos := l.file.Target, l.file.Origin.At("target")
	if l.Target != "" {
		want, pos = l.Target, config.Pos{File: "--target"}
	}
	only := l.file.Targets.Len() == 1
	for name, node := range l.file.Targets.All() {
		chosen := name == want || want == "" && only
		if !chosen {
			node = l.notChosen(name)
		}
		l.p.Targets = append(l.p.Targets, l.target(name, node, chosen))
	}
	l.p.DefaultTarget = l.file.Target
	if l.p.DefaultTarget == "" && len(l.p.Targets) == 1 {
		l.p.DefaultTarget = l.p.Targets[0].Name
	}
	known := []string{}
	for _, t := range l.p.Targets {
		known = append(known, t.Name)
		if t.Name == want || (want == "" && len(l.p.Targets) == 1) {
			l.p.Target = t
		}
	}
	if l.p.Target == nil && len(known) > 0 {
		hint := config.DidYouMean(want, known, "known targets: "+strings.Join(known, ", "))
		if want == "" {
			l.problem(pos, hint, "several targets, and target: does not choose one")
		} else {
			l.problem(pos, hint, "unknown target %q", want)
		}
		l.p.standIn()
	}
}

// notChosen is a target's node, whose references stay where they cannot be had without asking a store.
func (l *loader) notChosen(name string) config.Node {
	f := l.files[ProjectFile]
	if l.resolve == nil {
		return f.Root(nil).Get("targets").Get(name)
	}
	path := f.Root(nil).Get("targets").Get(name).Get("path").Refs()
	return f.Root(func(ref config.Ref) (string, error) {
		if ref.Kind == config.RefSecret {
			return "", config.ErrPending
		}
		value, err := l.resolve(ref)
		if err != nil && !slices.Contains(path, ref) {
			err = config.ErrPending
		}
		return value, err
	}).Get("targets").Get(name)
}

// target decodes one target.
func (l *loader) target(name string, node config.Node, chosen bool) *Target {
	t := &Target{Name: name}
	switch typ := node.Get("type"); {
	case typ.Text() == "snowflake":
		t.Snowflake = &Snowflake{}
		l.decodeSnowflake(t, node)
	default:
		unknown := typ.IsScalar() && typ.Text() != "local"
		for _, p := range node.Decode(t) {
			if unknown && strings.HasPrefix(p.Message, "unknown key") {
				continue // the keys of that type are unknown too
			}
			l.problems = append(l.problems, p)
		}
	}
	t.Name = name
	if t.Path == "" {
		if t.Path = "warehouse"; t.Snowflake != nil {
			t.Path += "-" + name
		}
	}
	if t.Retention.Versions < 1 && node.IsMapping() {
		l.problem(t.Origin.At("retention"), "", "retention.versions must be at least 1")
	}
	if t.Snowflake != nil && node.IsMapping() {
		snowflakeKeys{l, node, t.Snowflake, chosen}.validate()
	}
	return t
}

// standIn takes any target in the place of one that there is not, which is told: macros that read target.schema are not wrong because of
// it.
func (p *Project) standIn() {
	if len(p.Targets) > 0 {
		p.Target = p.Targets[0]
	}
}
