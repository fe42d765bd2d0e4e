package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
)

// Judgement is what the history of a figure says about its newest value.
type Judgement struct {
	Status   Status
	Expected string  // in words: "between 887.3 and 1,120: mean of 28 earlier runs ± 3.4 standard deviations (3 sigma, with so few runs)"
	Message  string  // in words: what was found
	Z        float64 // deviation in sigmas, negative below; as rare as a normal variate so far off; at most maxZ
	Known    int     // earlier runs that were compared with
	Seasonal bool    // these are of the same weekday only
}

const (
	// maxZ stands for "never seen": a figure that was always 0 has no scale, and JSON has no infinity.
	maxZ = 1000

	// outlierCut is the modified z-score beyond which an earlier run is left out: Iglewicz and Hoaglin (How to Detect and
	// Handle Outliers, 1993) advise 3.5 for hundreds of values. Of seven, the median absolute deviation is so rough that 3.5
	// throws out good ones, and the range becomes too narrow: 5 still finds every value that would hide the next one.
	outlierCut = 5

	// trendRuns is how far back a trend is looked for: one per cent a night is a curve over 90 nights, and a line over 14.
	trendRuns = 14

	// trendLeast is how many runs it takes: a few points are a line too easily.
	trendLeast = 7

	// trendRise is how many times the spread around the trend a figure must have risen for it to count. The slope of plain
	// noise makes up 1.3 of them in 7 runs and 0.9 in 14 (one standard error: sqrt(12/n)).
	trendRise = 6
)

// seasonRuns is how many runs of the same weekday are a habit. Half of what is asked otherwise: runs of one weekday vary
// less. Never less than four, a month of nightly runs: three are not enough to see that one of them was odd.
func seasonRuns(h models.History) int { return max(4, h.MinRuns/2) }

// Judge compares the value of a run of that logical time with those of the runs before it: of past it uses the finite
// values of earlier times, in any order.
//
// The range is mean and standard deviation, once outliers are left out by median and median absolute deviation (MAD). With
// the outliers in, a single one widens the range so much that the next anomaly passes (masking: NIST/SEMATECH e-Handbook
// of Statistical Methods, 1.3.5.17; Leys et al., J. Exp. Soc. Psychol. 49, 2013). Median and MAD alone would not suffer
// either, but MAD says as much of 28 values as the standard deviation says of 10: it alarms too often where history is short.
func Judge(h models.History, past []Metric, value float64, at time.Time) Judgement {
	if !usable(value) {
		return Judgement{Status: StatusFail, Message: fmt.Sprintf("the figure is %s: it cannot be compared with earlier runs", figure(value))}
	}
	runs := before(past, at, h.Window)
	if len(runs) < max(h.MinRuns, 2) {
		return Judgement{Status: StatusPass, Known: len(runs),
			Message: fmt.Sprintf("%s, not judged: too little history: %d of %d runs", figure(value), len(runs), max(h.MinRuns, 2))}
	}
	sameDay := func(m Metric) bool { return h.Weekday && m.At.In(at.Location()).Weekday() == at.Weekday() }
	best, seasonal := rangeOf(runs, at, sameDay), false
	// The weekday is compared with when that narrows the range: where all days are alike, four Mondays know less than 28
	// days, and a range of theirs would have to be three times as wide.
	if days := slices.DeleteFunc(slices.Clone(runs), func(m Metric) bool { return !sameDay(m) }); len(days) >= seasonRuns(h) {
		if of := rangeOf(days, at, nil); of.width(h.ErrorSigma) < best.width(h.ErrorSigma) {
			best, seasonal = of, true
		}
	}
	return best.judge(h, value, seasonal, at)
}

// usable says whether a figure can be compared: beyond 1e150 the squares are infinite.
func usable(v float64) bool { return math.Abs(v) < 1e150 }

// before returns the usable runs before that time, oldest first, the latest window of them. A backfill of last month must
// not be compared with this month, nor a retry with itself.
func before(past []Metric, at time.Time, window int) []Metric {
	runs := slices.DeleteFunc(slices.Clone(past), func(m Metric) bool {
		return !usable(m.Value) || !m.At.Before(at)
	})
	slices.SortStableFunc(runs, func(a, b Metric) int { return a.At.Compare(b.At) })
	if window > 0 && len(runs) > window {
		runs = runs[len(runs)-window:]
	}
	return runs
}

// expectation is what earlier runs let expect.
type expectation struct {
	runs    int     // that it was made from
	left    int     // outliers left out of them
	centre  float64 // mean, or where the trend leads
	spread  float64 // standard deviation around it
	stretch float64 // of the spread, for the centre is an estimate too
	freedom float64 // degrees of freedom of the spread
	floor   float64 // a deviation so small is never a sigma
	trend   bool
	natural bool // the figure was never negative
}

