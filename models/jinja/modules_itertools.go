package jinja

import "sync"

// itertoolsModule is modules.itertools, for what ends: its functions give generators of values that are made at once.
var itertoolsModule = sync.OnceValue(func() *memberObject {
	m := map[string]any{}
	for name, fn := range map[string]func(a Args, in [][]any) ([]any, error){
		"chain": func(_ Args, in [][]any) ([]any, error) {
			var out []any
			for _, items := range in {
				out = append(out, items...)
			}
			return out, nil
		},
		"compress": func(_ Args, in [][]any) ([]any, error) {
			if len(in) != 2 {
				return nil, failf("compress() takes data and selectors")
			}
			var out []any
			for i, v := range in[0] {
				if i < len(in[1]) && truth(in[1][i]) {
					out = append(out, v)
				}
			}
			return out, nil
		},
	} {
		m[name] = Func(func(a Args) (any, error) {
			if len(a.Kw) > 0 {
				return nil, failf("%s() takes no keyword arguments", name)
			}
			in, err := a.all(a.Pos)
			if err != nil {
				return nil, err
			}
			out, err := fn(a, in)
			return &generator{items: out}, err
		})
	}
	m["product"], m["zip_longest"] = Func(itProduct), Func(itZipLongest)
	m["permutations"], m["combinations"] = chooser(true, false), chooser(false, false)
	m["combinations_with_replacement"] = chooser(false, true)
	m["accumulate"], m["starmap"], m["islice"] = Func(itAccumulate), Func(itStarmap), Func(itSlice)
	m["repeat"], m["tee"] = Func(itRepeat), Func(itTee)
	for _, name := range []string{"count", "cycle"} {
		m[name] = Func(func(Args) (any, error) {
			return nil, &Error{Msg: "modules.itertools." + name + "() never ends, and is not supported", Hint: "use range(…) or loop.cycle(…)"}
		})
	}
	return members("module itertools", m)
})

