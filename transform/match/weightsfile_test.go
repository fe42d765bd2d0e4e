package match

import (
	"strings"
	"testing"
)

// TestHiddenValues: of frequent values that nobody is shown the file has hashes, and they weigh the same.
func TestHiddenValues(t *testing.T) {
	c := ComparisonWeights{Name: "phone", Frequent: map[string]float64{"+49301": 0.25}}
	c.Hide()
	for name := range c.Frequent {
		if strings.Contains(name, "49301") {
			t.Errorf("the file has %q", name)
		}
	}
	shares := c.shares()
	if share, ok := shares("+49301"); !ok || share != 0.25 {
		t.Errorf("the value's share is %g, %v", share, ok)
	}
	if share, ok := shares("+49302"); ok {
		t.Errorf("another value has the share %g", share)
	}
}
