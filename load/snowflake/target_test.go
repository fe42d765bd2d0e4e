package snowflake

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// projectOf loads a project in a folder with a key, whose target has these keys beside the ones that each needs.
func projectOf(t *testing.T, keys string) *models.Project {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"keys/m.p8":       string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"keys/public.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"})),
		"token":           "t0k3n",
		"models/a.sql":    "{{ config(materialized='table') }} select 1 as id",
		"models/b.sql":    "{{ config(materialized='table', schema='mart') }} select 1 as id",
		"models/e.sql":    "{{ config(materialized='ephemeral') }} select 1 as id",
		"millrace.yml":    "name: shop\ntargets:\n  prod: { type: snowflake, account: acme-main, warehouse: W, database: D, " + keys + " }\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	env := func(name string) (string, bool) { return "s3cret", strings.HasPrefix(name, "MILLRACE_SECRET_") }
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Env: env})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return p
}

// TestTargetsKeys: each key of a target comes to where it works.
func TestTargetsKeys(t *testing.T) {
	p := projectOf(t, `user: M, private_key_file: keys/m.p8, role: LOADER, schema: main, schema_prefix: DEV_, host: 127.0.0.1, port: 8080, protocol: http, query_tag: nightly, revocation: advisory,
    proxy: { host: proxy, port: 3128, user: u, password: "${secret:p}", no_proxy: x }, statement_timeout: 2h, lock_timeout: 3m, login_timeout: 4s, uploads: 7, file_size: 200MB,
    max_credits: 0.5, credits_per_hour: 1.25, suspend: true, transient: true, keep_staging: 2d,
    tables: { main.a: { mode: partition, partition_by: [id], cluster_by: [id] }, mart.b: { mode: full, strategy: swap, as: SALES.B } }`)
	c, err := ConfigOf(p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Conn.Auth.PrivateKey == nil || c.Keep == nil {
		t.Fatalf("%+v", c)
	}
	a, b := warehouse.Name{Schema: "main", Table: "a"}, warehouse.Name{Schema: "mart", Table: "b"}
	for _, k := range []struct {
		name warehouse.Name
		want Keep
	}{
		{a, Keep{Mode: "partition", PartitionBy: []string{"id"}, ClusterBy: []string{"id"}}}, {b, Keep{Mode: "full", Swap: true}},
		{warehouse.Name{Schema: "main", Table: "a" + models.QuarantineSuffix}, Keep{Mode: "none"}}, {warehouse.Name{Schema: "x", Table: "y"}, Keep{Mode: "auto"}},
	} {
		got := c.Keep(k.name)
		if len(got.PartitionBy) == 0 {
			got.PartitionBy, got.ClusterBy = nil, nil
		}
		if !reflect.DeepEqual(got, k.want) {
			t.Errorf("%s is kept as %+v, not %+v", k.name, got, k.want)
		}
	}
	if table, err := c.Naming.Table(b); err != nil || table.String() != `"D"."DEV_SALES"."B"` {
		t.Errorf("%s, %v", table, err)
	}
	c.Keep, c.Naming.As, c.Conn.Auth = nil, nil, snowflake.Auth{}
	want := Config{Project: "shop", Root: p.TargetDir(), Nodes: []warehouse.Name{a, b}, Uploads: 7, FileSize: 200_000_000, MaxCredits: 0.5, Hourly: 1.25, Suspend: true, Transient: true, KeepStaging: 48 * time.Hour}
	want.Naming.Database, want.Naming.Prefix, want.Naming.DefaultSchema = "D", "DEV_", "main"
	want.Conn = snowflake.Config{Account: "acme-main", User: "M", Role: "LOADER", Warehouse: "W", Database: "D", Host: "127.0.0.1", Port: 8080, HTTP: true, LaxRevocation: true, Tag: map[string]string{"tag": "nightly"},
		Proxy: &snowflake.Proxy{Host: "proxy", Port: 3128, User: "u", Password: "s3cret", NoProxy: "x"}, StatementTimeout: 2 * time.Hour, LockTimeout: 3 * time.Minute, LoginTimeout: 4 * time.Second}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestWaysToLogIn: each way becomes the one of the driver's owner.
func TestWaysToLogIn(t *testing.T) {
	for keys, want := range map[string]snowflake.Auth{
		`user: M, token: "${secret:t}"`:                                                               {Token: "s3cret"},
		`user: M, token_file: token, authenticator: oauth`:                                            {TokenFile: "token", OAuthToken: true},
		`oauth: { client_id: c, client_secret: "${secret:o}", token_url: "https://idp/x", scope: s }`: {OAuth: &snowflake.OAuth{ClientID: "c", ClientSecret: "s3cret", TokenURL: "https://idp/x", Scope: "s"}},
		`workload_identity: { provider: azure, entra_resource: r }`:                                   {WorkloadIdentity: &snowflake.WorkloadIdentity{Provider: "AZURE", EntraResource: "r"}},
	} {
		p := projectOf(t, keys)
		if want.TokenFile != "" {
			want.TokenFile = filepath.Join(p.Dir, want.TokenFile)
		}
		c, err := ConfigOf(p)
		if err != nil {
			t.Fatal(keys, err)
		}
		if c.Conn.Auth.WorkloadIdentity != nil && len(c.Conn.Auth.WorkloadIdentity.Impersonate) == 0 {
			c.Conn.Auth.WorkloadIdentity.Impersonate = nil
		}
		if !reflect.DeepEqual(c.Conn.Auth, want) {
			t.Errorf("%s: %+v, want %+v", keys, c.Conn.Auth, want)
		}
		f, err := New(c)
		if err != nil {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := ConfigOf(projectOf(t, "user: M, private_key_file: keys/public.pem")); err == nil || !strings.Contains(err.Error(), "millrace.yml:3:102: private_key_file: keys/public.pem: ") || !strings.Contains(err.Error(), "give the private key that belongs to it") {
		t.Errorf("a public key: %v", err)
	}
}

func TestAwayIsTold(t *testing.T) {
	for kind, want := range map[snowflake.Kind]bool{snowflake.KindUnavailable: true, snowflake.KindLock: true, snowflake.KindTimeout: true, snowflake.KindLogin: false,
		snowflake.KindGrant: false, snowflake.KindWarehouse: false, snowflake.KindExpired: false} {
		if got := errors.Is(away(&snowflake.Error{Kind: kind}), load.ErrAway); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
	if !errors.Is(away(&snowflake.Error{Kind: snowflake.KindWarehouse, Code: overQuota}), load.ErrAway) {
		t.Error("a quota that is used up is taken for a mistake")
	}
}
