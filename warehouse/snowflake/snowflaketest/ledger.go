package snowflaketest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	engine "github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// ledger takes a target, loses it to another load, and reads what stands. Its project's name is new each time: an account's ledger
// is not the test's to drop.
func (b bench) ledger() {
	l := snowflake.Ledger{Database: b.in.Database}
	for _, sql := range append([]string{snowflake.CreateSchema(l.Place())}, append(l.Create(), l.Create()...)...) {
		b.must(snowflake.Statement{SQL: sql})
	}
	at := time.UnixMicro(1743296645678901)
	target := snowflake.Target{Project: "snowflaketest-" + rand.Text(), Schema: b.in.Schema}
	b.touches("enter", 1, l.Enter(target))
	b.touches("enter again", 0, l.Enter(target))
	b.says("nobody yet", "0 ~ ~ ~ ~ ~ ~", text(b.must(l.Seen(target))))
	b.touches("fence", 1, l.Fence(target, "L1", 0, at))
	b.touches("a load that has seen what is no more", 0, l.Fence(target, "L2", 0, at))
	b.touches("the next load", 1, l.Fence(target, "L2", 1, at))
	b.touches("publish by the load that lost it", 0, l.Publish(target, 1, 0, 7, "R1", "T1", at))

	e := snowflake.Entry{Target: target, Load: "L1-" + target.Project, Node: warehouse.Name{Schema: "mart", Table: "it's"}, As: b.table("X").String(), Mode: "full", Attempt: 1, Epoch: 2, Snapshot: 7, Run: "R1",
		Fingerprint: "f1", Version: `{"note":"it's \\ \"x\"","rows":3}`, Expected: 3, Loaded: 3, Checksum: "c", QueryIDs: `["q"]`, Started: at, Committed: at}
	b.touches("begin", 1, l.Begin(e))
	b.says("begun only", "", text(b.must(l.Standing(target, 0, 1000))))
	e.Attempt, e.Fingerprint = 2, "f2"
	b.touches("begin again", 1, l.Begin(e))
	stale := e
	stale.Epoch = 1
	b.touches("commit by the load that lost it", 0, l.Commit(stale))
	b.touches("commit", 1, l.Commit(e))
	b.touches("commit again", 0, l.Commit(e))
	b.touches("publish over what is not there", 0, l.Publish(target, 2, 6, 7, "R1", "T1", at))
	b.touches("publish", 1, l.Publish(target, 2, 0, 7, "R1", "T1", at))
	b.touches("what is committed does not fail", 0, l.Fail(e))
	b.touches("what is committed is not disowned", 0, l.Disown(e))
	b.says("seen", "2 L2 7 R1 T1 1743296645678901 1743296645678901", text(b.must(l.Seen(target))))
	standing := func(load string, epoch int) string {
		return fmt.Sprintf(`%s mart it's %s full 2 %d committed 7 R1 f2 3 3 c 1743296645678901 1743296645678901 %d %s 1`, load, e.As, epoch, len(e.Version), e.Version)
	}
	b.says("standing", standing(e.Load, 2), text(b.must(l.Standing(target, 0, 1000))))

	next := e
	next.Load, next.Epoch = "L3-"+target.Project, 3
	b.touches("begin the next", 1, l.Begin(next))
	b.touches("it fails", 1, l.Fail(next))
	b.says("still the one before", standing(e.Load, 2), text(b.must(l.Standing(target, 0, 1000))))
	b.touches("begin it again", 1, l.Begin(next))
	b.touches("what it has put there is not what was sent", 1, l.Disown(next))
	if got := b.must(l.Standing(target, 0, 1000)).Rows; len(got) != 1 || *got[0][7] != snowflake.StateUnproven {
		b.Errorf("what was committed before is said to stand: %v", got)
	}
	b.touches("begin it once more", 1, l.Begin(next))
	b.touches("commit the next", 1, l.Commit(next))
	b.says("the later epoch", standing(next.Load, 3), text(b.must(l.Standing(target, 0, 1000))))
	if got := b.must(l.Entries(target, next.Load)).Rows; len(got) != 1 || *got[0][7] != snowflake.StateCommitted {
		b.Errorf("entries of the next load: %v", got)
	}
	if got := b.must(l.Owner(b.table("X"))).Rows; len(got) == 0 {
		b.Error("nobody owns the table")
	}
}

func (b bench) touches(what string, rows int64, st snowflake.Statement) {
	b.Helper()
	if got := b.must(st).Affected; got != rows {
		b.Errorf("%s touches %d rows, want %d", what, got, rows)
	}
}

func (b bench) says(what, want, got string) {
	b.Helper()
	if got != want {
		b.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

// text is an answer, ~ where it is NULL.
func text(result *engine.Result) string {
	rows := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		rows[i] = strings.Join(values(row), " ")
	}
	return strings.Join(rows, "\n")
}

func values(row []*string) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if out[i] = "~"; v != nil {
			out[i] = *v
		}
	}
	return out
}
