package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
)

// This file lays a graph out from left to right: each node in the layer behind the last that it reads, the order within a layer
// such that few lines cross. The same nodes always give the same drawing.

// The measures of the drawing, in its own units.
const (
	boxHeight  = 30
	boxGap     = 12
	layerGap   = 56
	charWidth  = 7.3
	boxPadding = 12
	longest    = 30 // characters of a name; the rest is in its title
	margin     = 4
)

// Graph is a drawing of nodes.
type Graph struct {
	Width, Height int
	Boxes         []Box
	Edges         []Edge
}

// Box is a node.
type Box struct {
	Name, Label, Schema string
	Kind                models.Kind
	Class               string // how its table stands; "" when it is not published
	Focus               bool
	X, Y, W, H          int
	Needs, Readers      []string // for those who read it as a list
	Notes               []string // lines for who points at it
}

// TextY is where the label's baseline is.
func (b Box) TextY() int { return b.Y + b.H/2 + 4 }

// TextX is where the label begins.
func (b Box) TextX() int { return b.X + boxPadding }

// Edge is a line from a node to one that reads it.
type Edge struct {
	D     string
	Focus bool // it begins or ends at the node in focus
}

// spot is a node, or a bend of a line that passes a layer, on its way to a place.
type spot struct {
	node     *models.Node // nil for a bend
	up, down []*spot
	order    float64
	y        int
}

func (s *spot) height() int {
	if s.node == nil {
		return 4
	}
	return boxHeight
}

// DrawGraph lays out nodes, which are in dependency order. Those that the nodes read and that are not among them are left out.
func DrawGraph(nodes []*models.Node, focus string, classes map[string]string) *Graph {
	layers, spots := layered(nodes)
	uncross(layers)
	g := &Graph{}
	x, left := margin, []int{}
	for i, layer := range layers {
		w := 0
		for _, s := range layer {
			if s.node != nil {
				w = max(w, int(float64(len(label(s.node)))*charWidth)+2*boxPadding)
			}
		}
		left = append(left, x)
		x += w
		if i < len(layers)-1 {
			x += layerGap
		}
	}
	g.Width = x + margin
	settle(layers)
	for i, layer := range layers {
		for _, s := range layer {
			g.Height = max(g.Height, s.y+s.height()+margin)
			if s.node == nil {
				continue
			}
			n := s.node
			b := Box{Name: n.Name(), Label: label(n), Schema: n.Schema, Kind: n.Kind, Class: classes[n.Name()], Focus: n.Name() == focus, X: left[i], Y: s.y, H: boxHeight}
			b.W = int(float64(len(b.Label))*charWidth) + 2*boxPadding
			for _, need := range n.Needs {
				if spots[need] != nil {
					b.Needs = append(b.Needs, need.Name())
				}
			}
			for _, other := range nodes {
				if slices.Contains(other.Needs, n) {
					b.Readers = append(b.Readers, other.Name())
				}
			}
			g.Boxes = append(g.Boxes, b)
		}
	}
	g.connect(layers, left, focus)
	return g
}

// label is a name as it fits a box.
func label(n *models.Node) string {
	name := n.Name()
	if runes := []rune(name); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return name
}

// layered puts each node behind the last that it reads, with a bend in every layer that a line passes.
func layered(nodes []*models.Node) ([][]*spot, map[*models.Node]*spot) {
	spots, depth := map[*models.Node]*spot{}, map[*models.Node]int{}
	var layers [][]*spot
	put := func(s *spot, at int) {
		for len(layers) <= at {
			layers = append(layers, nil)
		}
		s.order = float64(len(layers[at]))
		layers[at] = append(layers[at], s)
	}
	for _, n := range nodes {
		s := &spot{node: n}
		spots[n] = s
		for _, need := range n.Needs {
			if spots[need] != nil {
				depth[n] = max(depth[n], depth[need]+1)
			}
		}
		put(s, depth[n])
	}
	for _, n := range nodes {
		for _, need := range n.Needs {
			from := spots[need]
			if from == nil {
				continue
			}
			for at := depth[need] + 1; at < depth[n]; at++ {
				bend := &spot{}
				put(bend, at)
				tie(from, bend)
				from = bend
			}
			tie(from, spots[n])
		}
	}
	return layers, spots
}

func tie(from, to *spot) {
	from.down = append(from.down, to)
	to.up = append(to.up, from)
}

// sweeps is how often the layers are gone through. A few are enough: what they leave crossed stays crossed.
const sweeps = 12

// uncross orders each layer by the middle of its neighbours, forth and back, and keeps the best that it found.
func uncross(layers [][]*spot) {
	best, fewest := orders(layers), crossings(layers)
	for i := range sweeps {
		if i%2 == 0 {
			for _, layer := range layers[min(1, len(layers)):] {
				sortByMiddle(layer, func(s *spot) []*spot { return s.up })
			}
		} else {
			for at := len(layers) - 2; at >= 0; at-- {
				sortByMiddle(layers[at], func(s *spot) []*spot { return s.down })
			}
		}
		if n := crossings(layers); n < fewest {
			best, fewest = orders(layers), n
		}
	}
	for i, layer := range layers {
		copy(layer, best[i])
		renumber(layer)
	}
}

func orders(layers [][]*spot) [][]*spot {
	all := make([][]*spot, len(layers))
	for i, layer := range layers {
		all[i] = slices.Clone(layer)
	}
	return all
}

func renumber(layer []*spot) {
	for i, s := range layer {
		s.order = float64(i)
	}
}

