package snowflake

import (
	"fmt"
	"strings"
)

// PartitionSpec are partitions to replace. List is a small table with the columns By: all partitions that change, those that have
// no rows any more among them. Staging holds all rows of these partitions.
type PartitionSpec struct {
	Table, Staging, List Table
	Columns              []Column
	By                   []string // names in Snowflake; NULL is a partition too
}

// Partition removes the rows of the partitions, then adds those that they have now. Snowflake's INSERT OVERWRITE would replace
// the whole table.
func Partition(p PartitionSpec) []string {
	on := make([]string, len(p.By))
	for i, b := range p.By {
		on[i] = fmt.Sprintf("t.%s IS NOT DISTINCT FROM s.%[1]s", quote(b))
	}
	source := fmt.Sprintf("(SELECT DISTINCT %s FROM %s)", idents(p.By), p.List)
	return []string{
		mergeInto(p.Table, source, strings.Join(on, " AND "), []string{"WHEN MATCHED THEN DELETE"}),
		Append(p.Table, p.Staging, p.Columns),
	}
}
