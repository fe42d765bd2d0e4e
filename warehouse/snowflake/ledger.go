package snowflake

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// metaSchema holds the ledger.
const metaSchema = "MILLRACE_META"

// Ledger is what a database of Snowflake says of the loads into it: one row for each target, whose epoch is the fence between
// loads, and one for each load and table. Rows of a load are written by the transaction that publishes it, so what the ledger says
// is what the tables hold. Projects of one database share it: while one publishes, another waits for its lock.
type Ledger struct{ Database string }

// Target names a row of the fence: a project, and the schema in Snowflake that its target's models go to.
type Target struct{ Project, Schema string }

// The states of a row in _LOADS.
const (
	StateStarted   = "started"
	StateCommitted = "committed"
	StateFailed    = "failed"
	StateUnproven  = "unproven" // it stands under its name, and its rows are not those that were sent: the target holds no version of it
)

// Entry is a row of _LOADS.
type Entry struct {
	Target
	Load        string
	Node        warehouse.Name
	As          string // Table.String of where it went
	Mode        string
	Attempt     int
	Epoch       int64 // under which it was written
	State       string
	Snapshot    int64
	Run         string
	Fingerprint string
	Version     string // JSON
	Expected    int64  // rows
	Loaded      int64  // rows
	Checksum    string
	QueryIDs    string // JSON: a list
	Started     time.Time
	Committed   time.Time
}

// Place is where the ledger lies, for those who look whether it is there.
func (l Ledger) Place() Table { return Table{strings.ToUpper(l.Database), metaSchema, "_LOADS"} }

func (l Ledger) targets() string { return Table{l.Place().Database, metaSchema, "_TARGETS"}.String() }
func (l Ledger) loads() string   { return l.Place().String() }

// Create makes the ledger's tables, in its schema, unless they are there. Each statement may be repeated.
func (l Ledger) Create() []string {
	return []string{
		"CREATE TABLE IF NOT EXISTS " + l.targets() + ` (
  "PROJECT" VARCHAR NOT NULL,
  "TARGET_SCHEMA" VARCHAR NOT NULL,
  "EPOCH" NUMBER(19,0) NOT NULL,
  "LOAD_ID" VARCHAR,
  "SNAPSHOT" NUMBER(19,0),
  "RUN_ID" VARCHAR,
  "LOCAL_TARGET" VARCHAR,
  "TAKEN_AT" TIMESTAMP_NTZ(6),
  "COMMITTED_AT" TIMESTAMP_NTZ(6)
)
` + plainText,
		"CREATE TABLE IF NOT EXISTS " + l.loads() + ` (
  "LOAD_ID" VARCHAR NOT NULL,
  "PROJECT" VARCHAR NOT NULL,
  "TARGET_SCHEMA" VARCHAR NOT NULL,
  "NODE_SCHEMA" VARCHAR NOT NULL,
  "NODE_TABLE" VARCHAR NOT NULL,
  "TABLE_AS" VARCHAR NOT NULL,
  "MODE" VARCHAR NOT NULL,
  "ATTEMPT" NUMBER(10,0) NOT NULL,
  "EPOCH" NUMBER(19,0) NOT NULL,
  "STATE" VARCHAR NOT NULL,
  "SNAPSHOT" NUMBER(19,0),
  "RUN_ID" VARCHAR,
  "FINGERPRINT" VARCHAR,
  "VERSION" VARIANT,
  "ROWS_EXPECTED" NUMBER(19,0),
  "ROWS_LOADED" NUMBER(19,0),
  "CHECKSUM" VARCHAR,
  "QUERY_IDS" VARIANT,
  "STARTED_AT" TIMESTAMP_NTZ(6),
  "COMMITTED_AT" TIMESTAMP_NTZ(6)
)
` + plainText,
	}
}

const ofTarget = `"PROJECT" = ? AND "TARGET_SCHEMA" = ?`

// Enter adds the target's row, with epoch 0, unless it is there.
func (l Ledger) Enter(t Target) Statement {
	return Statement{`MERGE INTO ` + l.targets() + ` AS t
USING (SELECT ? AS "PROJECT", ? AS "TARGET_SCHEMA") AS s
ON t."PROJECT" = s."PROJECT" AND t."TARGET_SCHEMA" = s."TARGET_SCHEMA"
WHEN NOT MATCHED THEN INSERT ("PROJECT", "TARGET_SCHEMA", "EPOCH") VALUES (s."PROJECT", s."TARGET_SCHEMA", 0)`, []any{t.Project, t.Schema}}
}

// Seen reads the target's row: epoch, load_id, snapshot, run_id, local_target, taken_us and committed_us, which are microseconds since 1970.
func (l Ledger) Seen(t Target) Statement {
	return Statement{`SELECT "EPOCH", "LOAD_ID", "SNAPSHOT", "RUN_ID", "LOCAL_TARGET", DATE_PART(EPOCH_MICROSECOND, "TAKEN_AT") AS "TAKEN_US", DATE_PART(EPOCH_MICROSECOND, "COMMITTED_AT") AS "COMMITTED_US"
FROM ` + l.targets() + `
WHERE ` + ofTarget, []any{t.Project, t.Schema}}
}

