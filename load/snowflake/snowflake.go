// Package snowflake brings what a local target has published to Snowflake, which follows it: by the difference of two manifests,
// with each row that is sent proven to have arrived, and all tables by one commit where their modes allow that. What the schema
// holds is read from a ledger in it, never assumed. It writes no SQL of its own for Snowflake: warehouse/snowflake does, and
// internal/snowflake sends it. Read Follower, then Bring (bring.go).
package snowflake

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// Config describes a schema in Snowflake and the local target that it follows.
type Config struct {
	Project string
	Conn    snowflake.Config
	Naming  sf.Naming
	// Nodes are the tables that the project may publish, where they are known: Prepare looks at their places.
	Nodes []warehouse.Name
	Keep  func(warehouse.Name) Keep // nil: each as it comes

	Uploads     int     // files that are sent at once, and tables that are copied; 4 when 0
	FileSize    int64   // of files that are written; 150 MB when 0
	MaxCredits  float64 // 0: no limit
	Hourly      float64 // credits of the warehouse; 0: by its size, type and generation
	Suspend     bool    // the warehouse, after a load
	Transient   bool    // tables
	KeepStaging time.Duration
	// Rate is what earlier loads took: bytes of files for each second of the warehouse; 0 when there were none.
	Rate float64

	Root      string                            // of the local target
	RunOf     func(snapshot int64) (run string) // that has published it there; "" when that is not known any more
	Temp      string                            // folder for what is written on the way; the caller removes it
	Warehouse warehouse.Open                    // the local engine
	Memory    int64                             // that it may use
	Threads   int
	Clock     clock.Clock
	Log       *slog.Logger
}

// Keep is how one table is kept there.
type Keep struct {
	Mode        string   // auto, full, append, merge, partition, scd2 or none; "" is auto
	Swap        bool     // full: by a swap, outside of the transaction
	Soft        bool     // merge: rows that are gone are marked
	PartitionBy []string // partition: columns
	ClusterBy   []string // clustering key that it is created with
}

// Follower is a schema in Snowflake. It implements load.Follower. Its methods are called one after the other.
type Follower struct {
	cfg    Config
	ledger sf.Ledger
	db     *snowflake.DB
	moves  map[string]bool // SELECTs of views that were asked whether they read the clock or chance
	chunk  int64           // characters of versions that are read of the ledger at once, but for the last
}

var _ load.Follower = (*Follower)(nil)

// fenceWait is how long a load waits for one before it that may be about to commit, before it looks whether that has died.
const fenceWait = 30 * time.Second

// New checks cfg. Nothing is connected to yet.
func New(cfg Config) (*Follower, error) {
	if cfg.Keep == nil {
		cfg.Keep = func(warehouse.Name) Keep { return Keep{} }
	}
	if cfg.RunOf == nil {
		cfg.RunOf = func(int64) string { return "" }
	}
	if cfg.Uploads <= 0 {
		cfg.Uploads = 4
	}
	if cfg.FileSize <= 0 {
		cfg.FileSize = 150_000_000
	}
	if cfg.KeepStaging <= 0 {
		cfg.KeepStaging = 7 * 24 * time.Hour
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Conn.LockTimeout <= 0 {
		cfg.Conn.LockTimeout = 10 * time.Minute
	}
	for _, dir := range []*string{&cfg.Root, &cfg.Temp} { // PUT takes absolute paths only
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, err
		}
		*dir = abs
	}
	db, err := snowflake.Open(cfg.Conn)
	if err != nil {
		return nil, err
	}
	return &Follower{cfg: cfg, ledger: sf.Ledger{Database: cfg.Naming.Database}, db: db, moves: map[string]bool{}, chunk: 4 << 20}, nil
}

// Close ends all connections.
func (f *Follower) Close() error { return f.db.Close() }

// keep is how a table is kept, with what is not configured filled in.
func (f *Follower) keep(n warehouse.Name) Keep {
	k := f.cfg.Keep(n)
	if k.Mode == "" {
		k.Mode = "auto"
	}
	return k
}

// local opens the engine over the local target.
func (f *Follower) local(ctx context.Context) (warehouse.Warehouse, error) {
	w, err := f.cfg.Warehouse(ctx, warehouse.Config{Memory: f.cfg.Memory, Threads: f.cfg.Threads, Temp: f.cfg.Temp, Dirs: []string{f.cfg.Root, f.cfg.Temp}})
	if err != nil {
		return nil, fmt.Errorf("open the local engine: %w", err)
	}
	return w, nil
}
