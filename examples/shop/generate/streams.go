package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"
)

const (
	peopleNight1 = 4_800
	peopleNight2 = 4_840 // forty people have come by the second night
	firstOrder   = 100_001
)

// modes are the extract modes of millrace.yml.
var modes = map[string]string{
	"crm.customers":     "full",
	"erp.customers":     "full",
	"erp.orders":        "incremental",
	"webshop.customers": "full",
	"webshop.orders":    "append",
	"webshop.events":    "append",
	"pim.products":      "full",
}

// days are the dates of the daily files. The first holds the history up to that day, the last arrives on night two.
var days = []time.Time{day(2026, 3, 1), day(2026, 3, 2), day(2026, 3, 3), day(2026, 3, 4), day(2026, 3, 5), day(2026, 3, 6)}

func nightOf(d int) int {
	if d == len(days)-1 {
		return 2
	}
	return 1
}

// deliveries is everything that arrives in the two nights. Each stream draws from its own random numbers, so changing
// one leaves the others as they are.
func deliveries() []outFile {
	people := population(peopleNight2)
	products := newProducts()
	orders := newOrders(people, products)

	var files []outFile
	files = append(files, crmCustomers(people)...)
	files = append(files, erpCustomers(people)...)
	files = append(files, erpOrders(orders)...)
	files = append(files, webshopCustomers(people)...)
	files = append(files, webshopOrders(orders)...)
	files = append(files, webshopEvents(people, products)...)
	files = append(files, catalogProducts(products))
	return files
}

// plant puts bad rows between good ones, at random places.
func plant(rng *rand.Rand, rows []row, bad ...row) []row {
	for _, b := range bad {
		at := rng.IntN(len(rows) + 1)
		rows = append(rows[:at], append([]row{b}, rows[at:]...)...)
	}
	return rows
}

