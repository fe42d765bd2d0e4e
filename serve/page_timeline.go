package serve

import (
	"fmt"
	"time"
)

// This file draws spans of time as bars. All places are shares of the width, so that a drawing fits any window.

// axis is the time that a drawing shows.
type axis struct{ from, to time.Time }

// x is where a moment lies, as a share of the width.
func (a axis) x(t time.Time) string { return share(a.share(t)) }

func (a axis) share(t time.Time) float64 {
	return min(max(t.Sub(a.from).Seconds()/a.to.Sub(a.from).Seconds(), 0), 1)
}

func share(part float64) string { return fmt.Sprintf("%.2f%%", part*100) }

// leastWidth keeps what took no time visible.
const leastWidth = 0.004

// bar is one span.
type bar struct {
	X, W, Class, Title, Href string
}

// bar draws a span; ok is false when none of it is on the axis.
func (a axis) bar(from, to time.Time, class, title, href string) (_ bar, ok bool) {
	if to.Before(a.from) || from.After(a.to) {
		return bar{}, false
	}
	x, end := a.share(from), a.share(to)
	w := max(end-x, leastWidth)
	return bar{share(min(x, 1-w)), share(w), class, title, href}, true
}

// tick is a line of the grid with its label.
type tick struct {
	X, Label string
	Minor    bool // left out where there is no room
	Now      bool
}

// hours are ticks at the full hours of the zone that step divides.
func (a axis) hours(step int, zone *time.Location) []tick {
	var ticks []tick
	first := a.from.In(zone)
	at := time.Date(first.Year(), first.Month(), first.Day(), first.Hour()/step*step, 0, 0, 0, zone)
	for i := 0; !at.After(a.to); i++ {
		if !at.Before(a.from) {
			label := at.Format("15:04")
			if at.Hour() == 0 {
				label = at.Format("Mon 2")
			}
			ticks = append(ticks, tick{X: a.x(at), Label: label, Minor: at.Hour()%(2*step) != 0})
		}
		at = time.Date(first.Year(), first.Month(), first.Day(), first.Hour()/step*step+(i+1)*step, 0, 0, 0, zone)
	}
	return ticks
}

// spans are ticks at round distances from the beginning: of a drawing of minutes and seconds.
func (a axis) spans() []tick {
	whole := a.to.Sub(a.from)
	step := time.Second
	for _, s := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour} {
		if step = s; whole/s <= 6 {
			break
		}
	}
	var ticks []tick
	for i := 0; time.Duration(i)*step <= whole && i < 100; i++ {
		d := time.Duration(i) * step
		if share := float64(d) / float64(whole); share < 0.97 {
			ticks = append(ticks, tick{X: a.x(a.from.Add(d)), Label: shortSpan(d), Minor: i%2 == 1})
		}
	}
	return ticks
}

func shortSpan(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return spanWords(d)
}
