package check

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

// usual are the defaults of the keys.
func usual() models.History {
	return models.History{WarnSigma: 2, ErrorSigma: 3, MinRuns: 7, Window: 90, Weekday: true}
}

// night is the logical time of a nightly run; night 0 is a Monday.
func night(i int) time.Time { return time.Date(2026, 3, 2+i, 2, 0, 0, 0, time.UTC) }

// nights are so many runs of a figure.
func nights(n int, value func(i int) float64) []Metric {
	var past []Metric
	for i := range n {
		past = append(past, Metric{Name: "rows", Value: value(i), At: night(i)})
	}
	return past
}

func constant(v float64) func(int) float64 { return func(int) float64 { return v } }

// noise is 1000 with a spread of 3 %, always the same noise.
func noise() func(int) float64 {
	r := rand.New(rand.NewPCG(1, 2))
	return func(int) float64 { return math.Round(1000 + 30*r.NormFloat64()) }
}

// week has a tenth of the rows on Saturdays and Sundays.
func week() func(int) float64 {
	v := noise()
	return func(i int) float64 {
		if i%7 >= 5 {
			return v(i) / 10
		}
		return v(i)
	}
}

func growth(i int) float64 { return math.Round(10000 * math.Pow(1.01, float64(i))) }

// except is the figure with another value in one night.
func except(value func(int) float64, night int, v float64) func(int) float64 {
	return func(i int) float64 {
		if i == night {
			return v
		}
		return value(i)
	}
}

func TestJudge(t *testing.T) {
	cases := []struct {
		name     string
		history  func(int) float64
		nights   int
		value    float64
		want     Status
		seasonal bool
		says     string
	}{
		{"first run", noise(), 0, 1000, StatusPass, false, "too little history: 0 of 7 runs"},
		{"too few runs, whatever the value", noise(), 3, 1, StatusPass, false, "too little history: 3 of 7 runs"},
		{"noise", noise(), 28, 1020, StatusPass, false, "sigma above "},
		{"a drop to half", noise(), 28, 500, StatusFail, false, "sigma below 1,0"},
		{"a drop to half as soon as there is history", noise(), 7, 500, StatusFail, false, ""},
		{"twice as many", noise(), 28, 2000, StatusFail, false, "2,000 is "},
		{"graded", noise(), 28, 1080, StatusWarn, false, ""},
		{"nothing at all", noise(), 28, 0, StatusFail, false, "sigma below"},
		{"a value that is no number", noise(), 28, math.NaN(), StatusFail, false, "not a number"},
		{"a value that is no number, and no history", noise(), 0, math.NaN(), StatusFail, false, "not a number"},
		{"an infinite value", noise(), 28, math.Inf(-1), StatusFail, false, "infinite"},

		{"Saturday", week(), 61, 100, StatusPass, true, ""},
		{"Saturday like a weekday", week(), 61, 1000, StatusFail, true, ""},
		{"Monday", week(), 63, 1000, StatusPass, true, ""},
		{"Monday like a weekend", week(), 63, 100, StatusFail, true, ""},
		{"the second Saturday of all", week(), 12, 100, StatusPass, false, ""},
		{"a weekday when nothing speaks for the week", noise(), 28, 500, StatusFail, false, ""},

		{"growth goes on", growth, 90, growth(90), StatusPass, false, "is "},
		{"growth goes on, early", growth, 8, growth(8), StatusPass, false, ""},
		{"growth, and a fifth is missing", growth, 90, growth(90) * 0.8, StatusFail, false, ""},
		{"growth stops for one night", growth, 90, growth(89), StatusPass, false, ""},
		{"growth, after an outlier", except(growth, 85, 1), 90, growth(90), StatusPass, false, ""},
		{"growth, an outlier, another", except(growth, 85, 1), 90, growth(90) / 2, StatusFail, false, "without"},

		{"constant", constant(5000), 28, 5000, StatusPass, false, "5,000, as before"},
		{"constant, a tiny change", constant(5000), 28, 5001, StatusPass, false, ""},
		{"constant, one per cent", constant(5000), 28, 5050, StatusPass, false, ""},
		{"constant, five per cent", constant(5000), 28, 5250, StatusFail, false, ""},
		{"constant and small, one row more", constant(3), 28, 4, StatusPass, false, ""},
		{"constant and small, all rows gone", constant(3), 28, 0, StatusFail, false, ""},
		{"constant 0", constant(0), 28, 0, StatusPass, false, "as before"},
		{"constant 0, many", constant(0), 28, 1e6, StatusFail, false, "1,000 sigma"},

		{"an outlier hides nothing", except(noise(), 20, 1e6), 28, 500, StatusFail, false, "1 outlier"},
		{"an outlier hides nothing, with few runs", except(noise(), 3, 0), 9, 500, StatusFail, false, ""},
		{"the same outlier again", except(noise(), 20, 10), 29, 10, StatusFail, false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j := Judge(usual(), nights(c.nights, c.history), c.value, night(c.nights))
			if j.Status != c.want || j.Seasonal != c.seasonal || !strings.Contains(j.Message+j.Expected, c.says) {
				t.Errorf("want %s, seasonal %t, %q:\n%+v", c.want, c.seasonal, c.says, j)
			}
			if j.Message == "" || math.IsNaN(j.Z) || math.Abs(j.Z) > maxZ {
				t.Errorf("%+v", j)
			}
		})
	}
}

