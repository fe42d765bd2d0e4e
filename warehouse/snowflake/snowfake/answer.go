// Package snowfake stands in for Snowflake in tests and demos: the HTTP protocol that its drivers speak, over DuckDB. It
// refuses every statement that it does not know. It is not for production, and nothing of millrace's binary imports it.
//
// Server speaks the protocol and makes faults; Account holds databases, stages, load metadata and locks; Session runs one
// statement after the other. Read Account, then Session.
package snowfake

import "fmt"

// Answer is what a statement gives.
type Answer struct {
	QueryID string
	Type    StatementType
	Columns []Column
	Rows    [][]*string // values as the JSON format of results has them: dates in days, timestamps in seconds, booleans 0 and 1
	Upload  *Upload     // of PUT: what the driver is to do
	// Session values that the answer tells: the driver keeps them.
	Database, Schema, Warehouse, Role string
}

// Column describes one column of an answer.
type Column struct {
	Name                     string
	Type                     string // fixed, real, text, boolean, date, time, timestamp_ntz, timestamp_ltz, timestamp_tz, binary, variant
	Precision, Scale, Length int
	Nullable                 bool
}

// StatementType is Snowflake's number of a kind of statement.
type StatementType int64

// The statement types that drivers tell apart (gosnowflake v2.1.0, connection_util.go and multistatement.go).
const (
	TypeSelect StatementType = 0x1000
	TypeDML    StatementType = 0x3000
	TypeInsert StatementType = 0x3100
	TypeUpdate StatementType = 0x3200
	TypeDelete StatementType = 0x3300
	TypeMerge  StatementType = 0x3400
	TypeMulti  StatementType = 0x3500 // multi-table insert
	TypeCopy   StatementType = 0x3600
	TypeDDL    StatementType = 0x6000
)

// Upload tells the driver where a PUT's files go.
type Upload struct {
	Sources     []string // paths on the client, as the statement has them
	Stage       string   // DATABASE.SCHEMA.STAGE
	Prefix      string   // within the stage, without a slash before it, with one behind
	Overwrite   bool
	Compress    bool
	Parallel    int
	Compression string // SOURCE_COMPRESSION
}

// Error is an error as Snowflake's server answers it.
type Error struct {
	Code     string // such as 002003
	SQLState string // such as 42S02
	Message  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%s): %s", e.Code, e.SQLState, e.Message) }
