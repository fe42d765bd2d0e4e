package main

import "testing"

func TestGeneralise(t *testing.T) {
	for stem, want := range map[string][2]string{
		"orders":                  {"orders", "orders"},
		"orders_2024-01-01":       {"orders", "orders_*"},
		"orders-20240101T120000Z": {"orders", "orders-*"},
		"2024_orders_part3":       {"orders_part", "*_orders_part*"},
		"2024":                    {"", "*"},
		"events.2024.01.02":       {"events", "events.*"},
		"q1":                      {"q", "q*"},
		"report (1)":              {"report ()", "report (*)"},
		"a1b2":                    {"ab", "a*b*"},
	} {
		name, pattern := generalise(stem)
		if name != want[0] || pattern != want[1] {
			t.Errorf("%s: %q %q, want %q", stem, name, pattern, want)
		}
	}
}

func TestIdentifier(t *testing.T) {
	for in, want := range map[string]string{
		"Orders": "orders", "My Sales (EU)": "my_sales_eu", "2024": "t2024", "order": "order_table", "---": "data", "Größe": "gr_e", "a--b": "a_b",
		"main": "main_table", "ÄÖ": "data",
	} {
		if got := identifier(in, "data"); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestYAMLScalar(t *testing.T) {
	for in, want := range map[string]string{
		"orders": "orders", "yes": `"yes"`, "1": `"1"`, "a b": `"a b"`, "${X}": `"$${X}"`, "/data/in": "/data/in", `q"`: `"q\""`, "a<b": `"a<b"`, "a_*.csv": `"a_*.csv"`,
	} {
		if got := yamlScalar(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestShrink(t *testing.T) {
	for _, c := range []struct {
		widths []int
		width  int
	}{{[]int{100, 5}, 40}, {[]int{100, 90, 5}, 80}, {[]int{30, 30, 30}, 60}, {[]int{200, 200, 200, 200}, 10}} {
		widths := append([]int(nil), c.widths...)
		shrink(widths, c.width)
		sum := 2 * (len(widths) - 1)
		least := true
		for i, n := range widths {
			sum += n
			least = least && n <= 8
			if n > c.widths[i] || (n < 8 && n < c.widths[i]) {
				t.Errorf("%v at %d: %v", c.widths, c.width, widths)
			}
		}
		if sum > c.width && !least {
			t.Errorf("%v at %d: %v takes %d", c.widths, c.width, widths, sum)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\tb\nc\x1b[31m\u0085é"); got != `a\tb\nc\x1b[31m\x85é` {
		t.Errorf("%q", got)
	}
}
