package models

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/clean"
	"github.com/millrace/millrace/internal/config"
)

// This file says which steps there are to standardize a field with, and reads them where an entity's file writes them.

// Cleaning is one kind of step.
type Cleaning struct {
	SQL     string // name of its function in internal/clean; "" for map and null_if, which are none
	Result  string // DuckDB type of what that gives: VARCHAR, DATE, or STRUCT of an address
	Country bool   // its function's second argument is a country, which the step may name
	Formats bool   // its function's second argument is a list of formats
	Doc     string
}

// AddressParts are the parts that the step address takes a text apart into, by their names in its STRUCT.
var AddressParts = []string{"house", "street", "unit", "pobox", "postcode", "city"}

// AddressLine is what the field itself becomes by the step address.
const AddressLine = "line"

// Cleanings are all kinds of steps, by their names in standardize:. What each does to a value is said in internal/clean.
var Cleanings = withFunctions(map[string]Cleaning{
	"trim":              {Doc: "White space around it goes, inside it becomes one blank, control characters go; Unicode NFC."},
	"fold":              {Doc: "As trim, in lower case, without accents."},
	"words":             {Doc: "As fold, without punctuation."},
	"words_sorted":      {Doc: "As words, in the order of the alphabet: names in any order."},
	"name":              {Doc: "As words, without titles in front and suffixes at the end."},
	"drop_titles":       {Doc: "Titles in front and suffixes at the end go."},
	"particles":         {Doc: "As words, name particles joined to the name: van der Berg becomes vanderberg."},
	"nickname":          {Doc: "The given name that a nickname stands for."},
	"phonetic":          {Doc: "How it sounds: Double Metaphone of its words."},
	"company":           {Doc: "As words, without the legal form at the end."},
	"drop_legal_suffix": {Doc: "The same as company."},
	"legal_form":        {Doc: "The legal form alone."},
	"email":             {Doc: "An e-mail address in lower case; NULL where it is none."},
	"email_canonical":   {Doc: "As email, without what the provider ignores: +tags, and the dots of Gmail."},
	"email_local":       {Doc: "What stands before the @."},
	"email_domain":      {Doc: "What stands behind the @."},
	"e164":              {Doc: "A telephone number as +49301234567; NULL where it is none. `default_country` is that of numbers without a prefix."},
	"phone":             {Doc: "The same as e164."},
	"country":           {Doc: "ISO 3166 alpha-2 of a country's name or code; NULL where it is none."},
	"postcode":          {Doc: "A postcode as its `country` writes it."},
	"address":           {Doc: "One address line, standardized; its parts are fields too: house, street, unit, pobox, postcode, city."},
	"date":              {Doc: "A date: ISO, by the formats that are given, or by what can only mean one."},
	"digits":            {Doc: "Digits alone."},
	"alnum":             {Doc: "Letters and digits alone, folded."},
	"placeholder":       {Doc: "NULL for n/a, none, unknown, 0000 and the like."},
	StepNullIf:          {Doc: "NULL for these values, in upper or lower case."},
	StepMap:             {Doc: "What a table of reference data says of the value. `on_miss`: null, keep or quarantine; `from` and `to`: its columns, by default the first two."},
})

// withFunctions gives steps their functions and what these return.
func withFunctions(steps map[string]Cleaning) map[string]Cleaning {
	for _, f := range clean.Functions {
		for _, name := range f.Steps {
			s := steps[name]
			s.SQL, s.Result = f.Name, f.Returns
			for _, p := range f.Params[1:] {
				s.Country, s.Formats = s.Country || p.Name == "country", s.Formats || p.Name == "formats"
			}
			steps[name] = s
		}
	}
	return steps
}

// The steps that are no function.
const (
	StepNullIf  = "null_if"
	StepMap     = "map"
	StepAddress = "address"
	StepDate    = "date"
)

// What becomes of values that a code map does not know.
const (
	MissNull        = "null"
	MissKeeps       = "keep"
	MissQuarantines = "quarantine"
)

