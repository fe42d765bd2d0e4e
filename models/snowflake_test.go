package models_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
)

// snow is a project with a Snowflake target: the lines of its login and others, and what stands below tables:.
func snow(keys string, tables ...string) string {
	text := head + "      - { name: notes }\ntargets:\n  prod:\n    type: snowflake\n    account: acme-main\n    warehouse: WH\n    database: DB\n    " + strings.ReplaceAll(keys, "\n", "\n    ") + "\n"
	if len(tables) > 0 {
		text += "    tables:\n      " + strings.Join(tables, "\n      ") + "\n"
	}
	return text
}

const token = "token: pat-value-of-the-test"

// TestSnowflakeMistakes: each is told with its place and what to write instead, and shows no secret.
func TestSnowflakeMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"no login":              {snow("user: ME"), []string{"millrace.yml:10:5: the target has no way to log in", "private_key_file: for a key pair", "token: for"}},
		"a password":            {snow("user: ME\npassword: hunter-2-hunter"), []string{`millrace.yml:15:5: unknown key "password"`, "refuses logins by a password alone", "private_key_file:"}},
		"two ways":              {snow("user: ME\n" + token + "\nprivate_key: '-----BEGIN PRIVATE KEY----- pem-of-the-test'"), []string{"two ways to log in: private_key: and token:", "millrace.yml:15:12", "remove one"}},
		"two keys of one way":   {snow("user: ME\nprivate_key: '-----BEGIN PRIVATE KEY----- pem-of-the-test'\nprivate_key_file: /dev/null"), []string{"millrace.yml:16:23: private_key: and private_key_file: are both there"}},
		"no user":               {snow("private_key: '-----BEGIN PRIVATE KEY----- pem-of-the-test'"), []string{"millrace.yml:14:18: a private key needs user:"}},
		"no key for a phrase":   {snow(token + "\nprivate_key_passphrase: phrase-of-the-test"), []string{"millrace.yml:15:29: a passphrase without a private key"}},
		"no such way":           {snow("authenticator: key_pair\n" + token), []string{"millrace.yml:14:20: authenticator: key_pair does not go with token:", "add user: and private_key_file:"}},
		"a way that is missing": {snow("authenticator: oauth\nuser: ME"), []string{"the target has no way to log in", "client_secret"}},
		"a browser":             {snow("authenticator: externalbrowser\nuser: ME"), []string{"millrace.yml:14:20", "must be one of key_pair, token", "nobody in front of a browser"}},
		"the driver's name":     {snow("authenticator: SNOWFLAKE_JWT\nuser: ME"), []string{"write key_pair"}},
		"dbt's key file":        {snow("user: ME\nprivate_key_path: k.p8\nthreads: 8"), []string{"millrace.yml:15:5", "write private_key_file:", "millrace.yml:16:5", "write uploads:"}},
		"no identity provider":  {snow("workload_identity: { provider: oidc }"), []string{"millrace.yml:14:36: provider: oidc needs token: or token_file:"}},
		"a token for nothing":   {snow("workload_identity: { provider: aws }\n" + token), []string{"two ways to log in: token: and workload_identity:"}},
		"a key that is gone":    {snow("user: ME\nprivate_key_file: keys/none.p8"), []string{"millrace.yml:15:23: private_key_file: there is no file /p/keys/none.p8"}},

		"a URL":                  {strings.Replace(snow(token), "acme-main", "https://acme-main.snowflakecomputing.com/", 1), []string{"millrace.yml:11:14: account: is a host", "write account: acme-main"}},
		"a console":              {strings.Replace(snow(token), "acme-main", "https://app.snowflake.com/acme/main/#/data", 1), []string{"write account: acme-main"}},
		"a token in the clear":   {snow("oauth: { client_id: c, client_secret: '${secret:o}', token_url: 'http://idp.example.com/t' }"), []string{"millrace.yml:14:69: token_url: http would send the client secret in the clear to idp.example.com", "'http://idp"}},
		"a token from nowhere":   {snow("oauth: { client_id: c, client_secret: '${secret:o}', token_url: 'idp.example.com/t' }"), []string{"millrace.yml:14:69: token_url: it is no URL"}},
		"an empty user":          {snow("user: ''\nprivate_key_file: /dev/null"), []string{"millrace.yml:14:11: a private key needs user:, which is empty"}},
		"PKCS#1":                 {snow("user: ME\nprivate_key: '-----BEGIN RSA PRIVATE KEY-----'"), []string{"millrace.yml:15:18: private_key: the key is in PKCS#1", "openssl pkcs8"}},
		"no key at all":          {snow("user: ME\nprivate_key: pem-of-the-test"), []string{"millrace.yml:15:18: private_key: this is no private key in PKCS#8 and PEM"}},
		"a name of a token file": {snow("token_file: no.such"), []string{"token_file: there is no file", "token_file: no.such\n"}},
		"a URL as proxy":         {snow(token + "\nproxy: { host: 'http://x', port: 80 }"), []string{`millrace.yml:15:20: proxy: host: "http://x" is no host name`}},
		"a proxy's port":         {snow(token + "\nproxy: { host: x, port: 0 }"), []string{"millrace.yml:15:29: \"port\" must be 1 to 65535, found the number 0"}},
		"Entra for AWS":          {snow("workload_identity: { provider: aws, entra_resource: r }"), []string{"millrace.yml:14:41: warning: entra_resource has no effect with provider: aws"}},
		"a column twice":         {snow(token, "erp.orders: { mode: partition, partition_by: [id, ID] }"), []string{"millrace.yml:16:57: partition_by: ID is there twice"}},
		"an open quote":          {snow(token, "erp.orders: { as: '\"a' }"), []string{`millrace.yml:16:25: as: "\"a" is no name of a table`}},
		"a region":               {strings.Replace(snow(token), "acme-main", "ab123.eu-central-1.snowflakecomputing.com", 1), []string{"write account: ab123.eu-central-1"}},
		"with a dot":             {strings.Replace(snow(token), "acme-main", "ACME.MAIN", 1), []string{"write account: ACME-MAIN"}},
		"a private link":         {strings.Replace(snow(token), "acme-main", "acme-main.privatelink.snowflakecomputing.com", 1), []string{"write account: acme-main and host: acme-main.privatelink.snowflakecomputing.com"}},
		"no account":             {strings.Replace(snow(token), "acme-main", "acme main", 1), []string{`account: "acme main" is no account identifier`}},
		"http":                   {snow(token + "\nprotocol: http"), []string{"millrace.yml:15:15: protocol: http would send the login in the clear to the account's host"}},
		"http elsewhere":         {snow(token + "\nprotocol: http\nhost: 10.0.0.7"), []string{"in the clear to 10.0.0.7"}},
		"a URL as host":          {snow(token + "\nhost: https://x"), []string{`millrace.yml:15:11: host: "https://x" is no host name`}},
		"no port":                {snow(token + "\nport: 70000"), []string{`millrace.yml:15:11: "port" must be 1 to 65535, found the number 70000`}},
		"half a proxy":           {snow(token + "\nproxy: { host: p, port: 3128, user: u }"), []string{"user: and password: belong together"}},
		"too many uploads":       {snow(token + "\nuploads: 33"), []string{`millrace.yml:15:14: "uploads" must be 1 to 32, found the number 33`}},
		"small files":            {snow(token + "\nfile_size: 1kB"), []string{"millrace.yml:15:16: file_size: must be 1MB to 1GB"}},
		"files too large":        {snow(token + "\nfile_size: 5GB"), []string{"millrace.yml:15:16: file_size: must be 1MB to 1GB"}},
		"a quoted prefix":        {snow(token + "\nschema_prefix: '\"DEV_\"'"), []string{"millrace.yml:15:20: schema_prefix:", "write it plainly"}},
		"a pat":                  {snow(token + "\npat: x"), []string{"write token: ${secret:name}"}},
		"negative price":         {snow(token + "\ncredits_per_hour: -1"), []string{"millrace.yml:15:23: credits_per_hour: -1", "as 1.35"}},
		"negative credits":       {snow(token + "\nmax_credits: -1.5"), []string{"millrace.yml:15:18: max_credits: -1.5", "0 for no limit"}},
		"no time":                {snow(token + "\nlock_timeout: 0s"), []string{"lock_timeout: must be 1s to 7d"}},
		"pushdown":               {snow(token + "\ntransform: pushdown"), []string{"millrace.yml:15:16: running models in Snowflake is not built yet"}},

		"no partitions":         {snow(token, "erp.orders: { mode: partition }"), []string{"millrace.yml:16:27: mode: partition needs"}},
		"no key to merge by":    {snow(token, "\"erp.*\": { mode: merge }"), []string{"millrace.yml:16:24: mode: merge needs a key by which rows are merged, and erp.notes has none", "incremental stream"}},
		"no key for a history":  {snow(token, "erp.notes: { mode: scd2 }"), []string{"mode: scd2 needs a key"}},
		"a key of whole tables": {strings.Replace(snow(token, "erp.orders: { mode: scd2 }"), "name: orders, key: [id]", "name: orders, mode: full, key: [id]", 1), []string{"erp.orders has none"}},
		"a table that is none":  {snow(token, "erp.order: { mode: full }"), []string{"millrace.yml:16:7: warning: tables: erp.order fits no node", `did you mean "erp.orders"?`}},
		"a table alone":         {snow(token, "orders: { mode: full }"), []string{"warning: tables: orders fits no node", `did you mean "erp.orders"?`}},
		"a broken pattern":      {snow(token, "\"erp.[\": { mode: full }"), []string{`"erp.[" is no pattern`}},
		"a name for many":       {snow(token, "\"erp.*\": { as: X }"), []string{"as: would give the same name"}},
		"a name of three":       {snow(token, "erp.orders: { as: DB.S.T }"), []string{`millrace.yml:16:25: as: "DB.S.T" is no name`, "SCHEMA.TABLE"}},
		"one name for two":      {snow(token, "erp.orders: { as: Notes }"), []string{"erp.notes and erp.orders would both be ERP.NOTES in Snowflake"}},
		"the ledger's schema":   {snow(token, "erp.orders: { as: millrace_meta.x }"), []string{"millrace.yml:16:25: erp.orders would go to the schema MILLRACE_META"}},
		"a name that is swept":  {snow(token, "erp.orders: { as: orders__mr_1 }"), []string{"are the staging of loads"}},
		"deletes for nothing":   {snow(token, "erp.orders: { mode: full, deletes: soft }"), []string{"warning: deletes has no effect with mode: full"}},
		"no such mode":          {snow(token, "erp.orders: { mode: merg }"), []string{`did you mean "merge"?`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := load(map[string]string{"millrace.yml": c.yaml})
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said in:\n%s", want, text)
				}
			}
			for _, secret := range []string{"hunter-2", "pat-value", "pem-of", "phrase-of"} {
				if strings.Contains(text, secret) {
					t.Errorf("a secret is shown:\n%s", text)
				}
			}
		})
	}
}

