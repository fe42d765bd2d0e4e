package snowflake

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// request is one request as a server of these tests saw it.
type request struct {
	path, query string
	requestID   string
	header      http.Header
	body        map[string]any
}

func (r *request) sql() string { s, _ := r.body["sqlText"].(string); return s }

func (r *request) async() bool { b, _ := r.body["asyncExec"].(bool); return b }

// wantsTelemetry says what a login asked for; like Snowflake's, the server has telemetry on when it asked for nothing.
func (r *request) wantsTelemetry() bool {
	data, _ := r.body["data"].(map[string]any)
	parameters, _ := data["SESSION_PARAMETERS"].(map[string]any)
	return parameters["CLIENT_TELEMETRY_ENABLED"] != "false"
}

// tag is the query tag that a statement carried.
func (r *request) tag() string {
	parameters, _ := r.body["parameters"].(map[string]any)
	tag, _ := parameters["QUERY_TAG"].(string)
	return tag
}

// server is Snowflake's HTTP protocol as far as a test needs it: what is asked of a path is answered by its handler, and logins,
// settings and log-outs by the server itself where none is given.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	seen     []*request
	handlers map[string]func(w http.ResponseWriter, r *request)
	queries  int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{handlers: map[string]func(http.ResponseWriter, *request){}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *server) serve(w http.ResponseWriter, hr *http.Request) {
	r := &request{path: hr.URL.Path, query: hr.URL.RawQuery, requestID: hr.URL.Query().Get("requestId"), header: hr.Header}
	body := io.Reader(hr.Body)
	if hr.Header.Get("Content-Encoding") == "gzip" {
		if plain, err := gzip.NewReader(hr.Body); err == nil {
			body = plain
		}
	}
	_ = json.NewDecoder(body).Decode(&r.body)
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.queries++
	id := "01b-" + strconv.Itoa(s.queries)
	handle := s.handlers[r.path]
	s.mu.Unlock()
	if handle != nil {
		handle(w, r)
		return
	}
	switch r.path {
	case "/session/v1/login-request":
		answerJSON(w, map[string]any{"success": true, "data": map[string]any{"token": "session-token", "masterToken": "master-token", "sessionId": 7,
			"parameters": []map[string]any{{"name": "CLIENT_TELEMETRY_ENABLED", "value": r.wantsTelemetry()}, {"name": "TIMEZONE", "value": "UTC"}}}})
	case "/queries/v1/query-request":
		answerJSON(w, rowsAnswer(id, []string{"STATUS"}, []*string{ptr("done")}))
	default:
		answerJSON(w, map[string]any{"success": true})
	}
}

// on answers a path by handle; "" for handle is the server's own.
func (s *server) on(path string, handle func(w http.ResponseWriter, r *request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = handle
}

// onQuery answers the statements, but for the settings of a session.
func (s *server) onQuery(handle func(w http.ResponseWriter, r *request)) {
	s.on("/queries/v1/query-request", func(w http.ResponseWriter, r *request) {
		if verb(r.sql()) == "ALTER" {
			answerJSON(w, rowsAnswer("01b-alter", []string{"STATUS"}, []*string{ptr("done")}))
			return
		}
		handle(w, r)
	})
}

// requests are those of a path, in order.
func (s *server) requests(path string) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*request
	for _, r := range s.seen {
		if r.path == path {
			found = append(found, r)
		}
	}
	return found
}

// config reaches the server; nothing is tried twice.
func (s *server) config(t *testing.T) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return Config{Account: "acme-main", User: "MILLRACE", Role: "LOADER", Warehouse: "LOAD_WH", Database: "ANALYTICS", Schema: "PUBLIC",
		Host: host, Port: atoi(t, port), HTTP: true, Auth: Auth{Token: "pat-of-the-test"}, Retries: -1, Temp: t.TempDir(), LoginTimeout: time.Minute}
}

// session logs in to the server.
func (s *server) session(t *testing.T, cfg Config, rec Recorder) *Session {
	t.Helper()
	db := open(t, cfg)
	session, err := db.Session(t.Context(), map[string]string{"run": "r1", "load": "l1"}, rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func open(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func ptr(s string) *string { return &s }

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// rowsAnswer is an answer of texts.
func rowsAnswer(id string, columns []string, rows ...[]*string) map[string]any {
	var types []map[string]any
	for _, c := range columns {
		types = append(types, map[string]any{"name": c, "type": "text", "nullable": true})
	}
	return map[string]any{"success": true, "data": map[string]any{"queryId": id, "queryResultFormat": "json", "statementTypeId": 0x1000,
		"rowtype": types, "rowset": rows, "total": len(rows), "returned": len(rows)}}
}

// failure is the server's word that a statement failed.
func failure(code int, state, message string) map[string]any {
	return map[string]any{"success": false, "code": fmt.Sprintf("%06d", code), "message": message, "data": map[string]any{"sqlState": state, "queryId": "01b-failed"}}
}

// onQueryAlso is told of one statement before it is answered.
func (s *server) onQueryAlso(t *testing.T, sql string, tell func(r *request)) {
	t.Helper()
	s.mu.Lock()
	before := s.handlers["/queries/v1/query-request"]
	s.mu.Unlock()
	s.on("/queries/v1/query-request", func(w http.ResponseWriter, r *request) {
		if r.sql() == sql {
			tell(r)
		}
		before(w, r)
	})
}
