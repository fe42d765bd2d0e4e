package snowfake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// Transport says what the driver is told to upload to.
type Transport int

const (
	// LocalFS lets the driver write into the stage's folder: it must run on this machine.
	LocalFS Transport = iota
	// S3 lets the driver encrypt and upload as it does on AWS. Its Config.Transporter must be what Server.Transport gives.
	S3
)

// ServerConfig opens a Server.
type ServerConfig struct {
	Account *Account
	Listen  string // "": 127.0.0.1, at a port of the system's choosing
	// Users say how each user may log in, by name in upper case. No user, no login.
	Users map[string]Credentials
	// OAuth are the clients that the token endpoint knows, by client id.
	OAuth map[string]OAuthClient
	Stage Transport
	// Temp is where parts of uploads wait; "": the system's folder for such.
	Temp string
	// Patience is how long a statement may take before its answer is "in progress, ask again": 45 s on Snowflake (monitoring.go,
	// getQueryResultWithRetriesForAsyncMode). 0: that.
	Patience time.Duration
	// Repeats executes a request anew that comes again under the same request id. Snowflake does not, says its driver's maker, and one
	// report says that it did, when the first was still running (https://github.com/snowflakedb/snowflake-connector-nodejs/issues/1189).
	Repeats bool
	Clock   clock.Clock // nil: the system's
}

// Server speaks Snowflake's HTTP protocol for an Account. It stands in for Snowflake in tests: what its answers rest on is said
// beside each, and what they rest on nothing but memory for is listed in docs/snowflake.md.
type Server struct {
	cfg    ServerConfig
	http   *http.Server
	addr   *net.TCPAddr
	served chan struct{}
	ctx    context.Context // ends when the server is closed: statements do not end with the request that brought them
	cancel context.CancelFunc
	work   sync.WaitGroup // statements and sessions that are still ending
	faults faults
	store  *objects

	mu        sync.Mutex
	clients   map[string]*client // by every token that was ever theirs
	masters   map[string]*client
	issued    map[string]string // OAuth access tokens: whose
	runs      map[string]*run   // by query id
	requests  map[string]*run   // by request id
	order     []*run
	sessions  int64
	refused   map[string]int
	telemetry int
	staged    []string // the files of the last PUT
}

// NewServer listens and serves. The Account stays the caller's, who closes it after the Server.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Account == nil {
		return nil, errors.New("snowfake: a server needs an account")
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Patience == 0 {
		cfg.Patience = 45 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	store, err := newObjects(cfg.Temp)
	if err != nil {
		return nil, err
	}
	cfg.Account.encrypt(cfg.Stage == S3)
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		_ = os.RemoveAll(store.dir)
		return nil, fmt.Errorf("listen for the stand-in: %w", err)
	}
	s := &Server{
		cfg: cfg, addr: listener.Addr().(*net.TCPAddr), store: store, served: make(chan struct{}),
		clients: map[string]*client{}, masters: map[string]*client{}, issued: map[string]string{},
		runs: map[string]*run{}, requests: map[string]*run{}, refused: map[string]int{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // Close ends it
	}()
	return s, nil
}

// Host and Port are where the server listens, for the driver's Config; its Protocol is http.
func (s *Server) Host() string { return s.addr.IP.String() }

// Port is where the server listens on Host.
func (s *Server) Port() int { return s.addr.Port }

// URL is the server's address. Its path /oauth/token gives tokens for client credentials.
func (s *Server) URL() string { return "http://" + net.JoinHostPort(s.Host(), strconv.Itoa(s.Port())) }

// Close ends the server as a machine that is switched off: connections break, statements that run are cancelled, sessions are
// left to the Account.
func (s *Server) Close() error {
	s.mu.Lock() // nothing that would be waited for begins after it
	s.cancel()
	s.mu.Unlock()
	err := s.http.Close()
	<-s.served
	s.work.Wait()
	return errors.Join(err, os.RemoveAll(s.store.dir))
}

// Refused lists the requests that the server does not know, with how often each came.
func (s *Server) Refused() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

// Telemetry counts the reports that drivers have sent of themselves: none, when telemetry is off.
func (s *Server) Telemetry() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.telemetry
}

// Statements lists what was executed, in the order of arrival.
func (s *Server) Statements() []Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Statement, len(s.order))
	for i, q := range s.order {
		list[i] = q.Statement
		if list[i].Running = q.running(); !list[i].Running {
			list[i].Err = q.err
		}
	}
	return list
}

// Sessions counts the sessions that are open: not logged out of, and not vanished.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.masters {
		if !c.gone && !c.vanished {
			n++
		}
	}
	return n
}

// request is one request, read whole.
type request struct {
	*http.Request
	body    []byte
	query   queryBody // of a statement
	subject string    // what faults match: a statement's text, else METHOD and path
	fault   *Injected // acts on this request; nil: none
	staged  []string  // files that it lets the driver upload
}

// after says that a fault acts once the request has done its work.
func (r *request) after() bool { return r.fault != nil && r.fault.fault.When == After }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	req, err := readRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if s.vanished(req) {
		hangUp(w)
		return
	}
	req.fault = s.faults.match(req.subject)
	if req.fault != nil && !req.after() && s.act(w, req, nil) {
		return
	}
	status, body := s.route(req)
	if req.after() && s.act(w, req, body) {
		return
	}
	respond(w, status, body)
}

// route finds who answers a request. Snowflake's routes are those of the driver's restful.go, lines 24-34, async.go and monitoring.go.
func (s *Server) route(r *request) (int, any) {
	path := r.URL.Path
	switch id, isResult := resultOf(path); {
	case r.Method == http.MethodPost && path == "/session/v1/login-request":
		return s.login(r)
	case r.Method == http.MethodPost && path == "/session/token-request":
		return http.StatusOK, s.renew(r)
	case r.Method == http.MethodPost && path == "/session/heartbeat":
		return http.StatusOK, s.heartbeat(r)
	case r.Method == http.MethodPost && path == "/session" && r.URL.Query().Get("delete") == "true":
		return http.StatusOK, s.logout(r)
	case r.Method == http.MethodPost && path == "/queries/v1/query-request":
		return http.StatusOK, s.statement(r)
	case r.Method == http.MethodPost && path == "/queries/v1/abort-request":
		return http.StatusOK, s.abort(r)
	case r.Method == http.MethodGet && isResult:
		return http.StatusOK, s.result(r, id)
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/monitoring/queries/"):
		return http.StatusOK, s.monitor(r, strings.TrimPrefix(path, "/monitoring/queries/"))
	case r.Method == http.MethodPost && path == "/telemetry/send": // telemetry.go, line 14
		s.mu.Lock()
		s.telemetry++
		s.mu.Unlock()
		return http.StatusOK, succeed("Log Received")
	case r.Method == http.MethodPost && path == "/oauth/token":
		return s.token(r)
	}
	s.mu.Lock()
	s.refused[r.Method+" "+path]++
	s.mu.Unlock()
	return http.StatusNotFound, refuse("404", "the stand-in for Snowflake does not know "+r.Method+" "+path)
}

// resultOf is the query id in the path of a result (monitoring.go, urlQueriesResultFmt).
func resultOf(path string) (id string, ok bool) {
	id, ok = strings.CutPrefix(path, "/queries/")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(id, "/result")
}
