package databasetest

import (
	"sync/atomic"
	"testing"
	"time"
)

// Polling is a reader that follows what others write.
type Polling struct{ polls atomic.Int64 }

// Polls is how often it has polled.
func (p *Polling) Polls() int64 { return p.polls.Load() }

// Follow polls every 250 ms, and once more when all has been written. An error of poll ends it, and fails the test.
func (p *Polling) Follow(t *testing.T, written <-chan struct{}, poll func() error) {
	for last := false; ; {
		next := time.After(250 * time.Millisecond)
		err := poll()
		p.polls.Add(1)
		if err != nil {
			t.Error(err)
			return
		}
		if last {
			return
		}
		select {
		case <-written:
			last = true
		case <-next:
		}
	}
}

// StopAfter calls stop after a time, or when each of the readers has polled five times, if that is later: who hardly looks loses nothing.
func StopAfter(t *testing.T, length time.Duration, stop func(), readers []*Polling) {
	time.Sleep(length)
	for _, p := range readers {
		for p.Polls() < 5 && !t.Failed() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	stop()
}
