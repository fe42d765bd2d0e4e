package report

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// graphNodes makes nodes of lines "name: what it reads", in dependency order.
func graphNodes(lines ...string) []*models.Node {
	byName := map[string]*models.Node{}
	var all []*models.Node
	for _, line := range lines {
		name, needs, _ := strings.Cut(line, ":")
		n := &models.Node{Schema: "s", Table: name, Kind: models.KindModel}
		for _, need := range strings.Fields(needs) {
			n.Needs = append(n.Needs, byName[need])
		}
		if len(n.Needs) == 0 {
			n.Kind = models.KindStream
		}
		byName[name] = n
		all = append(all, n)
	}
	return all
}

var graphs = map[string][]string{
	"one":     {"a"},
	"chain":   {"a", "b: a", "c: b"},
	"diamond": {"a", "b: a", "c: a", "d: b c"},
	"long":    {"a", "b", "c: a", "d: c", "e: d a b"}, // lines that pass layers
	"crossed": {"a", "b", "c", "x: c", "y: b", "z: a", "end: x y z"},
	"shop": {"crm", "erp", "web", "orders", "events", "products", "stg_crm: crm", "stg_erp: erp", "stg_web: web", "records: stg_crm stg_erp stg_web", "customers: records",
		"fct: orders", "items: events", "revenue: fct", "top: fct items products"},
}

// TestGraphGolden holds the drawings still: a reader learns where things are.
func TestGraphGolden(t *testing.T) {
	for name, lines := range graphs {
		g := DrawGraph(graphNodes(lines...), "", nil)
		var b strings.Builder
		fmt.Fprintf(&b, "%d x %d\n", g.Width, g.Height)
		for _, box := range g.Boxes {
			fmt.Fprintf(&b, "%s %d,%d %dx%d\n", box.Name, box.X, box.Y, box.W, box.H)
		}
		for _, e := range g.Edges {
			fmt.Fprintln(&b, e.D)
		}
		file := filepath.Join("testdata", "graph", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != b.String() {
			t.Errorf("%s differs (%v): run the test with -update and look at the pages", name, err)
		}
	}
}

// TestGraphReads holds what makes a drawing readable, for graphs of every sort.
func TestGraphReads(t *testing.T) {
	big := []string{}
	for i := range 140 {
		line := fmt.Sprintf("n%d:", i)
		for _, back := range []int{3, 7, 31} {
			if i >= back && i%back != 0 {
				line += fmt.Sprintf(" n%d", i-back)
			}
		}
		big = append(big, line)
	}
	graphs := map[string][]string{"big": big, "diamond": graphs["diamond"], "long": graphs["long"], "crossed": graphs["crossed"], "shop": graphs["shop"]}
	for name, lines := range graphs {
		nodes := graphNodes(lines...)
		g := DrawGraph(nodes, "", nil)
		at := map[string]Box{}
		for i, a := range g.Boxes {
			at[a.Name] = a
			if a.X < 0 || a.Y < 0 || a.X+a.W > g.Width || a.Y+a.H > g.Height {
				t.Errorf("%s: %s sticks out of the drawing", name, a.Name)
			}
			for _, b := range g.Boxes[:i] {
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: %s and %s overlap", name, a.Name, b.Name)
				}
			}
		}
		edges := 0
		for _, n := range nodes {
			for _, need := range n.Needs {
				edges++
				if from, to := at[need.Name()], at[n.Name()]; from.X+from.W >= to.X {
					t.Errorf("%s: %s does not stand left of %s, which reads it", name, from.Name, to.Name)
				}
			}
		}
		if len(g.Edges) != edges || len(g.Boxes) != len(nodes) {
			t.Errorf("%s: %d lines and %d boxes for %d and %d", name, len(g.Edges), len(g.Boxes), edges, len(nodes))
		}
		if again := DrawGraph(graphNodes(lines...), "", nil); !reflect.DeepEqual(again, g) {
			t.Errorf("%s: drawn anew it looks different", name)
		}
	}
	layers, _ := layered(graphNodes(graphs["crossed"]...))
	if uncross(layers); crossings(layers) != 0 {
		t.Errorf("%d lines cross where none need to", crossings(layers))
	}
}

// TestNear finds what is drawn around a node.
func TestNear(t *testing.T) {
	nodes := graphNodes(graphs["shop"]...)
	for name, want := range map[string][]string{
		"fct": {"s.orders", "s.items", "s.products", "s.fct", "s.revenue", "s.top"}, "customers": {"s.stg_crm", "s.stg_erp", "s.stg_web", "s.records", "s.customers"}} {
		var got []string
		for _, n := range Near(nodes, "s."+name, 2, 150) {
			got = append(got, n.Name())
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("around %s: %v, want %v", name, got, want)
		}
	}
	if got := Busiest(nodes); got != "s.records" && got != "s.fct" {
		t.Errorf("the busiest is %s", got)
	}
}
