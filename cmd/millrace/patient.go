package main

import (
	"io"
	"os"
	"sync"
	"time"
)

const (
	// patience is how long printing may hold up the work.
	patience = time.Second
	// mostHeld is how much waits to be printed; what is more is dropped.
	mostHeld = 1 << 20
)

// patient is stderr for what must go on and come to its end: it may be a pipe that nobody reads, or a terminal that was halted. A write waits
// until it is printed, for a second at the most, and no more as long as nothing is.
type patient struct {
	to io.Writer

	mu      sync.Mutex
	held    []byte
	printed chan struct{} // closed when nothing is held any more; nil: nothing is
	blocked bool
}

// patiently makes stderr patient.
func (a *app) patiently() { a.stderr = &patient{to: a.stderr} }

// Write never fails: there is nobody left to tell.
func (p *patient) Write(text []byte) (int, error) {
	p.mu.Lock()
	if len(p.held)+len(text) <= mostHeld {
		p.held = append(p.held, text...)
	}
	if p.printed == nil {
		p.printed = make(chan struct{})
		go p.print(p.printed)
	}
	printed, blocked := p.printed, p.blocked
	p.mu.Unlock()
	if blocked {
		return len(text), nil
	}
	select {
	case <-printed:
	case <-time.After(patience):
		p.mu.Lock()
		p.blocked = p.printed == printed
		p.mu.Unlock()
	}
	return len(text), nil
}

// print prints what is held.
func (p *patient) print(printed chan struct{}) {
	defer close(printed)
	for {
		p.mu.Lock()
		text := p.held
		p.held = nil
		if len(text) == 0 {
			p.printed, p.blocked = nil, false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		_, _ = p.to.Write(text)
	}
}

// stderrFile is stderr when that is a file, such as a terminal.
func (a *app) stderrFile() (*os.File, bool) {
	w := a.stderr
	if p, ok := w.(*patient); ok {
		w = p.to
	}
	f, ok := w.(*os.File)
	return f, ok
}
