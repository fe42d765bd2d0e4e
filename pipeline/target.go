package pipeline

import (
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// TargetOf is the target that the project's runs publish to, as the journal is asked about it. Where the project chooses none, each counts as
// its own.
func TargetOf(p *models.Project) journal.Target {
	if p.Target == nil {
		return journal.Target{Name: p.DefaultTarget, Default: true}
	}
	return journal.Target{Name: p.Target.Name, Default: p.DefaultTarget == "" || p.Target.Name == p.DefaultTarget}
}

// ForTarget is the command for the target that the project's runs publish to.
func ForTarget(p *models.Project, command string) string {
	if t := TargetOf(p); !t.Default {
		command += " --target " + t.Name
	}
	return command
}

func (e *Engine) target() journal.Target { return TargetOf(e.Project) }
