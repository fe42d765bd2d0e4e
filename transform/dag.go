// Package transform builds models: it renders their templates, runs their SELECT in a warehouse and makes versions
// of the results. It never publishes and never reads anything but versions. Read Builder first; Walk orders nodes.
package transform

import (
	"context"
	"slices"
	"sync"

	"github.com/millrace/millrace/models"
)

// Walk calls visit for every node, at most width at once, none before visit has returned for everything that its SELECT or
// its checks need among nodes. The first error stops the walk; Walk returns it when the visits under way have ended.
func Walk(ctx context.Context, nodes []*models.Node, width int, visit func(context.Context, *models.Node) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := map[*models.Node]chan struct{}{}
	for _, n := range nodes {
		ended[n] = make(chan struct{})
	}
	slots := make(chan struct{}, max(1, width))
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Add(1)
		go func() {
			defer all.Done()
			defer close(ended[n])
			for _, need := range Walked(n, func(m *models.Node) bool { return ended[m] != nil }) {
				<-ended[need] // closed at the latest when the walk is cancelled and its visit has returned
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if err := visit(ctx, n); err != nil {
				cancel(err)
			}
		}()
	}
	all.Wait()
	return context.Cause(ctx)
}

// Walked are the nodes of a walk that a node needs: those that its SELECT or its checks name, and those that are behind views which are
// not walked, since a view shows what its tables hold.
func Walked(n *models.Node, in func(*models.Node) bool) []*models.Node {
	var found []*models.Node
	seen := map[*models.Node]bool{n: true}
	var follow func(needs []*models.Node)
	follow = func(needs []*models.Node) {
		for _, need := range needs {
			if seen[need] {
				continue
			}
			seen[need] = true
			if in(need) {
				found = append(found, need)
			} else if need.Model != nil && (need.Model.Materialized == models.View || need.Model.Materialized == models.Ephemeral) {
				follow(need.Needs)
			}
		}
	}
	follow(slices.Concat(n.Needs, n.After))
	return found
}
