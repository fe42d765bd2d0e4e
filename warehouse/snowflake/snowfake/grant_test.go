package snowfake

import (
	"strings"
	"testing"
)

// Each step adds one right, and names what is missing until then.
func TestRights(t *testing.T) {
	a := newAccount(t, AccountConfig{Users: map[string]User{
		"MILLRACE": {Roles: []string{Admin}, DefaultRole: Admin, DefaultWarehouse: "LOAD_WH"},
		"BOB":      {Roles: []string{"LOADER"}, DefaultRole: "LOADER"},
	}})
	admin := login(t, a, Login{})
	ask(t, admin, `CREATE TABLE T (ID INT)`)
	bob := login(t, a, Login{User: "bob", Warehouse: "LOAD_WH"})
	for _, test := range []struct{ sql, want, grant string }{
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "002003 SQL compilation error:\nDatabase 'ANALYTICS' does not exist", `GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER`},
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "002003 SQL compilation error:\nSchema 'ANALYTICS.PUBLIC' does not exist", `GRANT USAGE ON SCHEMA ANALYTICS.PUBLIC TO ROLE LOADER`},
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "002003 SQL compilation error:\nObject 'ANALYTICS.PUBLIC.T' does not exist", `GRANT SELECT ON TABLE T TO ROLE LOADER`},
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'", `GRANT INSERT ON TABLE T TO ROLE LOADER`},
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "000606 No active warehouse selected", `GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER`},
		{`USE WAREHOUSE LOAD_WH`, "", ""},
		{`INSERT INTO ANALYTICS.PUBLIC.T VALUES (1)`, "", ""},
		{`INSERT OVERWRITE INTO ANALYTICS.PUBLIC.T VALUES (2)`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'", ""},
		{`MERGE INTO ANALYTICS.PUBLIC.T USING (SELECT 1 AS I) S ON T.ID = S.I WHEN MATCHED THEN DELETE`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'",
			`GRANT UPDATE, DELETE ON TABLE T TO ROLE LOADER`},
		{`INSERT OVERWRITE INTO ANALYTICS.PUBLIC.T VALUES (2)`, "", ""},
		{`CREATE SCHEMA ANALYTICS.MART`, "003001 SQL access control error:\nInsufficient privileges to operate on database 'ANALYTICS'", `GRANT CREATE SCHEMA ON DATABASE ANALYTICS TO ROLE LOADER`},
		{`CREATE SCHEMA ANALYTICS.MART`, "", ""},
		{`CREATE TABLE ANALYTICS.MART.X (ID INT)`, "", ""}, // whoever has made a schema owns it
		{`CREATE TABLE ANALYTICS.PUBLIC.X (ID INT)`, "003001 SQL access control error:\nInsufficient privileges to operate on schema 'PUBLIC'", `GRANT CREATE TABLE ON SCHEMA PUBLIC TO ROLE LOADER`},
		{`CREATE TABLE ANALYTICS.PUBLIC.X (ID INT)`, "", ""},
		{`CREATE STAGE ANALYTICS.PUBLIC.S`, "003001 SQL access control error:\nInsufficient privileges to operate on schema 'PUBLIC'", ""},
		// The table of another.
		{`ALTER TABLE ANALYTICS.PUBLIC.T ADD COLUMN Y INT`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'", ""},
		{`ALTER TABLE ANALYTICS.PUBLIC.X SWAP WITH ANALYTICS.PUBLIC.T`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'", ""},
		{`DROP TABLE ANALYTICS.PUBLIC.T`, "003001 SQL access control error:\nInsufficient privileges to operate on table 'T'", `GRANT OWNERSHIP ON TABLE T TO ROLE LOADER COPY CURRENT GRANTS`},
		{`ALTER TABLE ANALYTICS.PUBLIC.T ADD COLUMN Y INT`, "", ""},
	} {
		if test.want == "" {
			ask(t, bob, test.sql)
		} else if got := refused(t, bob, test.sql); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s\n got %s\nwant %s", test.sql, got, test.want)
		}
		if test.grant != "" {
			ask(t, admin, test.grant)
		}
	}
	if got := ask(t, admin, `SHOW GRANTS TO ROLE LOADER`); !strings.Contains(got, "|OWNERSHIP|TABLE|ANALYTICS.PUBLIC.T|ROLE|LOADER|") || !strings.Contains(got, "|USAGE|WAREHOUSE|LOAD_WH|") {
		t.Error(got)
	}
}

