// Package serve is the HTTP side of Millrace: API v1, pages, the inbox of webhooks, and what monitoring asks for. It is a
// thin skin: what it shows comes from pipeline, its journal and report, and what it is asked to do it writes into the
// journal as a firing; decisions about records go into the project's file of them. It never runs a model and never publishes. Read Config and Server, then route.go and guard.go.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// Config is what a Server stands on.
type Config struct {
	// Engine is the project as it is now; it is asked for each request, because the project may be loaded anew.
	Engine    func() *pipeline.Engine
	Scheduler Scheduler
	Settings  models.Serve // as they were at the start, flags included: listening does not change while it goes on
	Log       *slog.Logger
	Clock     clock.Clock
	Alive     func() error // says why the scheduler does not do its work; nil when nobody can tell
	// Refused says why the project's files, as they are on disk now, were not taken; "" when they are in use. May be nil.
	Refused func() string
}

// Scheduler is what is asked of the scheduler; all that it is to do it finds in the journal.
type Scheduler interface {
	// Schedules tells of every pipeline, by name.
	Schedules(ctx context.Context) ([]scheduler.Schedule, error)
	// Wake makes it look into the journal at once.
	Wake()
	// LastPass is when it last decided what is to run; the zero time before the first.
	LastPass() time.Time
}

// Server answers requests.
type Server struct {
	Config
	table     []route // every route that there is
	document  object  // of the API
	handler   http.Handler
	proxies   []netip.Prefix
	hosts     map[string]bool // by which it may be asked for; empty: any
	origins   http.CrossOriginProtection
	sessions  *sessions
	logins    *throttle
	hooks     *hookLimits
	underWay  underWay
	aliases   *aliases
	site      *site           // its pages
	looking   *turns          // of those who open an engine of SQL to count or show rows: there are never many at once
	streams   *places[string] // of logs that are being followed, by who does
	heartbeat time.Duration   // of a stream
	busy      atomic.Int64    // when a request could not use the journal last, in nanoseconds
	writing   writeProbe
	listener  net.Listener
	closing   chan struct{} // closed when streams are to end
}

// The limits of a request. Streams set their own deadlines.
const (
	headerTime  = 10 * time.Second
	readTime    = 30 * time.Second
	writeTime   = 60 * time.Second
	idleTime    = 2 * time.Minute
	closingTime = 10 * time.Second
	headerBytes = 64 << 10
	bodyBytes   = 1 << 20
)

// New makes a server that does not listen yet. It refuses settings that would let strangers in, with a *RefusedError.
func New(c Config) (*Server, error) {
	s := &Server{Config: c, sessions: newSessions(c.Clock, c.Settings.Session.Std(), mostSessions), logins: newThrottle(c.Clock, mostWatched), hooks: newHookLimits(c.Clock),
		streams: newPlaces[string](mostStreams, streamsOfOne), heartbeat: heartbeat, looking: newTurns(), aliases: newAliases(), closing: make(chan struct{})}
	for _, p := range c.Settings.TrustedProxies {
		prefix, err := models.ParsePrefix(p)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w", err)
		}
		s.proxies = append(s.proxies, prefix)
	}
	if err := s.refuseOpenDoor(context.Background()); err != nil {
		return nil, err
	}
	s.hosts = allowedHosts(c.Settings)
	if c.Settings.PublicURL != "" {
		if err := s.origins.AddTrustedOrigin(originOf(c.Settings.PublicURL)); err != nil {
			return nil, fmt.Errorf("public_url: %w", err)
		}
	}
	var err error
	s.table = s.routes()
	if s.document, err = document(s.table, "1"); err != nil {
		return nil, err
	}
	mux, err := s.mux()
	if err != nil {
		return nil, err
	}
	s.handler = s.fence(mux)
	return s, nil
}

// Handler is all that the server answers, without the listening.
func (s *Server) Handler() http.Handler { return s.handler }

// Listen takes the address, so that URL is known and a wrong one is told before anything else begins.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.Settings.Listen)
	if err != nil {
		return &RefusedError{fmt.Errorf("listen on %s: %w", s.Settings.Listen, err), "choose another address or port: serve.listen, or --listen"}
	}
	if s.encrypted() {
		config, err := s.tlsConfig()
		if err != nil {
			return errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, config)
	}
	s.listener = l
	return nil
}

// encrypted says whether the server itself speaks TLS.
func (s *Server) encrypted() bool { return s.Settings.TLS.Cert != "" }

// URL is where the server listens, once it does.
func (s *Server) URL() string {
	scheme := "http"
	if s.encrypted() {
		scheme = "https"
	}
	at := s.listener.Addr().String()
	host, port, err := net.SplitHostPort(at)
	if ip, other := netip.ParseAddr(host); err == nil && other == nil && ip.IsUnspecified() { // every address of this machine: nobody can open that
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
		at = net.JoinHostPort(host, port)
	}
	return scheme + "://" + at
}

// Serve answers requests until ctx is done, then lets those under way come to their end.
func (s *Server) Serve(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	web := &http.Server{Handler: s.handler, DisableGeneralOptionsHandler: true, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)}
	web.RegisterOnShutdown(func() { close(s.closing) })
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	err := web.Shutdown(patience)
	if err != nil { // somebody reads too slowly
		err = web.Close()
	}
	<-ended
	return err
}
