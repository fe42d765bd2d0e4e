package main

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// halted is a terminal on which nothing is printed before it goes on.
type halted struct {
	bytes.Buffer
	goOn chan struct{}
}

func (h *halted) Write(text []byte) (int, error) {
	<-h.goOn
	return h.Buffer.Write(text)
}

// TestPrintingHoldsUpNothing: who prints waits for a second in all while nothing is printed, and nothing short is lost.
func TestPrintingHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &halted{goOn: make(chan struct{})}
		a := newApp(nil, to)
		a.patiently()
		begin, want := time.Now(), ""
		for i := range 100 {
			a.note("line %d", i)
			want += fmt.Sprintf("line %d\n", i)
		}
		if took := time.Since(begin); took != patience {
			t.Errorf("the work was held up for %v", took)
		}
		for range 3 {
			a.note("%s", bytes.Repeat([]byte("x"), mostHeld/2))
		}
		if p := a.stderr.(*patient); len(p.held) > mostHeld {
			t.Errorf("%d bytes are held", len(p.held))
		}
		close(to.goOn)
		synctest.Wait()
		a.note("after")
		if got := to.String(); got[:len(want)] != want || got[len(got)-6:] != "after\n" {
			t.Errorf("%d bytes were printed, at the end %q", len(got), got[max(0, len(got)-20):])
		}
	})
}