// rangeOf makes the expectation of runs, oldest first. Runs that keep names are no outliers.
func rangeOf(runs []Metric, at time.Time, keep func(Metric) bool) expectation {
	x, y := series(runs, at)
	e := expectation{natural: slices.Min(y) >= 0}
	recent := max(0, len(runs)-trendRuns)
	// A growing table is compared with where its growth leads: the mean of its past would call every night high, and half of
	// the table missing normal.
	if slope := trend(x[recent:], y[recent:]); slope != 0 {
		e.trend, runs, x, y = true, runs[recent:], x[recent:], y[recent:]
		for i := range y {
			y[i] -= slope * x[i] // as it would be at x = 0: now
		}
	}
	e.stretch = math.Sqrt(1 + 1/float64(len(y)))
	if e.trend { // a trend is led on from the middle of the runs to now: the further, the less sure
		m, s := mean(x), deviation(x, 0)
		e.stretch = math.Sqrt(1 + (1+m*m/(s*s))/float64(len(x)))
	}
	out := outliers(y)
	for i := len(y) - 1; i >= 0; i-- {
		// What may be the habit of a weekday is left in until there are enough of them.
		if out[i] && (keep == nil || !keep(runs[i])) {
			y, e.left = slices.Delete(y, i, i+1), e.left+1
		}
	}
	e.runs, e.centre = len(y), mean(y)
	e.spread, e.freedom = deviation(y, 1), float64(len(y)-1)
	if e.trend {
		e.freedom--
	}
	e.floor = max(math.Abs(e.centre)/100, grain(runs[0].Name))
	return e
}

// series are the runs' times, in days before at, and their values.
func series(runs []Metric, at time.Time) (x, y []float64) {
	for _, m := range runs {
		x, y = append(x, -at.Sub(m.At).Hours()/24), append(y, m.Value)
	}
	return x, y
}

