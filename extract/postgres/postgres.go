// Package postgres reads PostgreSQL: tables, views and queries, as COPY BINARY decoded straight into Arrow, all streams
// of a source in one exported snapshot. Incremental streams end at an edge below which nothing can be committed any
// more. It writes nothing: its transactions are read-only. Read session.go for the snapshot and the edge, window.go for
// what is read, types.go for how values land.
package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:            "postgres",
		Summary:         "Tables, views and queries of PostgreSQL, all read in one snapshot.",
		Options:         func() any { return new(database.Options) },
		StreamOptions:   func() any { return new(database.StreamOptions) },
		Check:           check,
		AppendsByCursor: true,
		FindsDeletes:    true,
		ReadsRanges:     true,
		Open:            open,
		Discover:        discover,
		Examine:         examine,
		FromURL:         schemes.FromURL,
	}
}

var (
	schemes  = database.Schemes{"postgres", "postgresql"}
	sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
)

func check(options any, streams []extract.Stream) []extract.Problem {
	out := database.Check(options, streams)
	if o, ok := options.(*database.Options); ok {
		u, err := url.Parse(o.Form())
		if err != nil || !schemes.Fit(o) {
			out = append(out, extract.Problem{Key: "url", Message: "this is not the URL of a PostgreSQL database", Hint: "postgres://user:${secret:name}@host:5432/database"})
		} else if mode := u.Query().Get("sslmode"); mode != "" && !slices.Contains(sslModes, mode) {
			out = append(out, extract.Problem{Key: "url", Message: fmt.Sprintf("sslmode=%s is not known", mode), Hint: "sslmode is one of " + strings.Join(sslModes, ", ")})
		}
	}
	for _, s := range streams {
		if so, err := database.OptionsOf(s); err != nil || so.Query != "" {
			continue
		}
		if _, _, err := splitName(s.Name); err != nil {
			out = append(out, extract.Problem{Stream: s.Name, Key: "name", Message: err.Error(), Hint: `write schema.table, or "Schema"."table" with quotes where a name has a dot`})
		}
	}
	return out
}

// source is one database.
type source struct {
	env     extract.Env
	options *database.Options
	config  *pgx.ConnConfig
	dialer  *database.Dialer
	slots   chan struct{} // one for each connection that may be open

	mu      sync.Mutex
	holder  *holder // nil until the first window is asked for
	reached bool    // a connection came about once
	closed  bool
}

func open(env extract.Env, options any) (extract.Source, error) {
	o, ok := options.(*database.Options)
	if !ok {
		return nil, fmt.Errorf("postgres source %q: options are a %T", env.Name, options)
	}
	s := &source{env: env, options: o, dialer: database.NewDialer(env, o), slots: make(chan struct{}, max(2, o.Connections))}
	if o.Connections == 0 {
		s.slots = make(chan struct{}, 4)
	}
	var err error
	if s.config, err = s.connConfig(); err != nil {
		return nil, fmt.Errorf("postgres source %q: %w", env.Name, err)
	}
	return s, nil
}

// connConfig reads the URL. Where it asks for encryption only, the certificate is checked all the same, and where it leaves
// encryption to the server, any key of tls: asks for it: what is given to check a server by is never passed over.
func (s *source) connConfig() (*pgx.ConnConfig, error) {
	u, err := url.Parse(s.options.URL.Reveal())
	if err != nil {
		return nil, &database.Trouble{Message: "the URL cannot be read", Advice: "postgres://user:${secret:name}@host:5432/database"}
	}
	q := u.Query()
	mode := q.Get("sslmode")
	switch tls := s.options.TLS; {
	case mode == "disable" && tls != (database.TLS{}):
		return nil, &database.Trouble{Message: "the URL says sslmode=disable, and tls: wants a certificate checked", Advice: "remove one of the two"}
	case tls.Verify == database.VerifyFull, tls.Verify == "" && mode == "require",
		tls != (database.TLS{}) && tls.Verify == "" && (mode == "" || mode == "prefer" || mode == "allow"):
		q.Set("sslmode", "verify-full")
	case tls.Verify == database.VerifyCA:
		q.Set("sslmode", "verify-ca")
	case tls.Verify == database.VerifyNone:
		q.Set("sslmode", "require")
		q.Del("sslrootcert") // with one, require would verify
	}
	for key, file := range map[string]string{"sslrootcert": s.options.TLS.CA, "sslcert": s.options.TLS.Cert, "sslkey": s.options.TLS.Key} {
		if file != "" && !(key == "sslrootcert" && q.Get("sslmode") == "require") {
			q.Set(key, database.File(s.env.Project, file))
		} else if own := q.Get(key); own != "" && !filepath.IsAbs(own) && own != "system" {
			q.Set(key, database.File(s.env.Project, own))
		}
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // for pgx a + is a +
	c, err := pgx.ParseConfig(u.String())
	if err != nil { // its words may repeat the URL
		return nil, &database.Trouble{Message: "the URL or a file that it names cannot be used: " + strings.ReplaceAll(err.Error(), u.String(), s.options.URL.String()), Advice: "postgres://user:${secret:name}@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem"}
	}
	const tls12 = 0x0303
	if c.TLSConfig != nil {
		c.TLSConfig.MinVersion = tls12
	}
	for _, f := range c.Fallbacks {
		if f.TLSConfig != nil {
			f.TLSConfig.MinVersion = tls12
		}
	}
	c.DialFunc = s.dialer.Dial
	if s.options.SSH != nil { // names are resolved on that host
		c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	c.ConnectTimeout = s.options.ConnectTimeout.Std()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	delete(c.RuntimeParams, "timezone") // PGTZ would hide the database's own, which cursors without a zone go by
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = appName + " " + s.env.Name
	}
	return c, nil
}

// appName begins the name that our sessions have at the server. Sessions so named only read: they hold no edge back.
const appName = "millrace"

// Identity implements extract.Source.
func (s *source) Identity(st extract.Stream) string {
	// The first host of several: others that are added or taken away are to be the same server's.
	address := net.JoinHostPort(strings.ToLower(s.config.Host), strconv.Itoa(int(s.config.Port))) + "/" + s.config.Database
	schema, table, err := splitName(st.Name)
	if err != nil {
		table = st.Name
	}
	table = quoteIdent(table)
	if schema != "" {
		table = quoteIdent(schema) + "." + table
	}
	return s.options.Identity(address, table, st)
}

// Close implements extract.Source.
func (s *source) Close() error {
	s.mu.Lock()
	h := s.holder
	s.holder, s.closed = nil, true
	s.mu.Unlock()
	if h != nil {
		h.close()
	}
	return s.dialer.Close()
}
