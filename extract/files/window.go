package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
)

// sliceTarget is about how many stored bytes go into one slice; a larger file is a slice of its own.
const sliceTarget = 256 << 20

// seen is what a cursor holds: the files that were read, each once by name, size and content.
type seen struct {
	Files []fileID `json:"files"`
}

func parseCursor(c extract.Cursor) (seen, error) {
	var s seen
	if c == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(c), &s); err != nil {
		return s, fmt.Errorf("cursor of a files stream: %w", err)
	}
	return s, nil
}

func (s seen) cursor() extract.Cursor {
	sort.Slice(s.Files, func(i, k int) bool {
		if s.Files[i].Name != s.Files[k].Name {
			return s.Files[i].Name < s.Files[k].Name
		}
		return s.Files[i].Hash < s.Files[k].Hash
	})
	for i := range s.Files {
		s.Files[i].Inode = 0
	}
	b, _ := json.Marshal(s)
	return extract.Cursor(b)
}

// Window implements extract.Source. A window holds: reading finds out when a file has changed.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	if fixed != nil {
		return fixed, nil
	}
	o, err := streamOptions(st)
	if err != nil {
		return nil, err
	}
	root, dir, err := s.root()
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	defer root.Close()
	w := &extract.Window{Lo: since, Slices: []extract.Slice{}}
	files, err := s.find(root, st, o, w)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	before, err := parseCursor(since)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	if len(files) == 0 && len(before.Files) == 0 && len(w.Notes) == 0 {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.empty(root, o))
	}
	if st.Mode == extract.Full {
		if len(files) == 0 {
			return nil, fmt.Errorf("stream %q: %w: %s", st.Name, extract.ErrEmpty, strings.Join(w.Notes, "; "))
		}
		if states := statesOf(files); states.Settled(time.Now()) {
			w.State = states.Hash("")
		}
	} else {
		if files, err = fresh(ctx, root, files, &before, w); err != nil {
			return nil, fmt.Errorf("stream %q: %w", st.Name, err)
		}
		w.Hi = before.cursor()
	}
	if len(files) == 0 {
		return w, nil
	}
	p := &planner{ctx: ctx, root: root, dir: dir, stream: st, opt: o}
	plan, err := p.plan(files)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	w.Notes = append(w.Notes, plan.notes...)
	w.Slices = group(files, plan)
	return w, nil
}

// find lists the files that are old enough.
func (s *source) find(root *os.Root, st extract.Stream, o *StreamOptions, w *extract.Window) ([]fileID, error) {
	if why := checkGlob(o.Path); why != "" {
		return nil, fmt.Errorf("path %q: %s", o.Path, why)
	}
	files, err := list(root, o.Path)
	if err != nil {
		return nil, err
	}
	old := files[:0]
	for _, f := range files {
		if s.env.Excludes(filepath.Join(root.Name(), f.Name)) {
			continue
		}
		if age := time.Since(f.modified()); o.minAge() > 0 && age < o.minAge() {
			w.Notes = append(w.Notes, fmt.Sprintf("file %s was changed %s ago and is left for the next run (min_age %s)", f.Name, age.Round(time.Second), o.MinAge))
			continue
		}
		format := o.format(f.Name)
		if format == "" {
			return nil, fmt.Errorf("file %s: its name does not tell the format; set format", f.Name)
		}
		if f.Size == 0 {
			if format != "csv" {
				return nil, fmt.Errorf("file %s is empty: it is still being written or its copy broke; set min_age, or let the writer use a temporary name and rename the finished file", f.Name)
			}
			w.Notes = append(w.Notes, fmt.Sprintf("file %s is empty: not even a header stands in it; its writer may not have finished", f.Name))
		}
		old = append(old, f)
	}
	return old, nil
}

// fresh leaves the files that were not read yet, by content, and adds them to what was seen.
func fresh(ctx context.Context, root *os.Root, files []fileID, before *seen, w *extract.Window) ([]fileID, error) {
	byName := map[string][]int{}
	byHash := map[string]string{}
	for i, f := range before.Files {
		byName[f.Name] = append(byName[f.Name], i)
		byHash[f.Hash] = f.Name
	}
	var out []fileID
next:
	for _, f := range files {
		for _, i := range byName[f.Name] {
			if old := before.Files[i]; old.Size == f.Size && old.MTime == f.MTime {
				continue next
			}
		}
		hash, err := hashFile(ctx, root, f.Name)
		if err != nil {
			return nil, err
		}
		f.Hash = hash
		for _, i := range byName[f.Name] {
			if before.Files[i].Hash == hash { // touched, not changed
				before.Files[i].MTime = f.MTime
				continue next
			}
		}
		if other, ok := byHash[hash]; ok && f.Size > 0 {
			w.Notes = append(w.Notes, fmt.Sprintf("file %s has the same content as %s, which was read before: skipped", f.Name, other))
			before.Files = append(before.Files, f)
			continue
		}
		if len(byName[f.Name]) > 0 {
			w.Notes = append(w.Notes, fmt.Sprintf("FILE %s WAS REPLACED: it was read before with other content; it is read again as a new file, and what it brought before stays", f.Name))
		}
		byHash[hash] = f.Name
		before.Files = append(before.Files, f)
		out = append(out, f)
	}
	return out, nil
}

// empty says that a glob matches nothing, and what is there instead.
func (s *source) empty(root *os.Root, o *StreamOptions) error {
	dir := path.Dir(o.Path)
	for dir != "." && strings.ContainsAny(dir, `*?[`) {
		dir = path.Dir(dir)
	}
	msg := fmt.Sprintf("no file matches %q in %s", o.Path, s.path)
	f, err := root.Open(dir)
	if err != nil {
		return fmt.Errorf("%s: there is no folder %q: %w", msg, dir, extract.ErrEmpty)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %w", msg, err)
	}
	want := path.Base(o.Path)
	sort.Slice(entries, func(i, k int) bool { return near(entries[i].Name(), want) > near(entries[k].Name(), want) })
	var names []string
	for _, e := range entries[:min(len(entries), 5)] {
		names = append(names, path.Join(dir, e.Name()))
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: the folder %q is empty: %w", msg, dir, extract.ErrEmpty)
	}
	return fmt.Errorf("%s; nearest there: %s: %w", msg, quoteAll(names), extract.ErrEmpty)
}

// near counts how much of the start and the end two names share.
func near(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	m := 0
	for m < len(a) && m < len(b) && a[len(a)-1-m] == b[len(b)-1-m] {
		m++
	}
	return n + m
}

// group makes slices of files of one format, in order.
func group(files []fileID, p *plan) []extract.Slice {
	var out []extract.Slice
	var batch []fileID
	var size int64
	flush := func() {
		if len(batch) == 0 {
			return
		}
		b, _ := json.Marshal(sliceSpec{Format: p.format, Files: batch, Columns: p.columns, Dialect: p.dialect})
		out = append(out, extract.Slice{ID: fmt.Sprintf("%06d", len(out)), Spec: string(b), Bytes: size})
		batch, size = nil, 0
	}
	for _, f := range files {
		if len(batch) > 0 && (size+f.Size > sliceTarget || p.format == "arrow") {
			flush()
		}
		batch = append(batch, f)
		size += f.Size
	}
	flush()
	return out
}
