package pipeline

import (
	"strings"

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

// hidesCursor says whether a cursor may be a personal value: that of its column, or of any when it is not known which one it is of.
func hidesCursor(secret map[string]bool, column string) bool {
	return secret[strings.ToLower(column)] || column == "" && len(secret) > 0
}

// hidden stands for a value that is not shown.
func hidden(value string) string {
	if value == "" {
		return ""
	}
	return "***"
}

// cursorOf is a cursor of the stream as it may be written down for others.
func cursorOf(n *models.Node, value string) string {
	if hidesCursor(check.Secrets(n), n.Stream.Cursor) {
		return hidden(value)
	}
	return value
}