// sortByMiddle is the barycentre rule. Spots without neighbours stay about where they are.
func sortByMiddle(layer []*spot, neighbours func(*spot) []*spot) {
	middle := map[*spot]float64{}
	for _, s := range layer {
		middle[s] = s.order
		if near := neighbours(s); len(near) > 0 {
			sum := 0.0
			for _, n := range near {
				sum += n.order
			}
			middle[s] = sum / float64(len(near))
		}
	}
	slices.SortStableFunc(layer, func(a, b *spot) int {
		switch {
		case middle[a] < middle[b]:
			return -1
		case middle[a] > middle[b]:
			return 1
		}
		return 0
	})
	renumber(layer)
}

// crossings counts the pairs of lines between neighbouring layers that cross.
func crossings(layers [][]*spot) int {
	total := 0
	for _, layer := range layers {
		var ends []float64 // of the lines so far, in the order of their beginnings
		for _, s := range layer {
			var own []float64
			for _, d := range s.down {
				for _, e := range ends {
					if e > d.order {
						total++
					}
				}
				own = append(own, d.order)
			}
			ends = append(ends, own...)
		}
	}
	return total
}

// settle gives every spot its height: as near to its neighbours as the order and the gaps let it.
func settle(layers [][]*spot) {
	for _, layer := range layers {
		y := margin
		for _, s := range layer {
			s.y = y
			y += s.height() + boxGap
		}
	}
	for i := range 8 {
		for at := range layers {
			layer := layers[at]
			side := func(s *spot) []*spot { return s.up }
			if i%2 == 1 {
				layer = layers[len(layers)-1-at]
				side = func(s *spot) []*spot { return s.down }
			}
			pull(layer, side)
		}
	}
	top := 1 << 30
	for _, layer := range layers {
		for _, s := range layer {
			top = min(top, s.y)
		}
	}
	for _, layer := range layers {
		for _, s := range layer {
			s.y += margin - top
		}
	}
}

// pull moves the spots of a layer to the middle of their neighbours, and apart where they would overlap: downwards from the
// first, then as a whole back to where they wanted to be on average.
func pull(layer []*spot, side func(*spot) []*spot) {
	moved, next := 0, -1<<30
	wants := make([]int, len(layer))
	for i, s := range layer {
		wants[i] = s.y
		if near := side(s); len(near) > 0 {
			sum := 0
			for _, n := range near {
				sum += n.y + n.height()/2
			}
			wants[i] = sum/len(near) - s.height()/2
		}
		s.y = max(wants[i], next)
		next = s.y + s.height() + boxGap
		moved += s.y - wants[i]
	}
	for _, s := range layer {
		s.y -= moved / len(layer)
	}
}

// connect draws the lines, each as one curve through its bends.
func (g *Graph) connect(layers [][]*spot, left []int, focus string) {
	right := map[*spot]int{}
	at := map[*spot]int{}
	for i, layer := range layers {
		for _, s := range layer {
			at[s] = left[i]
			right[s] = left[i]
			if s.node != nil {
				right[s] += int(float64(len(label(s.node)))*charWidth) + 2*boxPadding
			} else if i+1 < len(left) {
				right[s] = left[i+1] - layerGap // straight through the layer
			}
		}
	}
	for _, layer := range layers {
		for _, s := range layer {
			if s.node == nil {
				continue
			}
			for _, d := range s.down {
				var b strings.Builder
				from, to := s, d
				fmt.Fprintf(&b, "M%d %d", right[from], from.y+from.height()/2)
				for {
					x1, y1, x2, y2 := right[from], from.y+from.height()/2, at[to], to.y+to.height()/2
					fmt.Fprintf(&b, "C%d %d %d %d %d %d", (x1+x2)/2, y1, (x1+x2)/2, y2, x2, y2)
					if to.node != nil {
						break
					}
					fmt.Fprintf(&b, "H%d", right[to])
					from, to = to, to.down[0]
				}
				g.Edges = append(g.Edges, Edge{b.String(), focus != "" && (s.node.Name() == focus || to.node.Name() == focus)})
			}
		}
	}
}

// OneOfEach leaves out the other tables of entities, which are made with the golden records, unless something else reads them or one of them is in
// focus: seven boxes for one thing hide what it is made of.
func OneOfEach(nodes []*models.Node, focus string) []*models.Node {
	read := map[*models.Node]bool{}
	for _, n := range nodes {
		for _, need := range n.Needs {
			read[need] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n *models.Node) bool {
		return n.Entity != nil && n.Part != models.PartGolden && !read[n] && n.Name() != focus
	})
}

// Near are the nodes that are at most so many hops up or down from one, in the order of nodes; of more than most, those nearest.
func Near(nodes []*models.Node, name string, hops, most int) []*models.Node {
	readers := map[*models.Node][]*models.Node{}
	distance := map[*models.Node]int{}
	var ring []*models.Node
	for _, n := range nodes {
		for _, need := range n.Needs {
			readers[need] = append(readers[need], n)
		}
		if n.Name() == name {
			ring = append(ring, n)
			distance[n] = 0
		}
	}
	for hop := 1; hop <= hops; hop++ {
		var next []*models.Node
		for _, n := range ring {
			for _, other := range append(append([]*models.Node{}, n.Needs...), readers[n]...) {
				if _, seen := distance[other]; !seen && len(distance) < most {
					distance[other] = hop
					next = append(next, other)
				}
			}
		}
		ring = next
	}
	var chosen []*models.Node
	for _, n := range nodes {
		if _, in := distance[n]; in {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

// Busiest is the node that has the most others around it.
func Busiest(nodes []*models.Node) string {
	degree, best := map[string]int{}, ""
	for _, n := range nodes {
		degree[n.Name()] += len(n.Needs)
		for _, need := range n.Needs {
			degree[need.Name()]++
		}
	}
	for _, n := range nodes {
		if best == "" || degree[n.Name()] > degree[best] {
			best = n.Name()
		}
	}
	return best
}
