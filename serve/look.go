package serve

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// engines is how many requests may open an engine of SQL at once.
const engines = 2

// look waits for its turn to open engines of SQL, one after another, and gives what opens small ones.
func (s *Server) look(ctx context.Context, f func(*pipeline.Engine) error) error {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
		return f(s.Engine().Browse())
	case <-ctx.Done():
		return ctx.Err()
	}
}