// TestSnowflakeModes: what cannot be brought that way of a model is a mistake where the target says it.
func TestSnowflakeModes(t *testing.T) {
	files := map[string]string{
		"models/i.sql":    "{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert') }} select id from {{ source('erp', 'orders') }}",
		"models/m.sql":    "{{ config(materialized='incremental', unique_key='id') }} select id from {{ source('erp', 'orders') }}",
		"models/a.sql":    "{{ config(materialized='incremental', incremental_strategy='append') }} select id from {{ source('erp', 'orders') }}",
		"snapshots/s.sql": "{% snapshot s %}{{ config(unique_key='id', strategy='check', check_cols='all') }} select id from {{ source('erp', 'orders') }}{% endsnapshot %}",
	}
	for entry, want := range map[string]string{
		"'*.s': { mode: merge }":  "millrace.yml:16:22: mode: merge needs a key by which rows are merged, and main.s has none|a snapshot has a row for each state of a key",
		"'*.s': { mode: scd2 }":   "mode: scd2 needs a key|keeps the history itself",
		"'*.s': { mode: append }": "millrace.yml:16:22: mode: append fails when rows that were loaded change, and those of main.s do: a snapshot ends",
		"'*.i': { mode: merge }":  "mode: merge needs a key|a key may have many rows",
		"'*.i': { mode: append }": "mode: append fails|replaces rows",
		"'*.m': { mode: append }": "mode: append fails|replaces rows",
		"'*.m': { mode: scd2 }":   "",
		"'*.a': { mode: append }": "",
		"'*.s': { mode: full }":   "",
	} {
		files["millrace.yml"] = snow(token, entry)
		_, text := load(files)
		for _, part := range strings.Split(want, "|") {
			if !strings.Contains(text, part) || want == "" && strings.Contains(text, "mode:") {
				t.Errorf("%s: %q is not said in:\n%s", entry, part, text)
			}
		}
	}
}

