package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		begin, ahead := time.Now(), time.Duration(0)
		var calls []time.Duration // by the time that passes
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			daily(ctx, func() time.Time { return time.Now().Add(ahead) }, func() { calls = append(calls, time.Since(begin)) })
		}()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(49 * time.Hour)
		ahead = -100 * 24 * time.Hour // set back
		pass(25 * time.Hour)
		stop()
		<-ended
		minute, day := time.Minute, 24*time.Hour
		if want := []time.Duration{minute, day + minute, 2*day + minute, 49*time.Hour + minute, 73*time.Hour + minute}; !slices.Equal(calls, want) {
			t.Errorf("called after %v, want %v", calls, want)
		}
	})
}
