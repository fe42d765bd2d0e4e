package snowflake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// How a table's change is brought follows from its two versions: the one that the ledger names and the one to bring.

// choice is a mode and the reason for it.
type choice struct {
	mode load.Mode
	why  string
	// remake: the table is made anew, with columns of its own, and takes the place of the one that is there.
	remake bool
}

// fully is the choice that compares nothing.
func fully(keep Keep, why string) choice {
	if keep.Swap {
		return choice{mode: load.ModeSwap, why: why}
	}
	return choice{mode: load.ModeFull, why: why}
}

// choose finds the mode for a table that the ledger knows, and that has changed. gone is a file of the standing version that is
// not in the local target any more, or "": without it the two cannot be compared.
func choose(t *load.Table, standing *load.StandingTable, keep Keep, gone string) (choice, error) {
	full := func(why string) (choice, error) { return fully(keep, why), nil }
	switch keep.Mode {
	case "full":
		return full("it is configured so")
	case "append":
		if why := notAppended(&standing.Version, &t.Version); why != "" {
			return choice{}, fmt.Errorf("mode append: %s: choose another mode for the table, or replace all of its rows with --renew", why)
		}
		return choice{mode: load.ModeAppend, why: "it is configured so"}, nil
	case "merge", "scd2":
		return chooseConfigured(t, standing, keep, gone, full)
	case "partition":
		if t.View != "" {
			return full("a view has no files by which partitions could be told that have changed")
		}
		if why := unlike(&standing.Version, &t.Version, gone); why != "" {
			return full(why)
		}
		return choice{mode: load.ModePartition, why: "it is configured so"}, nil
	}
	return chooseByChange(t, standing, gone, full)
}

// chooseConfigured is for the modes that need a key.
func chooseConfigured(t *load.Table, standing *load.StandingTable, keep Keep, gone string, full func(string) (choice, error)) (choice, error) {
	reason := unlike(&standing.Version, &t.Version, gone)
	switch {
	case keep.Mode == "merge" && reason != "":
		return full(reason)
	case keep.Mode == "merge":
		return choice{mode: load.ModeMerge, why: "it is configured so"}, nil
	case gone != "" || !slices.Equal(standing.Key, t.Key): // a history is never replaced by itself
		return choice{}, fmt.Errorf("mode scd2: %s: the history cannot be continued; --renew begins it anew", reason)
	}
	return choice{mode: load.ModeSCD2, why: "it is configured so"}, nil
}

func chooseByChange(t *load.Table, standing *load.StandingTable, gone string, full func(string) (choice, error)) (choice, error) {
	switch {
	case t.View != "":
		return full("its SELECT, or what that reads, has changed")
	case len(t.Key) > 0:
		if why := unlike(&standing.Version, &t.Version, gone); why != "" {
			return full(why)
		}
		return choice{mode: load.ModeMerge, why: "the rows that differ by key " + strings.Join(t.Key, ", ")}, nil
	}
	if why := notAppended(&standing.Version, &t.Version); why != "" {
		return full(why)
	}
	return choice{mode: load.ModeAppend, why: "files were only added"}, nil
}

// unlike says why two versions cannot be compared row by row; "" when they can.
func unlike(a, b *warehouse.Version, gone string) string {
	switch {
	case a.View != "":
		return "it was a view"
	case !slices.Equal(a.Key, b.Key):
		return fmt.Sprintf("its key was (%s) and is (%s)", strings.Join(a.Key, ", "), strings.Join(b.Key, ", "))
	case gone != "":
		return "files of the version that is there are not here"
	}
	return columnsChanged(a, b)
}

// notAppended says what else than rows added has happened to a table; "" for nothing.
func notAppended(a, b *warehouse.Version) string {
	switch {
	case a.View != "" || b.View != "":
		return "it is, or was, a view"
	case len(a.Upserts)+len(a.Deletes)+len(b.Upserts)+len(b.Deletes) > 0:
		return "rows that it had have changed"
	}
	if why := columnsChanged(a, b); why != "" {
		return why
	}
	if len(unshared(a.Base, b.Base)) > 0 {
		return "rows that it had have changed"
	}
	return ""
}