// TestSnowflakeLogins: each way to log in is enough.
func TestSnowflakeLogins(t *testing.T) {
	for _, keys := range []string{
		token, "token_file: /dev/null", "user: ME\nprivate_key: '-----BEGIN PRIVATE KEY----- pem-of-the-test'", "user: ME\nprivate_key_file: /dev/null\nprivate_key_passphrase: phrase-of-the-test",
		"authenticator: token\n" + token, "authenticator: oauth\ntoken_file: /dev/null", "oauth: { client_id: a, client_secret: secret-of-the-test, token_url: 'https://idp.example.com' }",
		"oauth: { client_id: a, client_secret: secret-of-the-test, token_url: 'http://127.0.0.1:8080/token' }",
		"workload_identity: { provider: aws }", "workload_identity: { provider: oidc }\ntoken_file: /dev/null",
		token + "\nhost: 127.0.0.1\nport: 8080\nprotocol: http", token + "\nuploads: 32\nfile_size: 1MB\nmax_credits: 0",
	} {
		p, text := load(map[string]string{"millrace.yml": snow(keys)})
		if text != "" {
			t.Errorf("%s:\n%s", keys, text)
		} else if p.Target.Path != "warehouse-prod" || p.Target.Snowflake.Table("erp.orders").Mode != "auto" {
			t.Errorf("%+v", p.Target)
		}
	}
}

