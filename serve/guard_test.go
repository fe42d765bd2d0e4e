package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func unescaped(path string) string {
	text, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return text
}

// open are the routes that anybody may use; that of webhooks goes by their signature.
var open = []string{"GET /healthz", "GET /readyz", "GET /login", "POST /login", "POST /hooks/{pipeline}", "GET /assets/{file}"}

// variants are spellings of a path by which a careless server lets somebody in.
func variants(path string) []string {
	all := []string{path, path + "/", "/" + path, path + "//", "/." + path, "/x/.." + path, path + "/..", path + "/.", strings.ToUpper(path), path + ".json", path + ";x=1", path + "%00",
		path + "%2f", "/%2e" + path, "/x/%2e%2e" + path, strings.Replace(path, "/", "/%2f", 1), strings.Replace(path, "/", "%2f", 1), strings.Replace(path, "/", "\\", 1), path + "?/healthz", path + "/healthz",
		"/healthz" + path, "/healthz/.." + path, "/healthz%2f.." + path, "/login" + path, path + "/login", path + "?x=/login"}
	if last := len(path) - 1; last > 0 {
		all = append(all, path[:last]+"%"+strings.ToUpper(hexOf(path[last])))
	}
	return all
}

func hexOf(b byte) string { return string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]) }

// TestNobodyComesInWithoutAToken is the rule of CVE-2026-49869 and its like: whatever the spelling of a path, only the routes
// that are meant to be open answer without a token, and those of operators and of stewards refuse all others.
func TestNobodyComesInWithoutAToken(t *testing.T) {
	l := newLab(t, project, nil)
	found := []string{}
	for _, to := range l.s.routes() {
		name := to.method + " " + to.pattern
		if to.role == Public {
			found = append(found, name)
			continue
		}
		path := strings.NewReplacer("{$}", "", "{pipeline}", "nightly", "{name}", "main.orders", "{run}", "r", "{load}", "l", "{id}", "f", "{table}", "main.orders", "{entity}", "person", "{golden}", "f776", "{decision}", "1f2e3d4c").Replace(to.pattern)
		if strings.Contains(path, "{") {
			t.Fatalf("%s: give the parameter a value", name)
		}
		for _, v := range variants(path) {
			for _, method := range []string{to.method, "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"} {
				for _, auth := range [][]string{nil, as("wrong"), as(""), {"Authorization", "Basic b3R0bzpvdHRv"}, {"Cookie", "millrace-4280=x"}, {"Cookie", "millrace-4280="}} {
					if w := l.ask(method, v, "", auth...); w.Code < 400 && !slices.Contains(open, method+" "+v) {
						t.Errorf("%s %s, %v: %d", method, v, auth, w.Code)
					}
				}
			}
		}
		if w := l.ask(to.method, path, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d without a token", name, w.Code)
		}
		for role, token := range map[Role]string{Viewer: l.viewer, Operator: l.operator, Steward: l.steward} {
			w := l.ask(to.method, path, "", as(token)...)
			if refused := w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized; refused != (to.role != Viewer && to.role != role) {
				t.Errorf("%s: %d for a %s", name, w.Code, role)
			}
		}
		if to.method == "GET" && to.role != Viewer {
			t.Errorf("%s: what not all may do is no GET", name)
		}
	}
	if !slices.Equal(found, open) {
		t.Errorf("open to all: %v", found)
	}
}

func TestUnknownPaths(t *testing.T) {
	l := newLab(t, project, nil)
	w := l.ask("GET", "/api/v1/nothing", "", as(l.operator)...)
	if w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"type":"https://github.com/millrace/millrace/blob/main/docs/api.md#not-found"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := l.ask("GET", "/nothing", "", "Accept", "text/html,*/*"); w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	if w := l.ask("DELETE", "/login", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d %s", w.Code, w.Header())
	}
}

func TestHeaders(t *testing.T) {
	l := newLab(t, project, nil)
	for _, path := range []string{"/healthz", "/nothing", "/login"} {
		h := l.ask("GET", path, "").Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestHosts(t *testing.T) {
	l := newLab(t, project+"serve: { public_url: 'https://etl.example.com', allowed_hosts: [etl.internal] }\n", nil)
	for host, want := range map[string]int{"127.0.0.1:4280": 200, "localhost:4280": 200, "[::1]:4280": 200, "ETL.internal": 200, "etl.example.com": 200,
		"evil.example.com": 421, "127.0.0.1.evil.com": 421, "": 421, "localhost.": 421, "etl.internal@evil.com": 421} {
		if w := l.ask("GET", "/login", "", "Host", host); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
	if w := l.ask("GET", "/healthz", "", "Host", "10.1.2.3:4280"); w.Code != 200 {
		t.Errorf("a probe: %d", w.Code)
	}
}

func TestCrossOrigin(t *testing.T) {
	l := newLab(t, project+"serve: { public_url: 'https://etl.example.com' }\n", nil)
	for _, c := range []struct {
		want   int
		header []string
	}{
		{403, []string{"Sec-Fetch-Site", "cross-site"}}, {403, []string{"Sec-Fetch-Site", "same-site"}}, {403, []string{"Origin", "https://evil.example.com"}}, {403, []string{"Origin", "null"}},
		{401, []string{"Sec-Fetch-Site", "same-origin"}}, {401, []string{"Origin", "http://127.0.0.1:4280"}}, {401, []string{"Origin", "https://etl.example.com"}}, {401, nil},
	} {
		header := append([]string{"Content-Type", "application/x-www-form-urlencoded"}, c.header...)
		if w := l.ask("POST", "/login", "token=x", header...); w.Code != c.want {
			t.Errorf("%v: %d, want %d", c.header, w.Code, c.want)
		}
		l.s.logins.right(peerOfTests)
	}
}

// held is how SQLite says that another process has the lock.
type held struct{}

func (held) Error() string { return "database is locked (261)" }
func (held) Code() int     { return 261 } // SQLITE_BUSY_RECOVERY

func TestHeldJournal(t *testing.T) {
	l := newLab(t, project, nil)
	w := httptest.NewRecorder()
	l.s.fail(w, httptest.NewRequest("POST", "/api/v1/pipelines/nightly/pause", nil), fmt.Errorf("pause: %w", held{}))
	if w.Code != 503 || w.Header().Get("Retry-After") != "5" || !strings.Contains(w.Body.String(), "docs/api.md#busy") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := l.ask("GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "held by another process") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	l.now = l.now.Add(busySpan)
	if w := l.ask("GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	l := newLab(t, project, func(c *Config) {
		c.Alive = func() error { panic("oh") }
	})
	if w := l.ask("GET", "/readyz", ""); w.Code != 500 || strings.Contains(w.Body.String(), "oh") || !strings.Contains(l.log.String(), "panic=oh") {
		t.Errorf("%d %s; %s", w.Code, w.Body, l.log)
	}
}