// mapOptions are the keys that stand beside map:.
var mapOptions = []string{"on_miss", "from", "to"}

// stepsEntry is what stands behind a field in standardize: a step, a list of steps, or a mapping of steps with what they need.
type stepsEntry struct {
	steps []stepEntry
	pos   config.Pos
}

// stepEntry is one step as it is written.
type stepEntry struct {
	name    string
	pos     config.Pos
	value   config.Node
	options config.Node // where the options of a map stand
}

// DecodeNode implements config.NodeDecoder.
func (s *stepsEntry) DecodeNode(n config.Node) config.Problems {
	s.pos = n.Pos()
	if !n.IsList() {
		return s.add(n)
	}
	var problems config.Problems
	for _, item := range n.Items() {
		problems = append(problems, s.add(item)...)
	}
	return problems
}

func (s *stepsEntry) add(n config.Node) config.Problems {
	switch {
	case n.IsScalar():
		return s.step(n.Text(), n.Pos(), config.Node{}, config.Node{})
	case n.IsMapping():
		var problems config.Problems
		for name, value := range n.All() {
			if slices.Contains(mapOptions, name) && !n.Get(StepMap).IsZero() {
				continue
			}
			problems = append(problems, s.step(name, n.Origin().Key(name), value, n)...)
		}
		return problems
	}
	return config.Problems{n.Pos().Problem("a step is a name, or a name with what it needs", "write [trim, fold, null_if: [unknown]]")}
}

func (s *stepsEntry) step(name string, pos config.Pos, value, options config.Node) config.Problems {
	if _, known := Cleanings[name]; !known {
		return config.Problems{pos.Problem(fmt.Sprintf("unknown step %q", name), suggested(name, slices.Sorted(maps.Keys(Cleanings)), "steps"))}
	}
	s.steps = append(s.steps, stepEntry{name, pos, value, options})
	return nil
}

