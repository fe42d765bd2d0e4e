package snowflaketest

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

// Builders runs every case of warehousetest in Snowflake's dialect. Unproven are the cases that the place refuses, by name, with a word of
// its refusal: nil on an account. A case that is listed and runs fails, and so does a name that is no case's.
func Builders(t *testing.T, ask warehousetest.Ask, unproven map[string]string) {
	open := len(unproven)
	for _, c := range warehousetest.Cases() {
		why, refused := unproven[c.Name]
		name := c.Name
		if refused {
			open, name = open-1, name+" (not proven here: "+why+")"
		}
		t.Run(name, func(t *testing.T) {
			err := warehousetest.RunCase(t.Context(), c, snowflake.Dialect, ask)
			switch {
			case !refused && err != nil:
				t.Error(err)
			case refused && (err == nil || !strings.Contains(err.Error(), why)):
				t.Errorf("it is listed as unproven, for %s: %v", why, err)
			}
		})
	}
	if open != 0 {
		t.Errorf("%d cases that are listed as unproven are none", open)
	}
}
