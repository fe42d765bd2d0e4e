package models

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads business terms, terms/*.yml: what the project's words mean, whoever uses them. Columns link to them.

// Term is a word of the business.
type Term struct {
	Name        string
	Description string
	Owner       string
	Type        string // that its columns are expected to have; "" for any
	Synonyms    []string
	Tags        []string
	See         []*Term
	Columns     []TermColumn // that link to it, by table
	Pos         config.Pos
}

// TermColumn is a column that links to a term.
type TermColumn struct {
	Node   *Node
	Column string
}

// noTerm says of a column that it is not the term that it is named like.
const noTerm = "none"

// termsFile is one file of terms/.
type termsFile struct {
	config.Origin
	Terms []termEntry `yaml:"terms" required:"true" doc:"The words of the business."`
}

type termEntry struct {
	config.Origin
	Name        string            `yaml:"name" required:"true" doc:"The word." example:"customer"`
	Description string            `yaml:"description" required:"true" doc:"What it means; columns that link to it have this description unless they have their own."`
	Owner       string            `yaml:"owner" doc:"Who decides what it means."`
	Type        string            `yaml:"type" doc:"Type that columns of it are expected to have." example:"BIGINT"`
	Synonyms    config.StringList `yaml:"synonyms" doc:"Other words for the same." example:"[client, account]"`
	Tags        config.StringList `yaml:"tags" doc:"Words about the term."`
	See         config.StringList `yaml:"see" doc:"Other terms that have to do with it." example:"[lead]"`
}

// TermsSchema is the JSON Schema of the files in terms/, for editors.
func TermsSchema([]SourceSpec) ([]byte, error) {
	text, err := json.MarshalIndent(config.Schema(termsFile{}, config.SchemaOptions{ID: "https://millrace.dev/schema/terms.json", Title: "Millrace business terms"}), "", "  ")
	return append(text, '\n'), err
}

// Term returns the term of that name, or with that synonym, or nil.
func (p *Project) Term(name string) *Term {
	word := wordOf(name)
	for _, t := range p.Terms {
		if wordOf(t.Name) == word {
			return t
		}
	}
	for _, t := range p.Terms {
		if slices.ContainsFunc(t.Synonyms, func(s string) bool { return wordOf(s) == word }) {
			return t
		}
	}
	return nil
}

// wordOf is a word as it is compared: case, and what stands between its parts, do not count.
func wordOf(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// terms reads the files and links the columns to them.
func (l *loader) terms() {
	var entries []termEntry
	for _, ext := range []string{".yml", ".yaml"} {
		for _, file := range l.glob("terms", ext) {
			var f termsFile
			if parsed := l.parse(file); parsed != nil {
				l.problems = append(l.problems, parsed.Decode(&f, l.resolve)...)
				entries = append(entries, f.Terms...)
			}
		}
	}
	taken := map[string]config.Pos{}
	for _, e := range entries {
		if e.Name == "" {
			continue
		}
		if wordOf(e.Name) == noTerm {
			l.problem(e.At("name"), "give it another name", "a term cannot be named %q: that says of a column that it is no term", e.Name)
			continue
		}
		if other, twice := taken[wordOf(e.Name)]; twice {
			l.problem(e.At("name"), "keep one of them", "the term %q is defined at %s too", e.Name, other)
			continue
		}
		taken[wordOf(e.Name)] = e.At("name")
		l.p.Terms = append(l.p.Terms, &Term{Name: e.Name, Description: e.Description, Owner: e.Owner, Type: l.typeOf(e.Type, e.At("type")),
			Synonyms: e.Synonyms, Tags: e.Tags, Pos: e.At("name")})
	}
	for _, e := range entries {
		for i, s := range e.Synonyms {
			if other, twice := taken[wordOf(s)]; twice {
				l.problem(e.Item("synonyms", i), "one word has one meaning: remove one of them", "the synonym %q of %q stands at %s too", s, e.Name, other)
			}
			taken[wordOf(s)] = e.Item("synonyms", i)
		}
		t := l.p.Term(e.Name)
		for i, name := range e.See {
			if other := l.p.Term(name); other == nil {
				l.noTerm(e.Item("see", i), name)
			} else if t != nil {
				t.See = append(t.See, other)
			}
		}
	}
	slices.SortFunc(l.p.Terms, func(a, b *Term) int { return cmp.Compare(wordOf(a.Name), wordOf(b.Name)) })
	l.linkTerms()
	for _, t := range l.p.Terms {
		l.agree(t)
	}
	l.unlinked()
	l.unused()
}

// typeOf is a type as the engine spells it.
func (l *loader) typeOf(text string, pos config.Pos) string {
	if text == "" || l.ColumnType == nil || strings.Contains(text, "${") {
		return text
	}
	typ, _, err := l.ColumnType(text)
	if err != nil {
		l.problem(pos, "", "%v", err)
		return ""
	}
	return typ
}

func (l *loader) noTerm(pos config.Pos, name string) {
	var known []string
	for _, t := range l.p.Terms {
		known = append(append(known, t.Name), t.Synonyms...)
	}
	hint := config.DidYouMean(name, known, "terms/*.yml says what words mean: millrace schema terms prints what it may hold")
	l.problem(pos, hint, "there is no term %q", name)
}

// linkTerms finds the terms that columns name. A column without a description has that of its term.
func (l *loader) linkTerms() {
	for _, n := range l.p.Nodes {
		for i := range n.Columns {
			c := &n.Columns[i]
			if c.Term == "" || wordOf(c.Term) == noTerm {
				continue
			}
			t := l.p.Term(c.Term)
			if t == nil {
				l.noTerm(c.TermPos, c.Term)
				continue
			}
			c.Term = t.Name
			c.Description = cmp.Or(c.Description, t.Description)
			t.Columns = append(t.Columns, TermColumn{n, c.Name})
		}
	}
}

// agree warns of columns of one term that have different types, as far as the files say them.
func (l *loader) agree(t *Term) {
	want, whose := t.Type, "the term"
	for _, use := range t.Columns {
		for _, c := range use.Node.Columns {
			typ := l.declared(use.Node, c)
			switch {
			case c.Name != use.Column || c.Term != t.Name || typ == "":
			case want == "":
				want, whose = typ, use.Node.Name()+"."+c.Name
			case !strings.EqualFold(typ, want):
				l.warning(c.Pos, "give both one type, or link the column to a term of its own", "column %q of %s is a %s; as %q it should be a %s, which %s is",
					c.Name, use.Node.Name(), typ, t.Name, want, whose)
			}
		}
	}
}

// declared is the type that the files give a column: its own, or that of the table's contract.
func (l *loader) declared(n *Node, c Column) string {
	if contract := n.Contract(); contract != nil {
		if column := contract.Column(c.Name); column != nil {
			return column.Type
		}
	}
	if c.Type == "" || l.ColumnType == nil {
		return c.Type
	}
	typ, _, err := l.ColumnType(c.Type)
	if err != nil {
		return "" // data_type without a contract may be anything
	}
	return typ
}

// unlinked warns of columns that are called like a term and not linked to it, once a term.
func (l *loader) unlinked() {
	found := map[*Term][]string{}
	first := map[*Term]Column{}
	for _, n := range l.p.Nodes {
		for _, c := range n.Columns {
			t := l.p.Term(c.Name)
			if t == nil || c.Term != "" {
				continue
			}
			if _, has := first[t]; !has {
				first[t] = c
			}
			name := n.Name() + "." + c.Name
			if c.Description != "" && c.Description != t.Description {
				name += " (described otherwise)"
			}
			found[t] = append(found[t], name)
		}
	}
	for _, t := range l.p.Terms {
		const most = 5
		names := found[t]
		if len(names) == 0 {
			continue
		}
		text := strings.Join(names[:min(most, len(names))], ", ")
		if more := len(names) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		l.warning(first[t].Pos, fmt.Sprintf("write term: %s beside the name, or term: %s where it means something else", t.Name, noTerm),
			"named like the term %q, and not linked to it: %s", t.Name, text)
	}
}

// unused warns of terms that no column links to, once for all.
func (l *loader) unused() {
	var names []string
	var pos config.Pos
	for _, t := range l.p.Terms {
		seen := slices.ContainsFunc(l.p.Terms, func(other *Term) bool { return slices.Contains(other.See, t) })
		if len(t.Columns) == 0 && !seen {
			if len(names) == 0 {
				pos = t.Pos
			}
			names = append(names, t.Name)
		}
	}
	if len(names) > 0 {
		l.warning(pos, "term: beside a column's name links it", "no column and no other term uses: %s", strings.Join(names, ", "))
	}
}