// delimited joins fields to a CSV record; it quotes where the format needs it.
func delimited(delimiter string, fields ...string) string {
	for i, f := range fields {
		if strings.ContainsAny(f, delimiter+"\"\n") {
			fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
	}
	return strings.Join(fields, delimiter)
}

func jsonLine(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own structs: cannot happen
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// cents writes an amount with the given decimal mark.
func cents(n int64, mark string) string { return fmt.Sprintf("%d%s%02d", n/100, mark, n%100) }

// --- crm.customers: two regional files, semicolons, German dates and numbers, free-text notes

const crmHeader = "contact_id;name;email;phone;street;postal_code;city;country;birth_date;customer_since;segment;credit_limit;notes"

var crmNotes = []string{"", "", "", "", "NULL", "Stammkunde", "prefers e-mail", "Rückruf erbeten; vormittags",
	"called on Monday,\nwill call back", "said: \"never by post\"", "Lieferung an Nachbarn\n\nKlingel defekt"}

func crmCustomers(people []person) []outFile {
	rng := newRand(2)
	type contact struct {
		id     int
		fields []string
	}
	var contacts []contact
	write := func(p person, id int, other bool) {
		first, last, email := p.first, p.last, mailAs(rng, p.email, 7)
		if other { // the same person, entered a second time by somebody in a hurry
			last = respell(rng, last)
			if chance(rng, 40) {
				first = string([]rune(first)[:1]) + "."
			}
		}
		name := last + ", " + first
		if chance(rng, 3) {
			name = "Dr. " + first + " " + last + ", \"Praxis am Markt\""
		}
		city, birth := p.city, p.birth.Format("02.01.2006")
		if chance(rng, 5) {
			city += "   "
		}
		if chance(rng, 8) {
			birth = pick(rng, []string{"", "NULL", "01.01.1900"}) // unknown, in three spellings
		}
		contacts = append(contacts, contact{id, []string{fmt.Sprint(id), name, email, p.phone, p.street, p.postcode, city,
			p.country, birth, p.since.Format("02.01.2006"), p.segment, cents(p.limitCents, ","), pick(rng, crmNotes)}})
	}
	for i, p := range people[:peopleNight1] {
		if p.inCRM {
			write(p, 10_001+i, false)
			if chance(rng, 6) {
				write(p, 60_001+i, true)
			}
		}
	}
	bad := func(id int, reason string) row {
		p := pick(rng, people)
		f := []string{fmt.Sprint(id), p.last + ", " + p.first, p.email, p.phone, p.street, p.postcode, p.city, p.country,
			p.birth.Format("02.01.2006"), p.since.Format("02.01.2006"), p.segment, cents(p.limitCents, ","), "Stammkunde"}
		switch reason {
		case tooFewColumns:
			f = f[:4+rng.IntN(6)]
		case tooManyColumns:
			f = append(f, "bitte", "anrufen") // the note had semicolons and nobody quoted it
		case invalidUTF8:
			f[1] = "M\xfcller, " + p.first // Latin-1 pasted into a UTF-8 export
		case cast:
			switch rng.IntN(3) {
			case 0:
				f[8] = pick(rng, []string{"31.02.1980", "00.00.0000", "unbekannt"})
			case 1:
				f[9] = "2019-13-45"
			default:
				f[11] = "siehe Vertrag"
			}
		}
		text := strings.Join(f, ";")
		if reason != tooManyColumns {
			text = delimited(";", f...)
		}
		return row{key: fmt.Sprint(id), text: text, reason: reason}
	}
	snapshot := func(night int) []outFile {
		north := outFile{night: night, stream: "crm.customers", path: "crm/customers_north.csv.gz", header: crmHeader}
		south := outFile{night: night, stream: "crm.customers", path: "crm/customers_south.csv.gz", header: crmHeader}
		for _, c := range contacts {
			r := row{key: fmt.Sprint(c.id), text: delimited(";", append([]string(nil), c.fields...)...)}
			if c.id%2 == 0 {
				north.rows = append(north.rows, r)
			} else {
				south.rows = append(south.rows, r)
			}
		}
		for i, reason := range []string{tooFewColumns, tooManyColumns, invalidUTF8, cast, cast, tooFewColumns, tooManyColumns,
			invalidUTF8, cast, cast, tooFewColumns, cast, invalidUTF8, cast, cast, tooManyColumns, cast, cast, tooFewColumns} {
			if night == 2 && i%4 == 3 {
				continue // somebody at the CRM has repaired a few
			}
			f := &north
			if i%2 == 1 {
				f = &south
			}
			f.rows = plant(rng, f.rows, bad(90_001+i, reason))
		}
		return []outFile{north, south}
	}
	files := snapshot(1)

	// Night two: some contacts are gone, some have moved house, and there are new ones.
	var kept []contact
	for _, c := range contacts {
		if rng.IntN(400) == 0 {
			continue
		}
		if rng.IntN(80) == 0 {
			c.fields = append([]string(nil), c.fields...)
			c.fields[4] = "Neubaugasse " + fmt.Sprint(1+rng.IntN(90))
		}
		kept = append(kept, c)
	}
	contacts = kept
	for i := peopleNight1; i < peopleNight2; i++ {
		if people[i].inCRM {
			write(people[i], 10_001+i, false)
		}
	}
	return append(files, snapshot(2)...)
}

// --- erp.customers: Parquet, with a real decimal and a real date, and a date of birth that somebody stored as text

type erpCustomer struct {
	CustomerNo  int64   `parquet:"customer_no"`
	Name        string  `parquet:"name"`
	Email       *string `parquet:"email"`
	Street      string  `parquet:"street"`
	PostalCode  string  `parquet:"postal_code"`
	City        string  `parquet:"city"`
	Country     string  `parquet:"country"`
	BirthDate   *string `parquet:"birth_date"`
	OpenedOn    int32   `parquet:"opened_on,date"`
	CreditLimit int64   `parquet:"credit_limit,decimal(2:12)"`
	Blocked     bool    `parquet:"blocked"`
}

func customerNo(i int) int64 { return int64(500_001 + i) }

func erpCustomers(people []person) []outFile {
	rng := newRand(3)
	epochDay := func(t time.Time) int32 { return int32(t.Unix() / 86_400) }
	var night1, night2 []row
	for i, p := range people {
		if !p.inERP {
			continue
		}
		c := erpCustomer{CustomerNo: customerNo(i), Name: p.first + " " + p.last, Street: p.street, PostalCode: p.postcode,
			City: p.city, Country: p.country, OpenedOn: epochDay(p.since.AddDate(0, 0, rng.IntN(200))), CreditLimit: p.limitCents,
			Blocked: chance(rng, 2)}
		if chance(rng, 25) {
			c.Name = p.first + " " + respell(rng, p.last)
		}
		if email := mailAs(rng, p.email, 12); email != "NULL" {
			c.Email = &email
		}
		if chance(rng, 70) {
			birth := p.birth.Format("2006-01-02")
			c.BirthDate = &birth
		}
		reason := ""
		if i%200 == 77 { // customers 500078, 500278, … if the ERP has them
			bad := pick(rng, []string{"n/a", "1975-02-30", "19750101x"})
			c.BirthDate, reason = &bad, cast
		}
		r := row{key: fmt.Sprint(c.CustomerNo), text: jsonLine(c), reason: reason, erp: &c}
		if i < peopleNight1 {
			night1 = append(night1, r)
		}
		if rng.IntN(60) == 0 && reason == "" { // a new credit limit on night two
			later := c
			later.CreditLimit += 50_000
			r.text, r.erp = jsonLine(later), &later
		}
		night2 = append(night2, r)
	}
	return []outFile{
		{night: 1, stream: "erp.customers", path: "erp/customers.parquet", rows: night1},
		{night: 2, stream: "erp.customers", path: "erp/customers.parquet", rows: night2},
	}
}

// --- orders: the ERP's headers (incremental) and the webshop's baskets (append) of the same orders

type order struct {
	id       int
	customer int // position in the population
	web      bool
	placed   time.Time
	day      int // the daily file it first appears in
	currency string
	amount   int64
	items    []item
}

type item struct {
	SKU       string      `json:"sku"`
	Quantity  int         `json:"quantity"`
	UnitPrice json.Number `json:"unit_price"`
	price     int64
}

func (o order) webNo() string { return fmt.Sprintf("W-%06d", o.id) }

func newOrders(people []person, products []product) []order {
	rng := newRand(4)
	var buyers []int
	for i, p := range people[:peopleNight1] {
		if p.inERP {
			buyers = append(buyers, i)
		}
	}
	var orders []order
	for d, date := range days {
		n := 420
		if d == 0 {
			n = 6_000
		}
		var batch []order
		for range n {
			o := order{customer: pick(rng, buyers), day: d, currency: "EUR"}
			// The first file is the history of sixty days, each other file one day.
			o.placed = date.Add(time.Duration(rng.IntN(86_400)) * time.Second)
			if d == 0 {
				o.placed = o.placed.AddDate(0, 0, -rng.IntN(60))
			}
			o.web = people[o.customer].inWebshop && chance(rng, 80)
			if !o.web && people[o.customer].country == "CH" {
				o.currency = "CHF"
			}
			for range 1 + rng.IntN(4) {
				// The square makes the first products sell best.
				p := products[rng.IntN(len(products))*rng.IntN(len(products))/len(products)]
				it := item{SKU: p.sku, Quantity: 1 + rng.IntN(3), price: p.priceCents}
				it.UnitPrice = json.Number(cents(it.price, "."))
				o.items = append(o.items, it)
				o.amount += it.price * int64(it.Quantity)
			}
			batch = append(batch, o)
		}
		sort.SliceStable(batch, func(i, j int) bool { return batch[i].placed.Before(batch[j].placed) })
		for i := range batch {
			batch[i].id = firstOrder + len(orders) + i
		}
		orders = append(orders, batch...)
	}
	return orders
}

const orderHeader = "order_id,customer_no,order_date,status,channel,currency,amount,web_order_no,updated_at"

func orderRow(o order, status string, updated time.Time) row {
	channel, webNo := "phone", ""
	if o.web {
		channel, webNo = "web", o.webNo()
	} else if o.id%3 == 0 {
		channel = "store"
	}
	at := updated.Format("2006-01-02 15:04:05")
	return row{key: fmt.Sprint(o.id), cursor: at, text: delimited(",", fmt.Sprint(o.id), fmt.Sprint(customerNo(o.customer)),
		o.placed.Format("2006-01-02"), status, channel, o.currency, cents(o.amount, "."), webNo, at)}
}

// erpOrders writes, for each day, the orders that were placed or changed on that day. Within a file an order can stand
// twice (paid and shipped on one day), and the rows are in the order of the id, not of updated_at.
func erpOrders(orders []order) []outFile {
	rng := newRand(5)
	next := map[string]string{"new": "paid", "paid": "shipped", "shipped": "delivered"}
	status := map[int]string{}
	bad := 900_001
	var files []outFile
	for d, date := range days {
		var rows []row
		evening := func() time.Time { return date.Add(time.Duration(43_200+rng.IntN(43_000)) * time.Second) }
		for _, o := range orders {
			switch {
			case o.day == d && d == 0:
				status[o.id] = pick(rng, []string{"delivered", "delivered", "delivered", "delivered", "shipped", "paid", "returned", "cancelled"})
				rows = append(rows, orderRow(o, status[o.id], date.Add(time.Duration(rng.IntN(86_400))*time.Second)))
			case o.day == d:
				status[o.id] = "new"
				morning := date.Add(o.placed.Sub(date) / 2)
				rows = append(rows, orderRow(o, "new", morning))
				if chance(rng, 20) {
					status[o.id] = "paid"
					rows = append(rows, orderRow(o, "paid", evening()))
				}
			case o.day < d && next[status[o.id]] != "" && chance(rng, 18):
				status[o.id] = next[status[o.id]]
				if status[o.id] == "paid" && chance(rng, 8) {
					status[o.id] = "cancelled"
				}
				rows = append(rows, orderRow(o, status[o.id], evening()))
			}
		}
		kinds := []string{tooFewColumns, tooManyColumns, cast, cast}
		if d == 0 {
			kinds = append(kinds, cast, cast, cast, cast, invalidUTF8, invalidUTF8, tooFewColumns, tooManyColumns)
		}
		for _, reason := range kinds {
			o := pick(rng, orders)
			o.id, o.web = bad, false
			bad++
			r := orderRow(o, "new", date.Add(8*time.Hour))
			r.reason = reason
			f := strings.Split(r.text, ",")
			switch reason {
			case tooFewColumns:
				f = f[:5]
			case tooManyColumns: // 1,234.50: a thousands separator that nobody quoted
				f = append(f[:6], append([]string{"1", "234.50"}, f[7:]...)...)
			case invalidUTF8:
				f[3] = "zur\xfcck"
			case cast:
				switch rng.IntN(4) {
				case 0:
					f[6] = "n/a"
				case 1:
					f[2] = "2026-02-30"
				case 2:
					f[1] = "K-" + f[1]
				default:
					f[6] = "12.50 EUR"
				}
			}
			r.text = strings.Join(f, ",")
			rows = plant(rng, rows, r)
		}
		files = append(files, outFile{night: nightOf(d), stream: "erp.orders",
			path: "erp/orders_" + date.Format("2006-01-02") + ".csv", header: orderHeader, rows: rows})
	}
	return files
}

type webOrder struct {
	WebOrderNo string          `json:"web_order_no"`
	PlacedAt   string          `json:"placed_at"`
	Customer   webOrderBuyer   `json:"customer"`
	Items      json.RawMessage `json:"items"`
	Coupon     *string         `json:"coupon"`
}

type webOrderBuyer struct {
	ID int `json:"id"`
}

func webshopOrders(orders []order) []outFile {
	rng := newRand(6)
	bad := 900_001
	line := func(o order, placed, items string) string {
		w := webOrder{WebOrderNo: o.webNo(), PlacedAt: placed, Customer: webOrderBuyer{webID(o.customer)}, Items: json.RawMessage(items)}
		if chance(rng, 10) {
			coupon := pick(rng, []string{"SPRING10", "WELCOME", "FREESHIP"})
			w.Coupon = &coupon
		}
		return jsonLine(w)
	}
	var files []outFile
	for d, date := range days {
		var rows []row
		for _, o := range orders {
			if o.web && o.day == d {
				rows = append(rows, row{key: o.webNo(), text: line(o, o.placed.Format(time.RFC3339), jsonLine(o.items))})
			}
		}
		kinds := []string{malformedJSON, cast}
		if d == 0 {
			kinds = append(kinds, malformedJSON, malformedJSON, malformedJSON, cast, cast, cast)
		}
		for i, reason := range kinds {
			o := pick(rng, orders)
			o.id = bad
			bad++
			placed, items := o.placed.Format(time.RFC3339), jsonLine(o.items)
			if reason == cast {
				switch i % 3 {
				case 0:
					placed = "yesterday evening"
				case 1:
					items = `"none"` // text where a list belongs
				default:
					items = `[{"sku":"MR-0001","quantity":"two","unit_price":9.90}]` // a bad value deep inside
				}
			}
			text := line(o, placed, items)
			if reason == malformedJSON {
				text = text[:len(text)/2] // the connection broke
			}
			rows = plant(rng, rows, row{key: o.webNo(), text: text, reason: reason})
		}
		files = append(files, outFile{night: nightOf(d), stream: "webshop.orders",
			path: "webshop/orders_" + date.Format("2006-01-02") + ".ndjson.zst", rows: rows})
	}
	return files
}

// --- webshop.customers: NDJSON with an address inside

type webCustomer struct {
	ID         any        `json:"customer_id"` // a number, except where the dirt is
	Email      string     `json:"email"`
	FirstName  string     `json:"first_name"`
	LastName   string     `json:"last_name"`
	Address    webAddress `json:"address"`
	Newsletter bool       `json:"newsletter"`
	CreatedAt  string     `json:"created_at"`
}

type webAddress struct {
	Street     string `json:"street"`
	PostalCode string `json:"postal_code"`
	City       string `json:"city"`
	Country    string `json:"country"`
}

func webID(i int) int { return 7_001 + i }

func webshopCustomers(people []person) []outFile {
	rng := newRand(7)
	var night1, night2 []row
	for i, p := range people {
		if !p.inWebshop {
			continue
		}
		c := webCustomer{ID: webID(i), Email: mailAs(rng, p.email, 2), FirstName: p.first, LastName: p.last,
			Address: webAddress{p.street, p.postcode, p.city, p.country}, Newsletter: chance(rng, 40),
			CreatedAt: p.since.Add(time.Duration(rng.IntN(86_400)) * time.Second).Format(time.RFC3339)}
		if c.Email == "NULL" {
			c.Email = ""
		}
		if chance(rng, 12) {
			c.FirstName, c.LastName = strings.ToLower(p.first), strings.ToLower(p.last)
		}
		r := row{key: fmt.Sprint(c.ID), text: jsonLine(c)}
		if i < peopleNight1 {
			night1 = append(night1, r)
		}
		if rng.IntN(100) == 0 {
			c.Newsletter = !c.Newsletter
			r.text = jsonLine(c)
		}
		night2 = append(night2, r)
	}
	for i := range 14 {
		p := pick(rng, people)
		c := webCustomer{ID: 80_001 + i, Email: p.email, FirstName: p.first, LastName: p.last,
			Address: webAddress{p.street, p.postcode, p.city, p.country}, CreatedAt: p.since.Format(time.RFC3339)}
		r := row{key: fmt.Sprint(c.ID), reason: cast}
		switch i % 3 {
		case 0:
			c.ID = "guest"
		case 1:
			c.CreatedAt = "2025-02-30T10:00:00Z"
		default:
			r.reason = malformedJSON
		}
		r.text = jsonLine(c)
		if r.reason == malformedJSON {
			r.text = r.text[:30+rng.IntN(40)]
		}
		night1 = plant(rng, night1, r)
		if i < 11 {
			night2 = plant(rng, night2, r)
		}
	}
	return []outFile{
		{night: 1, stream: "webshop.customers", path: "webshop/customers.ndjson.zst", rows: night1},
		{night: 2, stream: "webshop.customers", path: "webshop/customers.ndjson.zst", rows: night2},
	}
}

// --- webshop.events: a clickstream, written by browsers, so 1.5 % of it is broken and some of it is sent twice

type webEvent struct {
	ID       string  `json:"event_id"`
	At       string  `json:"occurred_at"`
	Type     string  `json:"type"`
	Session  string  `json:"session_id"`
	Customer *int    `json:"customer_id"`
	Page     webPage `json:"page"`
}

type webPage struct {
	Path     string  `json:"path"`
	SKU      *string `json:"sku"`
	Referrer *string `json:"referrer"`
}

func webshopEvents(people []person, products []product) []outFile {
	rng := newRand(8)
	event := 0
	var files []outFile
	for d, date := range days {
		var rows []row
		for s := range 560 {
			session := fmt.Sprintf("s%d-%04d", d, s)
			at := date.Add(time.Duration(rng.IntN(80_000)) * time.Second)
			var customer *int
			if i := rng.IntN(peopleNight1); people[i].inWebshop && chance(rng, 60) {
				id := webID(i)
				customer = &id
			}
			var referrer *string
			if chance(rng, 50) {
				r := pick(rng, []string{"https://search.example/", "https://news.example/deals", "https://social.example/"})
				referrer = &r
			}
			send := func(kind, path string, sku *string) {
				event++
				e := webEvent{fmt.Sprintf("e%06d", event), at.Format(time.RFC3339), kind, session, customer, webPage{path, sku, referrer}}
				r := row{key: e.ID, text: jsonLine(e)}
				rows = append(rows, r)
				if rng.IntN(150) == 0 {
					rows = append(rows, r) // sent twice: a good row, to be counted once by the models
				}
				at = at.Add(time.Duration(5+rng.IntN(200)) * time.Second)
			}
			bought := false
			for range 1 + rng.IntN(5) {
				p := products[rng.IntN(len(products))*rng.IntN(len(products))/len(products)]
				send("view", "/p/"+strings.ToLower(p.sku), &p.sku)
				if chance(rng, 18) {
					send("cart", "/cart", &p.sku)
					bought = true
				}
			}
			if bought && chance(rng, 60) {
				send("checkout", "/checkout", nil)
				if chance(rng, 70) {
					send("purchase", "/thanks", nil)
				}
			}
		}
		for i := range len(rows) * 15 / 1000 {
			good := rows[rng.IntN(len(rows))]
			for good.reason != "" {
				good = rows[rng.IntN(len(rows))]
			}
			bad := row{key: fmt.Sprintf("x%d-%d", d, i), text: good.text[:20+rng.IntN(40)], reason: malformedJSON}
			if i%3 == 0 {
				bad.text, bad.reason = fmt.Sprintf(`{"event_id":%q,"occurred_at":"NaN-NaN-NaNTNaN:NaN:NaNZ","type":"view","session_id":"s","customer_id":null,"page":null}`, bad.key), cast
			}
			rows = plant(rng, rows, bad)
		}
		files = append(files, outFile{night: nightOf(d), stream: "webshop.events",
			path: "webshop/events_" + date.Format("2006-01-02") + ".ndjson.zst", rows: rows})
	}
	return files
}

// --- pim.products: tab-separated, delivered once

type product struct {
	sku, name, category string
	priceCents          int64
	weight              int
	launched            time.Time
}

func newProducts() []product {
	rng := newRand(9)
	kinds := []struct{ category, name string }{{"Kitchen", "Kettle"}, {"Kitchen", "Bread Knife"}, {"Kitchen", "Teapot"},
		{"Garden", "Watering Can"}, {"Garden", "Pruning Shears"}, {"Office", "Desk Lamp"}, {"Office", "Notebook"},
		{"Home", "Wool Blanket"}, {"Home", "Doormat"}, {"Outdoor", "Thermos"}, {"Outdoor", "Rucksack"}, {"Outdoor", "Tent"}}
	colours := []string{"Red", "Blue", "Oak", "Slate", "Moss", "Sand", "Ivory", "Copper"}
	sizes := []string{"S", "M", "L", "12\""}
	var products []product
	for i := range 360 {
		k := kinds[i%len(kinds)]
		products = append(products, product{fmt.Sprintf("MR-%04d", i+1),
			fmt.Sprintf("%s %s %s", pick(rng, colours), k.name, pick(rng, sizes)), k.category,
			int64(3+rng.IntN(120))*100 + pick(rng, []int64{0, 50, 90, 95, 99}), 50 + rng.IntN(4_000),
			day(2019, 1, 1).AddDate(0, 0, rng.IntN(2_400))})
	}
	return products
}

func catalogProducts(products []product) outFile {
	rng := newRand(10)
	f := outFile{night: 1, stream: "pim.products", path: "catalog/products.tsv",
		header: "sku\tname\tcategory\tprice\tweight_g\tlaunched_on"}
	line := func(p product, price string) string {
		return delimited("\t", p.sku, p.name, p.category, price, fmt.Sprint(p.weight), p.launched.Format("2006-01-02"))
	}
	for _, p := range products {
		f.rows = append(f.rows, row{key: p.sku, text: line(p, cents(p.priceCents, "."))})
	}
	for i, reason := range []string{cast, cast, tooFewColumns} {
		p := products[i*50]
		p.sku = fmt.Sprintf("MR-9%03d", i+1)
		text := line(p, []string{"on request", "12,90", ""}[i])
		if reason == tooFewColumns {
			text = p.sku + "\t" + "Sample (not for sale)"
		}
		f.rows = plant(rng, f.rows, row{key: p.sku, text: text, reason: reason})
	}
	return f
}