// Single leaves of each target's rows the one of the last load, for somebody to run who finds more: two loads have entered the target at once.
func (l Ledger) Single() string {
	return `INSERT OVERWRITE INTO ` + l.targets() + `
SELECT * FROM ` + l.targets() + `
QUALIFY ROW_NUMBER() OVER (PARTITION BY "PROJECT", "TARGET_SCHEMA" ORDER BY "EPOCH" DESC NULLS LAST, "SNAPSHOT" DESC NULLS LAST) = 1`
}

// Fence takes the target for a load: it must touch one row, or another load has. It waits for the lock of a transaction of an
// earlier attempt, so when it has run, that one's fate is decided. From then on the epoch is seen + 1.
func (l Ledger) Fence(t Target, load string, seen int64, at time.Time) Statement {
	return Statement{`UPDATE ` + l.targets() + `
SET "EPOCH" = "EPOCH" + 1, "LOAD_ID" = ?, "TAKEN_AT" = ` + bindTime + `
WHERE ` + ofTarget + ` AND "EPOCH" = ?`, []any{load, at.UnixMicro(), t.Project, t.Schema, seen}}
}

// Publish says what the target holds, from standing (0 for nothing) to snapshot, once the transaction that it stands in is committed, and whose
// it is: local names the target that the snapshot is of. It must touch one row: or another load has taken the target, and the
// transaction is to be rolled back.
func (l Ledger) Publish(t Target, epoch, standing, snapshot int64, run, local string, at time.Time) Statement {
	return Statement{`UPDATE ` + l.targets() + `
SET "SNAPSHOT" = ?, "RUN_ID" = ?, "LOCAL_TARGET" = ?, "COMMITTED_AT" = ` + bindTime + `
WHERE ` + ofTarget + ` AND "EPOCH" = ? AND COALESCE("SNAPSHOT", 0) = ?`, []any{snapshot, run, local, at.UnixMicro(), t.Project, t.Schema, epoch, standing}}
}

// Begin notes that a load has begun with tables, or has again.
func (l Ledger) Begin(entries ...Entry) Statement {
	var rows []string
	var args []any
	for _, e := range entries {
		rows = append(rows, `SELECT ? AS "LOAD_ID", ? AS "NODE_SCHEMA", ? AS "NODE_TABLE", ? AS "PROJECT", ? AS "TARGET_SCHEMA", ? AS "TABLE_AS", ? AS "MODE", ? AS "ATTEMPT", ? AS "EPOCH", ? AS "SNAPSHOT", ? AS "RUN_ID", ? AS "FINGERPRINT", PARSE_JSON(?) AS "VERSION", ? AS "ROWS_EXPECTED", `+bindTime+` AS "STARTED_AT"`)
		args = append(args, e.Load, e.Node.Schema, e.Node.Table, e.Project, e.Schema, e.As, e.Mode, e.Attempt, e.Epoch, e.Snapshot, e.Run, e.Fingerprint, e.Version, e.Expected, e.Started.UnixMicro())
	}
	return Statement{`MERGE INTO ` + l.loads() + ` AS t
USING (` + strings.Join(rows, "\nUNION ALL ") + `) AS s
ON t."LOAD_ID" = s."LOAD_ID" AND t."NODE_SCHEMA" = s."NODE_SCHEMA" AND t."NODE_TABLE" = s."NODE_TABLE"
WHEN MATCHED THEN UPDATE SET "TABLE_AS" = s."TABLE_AS", "MODE" = s."MODE", "ATTEMPT" = s."ATTEMPT", "EPOCH" = s."EPOCH", "STATE" = 'started', "SNAPSHOT" = s."SNAPSHOT", "RUN_ID" = s."RUN_ID", "FINGERPRINT" = s."FINGERPRINT", "VERSION" = s."VERSION", "ROWS_EXPECTED" = s."ROWS_EXPECTED", "STARTED_AT" = s."STARTED_AT"
WHEN NOT MATCHED THEN INSERT ("LOAD_ID", "PROJECT", "TARGET_SCHEMA", "NODE_SCHEMA", "NODE_TABLE", "TABLE_AS", "MODE", "ATTEMPT", "EPOCH", "STATE", "SNAPSHOT", "RUN_ID", "FINGERPRINT", "VERSION", "ROWS_EXPECTED", "STARTED_AT")
VALUES (s."LOAD_ID", s."PROJECT", s."TARGET_SCHEMA", s."NODE_SCHEMA", s."NODE_TABLE", s."TABLE_AS", s."MODE", s."ATTEMPT", s."EPOCH", 'started', s."SNAPSHOT", s."RUN_ID", s."FINGERPRINT", s."VERSION", s."ROWS_EXPECTED", s."STARTED_AT")`, args}
}

