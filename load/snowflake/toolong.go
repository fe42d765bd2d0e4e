package snowflake

import (
	"fmt"
	"strings"
)

// tooLong names the columns of whole numbers that may have more digits than Snowflake keeps; the engine names the value instead.
func (c *change) tooLong(err error) error {
	var names []string
	for _, col := range c.of.Columns {
		if strings.HasSuffix(col.Type, "HUGEINT") {
			names = append(names, fmt.Sprintf("%q", col.Name))
		}
	}
	if len(names) == 0 || !strings.Contains(err.Error(), "DECIMAL(38,0)") {
		return err
	}
	return fmt.Errorf("column %s: a number has more than 38 digits, the most that Snowflake keeps: cast it to VARCHAR or DOUBLE in the model", strings.Join(names, " or "))
}
