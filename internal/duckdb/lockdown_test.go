package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockdown: what a statement must not do in an instance that may touch one folder. Run it again on every
// upgrade of DuckDB.
func TestLockdown(t *testing.T) {
	root := t.TempDir()
	in, out := filepath.Join(root, "in"), filepath.Join(root, "outside")
	for _, dir := range []string{in, out, in + "side"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(out, "secret.csv")
	for _, p := range []string{secret, filepath.Join(in, "ok.csv"), filepath.Join(in+"side", "x.csv")} {
		if err := os.WriteFile(p, []byte("a,b\n1,canary\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link.csv": secret, "linkdir": out} {
		if err := os.Symlink(to, filepath.Join(in, link)); err != nil {
			t.Fatal(err)
		}
	}
	single := filepath.Join(out, "single.csv")
	if err := os.WriteFile(single, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := testDB(t, Config{Dirs: []string{in}, Files: []string{single}, Temp: filepath.Join(root, "tmp")})
	for _, sql := range []string{
		"SELECT * FROM read_csv('IN/ok.csv')", "SELECT * FROM 'IN/ok.csv'", "SELECT * FROM read_text('IN/*.csv') WHERE false",
		"SELECT * FROM read_csv('OUT/single.csv')", "COPY (SELECT 1) TO 'IN/new.parquet'",
	} {
		sql = strings.NewReplacer("IN/*.csv", in+"/ok*.csv", "IN", in, "OUT", out).Replace(sql)
		if err := db.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		// reading
		"SELECT * FROM read_csv('OUT/secret.csv')", "SELECT * FROM 'OUT/secret.csv'", "SELECT * FROM read_text('OUT/secret.csv')",
		"SELECT * FROM read_blob('OUT/secret.csv')", "SELECT * FROM read_csv('IN/../outside/secret.csv')", "SELECT * FROM read_csv('INside/x.csv')",
		"SELECT * FROM read_csv('IN/link.csv')", "SELECT * FROM read_csv('IN/linkdir/secret.csv')", "SELECT * FROM read_csv('IN/l*.csv')", "SELECT * FROM read_csv('IN/linkdir/*.csv')", "SELECT * FROM read_csv('IN/**/secret.csv')",
		"SELECT * FROM glob('OUT/*')", "SELECT * FROM glob('/etc/*')", "SELECT * FROM sniff_csv('OUT/secret.csv')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_json('OUT/secret.csv')",
		"SELECT * FROM read_parquet('OUT/x.parquet')", "SELECT * FROM parquet_metadata('OUT/x.parquet')", "SELECT * FROM parquet_schema('OUT/x.parquet')", "SELECT * FROM read_ndjson_objects('OUT/secret.csv')",
		"SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')", "SELECT * FROM 'https://127.0.0.1:1/x.parquet'", "SELECT * FROM read_parquet('s3://b/k')", "SELECT getenv('HOME')",
		"SELECT * FROM read_csv('/proc/self/environ')", "SELECT * FROM read_csv('/dev/stdin')",
		// writing
		"COPY (SELECT 1) TO 'OUT/x.csv'", "COPY (SELECT 1) TO 'IN/../outside/x.csv'", "COPY (SELECT 1) TO 'IN/linkdir/x.csv'", "EXPORT DATABASE 'OUT/exp'", "COPY (SELECT 1) TO '/tmp/millrace_x.csv'",
		// databases and extensions
		"ATTACH 'OUT/x.duckdb'", "ATTACH 'OUT/x.duckdb' (READ_ONLY)", "ATTACH 'http://127.0.0.1:1/x.duckdb'", "INSTALL httpfs", "LOAD httpfs", "LOAD 'OUT/x.duckdb_extension'", "INSTALL x FROM community", "FORCE INSTALL json",
		"ATTACH 'host=127.0.0.1' AS pg (TYPE postgres)", "IMPORT DATABASE 'OUT/exp'",
		// settings (PRAGMA enable_profiling works: it is no SELECT, and prints nothing without the shell)
		"SET enable_external_access=true", "SET lock_configuration=false", "SET allowed_directories=['/']", "SET allowed_paths=['/etc/passwd']", "SET memory_limit='100GB'", "SET threads=64", "SET temp_directory='OUT'",
		"RESET enable_external_access", "RESET ALL", "PRAGMA memory_limit='100GB'", "SET profiling_output='OUT/p'", "SET log_query_path='OUT/q'", "PRAGMA enable_logging('OUT')", "SET home_directory='OUT'",
		"SET extension_directory='OUT'", "SET secret_directory='OUT'", "SET TimeZone='Europe/Berlin'", "SET GLOBAL threads=1", "SET SESSION errors_as_json=false", "SET allow_unsigned_extensions=true", "SET custom_extension_repository='http://127.0.0.1:1'",
		"SET autoload_known_extensions=true", "SET allow_persistent_secrets=true", "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')", "SET max_temp_directory_size='1TB'", "SET disabled_optimizers='filter_pushdown'", "SET preserve_insertion_order=true",
		"SET file_search_path='OUT'", "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
	} {
		sql = strings.NewReplacer("INside", in+"side", "'IN/", "'"+in+"/", "'OUT", "'"+out).Replace(sql)
		err := db.Exec(t.Context(), sql)
		if err == nil {
			t.Errorf("allowed: %s", sql)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the file: %v", sql, err)
		}
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 2 {
		t.Errorf("outside holds %v %v", entries, err)
	}
}

// TestLockdownOfPatterns: a folder whose name would be a pattern may be read too, by the path with its letters taken for themselves, and what it
// would stand for as a pattern may not.
func TestLockdownOfPatterns(t *testing.T) {
	root := t.TempDir()
	in, other := filepath.Join(root, "in[a] *"), filepath.Join(root, "ina x")
	for _, dir := range []string{in, other} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte("a\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := testDB(t, Config{Dirs: []string{in}})
	for path, allowed := range map[string]bool{root + "/in[[]a] [*]/x.csv": true, root + "/in[[]a] [*]/*.csv": true, root + "/in[a] */x.csv": false, root + "/ina x/x.csv": false, root + "/ina*/x.csv": false} {
		if err := db.Exec(t.Context(), "SELECT * FROM read_csv('"+path+"')"); (err == nil) != allowed {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := db.Exec(t.Context(), "COPY (SELECT 1) TO '"+in+"/new.parquet'"); err != nil {
		t.Error(err)
	}
}
