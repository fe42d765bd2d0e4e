package clean

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
)

var update = flag.Bool("update", false, "rewrite docs/cleaning.md from the code")

// TestDoc keeps docs/cleaning.md what the code does.
func TestDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(docHead)
	for _, f := range Functions {
		section(&b, f)
	}
	b.WriteString(docTail)
	golden.Check(t, "../../docs/cleaning.md", b.String(), *update)
}

func section(b *strings.Builder, f Function) {
	var params []string
	for _, p := range f.Params {
		name := p.Name
		if p.Type != "VARCHAR" {
			name += " " + p.Type
		}
		if p.Optional {
			name = "[" + name + "]"
		}
		params = append(params, name)
	}
	fmt.Fprintf(b, "\n## %s(%s)\n\n%s", f.Name, strings.Join(params, ", "), f.Doc)
	if len(f.Steps) > 0 {
		fmt.Fprintf(b, " In an entity: `%s`.", strings.Join(f.Steps, "`, `"))
	}
	if f.Returns != "VARCHAR" {
		fmt.Fprintf(b, " It gives %s.", strings.ReplaceAll(strings.Replace(f.Returns, "STRUCT", "a STRUCT", 1), " VARCHAR", ""))
	}
	notes := slices.ContainsFunc(f.Examples, func(e Example) bool { return e.Note != "" })
	b.WriteString("\n\n| of | gives |" + map[bool]string{true: " |", false: ""}[notes] + "\n|---|---|" + map[bool]string{true: "---|", false: ""}[notes] + "\n")
	for _, e := range f.Examples {
		var args []string
		for _, a := range e.Args {
			args = append(args, shown(a))
		}
		fmt.Fprintf(b, "| %s | %s |", strings.Join(args, ", "), result(f, e.Want))
		if notes {
			fmt.Fprintf(b, " %s |", e.Note)
		}
		b.WriteByte('\n')
	}
}

// shown is a value as SQL writes it, with what cannot be seen told.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return "`'" + strings.NewReplacer("'", "''", "\n", "⏎", "\t", "⇥", "\u200b", "‹U+200B›", "\u00ad", "‹U+00AD›", "\u0301", "‹U+0301›", "\u00a0", "‹U+00A0›", "|", "\\|").Replace(v) + "'`"
	case []string:
		return "`['" + strings.Join(v, "', '") + "']`"
	}
	return "NULL"
}

func result(f Function, v any) string {
	fields, ok := v.(map[string]string)
	if !ok {
		if s, ok := v.(string); ok && f.Returns != "VARCHAR" {
			return "`" + s + "`"
		}
		return shown(v)
	}
	var parts []string
	for _, name := range StructFields(f.Returns) {
		if s, ok := fields[name]; ok {
			parts = append(parts, name+" `"+s+"`")
		}
	}
	return strings.Join(parts, ", ")
}

const docHead = `# Cleaning functions

Functions for names, companies, addresses, phones, e-mails, dates and plain text. They are there wherever SQL runs locally: in models, in checks,
in entities, in ` + "`millrace query`" + `. Of NULL each gives NULL, and so it does where nothing is left, so that an empty text never looks like
a value. None of them fails: what cannot be understood is NULL, or as it was, as its section says. Other types than texts are cast first:
` + "`clean_phone(CAST(phone AS VARCHAR), country)`" + `.

` + "```sql" + `
{{ config(materialized='table') }}
select
  id,
  clean_name(full_name)               as name,
  clean_nickname(first_name)          as first_name,
  clean_email(email)                  as email,
  clean_phone(phone, country)         as phone,
  clean_date(born, ['%d/%m/%Y'])      as born,
  clean_address(address, country)     as address,   -- address.street, address.postcode, …
  clean_country(country)              as country
from {{ source('crm', 'contacts') }}
` + "```" + `

A model that calls them must be materialized as a table, incremental or ephemeral. A view's SELECT is run by whoever reads it, in a DuckDB of
his own, which does not have them; such a view is refused by ` + "`lint`, `plan` and `run`" + `. In Snowflake they are not there
either: ` + "`lint`" + ` warns where the target is in Snowflake.

An optional argument, in brackets below, may be left out or NULL.

## What they are not

- **Addresses are taken apart by their form**: commas and line breaks, numbers and their order, postcodes, street types, and words for flats and
  floors. There is no list of streets or cities behind it and no trained model. So these are not understood: addresses without commas
  whose city follows a street that does not end with a type; Japanese, Chinese, Korean and Arabic addresses; Mannheim's squares
  and other streets that are numbers, in front of a number; intersections, kilometre stones and descriptions. What is not understood is
  kept: it stays in street, or stands in line alone, such as the state, the name of a building, "c/o". Compare line, then, not house.
  Without a country the postcode is looked for as five digits, or as the United Kingdom, Canada, Poland, Brazil, the Netherlands, and
  with a state Australia and the United States, write it.
- **Nothing is looked up**: a valid e-mail address may not exist, a valid number may not be assigned, a postcode of the right form may not be.
- **Nicknames and legal forms are tables**, and languages share them: "Jan" is taken for John, though it may be a woman's name; "Co" at the end
  of a name is dropped. They help to compare. Do not print what they give.
- **Folding loses**: "Müller" and "Muller" are the same, "Mueller" is not. Greek loses its accents, Cyrillic and other scripts stay.
- **Double Metaphone is made for English**, and its second codes are not kept.

The tables are plain text, in ` + "`internal/clean/tables`" + `: a line for each entry, to which anyone may add.
`

const docTail = `
## How fast

` + "`go run ./bench -only clean`" + ` measures rows a second of each function on one core. Most do 2 to 10 million; an address takes some
5 µs. Of the costly ones, the results of values that come again are remembered. DuckDB evaluates a constant once, and so each entry of a
dictionary in Parquet.
`
