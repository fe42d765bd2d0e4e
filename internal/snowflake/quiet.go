package snowflake

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/internal/snowflake/predriver"
)

// The driver has been initialized: what kept it from the home directory is not for the processes that we start.
var _ = predriver.Set && os.Unsetenv(predriver.CacheDir) == nil

// quieten switches off what the driver does beside its work and what only the whole process can switch: the search for the cloud
// (platform_detection.go:70) and a folder for revocation lists in the home directory (crl.go:104). It gives the driver's log to cfg.Log:
// the log is the driver's, not a connection's, so that of the last Open hears it.
func quieten(cfg *Config) {
	_ = os.Setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
	_ = os.Setenv("SNOWFLAKE_CRL_ON_DISK_CACHE_DIR", cfg.Temp)
	_ = sf.SetLogger(&quietLogger{log: cfg.Log})
}

// connector opens the driver's connections.
type connector struct {
	cfg  *sf.Config
	temp string
}

func (c connector) Driver() driver.Driver { return sf.SnowflakeDriver{} }

// Connect gives the driver a logging configuration that says nothing: without one it looks for a file in the home directory, and
// does what it finds there (client_configuration.go:65). It reads it while it connects.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	dir, err := os.MkdirTemp(c.temp, "snowflake-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the driver's configuration: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg := *c.cfg
	cfg.Params = map[string]*string{}
	for name, value := range c.cfg.Params { // the driver writes into the map what the server tells
		cfg.Params[name] = value
	}
	cfg.ClientConfigFile = filepath.Join(dir, "client.json")
	text := fmt.Appendf(nil, `{"common": {"log_level": "OFF", "log_path": %q}}`, filepath.ToSlash(dir))
	if err := os.WriteFile(cfg.ClientConfigFile, text, 0o600); err != nil {
		return nil, fmt.Errorf("write the driver's configuration: %w", err)
	}
	return sf.NewConnector(sf.SnowflakeDriver{}, cfg).Connect(ctx)
}

// quietLogger passes the driver's warnings on at debug: what matters of them comes back as an error too. What it says below that
// has values of data in it (converter.go:974) and is dropped. The driver masks secrets before a logger sees a line
// (internal/logger/secret_masking.go). A logger of one's own also keeps the driver from putting one that writes files in its place.
type quietLogger struct {
	log *slog.Logger
}

func (l *quietLogger) say(text string) {
	if l.log != nil {
		l.log.Debug("snowflake driver: " + clean(text))
	}
}

func (l *quietLogger) Tracef(string, ...any)                   {}
func (l *quietLogger) Debugf(string, ...any)                   {}
func (l *quietLogger) Infof(string, ...any)                    {}
func (l *quietLogger) Warnf(format string, a ...any)           { l.say(fmt.Sprintf(format, a...)) }
func (l *quietLogger) Errorf(format string, a ...any)          { l.say(fmt.Sprintf(format, a...)) }
func (l *quietLogger) Fatalf(format string, a ...any)          { l.say(fmt.Sprintf(format, a...)) }
func (l *quietLogger) Trace(string)                            {}
func (l *quietLogger) Debug(string)                            {}
func (l *quietLogger) Info(string)                             {}
func (l *quietLogger) Warn(text string)                        { l.say(text) }
func (l *quietLogger) Error(text string)                       { l.say(text) }
func (l *quietLogger) Fatal(text string)                       { l.say(text) }
func (l *quietLogger) SetLogLevel(string) error                { return nil }
func (l *quietLogger) SetLogLevelInt(sf.Level) error           { return nil }
func (l *quietLogger) GetLogLevel() string                     { return "WARN" }
func (l *quietLogger) GetLogLevelInt() sf.Level                { return sf.Level(slog.LevelWarn) }
func (l *quietLogger) SetOutput(io.Writer)                     {}
func (l *quietLogger) WithField(string, any) sf.LogEntry       { return l }
func (l *quietLogger) WithFields(map[string]any) sf.LogEntry   { return l }
func (l *quietLogger) WithContext(context.Context) sf.LogEntry { return l }
