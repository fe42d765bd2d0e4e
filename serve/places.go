package serve

import "sync"

// places are what a few requests at once may hold: so many together, and fewer from each who asks.
type places[K comparable] struct {
	most, each int

	mu    sync.Mutex
	taken map[K]int
	all   int
}

func newPlaces[K comparable](most, each int) *places[K] {
	return &places[K]{most: most, each: each, taken: map[K]int{}}
}

// enter takes a place; false when there is none.
func (p *places[K]) enter(who K) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= p.most || p.taken[who] >= p.each {
		return false
	}
	p.all++
	p.taken[who]++
	return true
}

// leave gives a place back.
func (p *places[K]) leave(who K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.taken[who]--; p.taken[who] == 0 {
		delete(p.taken, who)
	}
}
