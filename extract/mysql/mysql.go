// Package mysql reads tables, views and queries of MySQL and MariaDB by the text protocol and makes Arrow of them,
// exactly or not at all, all streams of a source in one snapshot. It never writes to the server. Read snapshot.go for
// the snapshot and the edge of incremental streams, window.go for what is read, wire.go for how rows come, types.go for how
// values land.
package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:            "mysql",
		Summary:         "Tables, views and queries of MySQL and MariaDB, all read in one snapshot.",
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

var schemes = database.Schemes{"mysql", "mariadb"}

func check(options any, streams []extract.Stream) []extract.Problem {
	out := database.Check(options, streams)
	if o, ok := options.(*database.Options); ok {
		form := o.Form()
		u, err := url.Parse(form)
		if err != nil || !schemes.Fit(o) || form != "" && strings.Trim(u.Path, "/") == "" {
			out = append(out, extract.Problem{Key: "url", Message: "this is not the URL of a MySQL or MariaDB database", Hint: "mysql://user:${secret:name}@host:3306/database"})
		} else if _, err := (&source{options: database.ForURL(form)}).driverConfig(); form != "" && err != nil {
			p := extract.Problem{Key: "url", Message: err.Error()}
			var told *database.Trouble
			if errors.As(err, &told) {
				p.Message, p.Hint = told.Message, told.Advice
			}
			out = append(out, p)
		}
	}
	return out
}

// source is one server, with a database that names without one are looked up in.
type source struct {
	env     extract.Env
	options *database.Options
	config  *driver.Config
	dialer  *database.Dialer
	pool    *sql.DB
	trail   trail

	taking chan struct{} // holds one token while somebody takes the snapshot

	mu      sync.Mutex
	holder  *holder
	reached bool
	closed  bool
}

func open(env extract.Env, options any) (extract.Source, error) {
	o, ok := options.(*database.Options)
	if !ok {
		return nil, fmt.Errorf("mysql source %q: options are a %T", env.Name, options)
	}
	s := &source{env: env, options: o, dialer: database.NewDialer(env, o), taking: make(chan struct{}, 1)}
	var err error
	if s.config, err = s.driverConfig(); err != nil {
		return nil, fmt.Errorf("mysql source %q: %w", env.Name, err)
	}
	connector, err := driver.NewConnector(s.config)
	if err != nil {
		return nil, fmt.Errorf("mysql source %q: %w", env.Name, err)
	}
	s.pool = sql.OpenDB(connector)
	s.pool.SetMaxIdleConns(0) // a session of ours has settings, and a snapshot
	connections := o.Connections
	if connections == 0 {
		connections = 4
	}
	s.pool.SetMaxOpenConns(connections)
	return s, nil
}

// driverConfig reads the URL. Where it asks for encryption only, the certificate is checked all the same.
func (s *source) driverConfig() (*driver.Config, error) {
	advice := "mysql://user:${secret:name}@host:3306/database?tls=true"
	u, err := url.Parse(s.options.URL.Reveal())
	if err != nil {
		return nil, &database.Trouble{Message: "the URL cannot be read", Advice: advice}
	}
	c := driver.NewConfig()
	c.Logger = &s.trail
	c.Net, c.User, c.DBName = "tcp", u.User.Username(), strings.Trim(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "3306"
	}
	c.Addr = net.JoinHostPort(host, port)
	mode := ""
	for key, values := range u.Query() {
		value := values[len(values)-1]
		switch strings.ToLower(key) {
		case "tls", "sslmode", "ssl-mode", "ssl_mode":
			mode = strings.ToLower(strings.ReplaceAll(value, "_", "-"))
		case "socket":
			c.Net, c.Addr = "unix", value
		default:
			return nil, &database.Trouble{Message: fmt.Sprintf("the URL has a parameter %q that is not known", key), Advice: "known are tls= (true, preferred, false) and socket=; the rest is set by the keys of the source"}
		}
	}
	if err := s.tls(c, mode, host); err != nil {
		return nil, err
	}
	c.DialFunc = s.dialer.Dial
	c.Timeout = s.options.ConnectTimeout.Std()
	c.ConnectionAttributes = "program_name:" + appName + " " + strings.ReplaceAll(s.env.Name, ",", " ")
	return c, nil
}

// trail keeps what the driver logs: of a broken connection its errors say no more than that.
type trail struct {
	mu   sync.Mutex
	last error
}

// Print implements the driver's Logger.
func (t *trail) Print(values ...any) {
	for _, v := range values {
		if err, ok := v.(error); ok {
			t.mu.Lock()
			t.last = err
			t.mu.Unlock()
		}
	}
}