// trend is the change a day, by the median of the slopes between all pairs of runs (Theil and Sen: an outlier does not
// tilt it); 0 unless it clearly outweighs the noise.
func trend(x, y []float64) float64 {
	var slopes []float64
	if len(x) < trendLeast {
		return 0
	}
	for i := range x {
		for k := i + 1; k < len(x); k++ {
			if dx := x[k] - x[i]; dx > 0 {
				slopes = append(slopes, (y[k]-y[i])/dx)
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slope := median(slopes)
	rest := make([]float64, len(y))
	for i := range y {
		rest[i] = y[i] - slope*x[i]
	}
	if rise := math.Abs(slope) * (x[len(x)-1] - x[0]); rise < trendRise*mad(rest) {
		return 0
	}
	return slope
}

// outliers says which values are odd. More than one in ten (of few values: more than one) are no outliers but a pattern,
// such as the nights of a table that is loaded each hour.
func outliers(y []float64) []bool {
	centre, spread := median(y), mad(y)
	out, n := make([]bool, len(y)), 0
	for i, v := range y {
		// Where more than half of the values are equal MAD is 0: then only what differs by much is odd.
		if out[i] = math.Abs(v-centre) > outlierCut*max(spread, math.Abs(centre)/100); out[i] {
			n++
		}
	}
	if n > max(1, len(y)/10) {
		clear(out)
	}
	return out
}

// grain is the least deviation of a figure that means anything. With a constant history the standard deviation is 0, and a
// table that has had 1,000,000 rows for ever may have one more: besides this, a hundredth of the figure counts as one sigma.
func grain(metric string) float64 {
	_, figure, of := strings.Cut(metric, ":")
	switch {
	case !of, figure == "distinct": // rows, values: the least is one
		return 1
	case strings.HasSuffix(figure, "_share"), figure == "drift":
		return 0.01
	}
	return 0
}

// width is how far from the centre so many sigmas reach. A spread that is estimated from few runs is widened as Student's
// t says: the same sigma is as rare with 7 runs as with 90.
func (e expectation) width(sigma float64) float64 {
	if e.spread == 0 {
		return sigma * e.floor
	}
	return max(student(sigma, e.freedom)*e.spread*e.stretch, sigma*e.floor)
}

// z is the inverse of width: how many sigmas a deviation is.
func (e expectation) z(deviation float64) float64 {
	if deviation == 0 {
		return 0
	}
	d := math.Abs(deviation)
	z := min(normal(d/(e.spread*e.stretch), e.freedom), d/e.floor, maxZ)
	return math.Copysign(z, deviation)
}

// student returns the quantile of Student's t that is as rare as z of the normal distribution, normal the other way round,
// by Wallace's approximation (Ann. Math. Stat. 30, 1959): within 7 % for 3 sigma and 3 degrees of freedom, 1 % for 6.
func student(z, freedom float64) float64 {
	u := z * (8*freedom + 3) / (8*freedom + 1)
	return math.Sqrt(freedom * math.Expm1(u*u/freedom))
}

func normal(t, freedom float64) float64 {
	if math.IsInf(t, 1) {
		return t
	}
	return (8*freedom + 1) / (8*freedom + 3) * math.Sqrt(freedom*math.Log1p(t*t/freedom))
}

// judge grades the value.
func (e expectation) judge(h models.History, value float64, seasonal bool, at time.Time) Judgement {
	j := Judgement{Status: StatusPass, Z: e.z(value - e.centre), Known: e.runs, Seasonal: seasonal}
	sigma, far := h.WarnSigma, math.Abs(j.Z)
	switch {
	case far >= h.ErrorSigma:
		j.Status, sigma = StatusFail, h.ErrorSigma
	case far >= h.WarnSigma:
		j.Status = StatusWarn
	}
	low, high := e.centre-e.width(sigma), e.centre+e.width(sigma)
	if e.natural {
		low = max(0, low)
	}
	j.Expected = fmt.Sprintf("between %s and %s: %s", figure(low), figure(high), e.reason(sigma, seasonal, at))
	side := "above"
	if j.Z < 0 {
		side = "below"
	}
	j.Message = fmt.Sprintf("%s is %s sigma %s %s", figure(value), figure(math.Round(far*10)/10), side, figure(e.centre))
	if figure(value) == figure(e.centre) {
		j.Message = figure(value) + ", as before"
	}
	return j
}

// reason says in words where the range comes from.
func (e expectation) reason(sigma float64, seasonal bool, at time.Time) string {
	what, whose := "mean", "earlier runs"
	if e.trend {
		what = "trend"
	}
	if seasonal {
		whose = "earlier " + at.Weekday().String() + "s"
	}
	text := fmt.Sprintf("%s of %d %s", what, e.runs, whose)
	if e.left > 0 {
		text += fmt.Sprintf(" (without %d outliers)", e.left)
		if e.left == 1 {
			text = strings.Replace(text, "outliers", "outlier", 1)
		}
	}
	if e.spread == 0 || e.width(sigma) == sigma*e.floor {
		return text + fmt.Sprintf(" ± %s, the least that counts as %.3g sigma", figure(e.width(sigma)), sigma)
	}
	factor, plain := fmt.Sprintf("%.1f", e.width(sigma)/e.spread), fmt.Sprintf("%.1f", sigma)
	text += fmt.Sprintf(" ± %s standard deviations", strings.TrimSuffix(factor, ".0"))
	if factor != plain {
		text += fmt.Sprintf(" (%.3g sigma, with so few runs)", sigma)
	}
	return text
}

// figure writes a number for people: 10,400 or 0.1234.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "not a number"
	}
	if !usable(v) {
		return "infinite"
	}
	if math.Abs(v) < 1000 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if v < 0 {
		return "-" + digits
	}
	return digits
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// deviation is the standard deviation; less is 1 for that of a sample.
func deviation(v []float64, less int) float64 {
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(max(1, len(v)-less)))
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.SortFunc(s, cmp.Compare)
	n := len(s)
	return s[(n-1)/2]/2 + s[n/2]/2
}

// mad is the median absolute deviation, scaled to be the standard deviation of normal values.
func mad(v []float64) float64 {
	centre := median(v)
	far := make([]float64, len(v))
	for i, x := range v {
		far[i] = math.Abs(x - centre)
	}
	return 1.4826 * median(far)
}

// The usual bounds of PSI, by Siddiqi, Credit Risk Scorecards (2006): less than PSIModerate is no shift worth naming, more
// than PSILarge a large one. They ignore the number of rows: see chance.
const (
	PSIModerate = 0.1
	PSILarge    = 0.25
)

// PSI is the population stability index: how far the shares of classes have moved. The vectors count the rows of
// each class; a class that one vector lacks has none. The index has no value for empty classes: they count as half a row, and as
// 0.01 % of the rows at least, so that one row in a new class of a large table stays small.
func PSI(expected, actual []float64) float64 {
	const least = 0.0001
	e, a := sum(expected), sum(actual)
	share := func(v []float64, i int, total float64) float64 {
		if total == 0 {
			return least
		}
		floor := max(least, 0.5/total)
		if i >= len(v) {
			return floor
		}
		return max(floor, v[i]/total)
	}
	psi := 0.0
	for i := range max(len(expected), len(actual)) {
		p, q := share(expected, i, e), share(actual, i, a)
		psi += (q - p) * math.Log(q/p)
	}
	return psi
}