// SchemaDefinitions implements config.SchemaDefiner.
func (stepsEntry) SchemaDefinitions() (string, map[string]any) {
	properties, names := object{}, []any{}
	for _, name := range slices.Sorted(maps.Keys(Cleanings)) {
		properties[name], names = object{"description": Cleanings[name].Doc}, append(names, name)
	}
	for _, option := range mapOptions {
		properties[option] = object{"type": "string"}
	}
	properties["on_miss"] = object{"enum": []any{MissNull, MissKeeps, MissQuarantines, nil}}
	one := object{"anyOf": []any{object{"enum": names}, object{"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1}}}
	return "steps", object{"step": one, "steps": object{"anyOf": []any{refTo("step"), object{"type": "array", "items": refTo("step")}}}}
}

// suggested is the hint for a word that is not among the known ones.
func suggested(word string, known []string, what string) string {
	return config.DidYouMean(word, known, what+": "+strings.Join(known, ", "))
}

// countryCode is a constant where a country is wanted; anything else names a field.
func countryCode(text string) bool {
	return len(text) == 2 && strings.ToUpper(text) == text
}

// steps settles the steps of a field.
func (d *entityDraft) steps(f *Field, written []stepEntry) {
	for i, s := range written {
		step := CleaningStep{Func: s.name, Args: map[string]any{}, Pos: s.pos}
		switch kind := Cleanings[s.name]; {
		case s.name == StepMap:
			step.Map = d.codeMap(s)
		case s.name == StepNullIf:
			step.Args["values"] = d.constants(s)
		case kind.Country:
			d.country(&step, s)
		case kind.Formats:
			step.Args["formats"] = d.formats(s)
		case !s.value.IsNull():
			d.l.problem(s.value.Pos(), "write it alone: "+s.name, "%s takes nothing", s.name)
		}
		if s.name == StepAddress && i != len(written)-1 {
			d.l.problem(written[i+1].pos, "put it in front of address", "nothing can be done behind address, which takes the text apart")
		}
		f.Steps = append(f.Steps, step)
	}
}

// country reads e164: DE, e164: country, and e164: {default_country: country}.
func (d *entityDraft) country(step *CleaningStep, s stepEntry) {
	value := s.value
	if value.IsMapping() {
		var keys struct {
			Default string `yaml:"default_country"`
			Country string `yaml:"country"`
		}
		d.l.problems = append(d.l.problems, value.Decode(&keys)...)
		if value = s.value.Get("country"); value.IsZero() {
			value = s.value.Get("default_country")
		}
	}
	switch text := value.Text(); {
	case value.IsNull():
	case !value.IsScalar():
		d.l.problem(value.Pos(), "write DE, or the name of the field that has it", "%s: a country is a code or a field", s.name)
	case countryCode(text):
		step.Args["country"] = text
	default:
		step.Args["country"] = "=" + d.field(text, value.Pos()).Name
	}
}

// formats reads date: "%d/%m/%Y" and date: [iso, "%d/%m/%Y"]. ISO dates are read in any case.
func (d *entityDraft) formats(s stepEntry) []string {
	formats := []string{}
	if s.value.IsNull() {
		return formats
	}
	var texts config.StringList
	d.l.problems = append(d.l.problems, s.value.Decode(&texts)...)
	for i, text := range texts {
		switch {
		case strings.EqualFold(text, "iso"):
		case !strings.Contains(text, "%") && !strings.Contains(text, "${"):
			pos := s.value.Pos()
			if s.value.IsList() {
				pos = s.value.Items()[i].Pos()
			}
			d.l.problem(pos, `write iso, or a format such as "%d/%m/%Y"`, "date: %q is no format", text)
		default:
			formats = append(formats, text)
		}
	}
	return formats
}

// constants are the values of a null_if: texts, numbers and dates as they are written.
func (d *entityDraft) constants(s stepEntry) []string {
	items := []config.Node{s.value}
	if s.value.IsList() {
		items = s.value.Items()
	}
	var values []string
	for _, item := range items {
		if item.IsScalar() {
			values = append(values, item.Text())
			continue
		}
		pos := item.Pos()
		if item.IsZero() {
			pos = s.pos
		}
		d.l.problem(pos, "write null_if: [test, unknown]", "null_if needs values")
	}
	return values
}

// codeMap reads map: ref_country, with its options beside it or in it.
func (d *entityDraft) codeMap(s stepEntry) *CodeMap {
	table, options := s.value, s.options
	if s.value.IsMapping() {
		table, options = s.value.Get("table"), s.value
	}
	var keys struct {
		OnMiss string `yaml:"on_miss" enum:"null,keep,quarantine" default:"null"`
		From   string `yaml:"from"`
		To     string `yaml:"to"`
	}
	miss := options.Get("on_miss")
	unsaid := !miss.IsZero() && miss.IsNull() // on_miss: null is YAML's null, and means the word
	for _, p := range options.Decode(&keys) {
		if !strings.HasPrefix(p.Message, "unknown key") && !(unsaid && p.Line == miss.Pos().Line && p.Column == miss.Pos().Column) {
			d.l.problems = append(d.l.problems, p)
		}
	}
	if s.value.IsMapping() {
		for key := range s.value.All() {
			if known := append([]string{"table"}, mapOptions...); !slices.Contains(known, key) {
				d.l.problem(s.value.Origin().Key(key), suggested(key, known, "known keys"), "unknown key %q", key)
			}
		}
	}
	m := &CodeMap{From: keys.From, To: keys.To, OnMiss: cmp.Or(keys.OnMiss, MissNull)}
	if !table.IsScalar() {
		d.l.problem(s.pos, "write map: ref_country", "map needs the name of a table")
		return m
	}
	d.tables = append(d.tables, pendingTable{text: table.Text(), pos: table.Pos(), what: "map", set: func(n *Node) { m.Node = n }})
	return m
}