// TestSnowflakeTables: the last pattern that fits holds, and a column that a contract does not have is a mistake.
func TestSnowflakeTables(t *testing.T) {
	files := map[string]string{
		"millrace.yml": snow(token, "\"*\": { mode: full }", "mart.*: { mode: partition, partition_by: [day] }", "mart.b: { mode: none }"),
		"models/a.sql": "{{ config(schema='mart', materialized='table') }} select 1 as day",
		"models/b.sql": "{{ config(schema='mart') }} select 1 as day",
		"models/a.yml": "version: 2\nmodels:\n  - name: a\n    contract: { enforced: true }\n    columns: [ { name: day, data_type: date } ]\n",
	}
	p, text := load(files)
	if text != "" {
		t.Fatal(text)
	}
	for node, want := range map[string]string{"erp.orders": "full", "mart.a": "partition", "mart.b": "none"} {
		if got := p.Target.Snowflake.Table(node).Mode; got != want {
			t.Errorf("%s: %s, want %s", node, got, want)
		}
	}
	files["millrace.yml"] = strings.Replace(files["millrace.yml"], "[day]", "[dya]", 1)
	if _, text := load(files); !strings.Contains(text, `partition_by: mart.a has no column "dya"`) || !strings.Contains(text, `did you mean "day"?`) {
		t.Error(text)
	}
}