func (t *trail) take() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.last
	t.last = nil
	return err
}

const appName = "millrace"

func (s *source) tls(c *driver.Config, mode, host string) error {
	options := s.options.TLS
	verify := database.VerifyFull
	switch mode {
	case "", "preferred", "prefer":
		if options == (database.TLS{}) { // as all clients do: encrypted where the server can, and nobody is checked
			c.AllowFallbackToPlaintext = true
			c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
			return nil
		}
	case "false", "disable", "disabled":
		if options != (database.TLS{}) {
			return &database.Trouble{Message: "the URL says tls=" + mode + ", and tls: wants a certificate checked", Advice: "remove one of the two"}
		}
		return nil
	case "true", "require", "required", "verify-full", "verify-identity":
	case "verify-ca":
		verify = database.VerifyCA
	case "skip-verify":
		verify = database.VerifyNone
	default:
		return &database.Trouble{Message: fmt.Sprintf("tls=%s is not known", mode), Advice: "tls=true encrypts and checks the certificate, tls=false does not encrypt; tls: { verify: … } on the source says how it is checked"}
	}
	var err error
	c.TLS, err = options.Config(s.env.Project, host, verify)
	return err
}

// Identity implements extract.Source.
func (s *source) Identity(st extract.Stream) string {
	address := strings.ToLower(s.config.Addr)
	if s.config.Net == "unix" { // a path
		address = s.config.Addr
	}
	schema, table := s.splitName(st.Name)
	if o, err := database.OptionsOf(st); err == nil && o.Query != "" { // its names are those of the URL's database
		schema = s.config.DBName
	}
	return s.options.Identity(address+"/"+schema, quoteName(table), st)
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
	return errors.Join(s.pool.Close(), s.dialer.Close())
}

// session is one connection with our manners.
type session struct {
	*sql.Conn
	zone     time.Duration // of the server's clock from UTC
	zoneName string
}

func (s *source) connect(ctx context.Context) (*session, error) {
	conn, err := s.reach(ctx)
	for try := 0; err != nil && try < 2 && !s.wasReached() && broken(err) && ctx.Err() == nil; try++ {
		database.Pause(ctx, try)
		conn, err = s.reach(ctx)
	}
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.mu.Lock()
	s.reached = true
	s.mu.Unlock()
	c := &session{Conn: conn}
	var seconds int64
	if err = conn.QueryRowContext(ctx, "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()), @@time_zone").Scan(&seconds, &c.zoneName); err == nil {
		c.zone = time.Duration(seconds) * time.Second
		for _, statement := range s.manners() {
			if _, err = conn.ExecContext(ctx, statement); err != nil {
				break
			}
		}
	}
	if err != nil {
		c.close()
		return nil, s.explain(ctx, err)
	}
	return c, nil
}

// manners are the session's settings by the options.
func (s *source) manners() []string {
	out := append([]string(nil), sessionSettings...)
	if lock := s.options.LockTimeout.Std(); lock > 0 {
		out = append(out, fmt.Sprintf("SET lock_wait_timeout = %d", max(1, int(lock.Seconds()))))
	}
	if limit := s.options.StatementTimeout.Std(); limit > 0 {
		out = append(out, fmt.Sprintf("/*M!100101 SET max_statement_time = %f */", limit.Seconds()), fmt.Sprintf("/*!50708 SET max_execution_time = %d */", limit.Milliseconds()))
	}
	return append(out, "SET SESSION TRANSACTION READ ONLY")
}

// reach connects; the time limit is on the whole of it, since a host may answer and then say nothing.
func (s *source) reach(ctx context.Context) (*sql.Conn, error) {
	if limit := s.options.ConnectTimeout.Std(); limit > 0 {
		limited, cancel := context.WithTimeout(ctx, 2*limit) // waiting for a free connection included
		defer cancel()
		conn, err := s.pool.Conn(limited)
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("no connection within %s (connect_timeout): %w", 2*limit, os.ErrDeadlineExceeded)
		}
		return conn, err
	}
	return s.pool.Conn(ctx)
}

func (s *source) wasReached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reached
}

// close ends the connection: it does not go back to the pool.
func (c *session) close() {
	_ = c.Raw(func(any) error { return sqldriver.ErrBadConn })
	_ = c.Conn.Close()
}

