package snowflake

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
)

// The steps of a load, by which its statements are recorded.
const (
	stepLedger  = "ledger"
	stepLook    = "look"
	stepClear   = "clear"
	stepUpload  = "upload"
	stepDefine  = "define"
	stepCopy    = "copy"
	stepProve   = "prove"
	stepPublish = "publish"
	stepVerify  = "verify"
	stepTidy    = "tidy"
)

// busy says whether a virtual warehouse works for a statement: for one that reads or writes rows, those of the ledger too. A SELECT that
// is answered from what Snowflake has kept of the same question is counted though it needs none: nothing tells.
func busy(sql string) bool {
	words := strings.Fields(sql)
	return len(words) > 0 && slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY"}, words[0])
}

// meter numbers, hands on and times the statements of a load, from several sessions at once.
type meter struct {
	load string
	to   func(context.Context, load.Statement) error // may be nil

	mu      sync.Mutex
	count   int
	numbers map[*snowflake.Sent]int // of those under way
	tables  map[string]*spent       // by name
	all     spent
}

// spent is what statements took.
type spent struct {
	statements int
	busy       []span
}

type span struct{ from, to time.Time }

// record is the Recorder of the load's sessions.
func (m *meter) record(ctx context.Context, s *snowflake.Sent) error {
	st := load.Statement{Load: m.load, Seq: m.note(s), Table: s.Table, Step: s.Step, SQL: s.SQL, RequestID: s.RequestID, QueryID: s.QueryID,
		Sent: s.Begun, Ended: s.Ended, Rows: s.Rows}
	if s.Err != nil {
		st.Error = s.Err.Error()
	}
	if m.to == nil {
		return nil
	}
	return m.to(ctx, st)
}

// note counts a statement when it is new, and times it when it has ended.
func (m *meter) note(s *snowflake.Sent) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.numbers == nil {
		m.numbers, m.tables = map[*snowflake.Sent]int{}, map[string]*spent{}
	}
	table := m.tables[s.Table]
	if table == nil {
		table = &spent{}
		m.tables[s.Table] = table
	}
	n, known := m.numbers[s]
	if !known {
		m.count++
		n = m.count
		m.numbers[s] = n
		m.all.statements++
		table.statements++
	}
	if s.Ended != nil {
		delete(m.numbers, s)
		if busy(s.SQL) {
			m.all.busy = append(m.all.busy, span{s.Begun, *s.Ended})
			table.busy = append(table.busy, span{s.Begun, *s.Ended})
		}
	}
	return n
}

// spentOn is what a table's statements took, "" for those about no one table; total is for all of the load.
func (m *meter) spentOn(table string) (statements int, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tables[table]; t != nil {
		return t.statements, covered(t.busy)
	}
	return 0, 0
}

func (m *meter) total() (statements int, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all.statements, covered(m.all.busy)
}

// covered is the time that spans cover; what several cover counts once.
func covered(spans []span) float64 {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var sum time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum += s.to.Sub(s.from)
			end = s.to
		}
	}
	return sum.Seconds()
}
