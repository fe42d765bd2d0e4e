// Package matchgen invents persons, some of them more than once and with errors, to measure matching with: as many as asked for, the same
// for the same seed, with the pairs that are true. It stands in no binary. Read Config, then Persons.Record.
package matchgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Config says what is invented. Zero values become those of the benchmark: 800,000 persons, 200,000 records besides, 5% members of
// households.
type Config struct {
	Entities   int
	Duplicates int
	Household  float64 // share of entities that have the surname, address and phone of another
	Errors     int     // by how much more errors a duplicate has than one to three
	Seed       uint64
}

// Persons are records, none of which is held: each is made from its number.
type Persons struct {
	Config
	firsts, lasts, streets, cities, companies names
}

// New prepares the names.
func New(c Config) *Persons {
	if c.Entities == 0 {
		c.Entities, c.Duplicates = 800_000, 200_000
	}
	if c.Household == 0 {
		c.Household = 0.05
	}
	p := &Persons{Config: c}
	p.firsts = newNames(c.Seed+1, 1200, 2, 3, 0.55)
	p.lasts = newNames(c.Seed+2, 30000, 2, 4, 0.45)
	p.streets = newNames(c.Seed+3, 8000, 2, 4, 0.5)
	p.cities = newNames(c.Seed+4, 900, 2, 3, 0.4)
	p.companies = newNames(c.Seed+5, 5000, 2, 4, 0.6)
	return p
}

// Record is one record; "" is a missing value.
type Record struct {
	ID     string
	Entity int
	Values [len(Columns)]string
}

// Columns are what a record has, in this order. All are texts, clean ones: lower case, ASCII, dates and phones in their standard form.
var Columns = [...]string{"first_name", "last_name", "birth_date", "street", "house", "city", "postcode", "country",
	"phone", "email", "company", "gender"}

// Places of some columns.
const (
	first = iota
	last
	birth
	street
	house
	city
	postcode
	country
	phone
	email
	company
	gender
)

// N is how many records there are.
func (p *Persons) N() int { return p.Entities + p.Duplicates }

// Record gives record i, 0 to N−1. Records of one entity stand anywhere; identifiers rise with i.
func (p *Persons) Record(i int) Record {
	e := p.EntityOf(i)
	r := Record{ID: fmt.Sprintf("p%08d", i), Entity: e, Values: p.entity(e)}
	if k := p.shuffled(i); k >= p.Entities {
		p.spoil(&r, rand.New(rand.NewPCG(p.Seed^0xd0b1e, uint64(k))))
	}
	return r
}

// EntityOf is whom record i is about.
func (p *Persons) EntityOf(i int) int {
	k := p.shuffled(i)
	if k < p.Entities {
		return k
	}
	return rand.New(rand.NewPCG(p.Seed^0xe471, uint64(k))).IntN(p.Entities)
}