// columnsChanged says what else than columns added has happened; "" for nothing.
func columnsChanged(a, b *warehouse.Version) string {
	for _, c := range a.Columns {
		i := slices.IndexFunc(b.Columns, func(o warehouse.Column) bool { return o.Name == c.Name })
		switch {
		case i < 0:
			return fmt.Sprintf("column %q is gone", c.Name)
		case b.Columns[i].Type != c.Type:
			return fmt.Sprintf("column %q was %s and is %s", c.Name, c.Type, b.Columns[i].Type)
		}
	}
	if c := returned(a, b); c != "" {
		return fmt.Sprintf("column %q is back: rows that are there without it have it in their files", c)
	}
	return ""
}

// returned is a column of b that a has not, and that may be in a file which both have; "" when there is none.
func returned(a, b *warehouse.Version) string {
	had := map[string]bool{}
	for _, f := range a.Files() {
		had[f.SHA256] = true
	}
	for _, c := range b.Columns {
		if slices.ContainsFunc(a.Columns, func(o warehouse.Column) bool { return strings.EqualFold(o.Name, c.Name) }) {
			continue
		}
		if slices.ContainsFunc(b.Files(), func(f warehouse.File) bool { return had[f.SHA256] && f.MayHold(c.Name) }) {
			return c.Name
		}
	}
	return ""
}

// unshared are the files of a that b has not, by content. One that a has twice and b once is among them once: its rows are there twice.
func unshared(a, b []warehouse.File) []warehouse.File {
	has := map[string]int{}
	for _, f := range b {
		has[f.SHA256]++
	}
	return slices.DeleteFunc(slices.Clone(a), func(f warehouse.File) bool {
		has[f.SHA256]--
		return has[f.SHA256] >= 0
	})
}

// printOf is a table's fingerprint: what it consists of, behind how it is kept. Two equal ones need no load.
type printOf struct {
	kept, content string
}

// printed takes a fingerprint apart.
func printed(s string) printOf {
	kept, content, _ := strings.Cut(s, ".")
	return printOf{kept, content}
}

func (p printOf) String() string { return p.kept + "." + p.content }

// fingerprints are those of all tables of a manifest. A view's holds those of everything that it reads, and that of one that is moving the
// snapshot.
func fingerprints(m *load.Manifest, keeps map[warehouse.Name]Keep, as map[warehouse.Name]string, moving map[string]bool) map[warehouse.Name]printOf {
	out := map[warehouse.Name]printOf{}
	contents := map[string]string{}
	var content func(name string) string
	content = func(name string) string {
		if done, ok := contents[name]; ok {
			return done
		}
		contents[name] = "" // a view that reads itself is what the catalog refuses
		t := tableNamed(m, name)
		if t == nil {
			return ""
		}
		var reads []string
		if t.View != "" {
			for _, need := range t.Needs {
				reads = append(reads, need, content(need))
			}
		}
		if moving[name] {
			reads = append(reads, fmt.Sprint(m.Snapshot))
		}
		contents[name] = digest(t.Columns, t.Key, shas(t.Base), shas(t.Upserts), shas(t.Deletes), t.View, reads)
		return contents[name]
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		out[t.Name] = printOf{keeps[t.Name].print(t, as[t.Name]), content(t.Name.String())}
	}
	return out
}

// print is the part of a fingerprint that tells a table of another form.
func (k Keep) print(t *load.Table, as string) string {
	return digest(as, k.history(), k.marks(t))[:12]
}

// richer says whether a table that was brought with that fingerprint holds more than its last version: a history, or marked rows.
func richer(fingerprint, as string) bool {
	return printed(fingerprint).kept != Keep{}.print(&load.Table{}, as)
}

// history says whether the table holds more rows than the version that it shows.
func (k Keep) history() bool { return k.Mode == "scd2" }

// marks says whether the table keeps deleted rows, marked.
func (k Keep) marks(t *load.Table) bool {
	return k.Soft && len(t.Key) > 0 && (k.Mode == "auto" || k.Mode == "merge")
}

func tableNamed(m *load.Manifest, name string) *load.Table {
	i := slices.IndexFunc(m.Tables, func(t load.Table) bool { return t.Name.String() == name })
	if i < 0 {
		return nil
	}
	return &m.Tables[i]
}

// shas are the contents of files; their order does not matter.
func shas(files []warehouse.File) []string {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = f.SHA256
	}
	slices.Sort(all)
	return all
}

func digest(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil { // there is nothing in it that JSON cannot hold
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
