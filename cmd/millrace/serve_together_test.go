package main

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
)

// TestServeTellsUntilTheWorkIsDone ends serve with a signal while its work drains: what tells of it is still there.
func TestServeTellsUntilTheWorkIsDone(t *testing.T) {
	asked, drained, began := make(chan struct{}), make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		close(asked)
		<-drained
		return nil
	}
	tell := func(ctx context.Context) error {
		<-asked
		if ctx.Err() != nil {
			t.Error("the telling ended before the work had")
		}
		close(drained)
		<-ctx.Done()
		return nil
	}
	go func() {
		<-began
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}()
	err := (&app{}).together(t.Context(), slog.New(slog.DiscardHandler), services{work: []service{work}, tell: []service{tell}})
	if code := exitCode(err); code != codeTerminated {
		t.Errorf("%d: %v", code, err)
	}
}
