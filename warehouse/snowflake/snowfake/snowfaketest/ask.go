// Package snowfaketest gives tests an account of the stand-in for Snowflake.
package snowfaketest

import (
	"context"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// Ask runs SELECTs in an account of their own, without a client between: it gives rows as the JSON format of results has them.
func Ask(t testing.TB) func(ctx context.Context, sql string) ([][]*string, error) {
	t.Helper()
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	session, err := account.Login(t.Context(), snowfake.Login{User: "MILLRACE", Database: "ANALYTICS"})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, sql string) ([][]*string, error) {
		answer, err := session.Run(ctx, sql, nil)
		if err != nil {
			return nil, err
		}
		return answer.Rows, nil
	}
}
