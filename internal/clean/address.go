package clean

import (
	"slices"
	"strings"
	"sync"
)

// AddressFields are the parts of an address, in the order that Address gives them.
const AddressFields = "STRUCT(house VARCHAR, street VARCHAR, unit VARCHAR, pobox VARCHAR, postcode VARCHAR, city VARCHAR, line VARCHAR)"

// address is one that is taken apart. What is taken goes from parts to a field; what is left over stands in line alone.
type address struct {
	country string
	parts   [][]string // words between commas and line breaks

	house, street, unit, pobox, postcode, city string
	numberFirst                                bool
}

// longestAddress is how many bytes are taken apart.
const longestAddress = 600

// Address takes an address apart by its form: words, numbers and their order. It knows postcodes, street types and words for units of many
// countries, but neither streets nor cities.
func Address(t, of string) []string {
	if len(t) > longestAddress { // a letter, perhaps
		if line := string(Words(nil, t)); line != "" {
			return []string{"", "", "", "", "", "", line}
		}
		return nil
	}
	a := address{country: countryOf(of)}
	a.parts = addressParts(t)
	if len(a.parts) == 0 {
		return nil
	}
	a.dropCountry()
	if a.country == "" {
		a.country = a.guessCountry()
	}
	a.numberFirst = !slices.Contains(numberLast, a.country)
	if a.country == "" {
		a.numberFirst = startsWithHouse(a.parts)
	}
	a.takePOBox()
	a.takePostcode()
	a.takeUnits()
	a.takeHouse()
	a.takeCity()
	a.takeStreet()
	return []string{a.house, a.street, a.unit, a.pobox, a.postcode, a.city, a.line()}
}

func countryOf(t string) string {
	if t == "" {
		return ""
	}
	return country(t)
}

// numberLast are the countries that write the house number behind the street.
var numberLast = strings.Fields("DE AT CH LI NL BE IT SM VA ES PT BR AR CL MX CO PE UY PL CZ SK HU SI HR RS BA ME MK BG RO GR CY TR SE NO DK FI IS EE LV LT UA RU BY AL EC BO PY ID")

var lineBreaks = strings.NewReplacer("\n", ",", "\r", ",", ";", ",", "|", ",")

// addressParts are the words between commas, semicolons and line breaks, folded, without points and brackets.
func addressParts(t string) [][]string {
	t = lineBreaks.Replace(t)
	var parts [][]string
	for _, part := range strings.Split(string(Fold(nil, t)), ",") {
		var words []string
		for _, w := range strings.FieldsFunc(part, func(r rune) bool { return r == ' ' || r == '.' || r == '(' || r == ')' || r == '"' }) {
			w = strings.ReplaceAll(strings.Trim(w, "-:/*_'"), "'", "")
			if number, marked := strings.CutPrefix(w, "#"); marked && number != "" {
				words = append(words, "#", number)
			} else if w != "" {
				words = append(words, w)
			}
		}
		if len(words) > 0 {
			parts = append(parts, words)
		}
	}
	return parts
}

func hasDigit(w string) bool { return strings.ContainsAny(w, "0123456789") }

