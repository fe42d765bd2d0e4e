package pipeline

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/models"
)

// TestReaders: what is mended in a source is read by the pipeline of its stream, however far behind the model that is.
func TestReaders(t *testing.T) {
	stream := &models.Node{Pipeline: "ingest", Stream: &models.Stream{}}
	clean := &models.Node{Pipeline: "marts", Model: &models.Model{}, Needs: []*models.Node{stream}}
	mart := &models.Node{Pipeline: "marts", Model: &models.Model{}, Needs: []*models.Node{clean, stream}}
	for n, want := range map[*models.Node][]string{stream: nil, clean: {"ingest", "marts"}, mart: {"ingest", "marts"}, {Model: &models.Model{}}: nil} {
		if got := readers(n); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
