package journal

// Target is where runs publish to. What was published to one says nothing of the tables of another: whoever asks for the last success of a
// pipeline says of which target.
type Target struct {
	Name    string
	Default bool // it is the project's own choice: what names no target counts as published to it
}

// names are what to compare targetOfRun with: it is one of the two.
func (t Target) names() (name, unnamed string) {
	if t.Default {
		return t.Name, ""
	}
	return t.Name, t.Name
}

// The target of a run, and that of a firing's run: NULL when there is none.
const (
	targetOfRun    = `coalesce(json_extract(selection, '$.target'), '')`
	targetOfFiring = `(SELECT ` + targetOfRun + ` FROM run WHERE run.id = firing.run)`
)
