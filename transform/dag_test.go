package transform

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/models"
)

// chain makes nodes 0..n-1; needs maps a node to those that it reads.
func chain(n int, needs map[int][]int) []*models.Node {
	nodes := make([]*models.Node, n)
	for i := range nodes {
		nodes[i] = &models.Node{Schema: "s", Table: fmt.Sprint(i)}
	}
	for i, list := range needs {
		for _, k := range list {
			nodes[i].Needs = append(nodes[i].Needs, nodes[k])
		}
	}
	return nodes
}

func TestWalkVisitsNeedsFirst(t *testing.T) {
	nodes := chain(20, map[int][]int{3: {0, 1}, 7: {3}, 8: {3}, 15: {7, 8}, 19: {15, 2}})
	var mu sync.Mutex
	done := map[*models.Node]bool{}
	running, most := 0, 0
	err := Walk(t.Context(), nodes, 3, func(_ context.Context, n *models.Node) error {
		mu.Lock()
		running++
		most = max(most, running)
		for _, need := range n.Needs {
			if !done[need] {
				t.Errorf("%s was visited before %s", n.Name(), need.Name())
			}
		}
		mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		running--
		done[n] = true
		return nil
	})
	if err != nil || len(done) != len(nodes) || most > 3 {
		t.Errorf("%v, %d visited, %d at once", err, len(done), most)
	}
}

func TestWalkStopsAtTheFirstError(t *testing.T) {
	nodes := chain(10, map[int][]int{1: {0}, 2: {1}, 3: {2}, 4: {3}})
	want := errors.New("no")
	visited := 0
	err := Walk(t.Context(), nodes[:5], 1, func(_ context.Context, n *models.Node) error {
		visited++
		if n == nodes[1] {
			return want
		}
		return nil
	})
	if !errors.Is(err, want) || visited != 2 {
		t.Errorf("%v after %d visits", err, visited)
	}
}

// TestWalkPartOfAGraph: a node's need that is not walked is nobody to wait for.
func TestWalkPartOfAGraph(t *testing.T) {
	nodes := chain(3, map[int][]int{2: {0, 1}})
	visited := 0
	if err := Walk(t.Context(), nodes[2:], 2, func(context.Context, *models.Node) error { visited++; return nil }); err != nil || visited != 1 {
		t.Errorf("%v, %d visited", err, visited)
	}
}
