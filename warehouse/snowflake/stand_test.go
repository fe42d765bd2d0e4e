package snowflake_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	engine "github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
	"github.com/millrace/millrace/warehouse/snowflake/snowflaketest"
)

// TestStandIn runs the table of what publishing must do on the stand-in.
func TestStandIn(t *testing.T) {
	snowflaketest.Run(t, standIn(t), "ANALYTICS", "PUBLIC")
}

// standIn opens a session of a new account.
func standIn(t *testing.T) snowflaketest.Exec {
	t.Helper()
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	session, err := account.Login(t.Context(), snowfake.Login{User: "MILLRACE", Database: "ANALYTICS", Schema: "PUBLIC"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context, st snowflake.Statement) (*engine.Result, error) {
		answer, err := session.Run(ctx, st.SQL, binds(st.Args))
		if err != nil {
			return nil, err
		}
		return result(answer), nil
	}
}

// binds are values as the driver sends them.
func binds(args []any) []snowfake.Bind {
	out := make([]snowfake.Bind, len(args))
	for i, a := range args {
		v := fmt.Sprint(a)
		switch a := a.(type) {
		case string:
			out[i].Type = "TEXT"
		case []byte:
			out[i].Type, v = "BINARY", hex.EncodeToString(a)
		default:
			out[i].Type = "FIXED"
		}
		out[i].Value = &v
	}
	return out
}

// result reads the counts of DML as Session does.
func result(a *snowfake.Answer) *engine.Result {
	out := &engine.Result{Rows: a.Rows, Counts: map[string]int64{}}
	for i, c := range a.Columns {
		out.Columns = append(out.Columns, strings.ToLower(c.Name))
		if !strings.HasPrefix(c.Name, "number of ") || len(a.Rows) != 1 || a.Rows[0][i] == nil {
			continue
		}
		if n, err := strconv.ParseInt(*a.Rows[0][i], 10, 64); err == nil {
			out.Counts[c.Name] = n
			if strings.HasPrefix(c.Name, "number of rows") {
				out.Affected += n
			}
		}
	}
	return out
}

// TestStandInProves holds proofs of the stand-in's tables against DuckDB's of the same rows.
func TestStandInProves(t *testing.T) {
	w, _ := open(t)
	snowflaketest.Prove(t, standIn(t), "ANALYTICS", "PUBLIC", w)
}
