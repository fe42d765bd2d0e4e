package snowflake

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestTextsAreCleanedOfSecretsAndOfNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		"Programmatic access token is invalid.":                                                "Programmatic access token is invalid.",
		"Incorrect username or password was specified.":                                        "Incorrect username or password was specified.",
		`Object 'A.B."TOKEN"' does not exist or not authorized.`:                               `Object 'A.B."TOKEN"' does not exist or not authorized.`,
		"SQL compilation error:\nsyntax error line 1 at position 3":                            "SQL compilation error: syntax error line 1 at position 3",
		`Authorization: Snowflake Token="ver:3-hint:12-ETMsDgAA"`:                              `Authorization: Snowflake Token="***"`,
		`{"token":"abc.def","x":1}`:                                                            `{"token":"***","x":1}`,
		"Post \"https://x.example.com/a?sig=abc&token=d\": EOF":                                "Post \"https://x.example.com/a\": EOF",
		"Get https://user:pw@proxy.example.com:3128/: refused":                                 "Get https://proxy.example.com:3128/: refused",
		"JWT eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJBQ01FIn0.c2ln is invalid":                         "JWT *** is invalid",
		"client_secret=hunter2&grant_type=client_credentials":                                  "client_secret=***&grant_type=client_credentials",
		"Duplicate row detected during DML action\nRow Values: [1, \"jane@example.com\"]\nend": "Duplicate row detected during DML action Row Values: ***",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// What the driver has to say is heard at debug, without tokens.
func TestTheDriverIsHeardAtDebug(t *testing.T) {
	var mu sync.Mutex
	var heard bytes.Buffer
	s := newServer(t)
	s.on(loginPath, func(w http.ResponseWriter, r *request) { answerJSON(w, failure(394400, "08001", "no")) })
	cfg := s.config(t)
	cfg.Log = slog.New(slog.NewTextHandler(locked{&mu, &heard}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, err := open(t, cfg).Session(t.Context(), nil, nil); err == nil {
		t.Fatal("the login was not refused")
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(heard.String(), "level=DEBUG") || !strings.Contains(heard.String(), "Authentication FAILED") {
		t.Errorf("heard was %q", heard.String())
	}
	if strings.Contains(heard.String(), "level=ERROR") || strings.Contains(heard.String(), "pat-of-the-test") {
		t.Errorf("heard was %q", heard.String())
	}
}

type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

// The proxy is the only way out: the host is not even looked up here.
func TestTheProxyIsUsed(t *testing.T) {
	asked := make(chan *http.Request, 8)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	host, port, _ := strings.Cut(strings.TrimPrefix(proxy.URL, "http://"), ":")
	db := open(t, Config{Account: "acme-main", Auth: Auth{Token: "pat-of-the-test"}, Retries: -1, Temp: t.TempDir(),
		Proxy: &Proxy{Host: host, Port: atoi(t, port), User: "me", Password: "proxy-password"}})
	_, err := db.Session(t.Context(), nil, nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindUnavailable || strings.Contains(err.Error(), "proxy-password") {
		t.Errorf("the error is %v", err)
	}
	r := <-asked
	if r.Method != http.MethodConnect || r.Host != "acme-main.snowflakecomputing.com:443" || r.Header.Get("Proxy-Authorization") == "" {
		t.Errorf("the proxy was asked for %s %s", r.Method, r.Host)
	}
}
