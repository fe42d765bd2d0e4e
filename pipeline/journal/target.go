package journal

// Target is where runs publish to. What was published to one says nothing of the tables of another: whoever asks for the last success of a
// pipeline says of which target.
type Target struct {
	Name    string
	Default bool // it is the project's own choice: what names no target counts as published to it
}

// Is says whether a name that was recorded is that of the target.
func (t Target) Is(recorded string) bool {
	name, unnamed := t.names()
	return recorded == name || recorded == unnamed
}

// names are what to compare targetOfRun with: it is one of the two.
func (t Target) names() (name, unnamed string) {
	if t.Default {
		return t.Name, ""
	}
	return t.Name, t.Name
}

// The target of a run, and that of the run of a firing, which is NULL when there is none, of a check's result and of a figure.
const (
	targetOfRun    = `coalesce(json_extract(selection, '$.target'), '')`
	targetOfFiring = `(SELECT ` + targetOfRun + ` FROM run WHERE run.id = firing.run)`
	targetOfResult = `coalesce((SELECT ` + targetOfRun + ` FROM run WHERE run.id = check_result.run), '')`
	targetOfMetric = `coalesce((SELECT ` + targetOfRun + ` FROM run WHERE run.id = metric.run), '')`
)