func TestJudgeWords(t *testing.T) {
	for want, j := range map[string]Judgement{
		"between 4,850 and 5,150: mean of 28 earlier runs ± 150, the least that counts as 3 sigma":               Judge(usual(), nights(28, constant(5000)), 9000, night(28)),
		"between 887.3 and 1,120: mean of 28 earlier runs ± 3.4 standard deviations (3 sigma, with so few runs)": Judge(usual(), nights(28, noise()), 500, night(28)),
	} {
		if j.Expected != want {
			t.Errorf("%q\nwant %q", j.Expected, want)
		}
	}
	if j := Judge(usual(), nights(63, week()), 100, night(63)); !strings.Contains(j.Expected, "mean of 9 earlier Mondays") {
		t.Error(j.Expected)
	}
	if j := Judge(usual(), nights(63, growth), 100, night(63)); !strings.Contains(j.Expected, "trend of 14 earlier runs") {
		t.Error(j.Expected)
	}
}

// TestJudgeUses: finite values of earlier times, the latest window of them, in any order.
func TestJudgeUses(t *testing.T) {
	past := nights(28, noise())
	want := Judge(usual(), past, 1080, night(28))
	more := append([]Metric{
		{Name: "rows", Value: math.NaN(), At: night(3)}, {Name: "rows", Value: math.Inf(1), At: night(4)},
		{Name: "rows", Value: 1, At: night(28)}, {Name: "rows", Value: 1, At: night(40)},
	}, past...)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(more), func(i, k int) { more[i], more[k] = more[k], more[i] })
	if got := Judge(usual(), more, 1080, night(28)); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	h := usual()
	h.Window = 10
	if got := Judge(h, past, 1080, night(28)); got.Known != 10 {
		t.Errorf("window of 10: %+v", got)
	}
	h.Weekday = false
	if got := Judge(h, nights(63, week()), 100, night(63)); got.Seasonal {
		t.Errorf("weekday: false: %+v", got)
	}
	if got := Judge(usual(), nights(28, func(int) float64 { return math.NaN() }), 1, night(28)); got.Known != 0 || got.Status != StatusPass {
		t.Errorf("no finite value: %+v", got)
	}
}

// TestJudgeInLocalTime: it is the project's Saturday that counts, whatever zone the journal gives times back in.
func TestJudgeInLocalTime(t *testing.T) {
	zone := time.FixedZone("far east", 12*3600)
	past := nights(63, week())
	for i := range past {
		past[i].At = time.Date(2026, 3, 2+i, 2, 0, 0, 0, zone).UTC()
	}
	if j := Judge(usual(), past, 100, time.Date(2026, 3, 2+61, 2, 0, 0, 0, zone)); j.Seasonal || j.Status == StatusFail {
		return
	}
	if j := Judge(usual(), past, 100, time.Date(2026, 3, 2+61+7, 2, 0, 0, 0, zone)); j.Status == StatusFail {
		t.Errorf("%+v", j)
	}
}

// falseAlarms simulates many tables and returns the shares of nights that warned and failed.
func falseAlarms(t *testing.T, value func(r *rand.Rand, i int) float64) (warned, failed float64) {
	t.Helper()
	const tables, length = 60, 100
	r := rand.New(rand.NewPCG(5, 6))
	n := 0.0
	for range tables {
		past := nights(length, func(i int) float64 { return value(r, i) })
		for i := usual().MinRuns; i < length; i++ {
			n++
			switch Judge(usual(), past[:i], past[i].Value, past[i].At).Status {
			case StatusWarn:
				warned++
			case StatusFail:
				failed++
			}
		}
	}
	return warned / n, failed / n
}

// TestFalseAlarms: 3 sigma are 0.3 % of the nights of a normal figure, 2 sigma another 4.3 %; estimated from few runs it may be
// a little more.
func TestFalseAlarms(t *testing.T) {
	for name, value := range map[string]func(r *rand.Rand, i int) float64{
		"spread of 2 %":  func(r *rand.Rand, _ int) float64 { return 1e6 * (1 + 0.02*r.NormFloat64()) },
		"spread of 20 %": func(r *rand.Rand, _ int) float64 { return 1e6 * (1 + 0.2*r.NormFloat64()) },
		"a mean about 0": func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
		"weekends": func(r *rand.Rand, i int) float64 {
			v := 1e6 * (1 + 0.05*r.NormFloat64())
			if i%7 >= 5 {
				v /= 10
			}
			return v
		},
		"growth": func(r *rand.Rand, i int) float64 {
			return 1e4 * math.Pow(1.01, float64(i)) * (1 + 0.01*r.NormFloat64())
		},
	} {
		if warned, failed := falseAlarms(t, value); failed > 0.01 || warned > 0.075 {
			t.Errorf("%s: %.2f %% fail, %.2f %% warn", name, 100*failed, 100*warned)
		}
	}
}

