package snowfake_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// stage is the folder of the tests' stage.
func (w *world) stage(t *testing.T) string {
	t.Helper()
	dir, err := w.account.StageDir("ANALYTICS.PUBLIC.S")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUploadIntoAFolder(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	file := filepath.Join(t.TempDir(), "part-1.parquet")
	for _, content := range []string{"PAR1 the long one PAR1", "PAR1 short PAR1"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if status := put(t, conn, file, "OVERWRITE=TRUE"); status != "UPLOADED" {
			t.Errorf("PUT: %s", status)
		}
		if n := size(t, conn, "part-1.parquet"); n != int64(len(content)) {
			t.Errorf("staged are %d bytes, want %d", n, len(content))
		}
	}
	if status := put(t, conn, file, ""); status != "SKIPPED" {
		t.Errorf("PUT of what is there: %s", status)
	}
}

// put uploads a file to the stage's load/ and gives the status that the driver reports.
func put(t *testing.T, conn *sql.Conn, file, options string) string {
	t.Helper()
	status, err := tryPut(t.Context(), conn, file, options)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func tryPut(ctx context.Context, conn *sql.Conn, file, options string) (string, error) {
	var source, target, sourceSize, targetSize, sourceCompression, targetCompression, status, message string
	err := conn.QueryRowContext(ctx, "PUT 'file://"+file+"' @ANALYTICS.PUBLIC.S/load/ AUTO_COMPRESS=FALSE "+options).
		Scan(&source, &target, &sourceSize, &targetSize, &sourceCompression, &targetCompression, &status, &message)
	return status, err
}

// size is what LIST says of a staged file; -1: nothing.
func size(t *testing.T, conn *sql.Conn, name string) int64 {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "LIST @ANALYTICS.PUBLIC.S/load/")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := int64(-1)
	for rows.Next() {
		var file, md5, modified string
		var n int64
		if err := rows.Scan(&file, &n, &md5, &modified); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == name {
			found = n
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAStagedFileLosesItsTail(t *testing.T) {
	for _, c := range []struct {
		name, match string
		when        snowfake.When
		listed      int64 // of 100 bytes, by the first LIST
	}{
		{"as it arrives", "^PUT", snowfake.After, 84},
		{"before it is listed", "^LIST", snowfake.Before, 84},
		{"after it was listed", "^LIST", snowfake.After, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			conn := work(t, s)
			fault := s.Fault(snowfake.Fault{Match: regexp.MustCompile(c.match), Do: snowfake.LoseTail, When: c.when})
			file := filepath.Join(t.TempDir(), "part-1.parquet")
			noise(t, file, "text", 100)
			if status := put(t, conn, file, "OVERWRITE=TRUE"); status != "UPLOADED" {
				t.Fatalf("PUT: %s", status)
			}
			if n := size(t, conn, "part-1.parquet"); n != c.listed {
				t.Errorf("LIST says %d bytes, want %d", n, c.listed)
			}
			info, err := os.Stat(filepath.Join(s.stage(t), "load", "part-1.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() != 84 || fault.Hits() != 1 {
				t.Errorf("%d bytes are left, the fault has acted %d times", info.Size(), fault.Hits())
			}
		})
	}
}
