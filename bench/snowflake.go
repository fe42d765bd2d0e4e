package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	engine "github.com/millrace/millrace/internal/snowflake"
	manifests "github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	loader "github.com/millrace/millrace/load/snowflake"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	sf "github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// engineMemory is what the local engine may have in a load that is measured: what is beyond it is the loader's.
const engineMemory = 256 << 20

// snowflake loads a table of more than 1 GB of Parquet into the stand-in for Snowflake, which runs in a process of its own and takes the uploads as S3 does.
// Measured is the loader's process: what reading again, hashing, encrypting and uploading cost, and the peak of its memory. The proof of every row, which
// is read with them, is also told apart: it is the same files read by the same statement, less what reading alone takes.
func (b *bench) snowflake() error {
	dir, err := os.MkdirTemp(b.data, "snowflake-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := b.self(dir, "prepare"); err != nil {
		return err
	}
	stop, err := b.standIn(dir)
	if err != nil {
		return err
	}
	u, err := b.self(dir, "load")
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	var took sending
	if err := json.Unmarshal(u.stdout, &took); err != nil {
		return fmt.Errorf("read what the load took: %w", err)
	}
	proof, err := b.self(dir, "prove")
	if err != nil {
		return err
	}
	var proven proving
	if err := json.Unmarshal(proof.stdout, &proven); err != nil {
		return fmt.Errorf("read what the proof took: %w", err)
	}
	gb := float64(took.Bytes) / 1e9
	rows := proven.Proof - proven.Read
	b.add("snowflake: Parquet that was sent", gb, "GB", 0)
	b.add("snowflake: sending, wall", took.Wall, "s", 0)
	b.add("snowflake: CPU of reading again, hashing and sending 1 GB", (took.CPU-rows)/gb, "s", 10) // 200 MB/s on two processors
	b.add("snowflake: CPU of proving the rows of 1 GB besides", rows/gb, "s", 0)
	b.add("snowflake: peak RSS beyond the engine's memory", u.rss-engineMemory/(1<<20), "MiB", 256)
	return nil
}

// sending is what it took until all files were uploaded.
type sending struct {
	Bytes     int64
	Wall, CPU float64 // seconds
}

// self runs a part of the job in a process of its own.
func (b *bench) self(dir, part string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	return measure("", self, "-snowflake", part, "-data", dir)
}

// standIn starts the stand-in in a process of its own, and returns how to end it.
func (b *bench) standIn(dir string) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, "-snowflake", "stand-in", "-data", dir)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe() // it ends with its standard input
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
			return func() error { return errors.Join(in.Close(), c.Wait()) }, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("the stand-in does not start"), in.Close(), c.Wait())
}

// runSnowflake is one of the processes of the job.
func runSnowflake(part, dir string) error {
	ctx := context.Background()
	switch part {
	case "prepare":
		return publishParts(ctx, dir)
	case "stand-in":
		return serveStandIn(dir)
	case "load":
		return loadParts(ctx, dir)
	case "prove":
		return proveParts(ctx, dir)
	}
	return fmt.Errorf("no part %q", part)
}

const (
	sentParts = 8
	sentRows  = 400_000 // in each: about 150 MB
)

// sentSQL is a part of a table of 20 columns that compress badly.
func sentSQL(part int) string {
	items := []string{fmt.Sprintf("i + %d AS id", part*sentRows)}
	for c := range 20 {
		items = append(items, fmt.Sprintf("md5((i + %d)::VARCHAR || '%d') AS c%d", part*sentRows, c, c))
	}
	return fmt.Sprintf("SELECT %s FROM range(%d) AS t(i)", strings.Join(items, ", "), sentRows)
}

// publishParts makes the table and publishes it locally.
func publishParts(ctx context.Context, dir string) (err error) {
	root := filepath.Join(dir, "warehouse")
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 1 << 30, Temp: filepath.Join(dir, "spill"), Dirs: []string{dir}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := local.New(local.Config{Root: root})
	if err := l.Prepare(ctx); err != nil {
		return err
	}
	t := manifests.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: "main", Table: "sent"}}, Kind: "model"}
	for i := range sentParts {
		query := sentSQL(i)
		if t.Columns, err = w.Describe(ctx, query); err != nil {
			return err
		}
		file, err := w.Write(ctx, query, filepath.Join(dir, fmt.Sprintf("part-%d.parquet", i)))
		if err != nil {
			return err
		}
		t.Base, t.Rows = append(t.Base, file), t.Rows+file.Rows
	}
	_, err = l.Publish(ctx, manifests.Publication{Run: "bench", Attempt: 1, Project: "bench", LogicalTime: time.Now(), Tables: []manifests.Table{t}})
	return err
}