func beginsWithDigit(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' }

// ordinal says whether it is 5th or 42nd, which are streets.
func ordinal(w string) bool {
	n := strings.TrimLeft(w, "0123456789")
	return n != w && slices.Contains([]string{"st", "nd", "rd", "th"}, n)
}

// houseNumber says whether it may be the number of a house: 12, 12a, 10-12, 10/2.
func houseNumber(w string) bool {
	if !beginsWithDigit(w) || ordinal(w) || len(w) > 9 {
		return false
	}
	letters := strings.TrimLeft(w, "0123456789-/")
	return len(letters) <= 3
}

func startsWithHouse(parts [][]string) bool {
	first := parts[0]
	return houseNumber(first[0]) && (len(first) > 1 || len(parts) > 1)
}

// cut takes words out of a part, and the part with its last.
func (a *address) cut(part, from, to int) {
	a.parts[part] = slices.Delete(slices.Clone(a.parts[part]), from, to)
	if len(a.parts[part]) == 0 {
		a.parts = slices.Delete(a.parts, part, part+1)
	}
}

// dropCountry takes the country's name away, which stands at the end, and notes it.
func (a *address) dropCountry() {
	last := len(a.parts) - 1
	if last < 1 {
		return
	}
	name := strings.Join(a.parts[last], " ")
	code := country(name)
	if code == "" || len(name) == 2 && a.country != code { // CA is California too
		return
	}
	if a.country == "" {
		a.country = code
	}
	a.parts = a.parts[:last]
}

// guessCountry knows the forms of postcodes that one country alone has.
func (a *address) guessCountry() string {
	for _, part := range slices.Backward(a.parts) {
		for i, w := range part {
			next := ""
			if i+1 < len(part) {
				next = part[i+1]
			}
			if letters, digits, ok := strings.Cut(w, "-"); ok && signs[letters] != "" && fits(signs[letters], digits, "") {
				return signs[letters]
			}
			switch {
			case fits("GB", w, next):
				return "GB"
			case fits("CA", w, next):
				return "CA"
			case len(w) == 6 && w[2] == '-' && fits("PL", w, ""):
				return "PL"
			case len(w) == 9 && w[5] == '-' && fits("BR", w, ""):
				return "BR"
			case i > 0 && slices.Contains(states, part[i-1]) && (fits("US", w, "")) && i == len(part)-1:
				return "US"
			case i > 0 && slices.Contains(auStates, part[i-1]) && fits("AU", w, ""):
				return "AU"
			case len(w) == 4 && len(next) == 2 && fits("NL", w, next) && i+2 < len(part):
				return "NL"
			}
		}
	}
	for _, part := range a.parts {
		for _, w := range part {
			if strings.HasSuffix(w, "strasse") || strings.HasSuffix(w, "str") && len(w) > 4 {
				return "DE"
			}
		}
	}
	return ""
}

// signs are what stands in front of postcodes, as on cars: D-10115.
var signs = map[string]string{"d": "DE", "de": "DE", "a": "AT", "at": "AT", "ch": "CH", "fl": "LI", "f": "FR", "fr": "FR", "b": "BE", "be": "BE", "nl": "NL", "l": "LU", "lu": "LU", "i": "IT", "it": "IT", "e": "ES", "es": "ES",
	"s": "SE", "se": "SE", "n": "NO", "no": "NO", "dk": "DK", "fi": "FI", "fin": "FI", "cz": "CZ", "sk": "SK", "hr": "HR", "si": "SI", "lv": "LV", "lt": "LT", "pt": "PT"}

// fits says whether the words are a postcode of the country.
func fits(code, w, next string) bool {
	if !hasDigit(w) {
		return false
	}
	written := []byte(strings.ToUpper(strings.ReplaceAll(w+next, "-", "")))
	for _, m := range masks()[code] {
		if m.fits(written) {
			return true
		}
	}
	return false
}

var (
	states = strings.Fields("al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc pr")
	// Provinces of Canada stand at the same place.
	auStates  = strings.Fields("nsw vic qld wa sa tas act nt")
	provinces = strings.Fields("on qc bc ab mb sk ns nb nl pe yt nu")
)

// boxes are how post office boxes are called.
var boxes = [][]string{{"po", "box"}, {"p", "o", "box"}, {"pobox"}, {"post", "office", "box"}, {"postbox"}, {"gpo", "box"}, {"pob"}, {"postfach"}, {"postbus"}, {"postboks"}, {"bp"}, {"b", "p"}, {"boite", "postale"},
	{"casella", "postale"}, {"cp"}, {"apartado", "de", "correos"}, {"apartado", "postal"}, {"apartado"}, {"apdo"}, {"apdo", "correos"}, {"caixa", "postal"}, {"skr", "poczt"}, {"skrytka", "pocztowa"},
	{"private", "bag"}, {"locked", "bag"}, {"pf"}, {"pl", "box"}}

// takePOBox takes the number behind what a box is called.
func (a *address) takePOBox() {
	for p, words := range a.parts {
		for i := range words {
			for _, box := range boxes {
				to := i + len(box)
				if to >= len(words) || !slices.Equal(words[i:to], box) || !beginsWithDigit(words[to]) {
					continue
				}
				a.pobox = words[to]
				for to++; box[0] == "postfach" && to < len(words) && len(words[to]) <= 3 && beginsWithDigit(words[to]); to++ { // 12 34 56
					a.pobox += words[to]
				}
				a.cut(p, i, to)
				return
			}
		}
	}
}

// takePostcode takes the last words that look like one of the country. The first word of the address is the number of a house, and so is
// the last of a street where numbers stand behind it.
func (a *address) takePostcode() {
	ways := masks()[a.country]
	if a.country == "" {
		ways = masks()["US"] // five digits, in most countries
	}
	for p := len(a.parts) - 1; p >= 0; p-- {
		words := a.parts[p]
		for i := len(words) - 1; i >= 0; i-- {
			if p == 0 && a.pobox == "" && (i == 0 && len(a.parts)+len(words) > 2 || i == len(words)-1 && !a.numberFirst && len(a.parts) == 1) {
				continue
			}
			for n := 2; n > 0; n-- {
				if i+n > len(words) || !hasDigit(words[i]) && n == 1 {
					continue
				}
				code := []byte(strings.ToUpper(strings.ReplaceAll(strings.Join(words[i:i+n], ""), "-", "")))
				if rest, ok := withoutCountry(code, a.country); ok {
					code = rest
				}
				for _, m := range ways {
					if m.fits(code) {
						a.postcode = string(m.write(nil, code))
						a.cityBeside(p, i, i+n)
						return
					}
				}
			}
		}
	}
}

// cityBeside takes the postcode away, and the city that stands with it: behind it, or where nothing does, before it.
func (a *address) cityBeside(p, from, to int) {
	words := a.parts[p]
	before, behind := words[:from], words[to:]
	if n := len(before); n > 0 && (a.country == "US" || a.country == "AU" || a.country == "CA" || a.country == "") {
		if last := before[n-1]; slices.Contains(states, last) || slices.Contains(auStates, last) || slices.Contains(provinces, last) {
			before = before[:n-1]
		}
	}
	switch {
	case len(behind) > 0:
		a.city = strings.Join(behind, " ")
		a.parts[p] = before
	case p > 0 && len(before) > 0:
		a.city = strings.Join(before, " ")
		a.parts[p] = nil
	default:
		a.parts[p] = before
	}
	if len(a.parts[p]) == 0 {
		a.parts = slices.Delete(a.parts, p, p+1)
	}
}

// units are words before the number of a flat, a floor or a staircase, and what they are called here.
var units = map[string]string{"apt": "apt", "apartment": "apt", "appt": "apt", "appartement": "apt", "app": "apt", "flat": "apt", "flt": "apt", "unit": "unit", "suite": "suite", "ste": "suite", "room": "room",
	"rm": "room", "floor": "floor", "fl": "floor", "flr": "floor", "level": "floor", "lvl": "floor", "bldg": "building", "building": "building", "bat": "building", "batiment": "building", "block": "block", "blk": "block",
	"#": "apt", "whg": "apt", "wohnung": "apt", "wg": "apt", "etage": "floor", "stock": "floor", "stiege": "stairs", "stg": "stairs", "top": "apt", "tur": "apt", "tuer": "apt", "piso": "floor", "puerta": "apt", "pta": "apt", "esc": "stairs", "escalera": "stairs",
	"int": "apt", "interno": "apt", "scala": "stairs", "lok": "apt", "lokal": "apt", "m": "apt", "mieszkanie": "apt", "bte": "apt", "bus": "apt", "boite": "apt", "lgh": "apt", "andar": "floor", "depto": "apt", "dpto": "apt", "lot": "lot", "space": "unit", "dept": "dept", "kv": "apt"}

// takeUnits takes flats and floors: behind the street, in a part of their own, and in front of the house as in Flat 3, 10 Downing Street.
func (a *address) takeUnits() {
	for p := 0; p < len(a.parts); p++ {
		for i := 0; i < len(a.parts[p]); i++ {
			words := a.parts[p]
			name, known := units[words[i]]
			if !known || i+1 == len(words) || len(words[i]) == 1 && words[i] != "#" && (i == 0 || a.country != "PL") {
				continue
			}
			value := words[i+1]
			if !hasDigit(value) && len(value) > 1 || i == 0 && p > 0 && len(words) > 4 {
				continue
			}
			a.addUnit(name, value)
			only := len(words) == 2
			a.cut(p, i, i+2)
			if only {
				p--
				break
			}
			i--
		}
	}
	if a.country != "AU" && a.country != "NZ" || len(a.parts) == 0 {
		return
	}
	if unit, house, ok := strings.Cut(a.parts[0][0], "/"); ok && beginsWithDigit(unit) && beginsWithDigit(house) { // 4/12 High Street
		a.addUnit("unit", unit)
		a.parts[0] = append([]string{house}, a.parts[0][1:]...)
	}
}

func (a *address) addUnit(name, value string) {
	if a.unit != "" {
		a.unit += " "
	}
	a.unit += name + " " + value
}

// behindNumber are words that belong to the number before them.
var behindNumber = map[string]bool{"bis": true, "ter": true, "quater": true, "quinquies": true}

// takeHouse takes the number of the house from the first part, or from the second where it stands there alone.
func (a *address) takeHouse() {
	for p := 0; p < min(2, len(a.parts)); p++ {
		if p == 1 && len(a.parts[1]) > 2 {
			return
		}
		first, last := a.houseInFront(p), a.houseBehind(p)
		order := []func() bool{first, last}
		if !a.numberFirst {
			order = []func() bool{last, first}
		}
		if order[0]() || order[1]() {
			return
		}
	}
}

func (a *address) houseInFront(p int) func() bool {
	return func() bool {
		words := a.parts[p]
		from := 0
		if len(words) > 1 && numberWords[words[0]] {
			from = 1
		}
		if from >= len(words) || !houseNumber(words[from]) {
			return false
		}
		to := from + 1
		a.house = words[from]
		if to < len(words) && behindNumber[words[to]] && (to+1 < len(words) || len(a.parts) > 1) {
			a.house += " " + words[to]
			to++
		} else if to+1 < len(words) && len(words[to]) == 1 && !hasDigit(words[to]) && a.country != "US" && !slices.Contains([]string{"n", "s", "e", "w", "r", "c", "v"}, words[to]) { // 12 a High Street
			a.house += words[to]
			to++
		}
		a.cut(p, 0, to)
		return true
	}
}

// numberWords stand before numbers of houses.
var numberWords = map[string]bool{"no": true, "nr": true, "num": true, "nummer": true, "numero": true, "n": true, "hausnr": true, "hnr": true, "no°": true, "n°": true, "nº": true, "°": true}

func (a *address) houseBehind(p int) func() bool {
	return func() bool {
		words := a.parts[p]
		for i := len(words) - 1; i >= max(0, len(words)-3); i-- {
			if !houseNumber(words[i]) || i == 0 && p == 0 && len(words) > 1 {
				continue
			}
			if i >= 2 && i == len(words)-1 && len(words[i-1]) == 1 && !hasDigit(words[i-1]) && houseNumber(words[i-2]) { // 12 A 5, as in Finland
				a.house = words[i-2] + words[i-1]
				a.addUnit("apt", words[i])
				a.cut(p, i-2, len(words))
				return true
			}
			to := i + 1
			rest := words[to:]
			if len(rest) > 1 || len(rest) == 1 && len(rest[0]) > 1 && !behindNumber[rest[0]] && !hasDigit(rest[0]) {
				return false
			}
			a.house = words[i]
			if len(rest) == 1 && len(rest[0]) == 1 && !hasDigit(rest[0]) {
				a.house += rest[0]
			} else if len(rest) == 1 && behindNumber[rest[0]] {
				a.house += " " + rest[0]
			} else if len(rest) == 1 {
				a.addUnit("apt", rest[0])
			}
			if i > 0 && numberWords[words[i-1]] {
				i--
			}
			a.cut(p, i, len(words))
			return true
		}
		return false
	}
}

// takeCity takes the last part for the city if the postcode has not told.
func (a *address) takeCity() {
	last := len(a.parts) - 1
	if last >= 1 && a.city == "" && len(a.parts[last]) == 1 && (slices.Contains(states, a.parts[last][0]) || slices.Contains(auStates, a.parts[last][0])) && last > 1 {
		last--
	}
	if a.city != "" || last < 0 || last == 0 && a.pobox == "" || slices.ContainsFunc(a.parts[last], hasDigit) {
		return
	}
	a.city = strings.Join(a.parts[last], " ")
	a.parts = slices.Delete(a.parts, last, last+1)
}

// takeStreet takes the first part that is left, in one spelling.
func (a *address) takeStreet() {
	if len(a.parts) == 0 {
		return
	}
	at := 0
	for p, words := range a.parts { // Rose Cottage, High Street: the one with a type is the street
		if a.typed(words) {
			at = p
			break
		}
	}
	words := a.parts[at]
	if n := a.typeWithin(words); n > 0 && a.city == "" && a.postcode != "" { // Main St Springfield
		a.city = strings.Join(words[n:], " ")
		words = words[:n]
	}
	a.street = strings.Join(a.spelled(words), " ")
	a.parts = slices.Delete(a.parts, at, at+1)
}

// typeWithin is how many words a street has that ends with its type, when others follow; 0: it cannot be told.
func (a *address) typeWithin(words []string) int {
	for i := 1; i < len(words)-1 && a.english(); i++ {
		if _, ok := streets().end[words[i]]; !ok {
			continue
		}
		if _, ok := directions[words[i+1]]; ok {
			i++
		}
		if i+1 < len(words) {
			return i + 1
		}
	}
	return 0
}

// streetTypes are the spellings of types by where they stand.
type streetTypes struct {
	end, glued, front map[string]string
	letters           map[string][]string // countries in which one letter in front is a type
}

var streets = sync.OnceValue(func() streetTypes {
	t := streetTypes{map[string]string{}, map[string]string{}, map[string]string{}, map[string][]string{}}
	tables := map[string]map[string]string{"end": t.end, "glued": t.glued, "front": t.front}
	for _, line := range lines(streetTypesText) {
		line, countries, _ := strings.Cut(line, "@")
		kind, rest, _ := strings.Cut(line, " ")
		name, others, _ := strings.Cut(rest, ":")
		name = cleaned(name)
		for _, other := range append(strings.Split(others, ","), name) {
			other = cleaned(other)
			if len(other) == 1 && kind == "front" {
				for _, code := range strings.Fields(countries) {
					t.letters[other+code] = []string{name}
				}
			} else if _, known := tables[kind][other]; !known && other != "" {
				tables[kind][other] = name
			}
		}
	}
	return t
})

// english says whether types stand at the end, apart.
func (a *address) english() bool {
	return slices.Contains([]string{"US", "GB", "IE", "CA", "AU", "NZ", "ZA", "IN", "SG", "PR", "IM", "JE", "GG"}, a.country) || a.country == "" && a.numberFirst
}

// germanic says whether types end words.
func (a *address) germanic() bool {
	return slices.Contains([]string{"DE", "AT", "CH", "LI", "NL", "BE", "SE", "NO", "DK", "FI", "LU"}, a.country) || a.country == "" && !a.numberFirst
}

// typed says whether a word is a street type, by where it stands.
func (a *address) typed(words []string) bool {
	spelled := a.spelled(words)
	t := streets()
	if len(words) < 2 {
		return spelled[0] != words[0] || a.germanic() && endsWithType(words[0]) != ""
	}
	last := spelled[len(spelled)-1]
	return t.end[last] == last && a.english() || a.germanic() && endsWithType(last) != "" || t.front[spelled[0]] == spelled[0]
}

// endsWithType is the type that a word ends with, spelled out or cut to str; "" for none.
func endsWithType(w string) string {
	if strings.HasSuffix(w, "str") && len(w) > 4 {
		return "str"
	}
	for _, name := range []string{"strasse", "platz", "weg", "allee", "gasse", "ring", "ufer", "damm", "straat", "laan", "plein", "gracht", "kade", "gatan", "vagen", "gade", "vej", "veien", "katu"} {
		if strings.HasSuffix(w, name) {
			return name
		}
	}
	return ""
}

var directions = map[string]string{"n": "north", "s": "south", "e": "east", "w": "west", "ne": "northeast", "nw": "northwest", "se": "southeast", "sw": "southwest"}

// spelled writes a street in one way.
func (a *address) spelled(words []string) []string {
	t := streets()
	out := slices.Clone(words)
	last := len(out) - 1
	switch {
	case a.english():
		if to, ok := directions[out[last]]; ok && last > 0 {
			out[last] = to
			last--
		}
		if to, ok := t.end[out[last]]; ok && last > 0 {
			out[last] = to
		}
		if to, ok := directions[out[0]]; ok && last > 0 {
			out[0] = to
		}
		for i := range last {
			if out[i] == "st" {
				out[i] = "saint"
			}
		}
	case a.germanic():
		if to, ok := t.glued[out[last]]; ok && last > 0 && len(out[last]) > 1 {
			out[last] = a.dutch(to)
		}
		for i, w := range out {
			if endsWithType(w) == "str" {
				out[i] = strings.TrimSuffix(w, "str") + a.dutch("strasse")
			}
		}
	}
	if to, ok := t.front[out[0]]; ok && len(out) > 1 && !(a.english() && len(words[0]) < 4) {
		out[0] = a.iberian(to)
	} else if to, ok := t.letters[out[0]+a.country]; ok && len(out) > 1 {
		out[0] = to[0]
	}
	return out
}

// dutch is strasse as the Dutch write it.
func (a *address) dutch(name string) string {
	if name == "strasse" && (a.country == "NL" || a.country == "BE") {
		return "straat"
	}
	return name
}

// iberian is avenue as Spanish and Portuguese have it.
func (a *address) iberian(name string) string {
	if name == "avenue" && slices.Contains(strings.Fields("ES PT BR MX AR CL CO PE UY EC BO PY"), a.country) {
		return "avenida"
	}
	return name
}

// line is everything, in one order and spelling.
func (a *address) line() string {
	street, house := a.street, a.house
	if a.numberFirst {
		street, house = a.house, a.street
	}
	words := []string{street, house, a.unit}
	if a.pobox != "" {
		words = append(words, "po box "+a.pobox)
	}
	for _, part := range a.parts {
		words = append(words, strings.Join(part, " "))
	}
	words = append(words, strings.ToLower(a.postcode), a.city)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}
