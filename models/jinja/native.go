package jinja

import "context"

// Native renders a template as dbt does the values of YAML files: one that is a single expression gives the expression's value, any
// other its text. The value is a template value: see ToGo. The error is an *Error.
func (t *Template) Native(ctx context.Context, globals map[string]any, opts Options) (any, error) {
	if len(t.body) != 1 {
		out, err := t.Render(ctx, globals, opts)
		if err != nil {
			return nil, err
		}
		return out.Text, nil
	}
	n, alone := t.body[0].(*outputNode)
	if !alone {
		out, err := t.Render(ctx, globals, opts)
		if err != nil {
			return nil, err
		}
		return out.Text, nil
	}
	r := newRender(ctx, t.env, globals, opts)
	f := &frame{t: t, sc: newScope(nil), out: &writer{r: r}}
	v, err := r.eval(f, n.x)
	if err == nil {
		if u, undefined := v.(*Undefined); undefined {
			err = &Error{Msg: u.msg, Hint: u.hint}
		}
	}
	if err != nil {
		return nil, r.at(f, n.at(), err)
	}
	return v, nil
}

// Source returns the text of the template, its line ends as \n.
func (t *Template) Source() string { return t.src }

// Copy gives a value whose lists and dicts are its own: templates change them in place.
func Copy(v any) any { return copied(v, 0) }

func copied(v any, depth int) any {
	if depth > 100 {
		return nil
	}
	switch v := v.(type) {
	case *List:
		items := make([]any, len(v.Items))
		for i, x := range v.Items {
			items[i] = copied(x, depth+1)
		}
		return &List{items}
	case *Dict:
		d := NewDict()
		for k, x := range v.All() {
			_ = d.Set(k, copied(x, depth+1)) // it was a key before
		}
		return d
	}
	return v
}
