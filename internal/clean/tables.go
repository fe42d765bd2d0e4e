package clean

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// The tables are plain text: a line for each entry, # begins a comment. "word: other, other" has what the others are taken for.
var (
	//go:embed tables/titles.txt
	titlesText string
	//go:embed tables/suffixes.txt
	suffixesText string
	//go:embed tables/particles.txt
	particlesText string
	//go:embed tables/nicknames.txt
	nicknamesText string
	//go:embed tables/placeholders.txt
	placeholdersText string
	//go:embed tables/legal_forms.txt
	legalFormsText string
	//go:embed tables/countries.txt
	countriesText string
	//go:embed tables/postcodes.txt
	postcodesText string
	//go:embed tables/street_types.txt
	streetTypesText string
	//go:embed tables/months.txt
	monthsText string
)

var (
	titles       = sync.OnceValue(func() map[string]bool { return wordSet(titlesText) })
	suffixes     = sync.OnceValue(func() map[string]bool { return wordSet(suffixesText) })
	particles    = sync.OnceValue(func() map[string]bool { return wordSet(particlesText) })
	placeholders = sync.OnceValue(func() map[string]bool { return wordSet(placeholdersText) })
	nicknames    = sync.OnceValue(func() map[string]string {
		all := aliases(nicknamesText, cleaned)
		for name, full := range all {
			for range 3 { // a name that stands for others may be a form of another name itself
				if next, ok := all[cleaned(full)]; ok {
					full = next
				}
			}
			all[name] = cleaned(full)
		}
		return all
	})
)

// lines are those of a table that say something.
func lines(table string) []string {
	var all []string
	for line := range strings.Lines(table) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// cleaned is how tables are looked up.
func cleaned(s string) string { return string(Words(nil, s)) }

// wordSet has the entries of a table, which stand on lines and between commas.
func wordSet(table string) map[string]bool {
	set := map[string]bool{}
	for _, line := range lines(table) {
		for _, entry := range strings.Split(line, ",") {
			set[cleaned(entry)] = true
		}
	}
	return set
}

// aliases has for each entry, as key makes it, what it stands for; of two lines the first decides.
func aliases(table string, key func(string) string) map[string]string {
	all := map[string]string{}
	for _, line := range lines(table) {
		to, others, ok := strings.Cut(line, ":")
		if !ok {
			panic(fmt.Sprintf("clean: a table has the line %q without a colon", line))
		}
		to = strings.TrimSpace(to)
		for _, entry := range append(strings.Split(others, ","), to) {
			k := key(entry)
			if _, known := all[k]; !known && k != "" {
				all[k] = to
			}
		}
	}
	return all
}
