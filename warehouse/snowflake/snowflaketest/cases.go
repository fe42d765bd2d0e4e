package snowflaketest

import (
	"time"

	"github.com/millrace/millrace/warehouse/snowflake"
)

// tableCase is one way to publish: rows before, what is staged, rows after.
type tableCase struct {
	name       string
	columns    string             // of the node
	extra      []snowflake.Column // that the table has beyond
	op         bool               // staged rows begin with OpColumn
	before     []string
	staged     []string
	by         string // columns of the list of partitions
	list       []string
	statements func(t, staging, list snowflake.Table, cols []snowflake.Column) []snowflake.Statement
	after      []string
	counts     counts // of the first run
	// currentTwice is how many keys have two current rows then: a load that finds any is rolled back.
	currentTwice int
	once         bool   // a second run does not leave the same
	fails        string // part of the error: nothing is changed
}

const plain = "ID NUMBER(10,0) | DAY DATE | NOTE VARCHAR(100)"

func texts(of ...string) []snowflake.Statement {
	out := make([]snowflake.Statement, len(of))
	for i, s := range of {
		out[i].SQL = s
	}
	return out
}

func appends(t, staging, _ snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
	return texts(snowflake.Append(t, staging, cols))
}

func overwrites(t, staging, _ snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
	return texts(snowflake.InsertOverwrite(t, staging, cols))
}

func merges(soft bool, key ...string) func(t, staging, list snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
	return func(t, staging, _ snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
		return []snowflake.Statement{snowflake.Merge(snowflake.MergeSpec{Table: t, Staging: staging, Columns: cols, Key: key, Soft: soft, At: time.UnixMicro(3000)})}
	}
}

func histories(t, staging, _ snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
	return snowflake.SCD2(snowflake.SCD2Spec{Table: t, Staging: staging, Columns: cols, Key: []string{"ID"}, At: time.UnixMicro(3000)})
}

func partitions(by ...string) func(t, staging, list snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
	return func(t, staging, list snowflake.Table, cols []snowflake.Column) []snowflake.Statement {
		return texts(snowflake.Partition(snowflake.PartitionSpec{Table: t, Staging: staging, List: list, Columns: cols, By: by})...)
	}
}

// duplicate is what Snowflake says of a row that a MERGE would change twice.
const duplicate = "Duplicate row detected"

var (
	soft    = []snowflake.Column{snowflake.DeletedAt}
	history = []snowflake.Column{snowflake.ValidFrom, snowflake.ValidTo, snowflake.IsCurrent}
)