// all reads several values into slices.
func (a Args) all(values []any) ([][]any, error) {
	out := make([][]any, len(values))
	for i, v := range values {
		var err error
		if out[i], err = a.r.items(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keyword takes one keyword argument out of the call; any other is an error.
func (a Args) keyword(name string, def any) (any, error) {
	for _, k := range a.Kw {
		if k.Name != name {
			return nil, &Error{Msg: a.name + " has no keyword argument '" + k.Name + "'", Hint: suggest(k.Name, []string{name})}
		}
		def = k.Value
	}
	return def, nil
}

func itProduct(a Args) (any, error) {
	v, err := a.keyword("repeat", int64(1))
	if err != nil {
		return nil, err
	}
	times, err := wantInt(v)
	if err != nil {
		return nil, err
	}
	if times < 0 || times > 20 {
		return nil, failf("product(): repeat must be from 0 to 20")
	}
	in, err := a.all(a.Pos)
	if err != nil {
		return nil, err
	}
	rows := [][]any{nil}
	for range times {
		for _, items := range in {
			if err := a.r.chargeItems(len(rows) * len(items)); err != nil {
				return nil, err
			}
			next := make([][]any, 0, len(rows)*len(items))
			for _, row := range rows {
				for _, x := range items {
					next = append(next, append(row[:len(row):len(row)], x))
				}
			}
			rows = next
		}
	}
	return tuples(rows), nil
}

func tuples(rows [][]any) *generator {
	g := &generator{items: make([]any, len(rows))}
	for i, row := range rows {
		g.items[i] = &Tuple{Items: row}
	}
	return g
}

func itZipLongest(a Args) (any, error) {
	fill, err := a.keyword("fillvalue", nil)
	if err != nil {
		return nil, err
	}
	in, err := a.all(a.Pos)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, items := range in {
		n = max(n, len(items))
	}
	if err := a.r.chargeItems(n * len(in)); err != nil {
		return nil, err
	}
	rows := make([][]any, n)
	for i := range rows {
		for _, items := range in {
			x := fill
			if i < len(items) {
				x = items[i]
			}
			rows[i] = append(rows[i], x)
		}
	}
	return tuples(rows), nil
}

// chooser is permutations or combinations.
func chooser(ordered, again bool) Func {
	return func(a Args) (any, error) {
		v, err := a.Bind(req("iterable"), opt("r", nil))
		if err != nil {
			return nil, err
		}
		items, err := a.r.items(v[0])
		if err != nil {
			return nil, err
		}
		n := int64(len(items))
		if v[1] != nil {
			if n, err = wantInt(v[1]); err != nil {
				return nil, err
			}
		} else if !ordered {
			return nil, failf("%s misses its argument 'r'", a.name)
		}
		if n < 0 {
			return nil, failf("r must be non-negative")
		}
		var rows [][]any
		picked := make([]int, 0, min(n, 64))
		used := make([]bool, len(items))
		var pick func(from int) error
		pick = func(from int) error {
			if err := a.r.chargeItems(1); err != nil {
				return err
			}
			if int64(len(picked)) == n {
				row := make([]any, len(picked))
				for i, p := range picked {
					row[i] = items[p]
				}
				rows = append(rows, row)
				return a.r.chargeItems(len(row))
			}
			if n > 1000 {
				return failf("r is too large")
			}
			for i := from; i < len(items); i++ {
				if used[i] && !again {
					continue
				}
				used[i] = true
				picked = append(picked, i)
				next := i + 1
				if ordered {
					next = 0
				} else if again {
					next = i
				}
				err := pick(next)
				picked, used[i] = picked[:len(picked)-1], false
				if err != nil {
					return err
				}
			}
			return nil
		}
		if err := pick(0); err != nil {
			return nil, err
		}
		return tuples(rows), nil
	}
}

func itAccumulate(a Args) (any, error) {
	v, err := a.Bind(req("iterable"), opt("func", nil), opt("initial", nil))
	if err != nil {
		return nil, err
	}
	items, err := a.r.items(v[0])
	if err != nil {
		return nil, err
	}
	if v[2] != nil {
		items = append([]any{v[2]}, items...)
	}
	g := &generator{}
	for i, x := range items {
		if i > 0 {
			last := g.items[i-1]
			if v[1] != nil {
				x, err = a.CallValue(v[1], last, x)
			} else {
				x, err = a.r.binary("+", last, x)
			}
			if err != nil {
				return nil, err
			}
		}
		g.items = append(g.items, x)
	}
	return g, nil
}

func itStarmap(a Args) (any, error) {
	v, err := a.Bind(req("function"), req("iterable"))
	if err != nil {
		return nil, err
	}
	items, err := a.r.items(v[1])
	if err != nil {
		return nil, err
	}
	g := &generator{}
	for _, x := range items {
		args, err := a.r.items(x)
		if err != nil {
			return nil, err
		}
		y, err := a.CallValue(v[0], args...)
		if err != nil {
			return nil, err
		}
		g.items = append(g.items, y)
	}
	return g, nil
}

func itSlice(a Args) (any, error) {
	if len(a.Pos) < 2 || len(a.Pos) > 4 || len(a.Kw) > 0 {
		return nil, failf("islice() takes an iterable, and stop or start, stop and step")
	}
	items, err := a.r.items(a.Pos[0])
	if err != nil {
		return nil, err
	}
	bounds := []int64{0, int64(len(items)), 1}
	given := a.Pos[1:]
	for i, v := range given {
		if v == nil {
			continue
		}
		n, err := wantInt(v)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, failf("islice(): indices must be None or not negative")
		}
		if len(given) == 1 {
			i = 1
		}
		bounds[i] = n
	}
	if bounds[2] == 0 {
		return nil, failf("islice(): step must not be zero")
	}
	g, n := &generator{}, int64(len(items))
	for i, step := bounds[0], min(bounds[2], n+1); i < min(bounds[1], n); i += step {
		g.items = append(g.items, items[i])
	}
	return g, nil
}

func itRepeat(a Args) (any, error) {
	v, err := a.Bind(req("object"), opt("times", nil))
	if err != nil {
		return nil, err
	}
	if v[1] == nil {
		return nil, &Error{Msg: "modules.itertools.repeat() without times never ends, and is not supported", Hint: "repeat(x, times=…)"}
	}
	n, err := wantInt(v[1])
	if err != nil {
		return nil, err
	}
	if n > maxRange {
		return nil, failf("repeat(): more than %d times", maxRange)
	}
	g := &generator{}
	for range max(n, 0) {
		g.items = append(g.items, v[0])
	}
	return g, a.r.chargeItems(len(g.items))
}

func itTee(a Args) (any, error) {
	v, err := a.Bind(req("iterable"), opt("n", int64(2)))
	if err != nil {
		return nil, err
	}
	n, err := wantInt(v[1])
	if err != nil {
		return nil, err
	}
	if n < 0 || n > 100 {
		return nil, failf("tee(): n must be from 0 to 100")
	}
	items, err := a.r.items(v[0])
	t := &Tuple{}
	for range n {
		t.Items = append(t.Items, &generator{items: items})
	}
	return t, err
}
