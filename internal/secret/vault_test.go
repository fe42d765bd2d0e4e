package secret

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const kvAnswer = `{"data":{"data":{"pg":"` + canary + `","port":5432,"deep":{"a":1}},"metadata":{"version":3}}}`

func answer(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func vaultAt(t *testing.T, url string, deps Deps) *Stores {
	t.Helper()
	if deps.LookupEnv == nil {
		deps.LookupEnv = env("VAULT_TOKEN", "canary-token")
	}
	return mustNew(t, Config{{Type: "vault", Address: url, Path: "shop/db", Namespace: "team"}}, deps)
}

func TestVault(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/v1/secret/data/shop/db" || r.Header.Get("X-Vault-Token") != "canary-token" || r.Header.Get("X-Vault-Namespace") != "team" {
			t.Error("request:", r.URL, r.Header)
		}
		answer(200, "application/json", kvAnswer)(w, r)
	}))
	defer server.Close()
	now := time.Unix(0, 0)
	r := &Redactor{}
	s := vaultAt(t, server.URL, Deps{Now: func() time.Time { return now }, Redactor: r})
	expect(t, s, "pg", canary, "")
	expect(t, s, "port", "5432", "")
	expect(t, s, "deep", "error: no entry deep", "vault kv patch -mount=secret shop/db deep=")
	if asked.Load() != 1 {
		t.Error("asked", asked.Load(), "times")
	}
	now = now.Add(time.Minute)
	expect(t, s, "pg", canary, "")
	if asked.Load() != 2 {
		t.Error("a rotated secret would not be seen")
	}
	if got := r.Redact("canary-token " + canary); got != "*** ***" {
		t.Error("not registered:", got)
	}
}

func TestVaultMisbehaves(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Error("the redirect was followed; token:", r.Header.Get("X-Vault-Token") != "")
	}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		handler    http.HandlerFunc
		want, hint string
	}{
		"forbidden":     {answer(403, "application/json", `{"errors":["permission denied canary"]}`), "permission denied (403)", "vault token capabilities secret/data/shop/db"},
		"not found":     {answer(404, "application/json", `{"errors":[]}`), "not found; asked: vault", "vault kv patch"},
		"sealed":        {answer(503, "application/json", `{"errors":["Vault is sealed"]}`), "sealed", "unseal"},
		"uninitialised": {answer(501, "application/json", `{}`), "not initialised", ""},
		"standby":       {answer(473, "application/json", `{}`), "does not answer reads", ""},
		"bad request":   {answer(400, "text/html", canary), "(400)", "namespace"},
		"strange":       {answer(418, "text/html", canary), "unexpected status 418", ""},
		"html":          {answer(200, "text/html; charset=utf-8", "<html>"+canary), "not JSON", "proxy"},
		"broken json":   {answer(200, "application/json", `{"data": {"data": {"pg": "`+canary), "not that of Vault", ""},
		"no data":       {answer(200, "application/json", `{"data": null}`), "not that of Vault", ""},
		"version 1":     {answer(200, "application/json", `{"data": {"pg": "`+canary+`"}}`), "KV version 2", "check mount"},
		"huge":          {answer(200, "application/json", strings.Repeat(" ", maxSize+2)), "larger than", ""},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}, "no answer within 200ms", "network"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/v1/x?canary", http.StatusTemporaryRedirect)
		}, "redirects to http://127.0.0.1:", "set address"},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "too many redirects", ""},
		"hang up":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "connect: EOF", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			patience := time.Minute
			if name == "slow" {
				patience = 200 * time.Millisecond
			}
			s := vaultAt(t, server.URL, Deps{HTTPClient: &http.Client{Timeout: patience}})
			expect(t, s, "pg", "error: "+c.want, c.hint)
		})
	}
}

func TestVaultFollowsItsOwnRedirect(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/moved" {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
			return
		}
		answer(200, "application/json", kvAnswer)(w, r)
	}))
	defer server.Close()
	expect(t, vaultAt(t, server.URL, Deps{}), "pg", canary, "")
}

func TestVaultTLSAndToken(t *testing.T) {
	server := httptest.NewTLSServer(answer(200, "application/json", kvAnswer))
	defer server.Close()
	server.Config.ErrorLog = nil
	dir := t.TempDir()
	expect(t, vaultAt(t, server.URL, Deps{}), "pg", "error: unknown authority", "ca_file")

	write(t, 0o644, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), dir, "ca.pem")
	write(t, 0o600, "canary-file-token\n", dir, "token")
	write(t, 0o640, "canary-file-token\n", dir, "open")
	write(t, 0o600, "canary\ncanary", dir, "two")
	cfg := StoreConfig{Type: "vault", Address: server.URL, Path: "x", CAFile: "ca.pem", TokenFile: "token"}
	deps := Deps{Dir: dir, LookupEnv: env()}
	expect(t, mustNew(t, Config{cfg}, deps), "pg", canary, "")
	cfg.TokenFile = "open"
	expect(t, mustNew(t, Config{cfg}, deps), "pg", "error: token_file: ", "chmod 600")
	cfg.TokenFile = "two"
	expect(t, mustNew(t, Config{cfg}, deps), "pg", "error: does not hold one token", "")
	cfg.TokenFile = ""
	expect(t, mustNew(t, Config{cfg}, deps), "pg", "error: there is no token", "VAULT_TOKEN")
	cfg.CAFile = "token"
	if _, err := New(Config{cfg}, deps); err == nil || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func TestVaultCancelled(t *testing.T) {
	server := httptest.NewServer(answer(200, "application/json", kvAnswer))
	defer server.Close()
	s := vaultAt(t, server.URL, Deps{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Lookup(ctx, "pg"); err == nil {
		t.Error("a cancelled lookup succeeded")
	}
	expect(t, s, "pg", canary, "")
}