var cases = []tableCase{
	{name: "append", columns: plain, statements: appends, once: true,
		before: []string{"1 | 2024-01-01 | a"}, staged: []string{"1 | 2024-01-01 | a", "2 | ~ | it's"},
		after: []string{"1 | 2024-01-01 | a", "1 | 2024-01-01 | a", "2 | ~ | it's"}, counts: counts{inserted: 2}},
	{name: "append/nothing", columns: plain, statements: appends, before: []string{"1 | ~ | a"}, after: []string{"1 | ~ | a"}},

	{name: "overwrite", columns: plain, statements: overwrites,
		before: []string{"1 | ~ | a", "2 | ~ | b"}, staged: []string{"2 | ~ | B", "3 | 2024-02-29 | ~"},
		after: []string{"2 | ~ | B", "3 | 2024-02-29 | ~"}, counts: counts{inserted: 2}},
	{name: "overwrite/with nothing", columns: plain, statements: overwrites, before: []string{"1 | ~ | a"}},

	{name: "merge/hard", columns: plain, statements: merges(false, "ID"), op: true,
		before: []string{"1 | 2024-01-01 | same", "2 | 2024-01-01 | old", "3 | 2024-01-01 | gone"},
		staged: []string{"U | 2 | ~ | new", "U | 4 | 2024-01-02 | first", "D | 3 | ~ | ~", "D | 5 | ~ | ~"},
		after:  []string{"1 | 2024-01-01 | same", "2 | ~ | new", "4 | 2024-01-02 | first"}, counts: counts{inserted: 1, updated: 1, deleted: 1}},
	{name: "merge/key of two", columns: plain, statements: merges(false, "ID", "DAY"), op: true,
		before: []string{"1 | 2024-01-01 | a", "1 | 2024-01-02 | b"}, staged: []string{"U | 1 | 2024-01-02 | B", "D | 1 | 2024-01-01 | ~", "U | 2 | 2024-01-02 | c"},
		after: []string{"1 | 2024-01-02 | B", "2 | 2024-01-02 | c"}, counts: counts{inserted: 1, updated: 1, deleted: 1}},
	{name: "merge/nothing but a key", columns: "ID NUMBER(10,0)", statements: merges(false, "ID"), op: true,
		before: []string{"1", "2"}, staged: []string{"U | 1", "U | 3", "D | 2"}, after: []string{"1", "3"}, counts: counts{inserted: 1, deleted: 1}},
	{name: "merge/empty", columns: plain, statements: merges(false, "ID"), op: true, before: []string{"1 | ~ | a"}, after: []string{"1 | ~ | a"}},
	{name: "merge/a key twice", columns: plain, statements: merges(false, "ID"), op: true, fails: duplicate,
		before: []string{"1 | ~ | a"}, staged: []string{"U | 1 | ~ | b", "U | 1 | ~ | c"}},
	{name: "merge/soft", columns: plain, extra: soft, statements: merges(true, "ID"), op: true,
		before: []string{"1 | ~ | same | ~", "2 | ~ | old | ~", "3 | ~ | gone | ~", "4 | ~ | long gone | 1000", "5 | ~ | was gone | 1000"},
		staged: []string{"U | 2 | ~ | new", "D | 3 | ~ | ~", "D | 4 | ~ | ~", "U | 5 | ~ | back", "U | 6 | ~ | first", "D | 7 | ~ | ~"},
		after:  []string{"1 | ~ | same | ~", "2 | ~ | new | ~", "3 | ~ | gone | 3000", "4 | ~ | long gone | 1000", "5 | ~ | back | ~", "6 | ~ | first | ~"},
		counts: counts{inserted: 1, updated: 3}},

	{name: "scd2", columns: plain, extra: history, statements: histories, op: true,
		before: []string{"1 | ~ | same | 1000 | ~ | true", "2 | ~ | older | 1000 | 2000 | false", "2 | ~ | old | 2000 | ~ | true", "3 | ~ | gone | 1000 | ~ | true", "4 | ~ | was gone | 1000 | 2000 | false"},
		staged: []string{"U | 2 | ~ | new", "D | 3 | ~ | ~", "U | 4 | ~ | back", "U | 5 | ~ | first", "D | 6 | ~ | ~"},
		after: []string{"1 | ~ | same | 1000 | ~ | true", "2 | ~ | older | 1000 | 2000 | false", "2 | ~ | old | 2000 | 3000 | false", "2 | ~ | new | 3000 | ~ | true", "3 | ~ | gone | 1000 | 3000 | false",
			"4 | ~ | was gone | 1000 | 2000 | false", "4 | ~ | back | 3000 | ~ | true", "5 | ~ | first | 3000 | ~ | true"},
		counts: counts{inserted: 3, updated: 2}},
	{name: "scd2/what never held", columns: plain, extra: history, statements: histories, op: true,
		before: []string{"1 | ~ | a | 1000 | 3000 | false", "1 | ~ | b | 3000 | ~ | true", "2 | ~ | c | 3000 | ~ | true"}, staged: []string{"U | 1 | ~ | B", "D | 2 | ~ | ~"},
		after: []string{"1 | ~ | a | 1000 | 3000 | false", "1 | ~ | B | 3000 | ~ | true"}, counts: counts{inserted: 1, deleted: 2}},
	{name: "scd2/what begins later stays", columns: plain, extra: history, statements: histories, op: true, once: true, currentTwice: 1,
		before: []string{"1 | ~ | later | 4000 | ~ | true"}, staged: []string{"U | 1 | ~ | a"},
		after: []string{"1 | ~ | later | 4000 | ~ | true", "1 | ~ | a | 3000 | ~ | true"}, counts: counts{inserted: 1}},
	{name: "scd2/a key twice", columns: plain, extra: history, statements: histories, op: true, fails: duplicate,
		before: []string{"1 | ~ | a | 1000 | ~ | true"}, staged: []string{"U | 1 | ~ | b", "U | 1 | ~ | c"}},

	{name: "partition", columns: plain, statements: partitions("DAY"), by: "DAY DATE",
		before: []string{"1 | 2024-01-01 | kept", "2 | 2024-01-02 | old", "3 | 2024-01-02 | old", "4 | 2024-01-03 | emptied", "5 | ~ | null"},
		list:   []string{"2024-01-02", "2024-01-03", "2024-01-04", "2024-01-02", "~"}, staged: []string{"2 | 2024-01-02 | new", "6 | 2024-01-04 | first", "7 | ~ | new null"},
		after: []string{"1 | 2024-01-01 | kept", "2 | 2024-01-02 | new", "6 | 2024-01-04 | first", "7 | ~ | new null"}, counts: counts{inserted: 3, deleted: 4}},
	{name: "partition/of two columns", columns: plain, statements: partitions("DAY", "NOTE"), by: "DAY DATE | NOTE VARCHAR(100)",
		before: []string{"1 | 2024-01-01 | a", "2 | 2024-01-01 | b", "3 | ~ | a", "4 | 2024-01-01 | ~"}, list: []string{"2024-01-01 | a", "2024-01-01 | ~"}, staged: []string{"9 | 2024-01-01 | a"},
		after: []string{"2 | 2024-01-01 | b", "3 | ~ | a", "9 | 2024-01-01 | a"}, counts: counts{inserted: 1, deleted: 2}},
}
