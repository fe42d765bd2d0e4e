package snowflake

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const childVariable = "MILLRACE_SNOWFLAKE_CHILD" // host:port of the server that a child of the tests logs in to

// TestChildOfTheQuietTest is a process of its own, since the driver does much of what is tested once in a process only.
func TestChildOfTheQuietTest(t *testing.T) {
	address := os.Getenv(childVariable)
	if address == "" {
		t.Skip("is run by TestTheDriverDoesNothingBeside")
	}
	if left := os.Getenv("SF_TEMPORARY_CREDENTIAL_CACHE_DIR"); left != "" {
		t.Errorf("SF_TEMPORARY_CREDENTIAL_CACHE_DIR is left as %s", left)
	}
	host, port, _ := strings.Cut(address, ":")
	cfg := Config{Account: "acme-main", Host: host, Port: atoi(t, port), HTTP: true, Auth: Auth{Token: "pat-of-the-test"}, Retries: -1, Temp: t.TempDir()}
	db := open(t, cfg)
	session, err := db.Session(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, failed := session.Exec(t.Context(), Statement{SQL: "SELECT nothing"}) // a failure is what the driver tells its telemetry of
	if failed == nil {
		t.Error("the statement has not failed")
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(cfg.Temp)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// A process that logs in asks nobody but the server, sends no telemetry, reads no configuration of the driver's and leaves nothing
// in the home directory, where all of that would be at hand: cloud credentials, metadata servers, a logging configuration.
func TestTheDriverDoesNothingBeside(t *testing.T) {
	var mu sync.Mutex
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		elsewhere = append(elsewhere, r.Method+" "+r.URL.Path)
		http.NotFound(w, r)
	}))
	defer other.Close()
	s := newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) {
		answerJSON(w, failure(2003, "02000", "Object 'NOTHING' does not exist"))
	})
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "sf_client_config.json"), []byte("this is no JSON: who reads it cannot connect"), 0o600); err != nil {
		t.Fatal(err)
	}

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildOfTheQuietTest$", "-test.count=1")
	child.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "XDG_CACHE_HOME=") || strings.HasPrefix(v, "SF_") || strings.HasPrefix(v, "SNOWFLAKE_")
	}),
		childVariable+"="+s.Listener.Addr().String(), "HOME="+home, "USERPROFILE="+home,
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_REGION=eu-west-1",
		"AWS_ENDPOINT_URL="+other.URL, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+other.URL, "HTTP_PROXY="+other.URL, "HTTPS_PROXY="+other.URL)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("the child: %v\n%s", err, out)
	}

	mu.Lock()
	defer mu.Unlock()
	if len(elsewhere) > 0 {
		t.Errorf("asked elsewhere: %v", elsewhere)
	}
	login := s.requests("/session/v1/login-request")
	if len(login) != 1 {
		t.Fatalf("%d logins", len(login))
	}
	data := login[0].body["data"].(map[string]any)
	environment := data["CLIENT_ENVIRONMENT"].(map[string]any)
	if platform, _ := environment["PLATFORM"].([]any); len(platform) != 1 || platform[0] != "disabled" {
		t.Errorf("the platform is %v", platform)
	}
	if environment["APPLICATION"] != "Millrace" {
		t.Errorf("the application is %v", environment["APPLICATION"])
	}
	if got := data["SESSION_PARAMETERS"].(map[string]any)["CLIENT_TELEMETRY_ENABLED"]; got != "false" {
		t.Errorf("CLIENT_TELEMETRY_ENABLED is %v", got)
	}
	if sent := s.requests("/telemetry/send"); len(sent) > 0 {
		t.Errorf("%d times telemetry was sent", len(sent))
	}
	if files := below(t, home); !slices.Equal(files, []string{"sf_client_config.json"}) {
		t.Errorf("in the home directory is %v", files)
	}
}

// below lists what is in a folder.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
