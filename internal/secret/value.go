// Package secret finds secret values and keeps them out of everything people read.
//
// [Stores] asks the places a project lists under "secrets:" (environment, files, an age file, the OS keyring, Vault)
// for a value by name, in order. [Value] is what they return: it prints as *** whichever way it is printed. [Redactor]
// is the second net: it remembers every value that was handed out and removes it, also encoded, from text and logs.
// The package never writes a secret anywhere and no error of it contains one. Read [Value] first.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a Value prints.
const hidden = "***"

// Value is a secret text. It prints, formats, logs and marshals as ***; only Reveal returns the text.
// The text sits behind a pointer so that fmt cannot reach it either when a Value is in an unexported field.
// The zero Value is the absent secret.
type Value struct{ text *string }

// NewValue wraps text; the empty text gives the zero Value.
func NewValue(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{&text}
}

// Reveal returns the text. Call it where the text is used and keep the result in no struct.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero reports whether there is no secret.
func (v Value) IsZero() bool { return v.text == nil }

// Equal compares two secrets in constant time.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(other.Reveal())) == 1
}

// String returns ***.
func (v Value) String() string { return hidden }

// GoString returns ***.
func (v Value) GoString() string { return hidden }

// Format prints *** for every verb.
func (v Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// MarshalJSON returns "***".
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText returns ***.
func (v Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns ***.
func (v Value) LogValue() slog.Value { return slog.StringValue(hidden) }
