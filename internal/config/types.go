package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span such as 90m, 26h, 7d or 1d12h.
type Duration time.Duration

var (
	durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(ms|us|µs|ns|s|m|h|d|w)`)
	units        = map[string]time.Duration{
		"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
)

// Std returns the span as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the shortest form, in days when it is whole days.
func (d Duration) String() string {
	if day := 24 * time.Hour; d != 0 && d.Std()%day == 0 {
		return strconv.Itoa(int(d.Std()/day)) + "d"
	}
	s := d.Std().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	bad := errors.New("must be a time span such as 30s, 90m, 26h or 7d")
	rest := string(b)
	if rest == "0" {
		*d = 0
		return nil
	}
	var total float64
	for first := true; rest != "" || first; first = false {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return bad
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return bad
		}
		total += n * float64(units[m[2]])
		rest = rest[len(m[0]):]
	}
	if total >= math.MaxInt64 {
		return errors.New("is longer than 290 years")
	}
	*d = Duration(total)
	return nil
}

// SchemaType implements the schema of a Duration.
func (Duration) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "integer"}, "pattern": `^(0|([0-9]+(\.[0-9]+)?(ms|us|µs|ns|s|m|h|d|w))+)$|\$\{`, "minimum": 0, "maximum": 0}
}

// Size is a number of bytes such as 512MB (powers of 1000), 2GiB (powers of 1024) or 4096.
type Size int64

var (
	sizeSyntax = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kKMGT]i?)?B?$`)
	powers     = map[string]float64{
		"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
		"ki": 1 << 10, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	}
)

// String returns the size in the largest unit that gives a whole number.
func (s Size) String() string {
	for _, u := range []string{"Ti", "T", "Gi", "G", "Mi", "M", "Ki", "k"} {
		if p := Size(powers[u]); s >= p && s%p == 0 {
			return strconv.FormatInt(int64(s/p), 10) + u + "B"
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) error {
	m := sizeSyntax.FindSubmatch(b)
	if m == nil {
		return errors.New("must be a size such as 512MB, 2GiB or 4096")
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	n *= powers[string(m[2])]
	if err != nil || n >= math.MaxInt64 {
		return errors.New("is too large")
	}
	*s = Size(n)
	return nil
}

// SchemaType implements the schema of a Size.
func (Size) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "integer"}, "pattern": `^[0-9]+(\.[0-9]+)? ?([kKMGT]i?)?B?$|\$\{`, "minimum": 0}
}

// Threshold is a limit on a part of a total: a count such as 100, or a share such as 1%.
type Threshold struct {
	Count   int64
	Percent float64 // from 0 to 100; counts only when IsPercent
	// IsPercent says that the limit is Percent of the total, not Count.
	IsPercent bool
}

// Exceeded reports whether n of total is more than the threshold allows.
func (t Threshold) Exceeded(n, total int64) bool {
	if t.IsPercent {
		return n > 0 && float64(n)*100 > t.Percent*float64(total)
	}
	return n > t.Count
}

// String returns the form that is written in YAML.
func (t Threshold) String() string {
	if t.IsPercent {
		return strconv.FormatFloat(t.Percent, 'f', -1, 64) + "%"
	}
	return strconv.FormatInt(t.Count, 10)
}

// MarshalText implements encoding.TextMarshaler.
func (t Threshold) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Tolerance is how far two numbers may be apart and still count as equal: an amount such as 0.01, or a share of the
// greater of the two such as 0.1%. The zero Tolerance allows nothing.
type Tolerance struct {
	Amount  string  // a decimal number as it was written; "" in a share
	Percent float64 // from 0 to 100
}

// IsZero says that only equal numbers are equal.
func (t Tolerance) IsZero() bool { return t.Amount == "" && t.Percent == 0 }

// String returns the form that is written in YAML.
func (t Tolerance) String() string {
	if t.Amount == "" {
		return strconv.FormatFloat(t.Percent, 'f', -1, 64) + "%"
	}
	return t.Amount
}

// MarshalText implements encoding.TextMarshaler.
func (t Tolerance) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

var amountSyntax = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,18})?$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Tolerance) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if amountSyntax.MatchString(s) {
		*t = Tolerance{}
		if strings.Trim(s, "0.") != "" {
			t.Amount = s
		}
		return nil
	}
	var share Threshold
	if !strings.HasSuffix(s, "%") || share.UnmarshalText([]byte(s)) != nil {
		return errors.New("must be an amount such as 0.01 or a share such as 0.1%")
	}
	*t = Tolerance{Percent: share.Percent}
	return nil
}

// SchemaType implements the schema of a Tolerance.
func (Tolerance) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "number"}, "pattern": `^[0-9]+(\.[0-9]+)? ?%?$|\$\{`, "minimum": 0}
}

var percentSyntax = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?%$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Threshold) UnmarshalText(b []byte) error {
	s := string(b)
	if percentSyntax.MatchString(s) {
		p, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
		if err != nil || p > 100 {
			return errors.New("must not be more than 100%")
		}
		*t = Threshold{Percent: p, IsPercent: true}
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return errors.New("must be a count such as 100 or a share such as 1%")
	}
	*t = Threshold{Count: int64(n)}
	return nil
}

// SchemaType implements the schema of a Threshold.
func (Threshold) SchemaType() map[string]any {
	return map[string]any{"type": []any{"string", "integer"}, "pattern": `^[0-9]+(\.[0-9]+)? ?%$|^[0-9]+$|\$\{`, "minimum": 0}
}

// StringList is a list of texts; a single text may be written without the list.
type StringList []string

// parseInt reads an integer of YAML 1.2 that fits into bits.
func parseInt(text string, bits int) (int64, error) {
	digits := strings.TrimLeft(text, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return 0, fmt.Errorf("has a leading zero")
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, bits)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("is too large")
	}
	return n, err
}

// parseFloat reads a number of YAML 1.2.
func parseFloat(text string) (float64, error) {
	t := strings.ToLower(text)
	if strings.Contains(t, "inf") || strings.Contains(t, "nan") {
		return 0, errors.New("must be a finite number")
	}
	if strings.HasPrefix(strings.TrimLeft(t, "+-"), "0x") || strings.HasPrefix(strings.TrimLeft(t, "+-"), "0o") {
		n, err := parseInt(text, 64)
		return float64(n), err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("is too large")
	}
	return f, nil
}
