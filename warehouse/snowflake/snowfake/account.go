package snowfake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/internal/clock"
)

// AccountConfig says what an account begins with. Only Dir is needed.
type AccountConfig struct {
	Dir        string // folder for the stages, made when missing
	Name       string // "": TEST
	Clock      clock.Clock
	After      func(time.Duration) <-chan time.Time // for LOCK_TIMEOUT and STATEMENT_TIMEOUT_IN_SECONDS; nil: time.After
	Users      map[string]User                      // nil: MILLRACE, who is ACCOUNTADMIN
	Warehouses []WarehouseSpec                      // nil: LOAD_WH
	Databases  []string                             // nil: ANALYTICS; each with the schema PUBLIC, owned by ACCOUNTADMIN
	// Encrypted stages hold files that the client has encrypted: LIST tells their padded size.
	Encrypted bool
	// Parameters are those that sessions begin with, as an account may set them: ROWS_PER_RESULTSET.
	Parameters map[string]string
	// LockError is what a statement gets that has waited for LOCK_TIMEOUT; nil: a guess.
	LockError *Error
	// Waits is called when a statement begins to wait for a lock.
	Waits func(query string)
}

// User is who may log in. Whether it is them is for Server to find out.
type User struct {
	Roles                         []string
	DefaultRole, DefaultWarehouse string
}

// WarehouseSpec is a warehouse.
type WarehouseSpec struct {
	Name, Size string // Size "": X-Small
	Type       string // "": STANDARD
	Generation string // "": 1 of a STANDARD
	Suspended  bool
	NoResume   bool   // it does not start by itself: AUTO_RESUME = FALSE
	Monitor    string // the resource monitor whose quota is used up: it does not start at all
}

// Admin is the role that may do everything.
const Admin = "ACCOUNTADMIN"

// Account is one account: its catalog, its rows, who may do what, and the transactions under way. Its methods may be called from several
// goroutines; statements run one at a time.
type Account struct {
	cfg       AccountConfig
	pool      *sql.DB
	functions map[string]function

	mu         sync.Mutex
	conn       *sql.Conn
	databases  map[string]*database
	warehouses map[string]*warehouse
	roles      map[string]map[string]bool // the roles that each role has been granted
	grants     map[grant]bool
	sessions   map[int64]*Session
	open       map[int64]*transaction
	numbers    int64
	changed    chan struct{} // closed, and made anew, when a transaction ends
}

type warehouse struct {
	WarehouseSpec
	owner string
}

// NewAccount makes an account.
func NewAccount(cfg AccountConfig) (*Account, error) {
	if cfg.Dir == "" {
		return nil, errors.New("snowfake: no folder for the stages")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	a := &Account{cfg: withDefaults(cfg), functions: functions(), databases: map[string]*database{}, warehouses: map[string]*warehouse{},
		grants: map[grant]bool{}, sessions: map[int64]*Session{}, open: map[int64]*transaction{}, changed: make(chan struct{}),
		roles: map[string]map[string]bool{Admin: {}, "SYSADMIN": {}, "USERADMIN": {}, "PUBLIC": {}}}
	for _, w := range a.cfg.Warehouses {
		a.warehouses[w.Name] = &warehouse{WarehouseSpec: w, owner: Admin}
	}
	for _, name := range a.cfg.Databases {
		a.databases[name] = a.newDatabase(name, Admin)
	}
	for _, u := range a.cfg.Users {
		for _, r := range u.Roles {
			if a.roles[r] == nil {
				a.roles[r] = map[string]bool{}
			}
		}
	}
	if err := a.start(); err != nil {
		_ = a.Close()
		return nil, fmt.Errorf("snowfake: %w", err)
	}
	return a, nil
}

func withDefaults(cfg AccountConfig) AccountConfig {
	if cfg.Name == "" {
		cfg.Name = "TEST"
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	if cfg.Users == nil {
		cfg.Users = map[string]User{"MILLRACE": {Roles: []string{Admin}, DefaultRole: Admin, DefaultWarehouse: "LOAD_WH"}}
	}
	if cfg.Warehouses == nil {
		cfg.Warehouses = []WarehouseSpec{{Name: "LOAD_WH"}}
	}
	cfg.Users = maps.Clone(cfg.Users) // GRANT ROLE changes it
	if cfg.Databases == nil {
		cfg.Databases = []string{"ANALYTICS"}
	}
	if cfg.Waits == nil {
		cfg.Waits = func(string) {}
	}
	return cfg
}

// start opens DuckDB, which may touch the stages and nothing else.
func (a *Account) start() error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	a.pool = sql.OpenDB(connector)
	ctx := context.Background()
	if a.conn, err = a.pool.Conn(ctx); err != nil {
		return err
	}
	statements := append([]string{
		"SET GLOBAL autoinstall_known_extensions=false",
		"SET GLOBAL autoload_known_extensions=false",
		"SET GLOBAL TimeZone='UTC'",
		"SET GLOBAL memory_limit='1GB'",
		"SET GLOBAL preserve_insertion_order=false", // see TestManyRowsAfterNone
		"SET GLOBAL temp_directory=" + quoteText(filepath.Join(a.cfg.Dir, "spill")),
		"SET GLOBAL allowed_directories=[" + quoteText(a.cfg.Dir+string(filepath.Separator)) + "]",
		"SET GLOBAL enable_external_access=false",
	}, macros...)
	for _, s := range statements {
		if _, err := a.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the account. Its rows are gone, the files of its stages stay.
func (a *Account) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.conn != nil {
		err = a.conn.Close()
	}
	if a.pool != nil {
		err = errors.Join(err, a.pool.Close())
	}
	return err
}

// number is the next number of a table, a session or a transaction.
func (a *Account) number() int64 {
	a.numbers++
	return a.numbers
}

func (a *Account) newDatabase(name, owner string) *database {
	db := &database{name: name, owner: owner, created: a.cfg.Clock(), schemas: map[string]*schema{}}
	db.schemas["PUBLIC"] = a.newSchema(name, "PUBLIC", owner)
	return db
}

func (a *Account) newSchema(database, name, owner string) *schema {
	return &schema{database: database, name: name, owner: owner, created: a.cfg.Clock(), tables: map[string]*table{}, stages: map[string]*stage{}}
}

// StageDir is the folder of a stage, named DATABASE.SCHEMA.STAGE.
func (a *Account) StageDir(name string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, db := range a.databases {
		for _, sch := range db.schemas {
			for _, st := range sch.stages {
				if st.String() == name {
					return st.dir, nil
				}
			}
		}
	}
	return "", missing("Stage", name)
}
