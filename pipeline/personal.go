package pipeline

import (
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
)

// maskedError is an error in words that may be shown. What it was is found by errors.As.
type maskedError struct {
	error
	text string
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.error }

// shown is an error of a node's step in words that have no personal values, which engines quote: of its own columns, or of any table
// that it is made of.
func shown(n *models.Node, err error) error {
	if err == nil || !check.OfEngine(err) {
		return err
	}
	if text := check.Words(err, nil, append([]*models.Node{n}, n.Needs...)...); text != err.Error() {
		return &maskedError{err, text}
	}
	return err
}