const ofEntry = `"LOAD_ID" = ? AND "NODE_SCHEMA" = ? AND "NODE_TABLE" = ? AND "EPOCH" = ?`

// Commit notes that a load's table holds its version. It must touch one row, or the table is noted already, or given up by a load that
// took over. It stands in the transaction that makes it true, if one can.
func (l Ledger) Commit(e Entry) Statement {
	return Statement{`UPDATE ` + l.loads() + `
SET "STATE" = 'committed', "ROWS_EXPECTED" = ?, "ROWS_LOADED" = ?, "CHECKSUM" = ?, "QUERY_IDS" = PARSE_JSON(?), "COMMITTED_AT" = ` + bindTime + `
WHERE ` + ofEntry + ` AND "STATE" = 'started'`, []any{e.Expected, e.Loaded, e.Checksum, e.QueryIDs, e.Committed.UnixMicro(), e.Load, e.Node.Schema, e.Node.Table, e.Epoch}}
}

// Fail notes that a load has not brought a table. What is committed stays so.
func (l Ledger) Fail(e Entry) Statement { return l.mark(e, StateFailed) }

// Disown notes that what a load has put in a table's place is not what was sent. What was committed of the table before is gone with that.
func (l Ledger) Disown(e Entry) Statement { return l.mark(e, StateUnproven) }

func (l Ledger) mark(e Entry, state string) Statement {
	return Statement{`UPDATE ` + l.loads() + `
SET "STATE" = ?
WHERE ` + ofEntry + ` AND "STATE" = 'started'`, []any{state, e.Load, e.Node.Schema, e.Node.Table, e.Epoch}}
}

// entryColumns are what is read of a row of _LOADS. Times are microseconds since 1970.
const entryColumns = `"LOAD_ID", "NODE_SCHEMA", "NODE_TABLE", "TABLE_AS", "MODE", "ATTEMPT", "EPOCH", "STATE", "SNAPSHOT", "RUN_ID", "FINGERPRINT", "ROWS_EXPECTED", "ROWS_LOADED", "CHECKSUM", DATE_PART(EPOCH_MICROSECOND, "STARTED_AT") AS "STARTED_US", DATE_PART(EPOCH_MICROSECOND, "COMMITTED_AT") AS "COMMITTED_US"`

// whole is a SELECT of rows in order, each with how many they are in ROWS_IN_ALL: an answer that was cut must not pass for the ledger.
func whole(rows, order string) string {
	return `SELECT l.*, COUNT(*) OVER () AS "ROWS_IN_ALL"
FROM (
` + rows + `
) AS l
ORDER BY ` + order
}

const byNode = `"NODE_SCHEMA" NULLS LAST, "NODE_TABLE" NULLS LAST`

// Standing reads what was committed last of each table: what the target holds, and of what has left it that it did. What was put in
// its place since, and is not what was sent, is unproven. Versions are long, and an answer must not be: of those of all tables, one behind the
// other, it reads the ones that begin at a character from on, and before to.
func (l Ledger) Standing(t Target, from, to int64) Statement {
	return Statement{whole(fmt.Sprintf(`SELECT * EXCLUDE ("WHOLE"), CASE WHEN "VERSION_END" - LENGTH("WHOLE") >= ? AND "VERSION_END" - LENGTH("WHOLE") < ? THEN "WHOLE" END AS "VERSION"
FROM (
SELECT *, SUM(LENGTH("WHOLE")) OVER (ORDER BY %s) AS "VERSION_END"
FROM (
SELECT %s, TO_JSON("VERSION") AS "WHOLE"
FROM %s
WHERE %s AND "STATE" IN ('committed', 'unproven')
QUALIFY ROW_NUMBER() OVER (PARTITION BY "NODE_SCHEMA", "NODE_TABLE" ORDER BY "EPOCH" DESC NULLS LAST, "LOAD_ID" DESC NULLS LAST) = 1
) AS r
) AS s`, byNode, entryColumns, l.loads(), ofTarget), byNode), []any{from, to, t.Project, t.Schema}}
}

// Entries reads the rows of one load into the target.
func (l Ledger) Entries(t Target, load string) Statement {
	return Statement{whole(fmt.Sprintf("SELECT %s\nFROM %s\nWHERE %s AND \"LOAD_ID\" = ?", entryColumns, l.loads(), ofTarget), byNode),
		[]any{t.Project, t.Schema, load}}
}

// Owner reads which projects' rows name a table, and of which nodes: a table that another project made is not ours to replace.
func (l Ledger) Owner(t Table) Statement {
	return Statement{`SELECT DISTINCT "PROJECT", "TARGET_SCHEMA", "NODE_SCHEMA", "NODE_TABLE"
FROM ` + l.loads() + `
WHERE "TABLE_AS" = ? AND "STATE" IN ('committed', 'unproven')`, []any{t.String()}}
}
