package jinja

import "strings"

// dumper writes a value of a template as the text of a data format: see jsonWriter and yamlWriter.
type dumper struct {
	r      *render
	b      strings.Builder
	format string
	sort   bool
}

// enter counts the work of one value, and stops where a value holds itself or the text grows too long.
func (w *dumper) enter(depth int) error {
	if err := w.r.spend(1 + depth); err != nil {
		return err
	}
	if depth > maxDataDepth {
		return failf("value is nested too deeply for %s, or holds itself", w.format)
	}
	return w.r.checkSize(w.b.Len())
}

// keys are those of a dict in the order in which they are written.
func (w *dumper) keys(d *Dict) ([]any, error) {
	keys := d.keys()
	if !w.sort {
		return keys, nil
	}
	return w.r.sorted(keys, keys, false)
}