// TestSnowflakeFilesAreRedacted: what the files of a login hold is a secret like any other.
func TestSnowflakeFilesAreRedacted(t *testing.T) {
	dir, line := t.TempDir(), strings.Repeat("MIIEvQIBADANBgkq", 4)
	for name, text := range map[string]string{"token": "pat-of-the-file\n", "key.p8": "-----BEGIN PRIVATE KEY-----\n" + line + "\nQw==\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := &secret.Redactor{}
	for _, keys := range []string{"user: ME\nprivate_key_file: key.p8\nprivate_key_passphrase: phrase-of-the-test", "token_file: token"} {
		files := fstest.MapFS{"millrace.yml": &fstest.MapFile{Data: []byte(strings.Replace(snow(keys), "      - { name: notes }\n", "", 1))}}
		if _, problems := models.Load(models.Loading{Dir: dir, Files: files, Env: func(string) (string, bool) { return "", false }, Redactor: known, Sources: []models.SourceSpec{fakeSource}}); problems.HasErrors() {
			t.Fatal(problems)
		}
	}
	if got := known.Redact("logged in as pat-of-the-file by " + line + ", phrase-of-the-test"); got != "logged in as *** by ***, ***" {
		t.Errorf("a log would say %q", got)
	}
}

// TestTargetsNotChosen: a target that is not the chosen one needs neither its secrets nor its variables, but for its path.
func TestTargetsNotChosen(t *testing.T) {
	text := "target: local\n" + snow("user: ME\nprivate_key: \"${secret:sf_key}\"\nquery_tag: \"${MILLRACE_TEST_UNSET}\"\nuploads: \"${MILLRACE_TEST_UNSET}\"\nprivate_key_passphrase: \"${secret:sf_key}\"") +
		"  local: { type: local }\nsecrets: [ { type: env } ]\n"
	load := func(target, text string) (*models.Project, string) {
		p, problems := models.Load(models.Loading{Dir: "/p", Files: fstest.MapFS{"millrace.yml": {Data: []byte(text)}}, Sources: []models.SourceSpec{fakeSource}, Env: os.LookupEnv, Target: target})
		return p, problems.Error()
	}
	p, problems := load("", text)
	if problems != "" || p.Target.Name != "local" || p.Targets[0].Snowflake.Account != "acme-main" {
		t.Errorf("%s", problems)
	}
	_, problems = load("prod", text)
	for _, want := range []string{"millrace.yml:16:19: ", "millrace.yml:17:17: the environment variable MILLRACE_TEST_UNSET is not set", "millrace.yml:18:15: "} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q is not said in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "uploads: 0") {
		t.Errorf("something is said of a value that is not known:\n%s", problems)
	}
	path := strings.Replace(text, "type: snowflake", "type: snowflake\n    path: \"${MILLRACE_TEST_UNSET}\"", 1)
	if _, problems = load("", path); strings.Count(problems, "is not set") != 1 {
		t.Errorf("the path of every target must be known:\n%s", problems)
	}
	if _, problems := models.Load(models.Loading{Dir: "/p", Files: fstest.MapFS{"millrace.yml": {Data: []byte(text)}}, Sources: []models.SourceSpec{fakeSource}, Target: "prod"}); problems != nil {
		t.Errorf("lint needs no secret: %v", problems)
	}
}

// TestKeyFileElsewhere: lint may run where the key is not.
func TestKeyFileElsewhere(t *testing.T) {
	dir := t.TempDir()
	in := models.Loading{Dir: dir, Files: fstest.MapFS{"millrace.yml": {Data: []byte(snow("user: ME\nprivate_key_file: key.p8"))}}, Sources: []models.SourceSpec{fakeSource}}
	if _, problems := models.Load(in); problems != nil {
		t.Error(problems)
	}
	in.Env = os.LookupEnv
	if _, problems := models.Load(in); !problems.HasErrors() {
		t.Error("a key that is not there is not missed")
	}
	if err := os.WriteFile(filepath.Join(dir, "key.p8"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := models.Load(in); problems != nil {
		t.Error(problems)
	}
}

// TestTargetOfTemplates: models run in DuckDB, whatever follows.
func TestTargetOfTemplates(t *testing.T) {
	p, text := load(map[string]string{"millrace.yml": snow(token + "\nschema: MART"), "models/a.sql": "select '{{ target.name }} {{ target.type }} {{ target.schema }}'"})
	if text != "" {
		t.Fatal(text)
	}
	if f := p.TargetFacts(); f["name"] != "prod" || f["type"] != "duckdb" || f["schema"] != "MART" || f["database"] != nil {
		t.Errorf("%v", f)
	}
}
