package extract

// Discovery is what a source has to offer.
type Discovery struct {
	Streams []Discovered `json:"streams"` // by name
	Notes   []string     `json:"notes,omitempty"`
}

// Discovered is one table, view or the like that a stream could read.
type Discovered struct {
	Name    string            `json:"name"` // as a stream's `name:` spells it
	Kind    string            `json:"kind"` // table, view…
	Comment string            `json:"comment,omitempty"`
	Rows    int64             `json:"rows"`  // estimate; -1 when unknown
	Bytes   int64             `json:"bytes"` // estimate; -1 when unknown
	Columns []Column          `json:"columns"`
	Key     []string          `json:"key"`     // of its primary or first unique key; empty when it has none
	Cursors []CursorCandidate `json:"cursors"` // columns that could order changes, the best first
	Notes   []string          `json:"notes,omitempty"`
}

// CursorCandidate is a column that could be a stream's cursor, and what speaks for and against it.
type CursorCandidate struct {
	Column   string `json:"column"`
	Type     string `json:"type"` // in the source's own spelling
	Indexed  bool   `json:"indexed"`
	Nullable bool   `json:"nullable"`
	// Creation says that by its name it tells when a row was made, and not when it was changed.
	Creation bool `json:"creation"`
}

// Level says how bad a Finding is.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelFail Level = "fail"
)

// Finding is one thing that Examine looked at.
type Finding struct {
	Check   string // "rights", "tls", "stream orders"
	Level   Level
	Message string
	Hint    string // what to do: the GRANT to run
}
