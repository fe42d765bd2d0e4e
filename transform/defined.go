package transform

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/portable"
)

// Defined is what a SELECT uses of the macros, types, variables and temporary tables that hooks make.
type Defined struct {
	// Hash is of the statements of the run's start that make them, as they were rendered; "" when it uses none.
	Hash string
	// Moves says why they may give other rows another time; "" when they do not.
	Moves string
}

// Defined says what the SELECTs of a model use of what hooks make: by what they name, and by what that names in turn. It is asked behind
// Begin.
func (b *Builder) Defined(ctx context.Context, texts []string) (*Defined, error) {
	b.definedOnce.Do(func() { b.definedErr = b.lookAtDefined(ctx) })
	if b.definedErr != nil {
		return nil, b.definedErr
	}
	all, taken := strings.Join(texts, "\n"), make([]bool, len(b.defined))
	for again := true; again; {
		again = false
		for i, one := range b.defined {
			if !taken[i] && one.named.MatchString(all) {
				again, taken[i], all = true, true, all+"\n"+one.text
			}
		}
	}
	d, used := &Defined{}, ""
	for i, one := range b.defined { // in the order in which they run: the last of a name counts
		if !taken[i] {
			continue
		}
		if used += one.text + "\x00"; d.Moves == "" {
			d.Moves = one.moves
		}
	}
	if used != "" {
		d.Hash = models.HashOf(used)
	}
	return d, nil
}

// definition is a statement of a hook that makes something which SELECTs use.
type definition struct {
	named *regexp.Regexp // finds the use in a text
	text  string
	moves string
}

// lookAtDefined gathers what hooks make: those of the run's start as they were rendered, and those of models as far as they are written.
func (b *Builder) lookAtDefined(ctx context.Context) error {
	bodies, err := b.macroBodies(ctx)
	if err != nil {
		return err
	}
	for _, s := range b.started {
		one := definition{text: s.SQL, named: s.naming()}
		if b.definedMoves(ctx, s, bodies) {
			one.moves = fmt.Sprintf("its SELECT uses what the hook at %s makes, which reads the clock, chance or a table", s.hook.Pos)
		}
		b.defined = append(b.defined, one)
	}
	for _, n := range b.Project.Nodes {
		if n.Model == nil {
			continue
		}
		for _, h := range slices.Concat(n.Model.Before, n.Model.Behind) {
			if h.Template == nil {
				continue
			}
			for _, s := range portable.Statements(h.Template.Text()) {
				one := statement{Statement: s}
				var no *refusal
				if one.kind, one.name, _, no = classify(s.Words); no == nil && one.kind == hookMacro {
					b.defined = append(b.defined, definition{text: s.SQL, named: one.naming(),
						moves: fmt.Sprintf("its SELECT uses %s, which a hook of %s makes in each run", one.name, n.Name())})
				}
			}
		}
	}
	return ctx.Err()
}

// macroBodies are what the macros that hooks have made stand for, as SELECTs, by their names in lower case: the engine knows where they
// begin.
func (b *Builder) macroBodies(ctx context.Context) (map[string][]string, error) {
	if !slices.ContainsFunc(b.started, statement.isMacro) {
		return nil, nil
	}
	found, err := b.Warehouse.Query(ctx, `SELECT lower(function_name), function_type, macro_definition FROM duckdb_functions()
WHERE NOT internal AND function_type IN ('macro', 'table_macro')`)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]string{}
	for _, row := range found.Rows {
		name, text := fmt.Sprint(row[0]), fmt.Sprint(row[2])
		if row[1] == "macro" {
			text = "SELECT (" + text + "\n)"
		}
		bodies[name] = append(bodies[name], text)
	}
	return bodies, nil
}

// isMacro says whether the statement makes a macro, and no type.
func (s statement) isMacro() bool {
	what := slices.IndexFunc(s.Words, func(w string) bool { return slices.Contains([]string{"macro", "function", "type"}, w) })
	return s.kind == hookMacro && what >= 0 && s.Words[what] != "type"
}

// naming finds where SQL uses what the statement makes.
func (s statement) naming() *regexp.Regexp {
	name := regexp.QuoteMeta(strings.ToValidUTF8(s.name, ""))
	switch {
	case s.kind == hookRuns: // a variable, whose name may be an expression
		return regexp.MustCompile(`(?i)\bgetvariable"?\s*\(`)
	case s.isMacro():
		return regexp.MustCompile(`(?i)(^|[^\w])` + name + `"?\s*\(`)
	}
	return regexp.MustCompile(`(?i)(^|[^\w])` + name + `([^\w]|$)`)
}

// definedMoves says whether what a statement makes may be something else another time. What the engine cannot read may be anything.
func (b *Builder) definedMoves(ctx context.Context, s statement, bodies map[string][]string) bool {
	selects := bodies[s.name]
	switch {
	case s.kind == hookTemp: // what it reads is no input of the model
		return true
	case s.kind == hookRuns && s.Words[0] == "reset":
		return false
	case s.kind == hookRuns:
		_, value, _ := strings.Cut(s.SQL, "=")
		selects = []string{"SELECT (" + value + "\n)"}
	case !s.isMacro(): // a type
		return strings.Contains(strings.ToLower(s.SQL), "select")
	}
	return len(selects) == 0 || slices.ContainsFunc(selects, func(text string) bool {
		p, err := b.Warehouse.Parse(ctx, text)
		return err != nil || p.Hash == "" || p.Moves || len(p.Tables)+len(p.Outside) > 0
	})
}
