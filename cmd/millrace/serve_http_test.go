package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
	"github.com/millrace/millrace/serve"
)

const canary = "CANARY-5e1f-do-not-show-this-to-anyone"

// served is a project with a secret wherever one can be, personal data, rows in quarantine and a model that fails.
var served = map[string]string{
	"millrace.yml": `name: shop
serve: { tokens: { vault: { token: "${secret:canary}", role: operator } } }
vars: { region: eu }
sources:
  s: { type: generate, streams: [ { name: orders } ] }
  erp: { type: postgres, url: "postgres://reader:${secret:canary}@127.0.0.1:1/erp?sslmode=disable", streams: [ { name: public.customers } ] }
pipelines:
  nightly: { exclude: ["source:erp"], webhook: { secrets: ["${secret:canary}"] } }
  erp: { select: ["source:erp"] }
`,
	"models/people.sql": "{{ config(materialized='table') }} SELECT 1 AS id, 'jane@example.com' AS email UNION ALL SELECT NULL, 'joe@example.com'",
	"models/broken.sql": "{{ config(materialized='table') }} SELECT CAST('" + canary + "' AS INTEGER) AS n",
	"models/schema.yml": "models:\n  - name: people\n    columns:\n      - {name: id, tests: [{not_null: {severity: quarantine, error_if: '> 5'}}]}\n      - {name: email, tags: [pii]}\n",
}

type idle struct{}

func (idle) Schedules(context.Context) ([]scheduler.Schedule, error) { return nil, nil }
func (idle) Wake()                                                   {}
func (idle) LastPass() time.Time                                     { return time.Time{} }

// TestServedProject runs a real project and asks its server for everything: no answer and no log has a secret or a personal
// value, and what serving makes on disk is its owner's alone.
func TestServedProject(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // what is made must not stand on it
	t.Setenv("MILLRACE_SECRET_CANARY", canary)
	dir := t.TempDir()
	for name, text := range served {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, log bytes.Buffer
	if code := run(t.Context(), []string{"tokens", "add", "otto", "--role", "operator", "-C", dir}, &out, &log); code != 0 {
		t.Fatal(log.String())
	}
	token := strings.TrimSpace(out.String())
	a := newApp(&out, &log)
	a.dir, a.verbose = dir, true
	e, closeEngine, err := a.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeEngine()
	nodes, err := e.Project.Select([]string{"*"}, []string{"source:erp"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes})
	if report == nil {
		t.Fatal(err)
	}
	if err := e.Journal.BeginLoad(t.Context(), journal.Load{Load: load.Load{ID: servedLoad, Run: report.Run.ID}, Status: journal.Running, Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s, err := a.httpServer(httpFlags{listen: "127.0.0.1:0"}, func() *pipeline.Engine { return e }, idle{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), canary) || strings.Contains(log.String(), token) {
			t.Errorf("the log has a secret: %s", log.String())
		}
	}()
	ask := func(method, path, bearer string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+bearer)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), canary) || strings.Contains(string(body), url.QueryEscape(canary)) || strings.Contains(string(body), "jane@") || strings.Contains(string(body), "joe@") {
			t.Errorf("%s %s shows what is secret: %s", method, path, body)
		}
		return answer.StatusCode, string(body)
	}
	if code, _ := ask("GET", "/api/v1/project", canary); code != 200 {
		t.Errorf("the token of the project's own files: %d", code)
	}
	askForAll(t, report.Run.ID, func(method, path string) (int, string) { return ask(method, path, token) })
	ownersOnly(t, filepath.Join(dir, ".millrace"), "state.db")
}

// servedLoad is the id of a load of the run.
const servedLoad = "01JDQ8Z6M0N3V4W5X6Y7Z8A9B0"

// askForAll asks for every path of the document.
func askForAll(t *testing.T, run string, ask func(method, path string) (int, string)) {
	t.Helper()
	_, text := ask("GET", "/api/v1/openapi.json")
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Paths) < 20 {
		t.Fatalf("%d paths: %v", len(document.Paths), err)
	}
	for path, methods := range document.Paths {
		path = strings.NewReplacer("{run}", run, "{load}", servedLoad, "{name}", "main.people", "{pipeline}", "nightly").Replace(path)
		for method := range methods {
			if code, body := ask(strings.ToUpper(method), path); code >= 500 || code >= 400 && method == "get" && !strings.Contains(path, "{id}") && !strings.Contains(path, "{entity}") { // there is no entity
				t.Errorf("%s %s: %d %s", method, path, code, body)
			}
		}
	}
	code, body := ask("GET", "/api/v1/nodes/main.people/quarantine?sample=5&run="+run)
	var q serve.Quarantine
	if err := json.Unmarshal([]byte(body), &q); err != nil || code != 200 || q.Set == nil || q.Set.Rows != 1 || q.Sample == nil || !strings.Contains(body, `[null,"***",`) {
		t.Errorf("%d %s", code, body)
	}
	if _, body := ask("GET", "/api/v1/nodes/main.people"); !strings.Contains(body, `{"name":"email","type":"VARCHAR","tags":["pii"],"pii":true}`) {
		t.Errorf("%s", body)
	}
	if _, body := ask("GET", "/api/v1/runs/"+run); !strings.Contains(body, `"status":"`+string(journal.Partial)+`"`) {
		t.Errorf("%s", body)
	}
}

// ownersOnly fails for what others may read.
func ownersOnly(t *testing.T, dir, prefix string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if found++; info.Mode().Perm()&0o077 != 0 && (path == dir || strings.HasPrefix(d.Name(), prefix)) {
			t.Errorf("%s: %s", path, info.Mode())
		}
		return nil
	})
	if err != nil || found < 3 {
		t.Error(fmt.Sprint(found, " files"), err)
	}
}

func TestServeFlags(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "millrace.yml"), []byte("name: x\nsources: { s: { type: generate, streams: [ { name: a } ] } }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := newApp(&out, &out)
	a.dir = dir
	e, closeEngine, err := a.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeEngine()
	for line, want := range map[string]string{
		"--listen 0.0.0.0:0": "what they send would not be encrypted", "--tls-cert a.pem": "give both --tls-cert and --tls-key",
		"--listen 0.0.0.0:0 --tls-cert a.pem --tls-key b.pem": "a.pem: no such file", "--listen 127.0.0.1:0 --tls-cert a.pem --tls-key b.pem": "a.pem: no such file",
	} {
		var f httpFlags
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		f.add(flags)
		if err := flags.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		_, err := a.httpServer(f, func() *pipeline.Engine { return e }, idle{}, nil, nil)
		if err == nil || exitCode(err) != codeUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, exit code %d", line, err, exitCode(err))
		}
	}
}
