package match

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
)

// WeightsFormat is the version of the weights file that this code writes.
const WeightsFormat = 1

// WeightsError says what is wrong with a file of weights, and where.
type WeightsError struct {
	File string
	Line int
	Err  error
}

func (e *WeightsError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *WeightsError) Unwrap() error { return e.Err }

// ReadWeights reads a file of weights. name is what people call it. What is wrong in it is a WeightsError.
func ReadWeights(path, name string) (*Weights, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	w := &Weights{}
	if err := d.Decode(w); err != nil {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		var typ *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			at = syntax.Offset
		case errors.As(err, &typ):
			at = typ.Offset
		}
		line := 1 + bytes.Count(data[:min(int(at), len(data))], []byte("\n"))
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			line, err = max(1, bytes.Count(data, []byte("\n"))), errors.New("the file ends in the middle of the weights: it was cut off")
		}
		return nil, &WeightsError{name, line, err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		line := 1 + bytes.Count(data[:min(int(d.InputOffset()), len(data))], []byte("\n"))
		return nil, &WeightsError{name, line, errors.New("something stands behind the weights")}
	}
	if p := w.problem(); p != nil {
		return nil, &WeightsError{name, max(1, keyLines(data)[p.key]), fmt.Errorf("%s: %w", strings.TrimPrefix(p.key, "/"), p.err)}
	}
	return w, nil
}

// weightsProblem is what no training gives, and the key that has it: /comparisons/0/levels/2/m.
type weightsProblem struct {
	key string
	err error
}

// problem is the first of the file, nil when there is none.
func (w *Weights) problem() *weightsProblem {
	wrong := func(key, format string, args ...any) *weightsProblem {
		return &weightsProblem{key, fmt.Errorf(format, args...)}
	}
	if w.Format != WeightsFormat {
		return wrong("/format", "%d is another format than %d, which this version reads: millrace match train writes the file anew", w.Format,
			WeightsFormat)
	}
	if !possible(w.Prior) {
		return wrong("/prior", "%g is no probability: it is greater than 0, and less than 1", w.Prior)
	}
	for i := range w.Comparisons {
		if key, value := w.Comparisons[i].problem(); key != "" {
			return wrong(fmt.Sprintf("/comparisons/%d/%s", i, key), "%g cannot be, of the comparison %q: it is greater than 0, and less than 1",
				value, w.Comparisons[i].Name)
		}
	}
	for i, g := range w.Groups {
		if key, value := g.problem(); key != "" {
			return wrong(fmt.Sprintf("/groups/%d/%s", i, key), "%g cannot be, of the group of %s: it is from 0 to 1", value,
				strings.Join(g.Comparisons, ", "))
		}
	}
	return nil
}

// problem is the key of a number that cannot be, "" when there is none, and the number.
func (c *ComparisonWeights) problem() (string, float64) {
	for i, l := range c.Levels {
		if !possible(l.M) {
			return fmt.Sprintf("levels/%d/m", i), l.M
		}
		if !possible(l.U) {
			return fmt.Sprintf("levels/%d/u", i), l.U
		}
	}
	for _, value := range slices.Sorted(maps.Keys(c.Frequent)) { // 1 is the share of the one value that all records have
		if share := c.Frequent[value]; !possible(share) && share != 1 {
			return "frequent/" + value, share
		}
	}
	for _, one := range []struct {
		key   string
		value float64
	}{{"rare", c.Rare}, {"usual", c.Usual}} {
		if one.value != 0 && one.value != 1 && !possible(one.value) { // 0: the file does not say
			return one.key, one.value
		}
	}
	return "", 0
}

func (g GroupWeights) problem() (string, float64) {
	if g.Rate < 0 || g.Rate > 1 {
		return "rate", g.Rate
	}
	for i, levels := range g.Levels {
		for k, share := range levels {
			if share < 0 || share > 1 {
				return fmt.Sprintf("levels/%d/%d", i, k), share
			}
		}
	}
	return "", 0
}

func possible(p float64) bool { return p > 0 && p < 1 && !math.IsNaN(p) }

// keyLines are the lines of all that stands in a JSON text, which can be read, by their keys: /comparisons/0/name.
func keyLines(data []byte) map[string]int {
	lines, d := map[string]int{}, json.NewDecoder(bytes.NewReader(data))
	var value func(key string)
	value = func(key string) {
		token, err := d.Token()
		if err != nil {
			return
		}
		lines[key] = 1 + bytes.Count(data[:d.InputOffset()], []byte("\n"))
		delim, _ := token.(json.Delim)
		for i := 0; (delim == '{' || delim == '[') && d.More(); i++ {
			inner := fmt.Sprint(i)
			if delim == '{' {
				name, _ := d.Token()
				inner = fmt.Sprint(name)
			}
			value(key + "/" + inner)
		}
		if delim == '{' || delim == '[' {
			_, _ = d.Token()
		}
	}
	value("")
	return lines
}

// WriteFile writes the weights where people review them.
func (w *Weights) WriteFile(path string) error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return fsx.Write("weights", path, append(data, '\n'), 0o644)
}
