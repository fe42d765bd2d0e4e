package database

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
)

// TestParseMarkOfAnother: another source's cursor is no mark without a value.
func TestParseMarkOfAnother(t *testing.T) {
	for _, c := range []extract.Cursor{`{"files":{"a.csv":"17"}}`, `{}`, `{"at":"2026-01-01T00:00:00Z"}`} {
		if m, err := ParseMark(c); err == nil {
			t.Errorf("%s is taken for %+v", c, m)
		}
	}
}

func TestParseMark(t *testing.T) {
	at := time.Date(2024, 3, 1, 12, 0, 0, 123456000, time.UTC)
	for name, c := range map[string]struct {
		cursor extract.Cursor
		want   Mark
		bad    bool
	}{
		"none":      {"", Mark{}, false},
		"by hand":   {"2024-01-01", Mark{Value: "2024-01-01"}, false},
		"a number":  {"42", Mark{Value: "42"}, false},
		"quotes":    {`"x"`, Mark{Value: `"x"`}, false},
		"whole":     {Mark{Value: "7", At: at, Ahead: time.Millisecond, Offset: time.Hour, Seen: "9", SeenAt: at}.Cursor(), Mark{Value: "7", At: at, Ahead: time.Millisecond, Offset: time.Hour, Seen: "9", SeenAt: at}, false},
		"of later":  {`{"value":"7","more":1}`, Mark{Value: "7"}, false},
		"changed":   {extract.Cursor(strings.Replace(string(Mark{Value: "7", At: at}.Cursor()), `"7"`, `"8"`, 1)), Mark{Value: "8"}, false},
		"no sum":    {`{"value":"tomorrow","at":"2024-03-01T12:00:00.123456Z"}`, Mark{Value: "tomorrow"}, false},
		"seen only": {`{"value":"","seen":"9"}`, Mark{}, false},
		"cut short": {`{"value":"7`, Mark{}, true},
		"not ours":  {`{"value":7}`, Mark{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseMark(c.cursor)
			if c.bad {
				if err == nil || !strings.Contains(err.Error(), string(c.cursor)) {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestMarkCursor: a mark is read as it was kept, and one that says nothing is none.
func TestMarkCursor(t *testing.T) {
	at := time.Date(2024, 3, 1, 12, 0, 0, 123456000, time.UTC)
	for name, c := range map[string]struct {
		mark Mark
		want extract.Cursor
	}{
		"nothing":        {Mark{}, ""},
		"only a time":    {Mark{At: at, Ahead: time.Second}, ""},
		"value":          {Mark{Value: "7"}, `{"value":"7"}`},
		"seen only":      {Mark{Seen: "9", SeenAt: at}, `{"value":"","seen":"9","seen_at":"2024-03-01T12:00:00.123456Z"}`},
		"ahead is round": {Mark{Value: "7", At: at, Ahead: 1499 * time.Microsecond}, `{"value":"7","at":"2024-03-01T12:00:00.123456Z","ahead":1000000}`},
		"a brace":        {Mark{Value: `{"`}, `{"value":"{\""}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.mark.Cursor()
			shown, sum, found := strings.Cut(string(got), `,"sum":"`)
			if found {
				shown += "}"
			}
			if shown != string(c.want) || found && len(sum) != len(`01234567"}`) {
				t.Errorf("%s", got)
			}
			back, err := ParseMark(got)
			if err != nil || back.Cursor() != got || got != "" && (back.Value != c.mark.Value || !back.At.Equal(c.mark.At)) {
				t.Errorf("%+v, %v", back, err)
			}
		})
	}
}

func TestMarkSetBack(t *testing.T) {
	at := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		was, now Mark
		want     time.Duration
	}{
		"never seen":            {Mark{Value: "1"}, Mark{At: at}, 0},
		"goes on":               {Mark{At: at}, Mark{At: at.Add(time.Hour)}, 0},
		"drifts":                {Mark{At: at, Ahead: time.Second}, Mark{At: at.Add(time.Hour), Ahead: -900 * time.Millisecond}, 0},
		"set back":              {Mark{At: at, Ahead: 0}, Mark{At: at.Add(time.Hour), Ahead: -10 * time.Minute}, 10 * time.Minute},
		"set forward":           {Mark{At: at}, Mark{At: at.Add(time.Hour), Ahead: 10 * time.Minute}, 0},
		"behind its own past":   {Mark{At: at}, Mark{At: at.Add(-time.Minute)}, time.Minute},
		"both clocks, the most": {Mark{At: at, Ahead: 5 * time.Minute}, Mark{At: at.Add(-time.Minute)}, 5 * time.Minute},
		"just enough":           {Mark{At: at, Ahead: jitter}, Mark{At: at.Add(time.Hour)}, jitter},
		"winter time":           {Mark{At: at, Offset: 2 * time.Hour}, Mark{At: at.Add(time.Hour), Offset: time.Hour}, time.Hour},
		"summer time":           {Mark{At: at, Offset: time.Hour}, Mark{At: at.Add(time.Hour), Offset: 2 * time.Hour}, 0},
		"winter time and back":  {Mark{At: at, Ahead: time.Minute, Offset: 2 * time.Hour}, Mark{At: at.Add(time.Hour), Offset: time.Hour}, time.Hour + time.Minute},
		"summer time and back":  {Mark{At: at, Ahead: time.Minute, Offset: time.Hour}, Mark{At: at.Add(time.Hour), Offset: 2 * time.Hour}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.was.SetBack(c.now); got != c.want {
				t.Errorf("%s, not %s", got, c.want)
			}
		})
	}
}

// columns makes a list of "name TYPE".
func columns(list ...string) []extract.Column {
	var out []extract.Column
	for _, text := range list {
		name, typ, _ := strings.Cut(text, " ")
		out = append(out, extract.Column{Name: name, Type: typ})
	}
	return out
}

func TestNewColumns(t *testing.T) {
	base := columns("id BIGINT", "note VARCHAR")
	if got := newColumns(base, columns("ID BIGINT", "more DATE")); !slices.Equal(got, []string{"more"}) {
		t.Errorf("added are %v", got)
	}
	if got := newColumns(nil, base); got != nil {
		t.Errorf("added the first time are %v", got)
	}
}

// said checks that an error, with its advice, has all the words.
func said(t *testing.T, err error, words []string) {
	t.Helper()
	var trouble *Trouble
	text := ""
	if errors.As(err, &trouble) {
		text = trouble.Advice
	}
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error()+text, w) {
			t.Errorf("%v: %s says nothing of %q", err, text, w)
		}
	}
}

func TestLeftOut(t *testing.T) {
	now := columns("id BIGINT", "note VARCHAR", "photo BLOB")
	for name, c := range map[string]struct {
		options StreamOptions
		left    []string
		words   []string
	}{
		"all":             {StreamOptions{}, nil, nil},
		"exclude":         {StreamOptions{Exclude: []string{"photo"}}, []string{"photo"}, nil},
		"nothing is left": {StreamOptions{Exclude: []string{"id", "note", "photo"}}, nil, []string{"orders has no columns", "exclude:"}},
	} {
		t.Run(name, func(t *testing.T) {
			left, err := leftOut(extract.Stream{Name: "orders"}, &c.options, now)
			if (err != nil) != (len(c.words) > 0) || err == nil && !slices.Equal(slices.Sorted(maps.Keys(left)), c.left) {
				t.Fatalf("%v, %v", left, err)
			}
			said(t, err, c.words)
		})
	}
	if len(now) != 3 || now[2].Name != "photo" {
		t.Error("the columns of the caller were changed")
	}
}

func TestCheckNames(t *testing.T) {
	for name, c := range map[string]struct {
		yaml  string
		words []string
	}{
		"none":            {"{}", nil},
		"known":           {"{exclude: [note], columns: {amount: VARCHAR}}", nil},
		"excluded":        {"{exclude: [notes]}", []string{`orders has no column "notes"`, `did you mean "note"`}},
		"pinned":          {"{columns: {amuont: VARCHAR}}", []string{`"amuont"`, `did you mean "amount"`}},
		"nothing near":    {"{exclude: [zzzzzz]}", []string{"the columns are: id, note, amount"}},
		"known, then not": {"{exclude: [note, nothing_of_it]}", []string{`"nothing_of_it"`}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &StreamOptions{}
			f, problems := config.Parse("", []byte(c.yaml))
			if f == nil {
				t.Fatal(problems)
			}
			if problems := f.Decode(o, nil); len(problems) > 0 {
				t.Fatal(problems)
			}
			err := CheckNames(extract.Stream{Name: "orders"}, o, []string{"id", "note", "amount"})
			if (err != nil) != (len(c.words) > 0) {
				t.Fatal(err)
			}
			said(t, err, c.words)
		})
	}
}

