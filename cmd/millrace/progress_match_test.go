package main

import (
	"testing"

	"github.com/millrace/millrace/pipeline"
)

func TestMatchText(t *testing.T) {
	for _, c := range []struct {
		done, of int64
		want     string
	}{{12_345_678, 17_100_000, " match 12M of 17M pairs"}, {900, 1200, " match 900 of 1200 pairs"}, {5, 0, " match 5 pairs"}} {
		if got := matchText(pipeline.Event{Rows: c.done, Total: c.of}); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
