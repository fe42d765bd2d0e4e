package match

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/millrace/millrace/internal/fsx"
)

// WeightsFormat is the version of the weights file that this code writes.
const WeightsFormat = 1

// ReadWeights reads a file of weights. name is what people call it.
func ReadWeights(path, name string) (*Weights, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	w := &Weights{}
	if err := d.Decode(w); err != nil {
		line := 1 + bytes.Count(data[:min(int(d.InputOffset()), len(data))], []byte("\n"))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line = 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		}
		return nil, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: something stands behind the weights", name)
	}
	if err := w.problem(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

// problem is what no training gives.
func (w *Weights) problem() error {
	if w.Format != WeightsFormat {
		return fmt.Errorf("format %d: this version reads format %d; millrace match train writes it anew", w.Format, WeightsFormat)
	}
	if !possible(w.Prior) {
		return fmt.Errorf("prior %g: a probability between 0 and 1 is needed", w.Prior)
	}
	for _, c := range w.Comparisons {
		for _, l := range c.Levels {
			if !possible(l.M) || !possible(l.U) {
				return fmt.Errorf("comparison %q, level %q: m %g and u %g must be probabilities between 0 and 1, and neither of the two", c.Name, l.Name, l.M, l.U)
			}
		}
	}
	return nil
}

func possible(p float64) bool { return p > 0 && p < 1 && !math.IsNaN(p) }

// WriteFile writes the weights where people review them.
func (w *Weights) WriteFile(path string) error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return fsx.Write("weights", path, append(data, '\n'), 0o644)
}
