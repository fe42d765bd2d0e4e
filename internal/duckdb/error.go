package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// Error is DuckDB's complaint about a statement. It never holds the statement itself.
type Error struct {
	Kind    string // DuckDB's word: "Parser", "Binder", "Catalog", "Conversion", "Out of Memory", "Permission", …
	Message string
	Offset  int // byte offset into the statement; -1 when unknown
}

func (e *Error) Error() string {
	if e.Kind == "" {
		return e.Message
	}
	return e.Kind + " Error: " + e.Message
}

// Is says of a full disk what system calls say.
func (e *Error) Is(target error) bool {
	return target == syscall.ENOSPC && strings.Contains(e.Message, "No space left on device")
}

// problem turns a driver error into ours: a context error when that was the reason, else an *Error where DuckDB
// spoke. Instances run with errors_as_json, so the position comes as a number.
func problem(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := err.Error()
	brace := strings.IndexByte(text, '{')
	if brace < 0 {
		return fmt.Errorf("duckdb: %w", err)
	}
	var said struct {
		Type     string `json:"exception_type"`
		Message  string `json:"exception_message"`
		Position string `json:"position"`
	}
	// The driver may append its own words after the JSON: decode the first value only.
	if json.NewDecoder(strings.NewReader(text[brace:])).Decode(&said) != nil || said.Message == "" {
		return fmt.Errorf("duckdb: %w", err)
	}
	e := &Error{Kind: said.Type, Message: said.Message, Offset: -1}
	if n, err := strconv.Atoi(said.Position); err == nil {
		e.Offset = n
	}
	return e
}

// shift moves an error's offset from a statement that we wrapped back to the user's part of it: n bytes long,
// after a prefix.
func shift(err error, prefix, n int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	if moved.Offset -= prefix; moved.Offset < 0 || moved.Offset > n {
		moved.Offset = -1
	}
	return &moved
}
