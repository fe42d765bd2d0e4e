package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fileread"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
)

// This file makes sources of files that models of dbt projects read by themselves: FROM read_csv('a.csv'), FROM 'a.parquet'. The engine
// that runs models opens no files; a run extracts these as it does any others, counted and published, and the model reads the table
// instead: transform puts its name in the place of the call.

// FileRead is one place of a rendered SELECT that reads files.
type FileRead struct {
	fileread.Read
	End  int    // offset behind the call
	Call string // the call that reads the same, spelled in one way: what a stream of type scan has as read:
}

// FindFileReads finds the places of SELECTs that read files. trees asks the parser, see Loading.Trees. A text that it cannot parse (a PIVOT
// whose columns its rows decide, or what a template makes before its questions have answers) is looked at word by word.
func FindFileReads(ctx context.Context, trees func(context.Context, []string) ([]string, error), texts []string) ([][]FileRead, error) {
	found := make([][]FileRead, len(texts))
	parsed, err := trees(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i, text := range texts {
		reads, err := readsOf(ctx, trees, parsed[i])
		if errors.Is(err, fileread.ErrUnparsed) {
			if reads, err = wordByWord(ctx, trees, text); err != nil {
				return nil, err
			}
		} else if err != nil {
			return nil, err
		}
		for _, r := range reads {
			if r.At < 0 || r.At >= len(text) {
				continue
			}
			end, call := portable.Item(text, r.At)
			found[i] = append(found[i], FileRead{r, end, r.Canonical(call)})
		}
	}
	return found, nil
}

// readsOf are the places of one SELECT, by its tree. A query() whose text reads files is one that cannot be read.
func readsOf(ctx context.Context, trees func(context.Context, []string) ([]string, error), tree string) ([]fileread.Read, error) {
	reads, err := fileread.Find([]byte(tree))
	if err != nil {
		return nil, err
	}
	queries, err := fileread.Queries([]byte(tree))
	for _, q := range queries {
		if !fileread.Suspected(q.Text) {
			continue
		}
		inner, err := FindFileReads(ctx, trees, []string{q.Text})
		if err != nil {
			return nil, err
		}
		if len(inner[0]) > 0 {
			reads = append(reads, q.Reading())
		}
	}
	slices.SortFunc(reads, func(a, b fileread.Read) int { return a.At - b.At })
	return reads, err
}

// wordByWord has the parser look at what may read files, piece by piece.
func wordByWord(ctx context.Context, trees func(context.Context, []string) ([]string, error), text string) ([]fileread.Read, error) {
	const head = "SELECT * FROM "
	var at []int
	var pieces []string
	for _, offset := range portable.Sources(text) {
		end, _ := portable.Item(text, offset)
		at, pieces = append(at, offset), append(pieces, head+text[offset:end])
	}
	if len(pieces) == 0 {
		return nil, nil
	}
	parsed, err := trees(ctx, pieces)
	if err != nil {
		return nil, err
	}
	var all []fileread.Read
	for i := range pieces {
		reads, err := readsOf(ctx, trees, parsed[i])
		if err != nil || len(reads) != 1 {
			continue // it is something else
		}
		reads[0].At = at[i]
		// Whether an alias stands behind it only the whole would tell.
		reads[0].Aliased = portable.Named(text, at[i])
		all = append(all, reads[0])
	}
	return all, nil
}

// FileTable is the node of a stream that reads what a call in a model's SELECT does, by its canonical text; nil when there is none.
func (p *Project) FileTable(call string) *Node { return p.byName[p.files[call]] }

// filesSource is the name of the source of files that models read by themselves.
const filesSource = "files"

// fileUse is a place of a template that reads files.
type fileUse struct {
	FileRead
	trial *trial
	pos   jinja.Position
}

// fileReads makes a stream of each call that reads files, and has those that call it refer to it.
func (l *loader) fileReads() {
	if l.Trees == nil || !l.isDBT() {
		return
	}
	uses := l.fileUses(l.suspects())
	var calls []string
	first := map[string]fileUse{}
	for _, u := range uses {
		if l.unreadable(u) {
			continue
		}
		if _, known := first[u.Call]; !known {
			first[u.Call], calls = u, append(calls, u.Call)
		}
	}
	if len(calls) == 0 {
		return
	}
	slices.Sort(calls)
	source := l.freeSource(filesSource)
	names := fileTables(first, calls)
	var streams []map[string]any
	var places []config.Pos
	for _, call := range calls {
		streams = append(streams, map[string]any{"name": names[call], "read": call,
			"description": fmt.Sprintf("What %s reads of %s.", first[call].pos.File, strings.Join(first[call].Paths, ", "))})
		places = append(places, at(first[call].pos))
	}
	l.madeSource(source, "scan", map[string]any{}, streams, places)
	l.p.files = map[string]string{}
	for _, call := range calls {
		l.p.files[call] = source + "." + names[call]
	}
	for _, u := range uses {
		if table, known := names[u.Call]; known {
			u.trial.refer(reference{source: source, name: table, pos: u.pos})
		}
	}
}

// readsFiles adds to what a check refers to the tables of files that its query reads by itself.
func (l *loader) readsFiles(seen *trial) {
	if len(l.p.files) == 0 || len(seen.suspects) == 0 {
		return
	}
	for _, u := range l.fileUses([]*trial{seen}) {
		if n := l.p.FileTable(u.Call); n != nil {
			seen.refer(reference{source: n.Schema, name: n.Table, pos: u.pos})
		}
	}
}

// refer adds a reference that the rendering's text makes.
func (t *trial) refer(r reference) {
	if !slices.ContainsFunc(t.refs, r.same) {
		t.refs = append(t.refs, r)
	}
}

// suspects are the renderings of models and singular tests that may read files.
func (l *loader) suspects() []*trial {
	all := slices.Clone(l.p.trials)
	for _, w := range l.checks {
		if args, ok := w.Args.(*SQL); ok && args.Path != "" && fileread.Suspected(w.Template.Source()) {
			probe := &Node{Table: w.Name, Kind: KindModel, Path: w.Pos.File, Pos: w.Pos,
				Model: &Model{Template: w.Template, Path: w.Pos.File, Package: w.pkg}}
			if seen, err := l.trial(probe, false, nil); err == nil { // what is wrong with it is found when it is linked
				all = append(all, seen)
			}
		}
	}
	return slices.DeleteFunc(all, func(t *trial) bool { return len(t.suspects) == 0 })
}

// fileUses asks the parser what the renderings read.
func (l *loader) fileUses(trials []*trial) []fileUse {
	var of []*trial
	var outs []*jinja.Output
	var texts []string
	for _, t := range trials {
		for _, out := range t.suspects {
			of, outs, texts = append(of, t), append(outs, out), append(texts, out.Text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	found, err := FindFileReads(l.Context, l.Trees, texts)
	if err != nil {
		l.problem(config.Pos{File: DBTFile}, "", "look for files that models read: %v", err)
		return nil
	}
	var uses []fileUse
	for i, reads := range found {
		for _, r := range reads {
			uses = append(uses, fileUse{r, of[i], outs[i].Source(r.At)})
		}
	}
	return uses
}

// unreadable says what is wrong with a place that reads files. Files that are not there may come before the run: that is a warning.
func (l *loader) unreadable(u fileUse) bool {
	if t := u.Trouble; t != nil {
		l.unreadableFile(u, t.Why, t.Hint)
		return true
	}
	for _, p := range u.Paths {
		file := filepath.FromSlash(p)
		if !filepath.IsAbs(file) {
			file = filepath.Join(l.Dir, file)
		}
		names, missing := []string{file}, false
		if i := strings.IndexAny(file, "*?["); i >= 0 {
			some, err := filepath.Glob(file)
			missing = err == nil && len(some) == 0 && !strings.Contains(p, "**")
			names = append(some, filepath.Dir(file[:i]+"x"))
		} else {
			_, err := os.Stat(file)
			missing = errors.Is(err, fs.ErrNotExist)
		}
		if slices.ContainsFunc(names, l.ownFolder) {
			l.unreadableFile(u, p+" lies in a folder of Millrace's own", "models read published tables by ref() and source()")
			return true
		}
		if missing && !l.unknowable(p) {
			l.warning(at(u.pos), "paths are relative to the project's folder, and the file must be there when a run begins", "there is no file %s",
				p)
		}
	}
	return false
}

func (l *loader) unreadableFile(u fileUse, why, hint string) {
	if n := u.trial.node; n.Model.Unbuildable == "" {
		l.unbuildable(n, at(u.pos), why, hint)
	}
}

// ownFolder says whether a path leads into the target or the state, of which a run reads no files.
func (l *loader) ownFolder(name string) bool {
	own := []string{l.p.StateDir()}
	if l.p.Target != nil {
		own = append(own, l.p.TargetDir())
	}
	inside := func(dir, name string) bool {
		rel, err := filepath.Rel(dir, name)
		return err == nil && filepath.IsLocal(rel)
	}
	return slices.ContainsFunc(own, func(dir string) bool {
		return inside(filepath.Clean(dir), filepath.Clean(name)) || inside(fsx.Real(dir), fsx.Real(name))
	})
}

// freeSource is a name that no source or schema of the project has.
func (l *loader) freeSource(name string) string {
	taken := func(name string) bool {
		return l.p.Source(name) != nil ||
			slices.ContainsFunc(l.sourceProps, func(s *sourceProperties) bool { return strings.EqualFold(s.Name, name) }) ||
			slices.ContainsFunc(l.p.Nodes, func(n *Node) bool { return strings.EqualFold(n.Schema, name) })
	}
	for taken(name) {
		name = "read_" + name
	}
	return name
}

// fileTables names the tables of calls: by the file, and where several calls read a file of that name, by the call too.
func fileTables(first map[string]fileUse, calls []string) map[string]string {
	many := map[string]int{}
	for _, call := range calls {
		many[stemOf(first[call].Paths)]++
	}
	names := map[string]string{}
	for _, call := range calls {
		names[call] = stemOf(first[call].Paths)
		if many[names[call]] > 1 {
			sum := sha256.Sum256([]byte(call))
			names[call] += "_" + hex.EncodeToString(sum[:3])
		}
	}
	return names
}

// stemOf is a table's name for files: that of the first, without its ending, or that of its folder where it is a pattern without letters.
func stemOf(paths []string) string {
	if len(paths) == 0 {
		return "file"
	}
	for p := paths[0]; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		base, _, _ := strings.Cut(path.Base(p), ".")
		name := strings.Trim(strings.Map(func(r rune) rune {
			switch {
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
				return r
			}
			return '_'
		}, base), "_")
		if name != "" && name[0] >= '0' && name[0] <= '9' {
			name = "f_" + name
		}
		if name != "" {
			return name[:min(len(name), 60)]
		}
	}
	return "file"
}
