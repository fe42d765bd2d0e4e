package snowfake_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// counting counts the parts that a driver uploads, and looks for a text in what it sends to S3.
type counting struct {
	http.RoundTripper
	parts, plain atomic.Int64
	text         []byte
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Host, ".amazonaws.com") && r.Method == http.MethodPut {
		if r.URL.Query().Has("partNumber") {
			c.parts.Add(1)
		}
		r.Body = io.NopCloser(io.TeeReader(r.Body, writer(func(b []byte) {
			if bytes.Contains(b, c.text) {
				c.plain.Add(1)
			}
		})))
	}
	return c.RoundTripper.RoundTrip(r)
}

func byS3(_ *snowfake.AccountConfig, c *snowfake.ServerConfig) { c.Stage = snowfake.S3 }

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// noise writes a file that repeats a text between random bytes, and gives its digest.
func noise(t *testing.T, file, text string, length int) [32]byte {
	t.Helper()
	source := rand.NewChaCha8([32]byte{1})
	content := make([]byte, length)
	_, _ = source.Read(content)
	for at := 0; at+len(text) < length; at += 4096 {
		copy(content[at:], text)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content)
}

func TestUploadByS3(t *testing.T) {
	for _, c := range []struct {
		name          string
		length, parts int64
	}{
		{"in one piece", 1000, 0},
		{"whole blocks", 4096, 0},
		{"in parts", 70 << 20, 2}, // more than the 64 MiB from which the driver cuts (file_transfer_agent.go, multiPartThreshold)
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, byS3)
			cfg := config(s)
			wire := &counting{RoundTripper: cfg.Transporter, text: []byte("a text that must not be seen on the way")}
			cfg.Transporter = wire
			cfg.Database, cfg.Schema = "ANALYTICS", "PUBLIC"
			conn := open(t, cfg)
			exec(t, conn, "CREATE STAGE S")
			file := filepath.Join(t.TempDir(), "part-1.parquet")
			want := noise(t, file, string(wire.text), int(c.length))
			if status := put(t, conn, file, "OVERWRITE=TRUE"); status != "UPLOADED" {
				t.Fatalf("PUT: %s", status)
			}
			staged, err := os.ReadFile(filepath.Join(s.stage(t), "load", "part-1.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			if sha256.Sum256(staged) != want {
				t.Error("the staged file is another")
			}
			if n := size(t, conn, "part-1.parquet"); n != (c.length/16+1)*16 {
				t.Errorf("LIST says %d bytes", n)
			}
			if wire.parts.Load() != c.parts || wire.plain.Load() != 0 {
				t.Errorf("%d parts, %d pieces of them in clear", wire.parts.Load(), wire.plain.Load())
			}
			if status := put(t, conn, file, ""); status != "SKIPPED" {
				t.Errorf("PUT of what is there: %s", status)
			}
			if refused := s.Refused(); len(refused) != 0 {
				t.Errorf("the driver asked for what the server does not have: %v", refused)
			}
		})
	}
}

func TestFaultsOfUploads(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault snowfake.Fault
	}{
		{"connection breaks", snowfake.Fault{Do: snowfake.Drop}},
		{"answer is lost", snowfake.Fault{Do: snowfake.Drop, When: snowfake.After}},
		{"body breaks off", snowfake.Fault{Do: snowfake.Truncate}},
		{"error of S3", snowfake.Fault{Do: snowfake.Status, Code: 503}},
		{"credentials expired", snowfake.Fault{Do: snowfake.ExpireToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, byS3)
			conn := work(t, s)
			c.fault.Match = regexp.MustCompile(`^PUT s3://snowfake/stages/0/load/`)
			fault := s.Fault(c.fault)
			file := filepath.Join(t.TempDir(), "part-1.parquet")
			want := noise(t, file, "text", 5000)
			if status := put(t, conn, file, "OVERWRITE=TRUE"); status != "UPLOADED" { // the driver has tried again
				t.Fatalf("PUT: %s", status)
			}
			if fault.Hits() != 1 {
				t.Errorf("%s has acted %d times", fault, fault.Hits())
			}
			staged, err := os.ReadFile(filepath.Join(s.stage(t), "load", "part-1.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			if sha256.Sum256(staged) != want {
				t.Error("the staged file is another")
			}
		})
	}
}

// The driver gives up on credentials that have expired without an error: only the row's status tells. (Its loop in storage_client.go,
// uploadOneFileWithRetry, comes back to them ten times before anyone asks for new ones.)
func TestAnUploadFailsWithoutAnError(t *testing.T) {
	s := start(t, byS3)
	conn := work(t, s)
	fault := s.Fault(snowfake.Fault{Match: regexp.MustCompile(`^PUT s3://`), Do: snowfake.ExpireToken, Times: 10})
	file := filepath.Join(t.TempDir(), "part-1.parquet")
	noise(t, file, "text", 5000)
	if status, err := tryPut(t.Context(), conn, file, "OVERWRITE=TRUE"); status != "ERROR" || err != nil {
		t.Errorf("the driver says %q, %v", status, err)
	}
	if n := size(t, conn, "part-1.parquet"); n != -1 || fault.Hits() != 10 {
		t.Errorf("staged are %d bytes, the fault has acted %d times", n, fault.Hits())
	}
}
