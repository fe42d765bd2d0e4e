package jinja

import (
	"time"
)

// Result is what became of a node of a run, as a hook of the run's end finds it in results.
type Result struct {
	ID                string // dbt's of the node
	Node              *Dict  // its facts
	Status, Message   string // in dbt's words; "" is no message
	Failures          *int64 // of a test; nil for others
	Rows              *int64 // that were written; nil where nobody knows
	Started, Finished time.Time
	Took              time.Duration
	Relation          string // that was made; "" for none
}

// Moment is a time as dbt's artifacts have it.
const Moment = "2006-01-02T15:04:05.000000Z"

// Response is what the engine has answered, in dbt's words.
func (r Result) Response() *Dict {
	d := NewDict()
	if r.Status == "success" || r.Status == "pass" {
		_ = d.Set("_message", "OK") // a text is a key
		if r.Rows != nil {
			_ = d.Set("rows_affected", *r.Rows)
		}
	}
	return d
}

// Value is the result as a template sees it: an object with dbt's attributes, whose to_dict() is a dict.
func (r Result) Value() any {
	timing := NewList()
	if !r.Finished.IsZero() {
		for _, part := range []struct {
			name string
			from time.Time
			to   time.Time
		}{{"compile", r.Started, r.Started}, {"execute", r.Started, r.Finished}} { // when it was compiled nobody has noted
			timing.Items = append(timing.Items, &record{kind: "TimingInfo", names: []string{"name", "started_at", "completed_at"},
				vals: []any{part.name, datetime{t: part.from.UTC()}, datetime{t: part.to.UTC()}}, plain: true})
		}
	}
	node := &record{kind: "Node", plain: true}
	for k, v := range r.Node.All() {
		node.names, node.vals = append(node.names, k.(string)), append(node.vals, v)
	}
	var failures any
	if r.Failures != nil {
		failures = *r.Failures
	}
	return &record{kind: "RunResult", plain: true, hidden: []string{"unique_id"},
		names: []string{"status", "timing", "thread_id", "execution_time", "adapter_response", "message", "failures", "node", "agate_table",
			"batch_results", "unique_id"},
		vals: []any{r.Status, timing, "millrace", r.Took.Seconds(), r.Response(), orNone(r.Message), failures, node, nil, nil, r.ID}}
}

// toDict is the method to_dict(omit_none=False) of dbt's objects: dicts and texts all the way down.
func (o *record) toDict(a Args) (any, error) {
	v, err := a.Bind(opt("omit_none", false), opt("validate", false))
	if err != nil {
		return nil, err
	}
	return o.dict(truth(v[0])), nil
}

func (o *record) dict(omit bool) *Dict {
	d := NewDict()
	for i, name := range o.names {
		v := o.vals[i]
		hidden := false
		for _, h := range o.hidden {
			hidden = hidden || h == name
		}
		switch x := v.(type) {
		case *record:
			v = x.dict(omit)
		case datetime:
			v = x.t.Format(Moment)
		case *List:
			v = plainItems(x, omit)
		}
		if !hidden && (v != nil || !omit) {
			_ = d.Set(name, v) // a text is a key
		}
	}
	return d
}

func plainItems(l *List, omit bool) *List {
	out := NewList()
	for _, v := range l.Items {
		if r, ok := v.(*record); ok {
			v = r.dict(omit)
		}
		out.Items = append(out.Items, v)
	}
	return out
}
