package snowfake

import (
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	for _, sql := range []string{
		`CREATE TABLE T (ID INT, V VARCHAR(5))`, `INSERT INTO T VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
		`CREATE TABLE S (ID INT, V VARCHAR, OP VARCHAR(1))`, `INSERT INTO S VALUES (1, 'A', 'U'), (2, NULL, 'D'), (4, 'd', 'U'), (5, NULL, 'D')`,
	} {
		ask(t, s, sql)
	}
	merge := `MERGE INTO T AS t USING S AS s ON t.ID = s.ID
		WHEN MATCHED AND s.OP = 'D' THEN DELETE
		WHEN MATCHED AND s.OP = 'U' THEN UPDATE SET V = s.V
		WHEN NOT MATCHED AND s.OP = 'U' THEN INSERT (ID, V) VALUES (s.ID, s.V)`
	answer, err := s.Run(t.Context(), merge, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range answer.Columns {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, "|") + " " + lines(answer); got != "number of rows inserted|number of rows updated|number of rows deleted 1|1|1" || answer.Type != TypeMerge {
		t.Error(got, answer.Type)
	}
	want := "1|A\n3|c\n4|d"
	if got := ask(t, s, `SELECT * FROM T ORDER BY ID`); got != want {
		t.Error(got)
	}

	// Two rows of the source for one of the table: an error, and nothing has changed.
	ask(t, s, `INSERT INTO S VALUES (1, 'B', 'U'), (3, 'x', 'U')`)
	if got := refused(t, s, merge); got != "100090 Duplicate row detected during DML action\nRow Values: [1, \"A\"]" {
		t.Error(got)
	}
	// One that is to be updated and deleted is no better.
	ask(t, s, `UPDATE S SET OP = 'D' WHERE V = 'B'`)
	if got := refused(t, s, merge); !strings.HasPrefix(got, "100090 ") {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT * FROM T ORDER BY ID`); got != want {
		t.Error(got)
	}
	// Rows of the source that no clause is for do not count.
	ask(t, s, `UPDATE S SET OP = '-' WHERE V = 'B'`)
	if got := ask(t, s, merge); got != "0|3|0" {
		t.Error(got)
	}
	// Duplicates that match nothing are both inserted.
	ask(t, s, `INSERT INTO S VALUES (9, 'i', 'U'), (9, 'j', 'U')`)
	if got := ask(t, s, merge); got != "2|3|0" {
		t.Error(got)
	}
}

func TestUpdateFromAndDeleteUsing(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	for _, sql := range []string{
		`CREATE TABLE T (ID INT, V INT)`, `INSERT INTO T VALUES (1, 0), (2, 0), (3, 0)`,
		`CREATE TABLE S (ID INT, W INT)`, `INSERT INTO S VALUES (1, 7), (2, 8), (2, 8)`,
	} {
		ask(t, s, sql)
	}
	if got := ask(t, s, `UPDATE T SET V = S.W FROM S WHERE T.ID = S.ID`); got != "2|1" {
		t.Error(got)
	}
	ask(t, s, `ALTER SESSION SET ERROR_ON_NONDETERMINISTIC_UPDATE = TRUE`)
	if got := refused(t, s, `UPDATE T SET V = S.W + 1 FROM S WHERE T.ID = S.ID`); !strings.HasPrefix(got, "100090 ") {
		t.Error(got)
	}
	if got := ask(t, s, `DELETE FROM T USING S WHERE T.ID = S.ID AND S.W = 8`); got != "1" {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT * FROM T ORDER BY ID`); got != "1|7\n3|0" {
		t.Error(got)
	}
}