// Codes of the server that are acted on (MariaDB and MySQL error reference).
const (
	accessDenied, noDatabase, noAccessToDatabase, tableDenied, columnDenied      = 1045, 1049, 1044, 1142, 1143
	noTable, noColumn, tooMany, lockWait, deadlock, definitionChanged, needRight = 1146, 1054, 1040, 1205, 1213, 1412, 1227
	killed, timedOutMaria, timedOutMySQL, shuttingDown, sessionKilled            = 1317, 1969, 3024, 1053, 1927
	badSyntax, sameNames                                                         = 1064, 1060
)

func serverCode(err error) uint16 {
	var e *driver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// broken says whether the connection is gone.
func broken(err error) bool {
	return serverCode(err) == 0 && (database.Broken(err) || errors.Is(err, driver.ErrInvalidConn) || errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, sql.ErrConnDone))
}

func transient(err error) bool {
	switch serverCode(err) {
	case 0:
		return broken(err)
	case tooMany, lockWait, deadlock, killed, shuttingDown, sessionKilled:
		return true
	}
	return false
}

// explain adds what to do to errors that people meet, marks those that may pass, and says ErrChanged of a table that was
// altered under the snapshot.
func (s *source) explain(ctx context.Context, err error) error {
	var told *database.Trouble
	if err == nil || ctx.Err() != nil || errors.Is(err, extract.ErrChanged) || errors.Is(err, extract.ErrTransient) || errors.As(err, &told) {
		return err
	}
	silent := false
	if errors.Is(err, driver.ErrInvalidConn) {
		if cause := s.trail.take(); cause != nil && !database.Broken(err) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		silent = errors.Is(err, os.ErrDeadlineExceeded)
	}
	advice, account := "", fmt.Sprintf("'%s'@'…'", s.config.User)
	switch code := serverCode(err); code {
	case definitionChanged:
		return fmt.Errorf("the table was altered or truncated since the snapshot was taken: %w", extract.ErrChanged)
	case accessDenied:
		advice = fmt.Sprintf("check user %q, its password in the secret or variable that url: names, and from which hosts it may come", s.config.User)
	case noDatabase:
		advice = "the part of the URL behind the host is the database"
	case noAccessToDatabase, tableDenied, columnDenied:
		advice = fmt.Sprintf("GRANT SELECT ON %s.* TO %s", quoteName(s.config.DBName), account)
	case noTable, noColumn:
		advice = "millrace connectors discover " + s.env.Name + " lists what there is"
	case tooMany:
		advice = "lower connections: on the source, or raise max_connections on the server"
	case lockWait:
		advice = "another session holds a lock on the table, such as an ALTER TABLE; raise lock_timeout: or run at another time"
	case badSyntax:
		advice = "is it the query: of the stream? it must be one SELECT, as the server takes it"
	case sameNames:
		advice = "give each column of query: a name of its own, with AS"
	case timedOutMaria, timedOutMySQL:
		advice = "raise statement_timeout: on the source; 0 means no limit"
	case 0:
		var host x509.HostnameError
		var lookup *net.DNSError
		switch text := err.Error(); {
		case errors.As(err, &host):
			advice = fmt.Sprintf("the certificate is for %s: connect by that name, or check only that it is valid, with tls: { verify: ca }", strings.Join(append(host.Certificate.DNSNames, host.Certificate.Subject.CommonName), ", "))
		case errors.As(err, &lookup):
			advice = "is the host of the URL spelled right, and can its name be looked up from here?"
		case strings.Contains(text, "certificate") || strings.Contains(text, "x509"):
			advice = "give the authority's certificate as tls: { ca: file.pem }; tls: { verify: none } accepts anyone who answers at that address"
		case strings.Contains(text, "does not support required TLS") || errors.Is(err, driver.ErrNoTLS):
			advice = "the server speaks no TLS: switch it on there, or write tls=false if the way to it is safe"
		case silent:
			advice = "raise idle_timeout: on the source where the server takes longer than that before it sends rows"
		case broken(err) && s.wasReached():
			advice = "the connection broke; a run tries again by itself, and millrace retry goes on where it gave up"
		case broken(err):
			advice = fmt.Sprintf("is %s reachable from here, and does the server listen on that port?", s.options.URL)
		}
	}
	message := err.Error()
	var server *driver.MySQLError
	if errors.As(err, &server) {
		message = server.Message
	}
	if transient(err) && (s.wasReached() || serverCode(err) != 0) { // who answers with a code is there; who never answered may be spelled wrong
		err = fmt.Errorf("%w: %w", extract.ErrTransient, err)
	}
	if advice == "" {
		return err
	}
	return &database.Trouble{Message: message, Advice: advice, Err: err}
}