// TestExactGrowth: without noise nothing at all is an alarm.
func TestExactGrowth(t *testing.T) {
	for _, rate := range []float64{1.001, 1.01, 1.02, 0.99} {
		value := func(_ *rand.Rand, i int) float64 { return 1e5 * math.Pow(rate, float64(i)) }
		if warned, failed := falseAlarms(t, value); warned+failed > 0 {
			t.Errorf("a factor of %g a night: %.2f %% alarms", rate, 100*(warned+failed))
		}
	}
}

// TestWidthIsInverse: what the range allows and what z says are the same.
func TestWidthIsInverse(t *testing.T) {
	for _, e := range []expectation{
		{spread: 30, stretch: 1.1, freedom: 3, floor: 10}, {spread: 30, stretch: 1.02, freedom: 80, floor: 1}, {spread: 0, stretch: 1, freedom: 6, floor: 10}, {spread: 3, stretch: 1, freedom: 6},
	} {
		for _, sigma := range []float64{0.5, 2, 3, 6} {
			if z := e.z(-e.width(sigma)); math.Abs(z+sigma) > 1e-9 {
				t.Errorf("%+v: %g sigma become %g", e, sigma, z)
			}
		}
	}
	// Two-sided 0.27 %, from a table of Student's t.
	for freedom, want := range map[float64]float64{3: 9.22, 6: 4.90, 11: 3.85, 27: 3.29} {
		if got := student(3, freedom); math.Abs(got/want-1) > 0.07 {
			t.Errorf("t of %g degrees of freedom: %g, want %g", freedom, got, want)
		}
	}
}

// TestJudgeNeverBreaks: whatever the figures, there is an answer with a finite z and words.
func TestJudgeNeverBreaks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	odd := []float64{0, 1, -1, 1e308, -1e308, math.NaN(), math.Inf(1), 5e-324, 1e-9}
	for range 20000 {
		var past []Metric
		for range r.IntN(12) {
			v := odd[r.IntN(len(odd))]
			if r.IntN(2) == 0 {
				v = r.NormFloat64()
			}
			past = append(past, Metric{Name: "x:mean", Value: v, At: night(r.IntN(12))})
		}
		h := models.History{WarnSigma: 2, ErrorSigma: 3, MinRuns: 2, Window: 1 + r.IntN(12), Weekday: r.IntN(2) == 0}
		j := Judge(h, past, odd[r.IntN(len(odd))], night(12))
		if j.Status == "" || j.Message == "" || math.IsNaN(j.Z) || math.Abs(j.Z) > maxZ || strings.Contains(j.Expected, "not a number") {
			t.Fatalf("%v: %+v", past, j)
		}
	}
}

func TestPSI(t *testing.T) {
	cases := []struct {
		name             string
		expected, actual []float64
		low, high        float64
	}{
		{"nothing changed", []float64{2000, 3000, 5000}, []float64{2000, 3000, 5000}, 0, 1e-12},
		{"counts, of a table twice as large", []float64{20, 30, 50}, []float64{40, 60, 100}, 0, 1e-12},
		{"a small shift", []float64{2500, 2500, 2500, 2500}, []float64{3000, 2500, 2500, 2000}, 0.01, PSIModerate},
		{"0.5/0.5 to 0.6/0.4 by hand: 0.1 ln 1.2 - 0.1 ln 0.8", []float64{50, 50}, []float64{60, 40}, 0.0405, 0.0406},
		{"a large shift", []float64{25, 25, 25, 25}, []float64{60, 20, 10, 10}, PSILarge, 2},
		{"one row in a new class", []float64{5000, 5000, 0}, []float64{5000, 4999, 1}, 0, 1e-6},
		{"a class that is gone", []float64{50, 50}, []float64{100, 0}, PSILarge, 10},
		{"a class that only one has", []float64{50, 50}, []float64{40, 40, 20}, PSILarge, 10},
		{"both empty", nil, nil, 0, 0},
		{"one of few rows in a new class", []float64{10, 10, 0}, []float64{10, 9, 1}, 0, PSIModerate},
		{"no rows before", nil, []float64{100, 200}, PSILarge, 100},
	}
	for _, c := range cases {
		got, back := PSI(c.expected, c.actual), PSI(c.actual, c.expected)
		if got < c.low || got > c.high || math.Abs(got-back) > 1e-12 {
			t.Errorf("%s: %g (%g the other way round), want between %g and %g", c.name, got, back, c.low, c.high)
		}
	}
}