func TestLoginIsRefused(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	strict := map[string]string{"CLIENT_VALIDATE_DEFAULT_PARAMETERS": "true"}
	for _, test := range []struct {
		login Login
		want  string
	}{
		{Login{User: "EVE"}, "390100"},
		{Login{User: "MILLRACE", Role: "LOADER"}, "390189"},
		{Login{User: "MILLRACE", Database: "NONE", Parameters: strict}, "390201"},
		{Login{User: "MILLRACE", Warehouse: "NONE", Parameters: strict}, "390201"},
	} {
		if _, err := a.Login(t.Context(), test.login); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.login, err)
		}
	}
	s := login(t, a, Login{Database: "NONE", Warehouse: "NONE"})
	if got := ask(t, s, `SELECT CURRENT_DATABASE(), CURRENT_WAREHOUSE()`); got != "∅|∅" {
		t.Error(got)
	}
	if got := refused(t, s, `CREATE TABLE T (ID INT)`); !strings.HasPrefix(got, "090105 ") {
		t.Error(got)
	}
}

func TestWarehouses(t *testing.T) {
	a := newAccount(t, AccountConfig{Warehouses: []WarehouseSpec{
		{Name: "LOAD_WH"}, {Name: "ASLEEP", Suspended: true, NoResume: true}, {Name: "BROKE", Suspended: true, Monitor: "BUDGET"}}})
	s := login(t, a, Login{Warehouse: "ASLEEP"})
	ask(t, s, `CREATE TABLE T (ID INT)`)
	ask(t, s, `SELECT 1`) // what reads no table runs without
	if got := refused(t, s, `SELECT * FROM T`); !strings.HasPrefix(got, "090064 Warehouse 'ASLEEP' is suspended.") {
		t.Error(got)
	}
	ask(t, s, `ALTER WAREHOUSE ASLEEP RESUME`)
	ask(t, s, `SELECT * FROM T`)
	ask(t, s, `USE WAREHOUSE BROKE`)
	if got := refused(t, s, `SELECT * FROM T`); !strings.HasPrefix(got, "090073 Warehouse 'BROKE' cannot be resumed because resource monitor 'BUDGET'") {
		t.Error(got)
	}
	ask(t, s, `USE WAREHOUSE LOAD_WH`)
	ask(t, s, `ALTER WAREHOUSE LOAD_WH SUSPEND`)
	ask(t, s, `SELECT * FROM T`) // it resumes by itself
	if got := ask(t, s, `SHOW WAREHOUSES LIKE 'load%'`); got != "LOAD_WH|STARTED|STANDARD|X-Small|Y|true|ACCOUNTADMIN|STANDARD_GEN_1|1" {
		t.Error(got)
	}
}

// TestStreamsOfOthers: a stream of another role is not listed, and only that the table's changes are tracked tells of it.
func TestStreamsOfOthers(t *testing.T) {
	a := newAccount(t, AccountConfig{Users: map[string]User{
		"MILLRACE": {Roles: []string{Admin}, DefaultRole: Admin, DefaultWarehouse: "LOAD_WH"},
		"BOB":      {Roles: []string{"LOADER"}, DefaultRole: "LOADER"},
	}})
	admin := login(t, a, Login{})
	for _, sql := range []string{`CREATE TABLE T (ID INT)`, `GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER`, `GRANT USAGE ON SCHEMA ANALYTICS.PUBLIC TO ROLE LOADER`,
		`GRANT OWNERSHIP ON TABLE T TO ROLE LOADER COPY CURRENT GRANTS`} {
		ask(t, admin, sql)
	}
	bob := login(t, a, Login{User: "BOB"})
	tables := `SHOW TABLES IN SCHEMA ANALYTICS.PUBLIC`
	if got := ask(t, bob, tables); !strings.HasSuffix(got, "|LOADER|OFF") {
		t.Error(got)
	}
	ask(t, admin, `CREATE STREAM S ON TABLE T`)
	if got := ask(t, admin, `SHOW STREAMS IN DATABASE ANALYTICS`); !strings.Contains(got, "|S|ANALYTICS|PUBLIC|ACCOUNTADMIN|") {
		t.Error(got)
	}
	if got := ask(t, bob, `SHOW STREAMS IN DATABASE ANALYTICS`); got != "" {
		t.Errorf("a role without a privilege on it sees the stream: %s", got)
	}
	if got := ask(t, bob, tables); !strings.HasSuffix(got, "|LOADER|ON") {
		t.Error(got)
	}
}