// TestCheckExclude: what identifies or orders rows cannot be left out; lint says so.
func TestCheckExclude(t *testing.T) {
	for name, want := range map[string]int{"id": 1, "at": 1, "note": 0} {
		s := extract.Stream{Name: "orders", Key: []string{"id"}, Cursor: "at", Options: &StreamOptions{Exclude: config.StringList{name}}}
		if problems := Check(&Options{}, []extract.Stream{s}); len(problems) != want || want == 1 && (problems[0].Key != "exclude" || problems[0].Stream != "orders") {
			t.Errorf("exclude %s: %+v", name, problems)
		}
	}
}

// TestExtend: a window that goes on in a later state keeps its rows, and takes end, keys and what has changed from there.
func TestExtend(t *testing.T) {
	fixed := &extract.Window{Lo: "1", Hi: "5", AsOf: &extract.AsOf{ID: "a"}, Parallel: 3, Notes: []string{"old"},
		Slices: []extract.Slice{{ID: "r1", Spec: "s"}, {ID: "keys", Keys: true}, {ID: "r2"}}}
	more := &extract.Window{Lo: "5", Hi: "9", AsOf: &extract.AsOf{ID: "b"}, Overlaps: true, Notes: []string{"new"},
		Slices: []extract.Slice{{ID: "r1", Spec: "m"}, {ID: "keys", Keys: true}}}
	Extend(fixed, more)
	want := []extract.Slice{{ID: "r1", Spec: "s"}, {ID: "r2"}, {ID: "r1@b", Spec: "m"}, {ID: "keys@b", Keys: true}}
	if !slices.Equal(fixed.Slices, want) || fixed.Lo != "1" || fixed.Hi != "9" || fixed.AsOf.ID != "b" || !fixed.Overlaps || fixed.Parallel != 3 {
		t.Errorf("%+v", fixed)
	}
	if len(fixed.Notes) != 2 || fixed.Notes[0] != "new" {
		t.Errorf("%q", fixed.Notes)
	}
	if more.Slices[0].ID != "r1" {
		t.Error("the later window was changed")
	}
	// once more: what was added stays, but for its keys
	Extend(fixed, &extract.Window{Hi: "12", AsOf: &extract.AsOf{ID: "c"}, Slices: []extract.Slice{{ID: "r1"}, {ID: "keys", Keys: true}}})
	var ids []string
	for _, s := range fixed.Slices {
		ids = append(ids, s.ID)
	}
	if !slices.Equal(ids, []string{"r1", "r2", "r1@b", "r1@c", "keys@c"}) || fixed.Hi != "12" || fixed.Overlaps {
		t.Errorf("%v %+v", ids, fixed)
	}
}
