// Package clock is where the engine asks for the time, so that a test can say what time it is.
package clock

import "time"

// Clock tells the time.
type Clock func() time.Time

// System is the machine's clock, in UTC and cut to microseconds: what the journal and Parquet can hold.
func System() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