const sentToken = "the bench's"

// serveStandIn serves the protocol on one port, and on another what the driver would send to S3.
func serveStandIn(dir string) (err error) {
	a, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: filepath.Join(dir, "stages"), Encrypted: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	s, err := snowfake.NewServer(snowfake.ServerConfig{Account: a, Stage: snowfake.S3, Temp: dir, Users: map[string]snowfake.Credentials{"MILLRACE": {Tokens: []string{sentToken}}}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	objects, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(objects, relayed(s.Transport())) }() // ends with the process
	address, err := json.Marshal(map[string]any{"host": s.Host(), "port": s.Port(), "objects": objects.Addr().String()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ready.tmp"), address, 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "ready.tmp"), filepath.Join(dir, "ready")); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// meant is the header that tells for which host a request was.
const meant = "X-Bench-Host"

// relayed hands requests to the stand-in's S3, which answers within its process only.
func relayed(s3 http.RoundTripper) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host = "https", r.Header.Get(meant)
		resp, err := s3.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
}

// relay sends what is for S3 to the process of the stand-in.
type relay struct{ objects string }

func (t relay) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Hostname(), ".amazonaws.com") {
		r = r.Clone(r.Context())
		r.Header.Set(meant, r.URL.Host)
		r.URL.Scheme, r.URL.Host = "http", t.objects
	}
	return http.DefaultTransport.RoundTrip(r)
}

// loadParts brings the table, and prints what sending took.
func loadParts(ctx context.Context, dir string) (err error) {
	var at struct {
		Host    string
		Port    int
		Objects string
	}
	text, err := os.ReadFile(filepath.Join(dir, "ready"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &at); err != nil {
		return err
	}
	temp := filepath.Join(dir, "temp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return err
	}
	root := filepath.Join(dir, "warehouse")
	m, err := local.New(local.Config{Root: root}).Current(ctx)
	if err != nil {
		return err
	}
	f, err := loader.New(loader.Config{Project: "bench", Naming: sf.Naming{Database: "ANALYTICS", DefaultSchema: "main"}, Root: root, Temp: temp, Warehouse: duckdb.Open, Memory: engineMemory,
		Conn: engine.Config{Account: "TEST", User: "MILLRACE", Auth: engine.Auth{Token: sentToken}, Warehouse: "LOAD_WH", Database: "ANALYTICS", Host: at.Host, Port: at.Port, HTTP: true,
			Transport: relay{at.Objects}, Temp: temp, StatementTimeout: time.Hour, LoginTimeout: time.Minute}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Prepare(ctx); err != nil {
		return err
	}
	var took sending
	var once sync.Once
	began, before := time.Now(), processCPU()
	l, err := f.Bring(ctx, m, manifests.Bringing{Load: "01JBENCH000000000000000000", Run: m.Run, Attempt: 1, Progress: func(p manifests.LoadProgress) {
		if p.Step == "copy" { // all is uploaded before the first
			once.Do(func() { took.Wall, took.CPU = time.Since(began).Seconds(), processCPU()-before })
		}
	}})
	if err != nil {
		return err
	}
	took.Bytes = l.Bytes
	return json.NewEncoder(os.Stdout).Encode(took)
}

// processCPU is the time that this process has computed, in seconds.
func processCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// proving is what the local engine computes over the files that are sent, in seconds.
type proving struct{ Read, Proof float64 }

// proveParts runs the load's proof over the files once more, and a statement that reads the same columns and does next to nothing with them.
func proveParts(ctx context.Context, dir string) (err error) {
	m, err := local.New(local.Config{Root: filepath.Join(dir, "warehouse")}).Current(ctx)
	if err != nil {
		return err
	}
	v := m.Tables[0].Version
	columns, err := sf.Columns(v.Columns)
	if err != nil {
		return err
	}
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: engineMemory, Temp: filepath.Join(dir, "spill"), Dirs: []string{dir}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	from := "(" + w.Dialect().Select(v) + ") AS q"
	var lengths []string
	for _, c := range v.Columns {
		lengths = append(lengths, "max(strlen(CAST("+w.Dialect().QuoteIdent(c.Name)+" AS VARCHAR)))")
	}
	var took proving
	for _, part := range []struct {
		sql  string
		into *float64
	}{{"SELECT " + strings.Join(lengths, ", ") + " FROM " + from, &took.Read}, {sf.LocalProof(from, columns), &took.Proof}} {
		before := processCPU()
		if _, err := w.Query(ctx, part.sql); err != nil {
			return err
		}
		*part.into = processCPU() - before
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}