// shuffled spreads the numbers of records over all of them: a step that has no divisor in common with N.
func (p *Persons) shuffled(i int) int {
	n := p.N()
	step := int(float64(n) * 0.6180339887)
	for gcd(step, n) != 1 {
		step++
	}
	return (i*step + n/3) % n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// entity is a person as it is.
func (p *Persons) entity(e int) [len(Columns)]string {
	v := p.alone(e)
	if e > 0 && rand.New(rand.NewPCG(p.Seed^0x40e, uint64(e))).Float64() < p.Household {
		other := p.alone(e - 1)
		for _, c := range []int{last, street, house, city, postcode, phone} {
			v[c] = other[c]
		}
		v[email] = p.emailOf(v, rand.New(rand.NewPCG(p.Seed^0xe3a, uint64(e))))
	}
	return v
}

func (p *Persons) alone(e int) (v [len(Columns)]string) {
	random := rand.New(rand.NewPCG(p.Seed, uint64(e)))
	v[first], v[last] = p.firsts.draw(random), p.lasts.draw(random)
	v[birth] = time.Date(1930, 1, 1+random.IntN(80*365), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	p.move(&v, random)
	v[country] = [...]string{"de", "de", "de", "fr", "gb", "us"}[random.IntN(6)]
	v[phone] = newPhone(random)
	v[email] = p.emailOf(v, random)
	v[gender] = [...]string{"f", "m"}[random.IntN(2)]
	if random.IntN(3) == 0 {
		v[company] = p.companies.draw(random)
	}
	for _, c := range []int{phone, email, birth, street} {
		if random.IntN(20) == 0 {
			v[c] = ""
		}
	}
	return v
}

// move gives a person another address.
func (p *Persons) move(v *[len(Columns)]string, random *rand.Rand) {
	v[street] = p.streets.draw(random) + [...]string{" street", " road", " avenue", " lane"}[random.IntN(4)]
	v[house] = fmt.Sprint(1 + random.IntN(180))
	place := p.cities.rank(random)
	v[city] = p.cities.names[place]
	v[postcode] = fmt.Sprintf("%05d", (place*97+random.IntN(60))%100000)
}

func newPhone(random *rand.Rand) string {
	return fmt.Sprintf("+49%010d", random.Int64N(10_000_000_000))
}

func (p *Persons) emailOf(v [len(Columns)]string, random *rand.Rand) string {
	local := [...]string{v[first] + "." + v[last], v[first][:1] + v[last], v[last] + fmt.Sprint(random.IntN(1000)),
		v[first] + fmt.Sprint(random.IntN(100000))}[random.IntN(4)]
	return local + "@" + [...]string{"example.com", "example.org", "mail.example.net", "post.example.de"}[random.IntN(4)]
}

// spoil makes one to three errors, or so many times as many.
func (p *Persons) spoil(r *Record, random *rand.Rand) {
	v := &r.Values
	for range max(1, p.Errors) * (1 + random.IntN(3)) {
		switch random.IntN(9) {
		case 0, 1:
			c := []int{first, last, street, email, city}[random.IntN(5)]
			v[c] = typo(v[c], random)
		case 2:
			c := []int{first, last, birth, phone, postcode, email}[random.IntN(6)]
			v[c] = transposed(v[c], random)
		case 3:
			v[[]int{birth, phone, email, street, postcode, company}[random.IntN(6)]] = ""
		case 4:
			p.move(v, random)
		case 5:
			v[first], v[last] = v[last], v[first]
		case 6:
			v[first] = v[first][:min(1, len(v[first]))]
		case 7:
			v[phone] = newPhone(random)
		case 8:
			if v[first] != "" && v[last] != "" {
				v[email] = p.emailOf(*v, random)
			}
		}
	}
}

func typo(text string, random *rand.Rand) string {
	if text == "" {
		return ""
	}
	i, letter := random.IntN(len(text)), string(rune('a'+random.IntN(26)))
	switch random.IntN(3) {
	case 0:
		return text[:i] + letter + text[i+1:]
	case 1:
		return text[:i] + letter + text[i:]
	default:
		if len(text) == 1 {
			return text
		}
		return text[:i] + text[i+1:]
	}
}

func transposed(text string, random *rand.Rand) string {
	if len(text) < 2 {
		return text
	}
	i := random.IntN(len(text) - 1)
	return text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:]
}

// names are invented, and drawn as names are: few often, many seldom.
type names struct {
	names    []string
	exponent float64
}

func newNames(seed uint64, n, least, most int, exponent float64) names {
	const onsets, nuclei, codas = "b c d f g h j k l m n p r s t v w st br tr ch sch kl", "a e i o u ei au ie", "n r l s t m ck nd rt  "
	on, nu, co := strings.Fields(onsets), strings.Fields(nuclei), strings.Split(codas, " ")
	random := rand.New(rand.NewPCG(seed, 0xa3e5))
	seen := map[string]bool{}
	out := names{exponent: exponent}
	for len(out.names) < n {
		var s strings.Builder
		for range least + random.IntN(most-least+1) {
			s.WriteString(on[random.IntN(len(on))] + nu[random.IntN(len(nu))])
		}
		s.WriteString(co[random.IntN(len(co))])
		if name := s.String(); !seen[name] {
			seen[name] = true
			out.names = append(out.names, name)
		}
	}
	return out
}

// rank draws from a power law: the place r of n comes with a probability of about r^−exponent.
func (n names) rank(random *rand.Rand) int {
	return min(int(float64(len(n.names))*math.Pow(random.Float64(), 1/(1-n.exponent))), len(n.names)-1)
}

func (n names) draw(random *rand.Rand) string { return n.names[n.rank(random)] }
