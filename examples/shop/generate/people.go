package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
)

// person is somebody the shop deals with. The three systems know overlapping parts of the population, and each has its
// own idea of how to write a name.
type person struct {
	first, last             string
	street, postcode, city  string
	country                 string
	email, phone            string
	birth                   time.Time
	since                   time.Time
	segment                 string
	limitCents              int64
	inCRM, inERP, inWebshop bool
}

var (
	firstNames = strings.Fields(`Anna Lukas Leonie Jürgen Hannah Björn Käthe Paul Jörg Emma Günther Mia Sören Lea Thomas
		Sabine Zoë Matthias Ömer Ayşe Jan Katharina Stefan Ursula Bärbel Michael Andreas Petra Claudia Felix Maximilian
		Élodie René Noémie François Giulia Marco Łukasz Agnieszka Tomáš Ingrid Wolfgang Heike Dirk Silke Uwe Anke Ralf
		Christoph Elisabeth Johannes Theresa Moritz Frieda Emil Ida Anton Clara Oskar Greta`)
	lastNames = strings.Fields(`Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch
		Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner
		Krause Meier Lehmann Köhler Maier Herrmann König Walter Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung
		Hahn Schubert Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht
		Schuster Böhm Winter Kraus Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich Brandt Haas
		Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold Wolff
		Pfeiffer Yılmaz Kaya Öztürk Nowak Novák Rossi Dubois Lefèvre Jensen Sørensen`)
	streets = []string{"Hauptstraße", "Bahnhofstraße", "Gartenweg", "Schulstraße", "Lindenallee", "Am Mühlbach",
		"Goethestraße", "Kirchplatz", "Rosenweg", "Mozartgasse", "Seestrasse", "Königsallee", "Ringstraße", "Birkenweg"}
	cities = []struct{ postcode, name, country string }{
		{"10115", "Berlin", "DE"}, {"20095", "Hamburg", "DE"}, {"80331", "München", "DE"}, {"50667", "Köln", "DE"},
		{"60311", "Frankfurt am Main", "DE"}, {"70173", "Stuttgart", "DE"}, {"40213", "Düsseldorf", "DE"},
		{"04109", "Leipzig", "DE"}, {"01067", "Dresden", "DE"}, {"90402", "Nürnberg", "DE"}, {"28195", "Bremen", "DE"},
		{"79098", "Freiburg im Breisgau", "DE"}, {"55116", "Mainz", "DE"}, {"99084", "Erfurt", "DE"},
		{"1010", "Wien", "AT"}, {"5020", "Salzburg", "AT"}, {"8001", "Zürich", "CH"}, {"3011", "Bern", "CH"},
	}
	mailHosts = []string{"example.com", "example.org", "example.net", "mail.example.com", "post.example.org"}
	segments  = []string{"private", "private", "private", "business", "business", "vip"}
	// What people type when a form insists on an e-mail address. models/customers/customer_records.sql knows them.
	placeholders = []string{"", "NULL", "n/a", "keine@example.com", "noreply@example.com", "test@test.example", "unbekannt"}
)

var ascii = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "ë", "e",
	"é", "e", "É", "E", "è", "e", "ç", "c", "ş", "s", "ı", "i", "Ł", "L", "ł", "l", "š", "s", "á", "a", "ø", "o")

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// chance is true in percent of 100 cases.
func chance(rng *rand.Rand, percent int) bool { return rng.IntN(100) < percent }

func newRand(part uint64) *rand.Rand { return rand.New(rand.NewPCG(20260301, part)) }

func day(year, month, d int) time.Time {
	return time.Date(year, time.Month(month), d, 0, 0, 0, 0, time.UTC)
}

// population is everybody; the position of a person is stable, so a second night can add people at the end.
func population(n int) []person {
	rng := newRand(1)
	people := make([]person, n)
	for i := range people {
		p := &people[i]
		c := pick(rng, cities)
		p.first, p.last = pick(rng, firstNames), pick(rng, lastNames)
		p.street = fmt.Sprintf("%s %d", pick(rng, streets), 1+rng.IntN(120))
		p.postcode, p.city, p.country = c.postcode, c.name, c.country
		p.email = fmt.Sprintf("%s.%s%d@%s", mailPart(p.first), mailPart(p.last), 1+rng.IntN(999), pick(rng, mailHosts))
		p.phone = fmt.Sprintf("+49 %d %06d", 30+rng.IntN(900), rng.IntN(1_000_000))
		p.birth = day(1940, 1, 1).AddDate(0, 0, rng.IntN(24_000))
		p.since = day(2015, 1, 1).AddDate(0, 0, rng.IntN(4_000))
		p.segment = pick(rng, segments)
		p.limitCents = int64(rng.IntN(200)) * 12_550
		p.inCRM, p.inERP, p.inWebshop = chance(rng, 72), chance(rng, 60), chance(rng, 58)
	}
	return people
}

func mailPart(name string) string { return strings.ToLower(ascii.Replace(name)) }

// respell writes a name the way somebody else would: without umlauts, in capitals, or with a typing error.
func respell(rng *rand.Rand, name string) string {
	letters := []rune(name)
	at := 1 + rng.IntN(len(letters)-1)
	switch rng.IntN(6) {
	case 0:
		return strings.ToUpper(name)
	case 1: // a letter typed twice
		return string(letters[:at]) + string(letters[at-1:])
	case 2: // a letter missing
		if len(letters) > 3 {
			return string(letters[:at]) + string(letters[at+1:])
		}
	case 3: // two letters swapped
		if at+1 < len(letters) && !unicode.IsUpper(letters[at]) {
			letters[at], letters[at+1] = letters[at+1], letters[at]
			return string(letters)
		}
	case 4:
		return " " + name + "  "
	}
	return ascii.Replace(name)
}

// mailAs writes an e-mail address as one system has it: mostly right, sometimes in capitals, tagged or not at all.
func mailAs(rng *rand.Rand, email string, placeholderPercent int) string {
	switch n := rng.IntN(100); {
	case n < placeholderPercent:
		return pick(rng, placeholders)
	case n < placeholderPercent+6:
		return strings.ToUpper(email)
	case n < placeholderPercent+10:
		return email + "  "
	case n < placeholderPercent+14:
		return strings.Replace(email, "@", "+shop@", 1)
	}
	return email
}
