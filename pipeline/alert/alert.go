// Package alert tells people what they have to know: that runs failed or work again, that tables grow old, that a run takes too
// long or does not start. It decides from the journal, so it tells as well of runs that cron or another tool started, and of what
// happened while nobody looked. A message goes to the outbox in the journal in the transaction that notes what has been looked at,
// and leaves it when its channel has taken it: a crash loses none, and one that is sent again has the id that it had. It moves no
// data, waits for nothing that moves data, and its messages hold no values of tables. Read Alerter first, then decide.go.
package alert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// Doer sends HTTP requests; it neither retries them nor follows redirects to another host.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Config is what an Alerter works with.
type Config struct {
	// Project is the project as it is now; its Alerts may be nil.
	Project func() *models.Project
	Journal *journal.Journal
	Client  Doer
	Log     *slog.Logger
	Clock   clock.Clock
	Redact  func(string) string // takes secrets out of what is kept and sent
	// Overdue finds the pipelines whose tables are too old, those that were never built counted from since. nil: freshness is not watched.
	Overdue func(ctx context.Context, since time.Time) ([]pipeline.Overdue, error)
	// State says whether a run that the journal calls running still does. nil takes the journal's word.
	State func(journal.Run) pipeline.RunState
	// Alive says whether the loop that starts runs is alive: without it there is no heartbeat, and nobody takes up what was killed. nil says that it is.
	Alive func() bool
	// FromFiles says that the project has just been read from its files: mistakes that were told are over. Refused says that they have some,
	// and that the project is what can be read of it: nothing is told then but what the audit log says.
	FromFiles, Refused bool
	Random             func() float64 // from 0 to 1, for the waits between tries; nil takes the machine's
	TLS                *tls.Config    // for mail servers; nil trusts the authorities of the system
}

// Alerter watches the journal and delivers messages. One process of a project does so at a time.
type Alerter struct {
	Config
	lock      *os.File // nil: another process has it, or nobody asked for it yet
	topics    map[string]*topic
	of        string    // whose they are
	changes   int64     // of the journal, at the last look
	seen      marks     // up to where it was looked at
	soonest   time.Time // when to look although the journal has not changed
	cleaned   time.Time
	forgotten bool                     // there are no alerts, and nothing is remembered of them
	expected  map[string]time.Duration // how long runs like one that goes on mostly take, by its id
	named     *models.Project          // the project of names
	names     map[string]bool          // what it calls things

	fresh    map[string]bool      // channels for which the last look found something
	hastened map[string]time.Time // when what waits for a channel was made due because of that

	mu   sync.Mutex
	busy map[string]bool // channels that are being delivered to
}

// New makes an Alerter. It looks and sends nothing before Run or Settle is called.
func New(c Config) (*Alerter, error) {
	if c.Project == nil || c.Journal == nil || c.Client == nil {
		return nil, errors.New("alerts: a project, its journal and a client are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Redact == nil {
		c.Redact = func(s string) string { return s }
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return &Alerter{Config: c, expected: map[string]time.Duration{}, fresh: map[string]bool{}, hastened: map[string]time.Time{},
		busy: map[string]bool{}}, nil
}

// period is how often the journal is looked at.
const period = 5 * time.Second

// Run looks and delivers until the context ends; it returns when all that it started has ended. What goes wrong is logged: it must
// not end the service beside which it runs.
func (a *Alerter) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	defer a.unlock()
	wait.Go(func() { a.beat(ctx) })
	tick := time.NewTicker(period)
	defer tick.Stop()
	said := ""
	for {
		if err := a.turn(ctx, &wait); err != nil && ctx.Err() == nil {
			if text := a.Redact(err.Error()); text != said { // the same trouble each few seconds is told once
				said = text
				a.Log.Error("alerts: " + text)
			}
		} else {
			said = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// turn looks once and starts what has to be delivered; it does not wait for that.
func (a *Alerter) turn(ctx context.Context, wait *sync.WaitGroup) error {
	alerts := a.alerts() // as they are for all of the turn: the project may be loaded anew meanwhile
	if alerts == nil {
		return a.forget(ctx)
	}
	a.forgotten = false
	if mine, err := a.acquire(); err != nil || !mine {
		return err
	}
	return errors.Join(a.look(ctx, alerts), a.hasten(ctx), a.dispatch(ctx, alerts, wait))
}

// Settle looks, and delivers what can be delivered before the context ends; the rest stays in the outbox. It does nothing where another
// process of the project watches: that one looks again when it has delivered, so that nothing is overlooked that ended meanwhile. It is
// for the end of a run that nobody else may tell of. A channel that has not answered at the context's deadline has had its try; one that
// is cut off because the context is cancelled has not.
func (a *Alerter) Settle(ctx context.Context) error {
	alerts := a.alerts()
	if alerts == nil {
		defer a.unlock()
		return a.forget(ctx)
	}
	var wrong error
	for looking := ctx; ; looking = context.WithoutCancel(ctx) { // what is in the outbox is told some day, what was not seen may be not
		mine, err := a.acquire()
		if err != nil || !mine {
			return errors.Join(wrong, err)
		}
		before := a.seen
		var wait sync.WaitGroup
		wrong = errors.Join(wrong, a.look(looking, alerts), a.dispatch(ctx, alerts, &wait))
		wait.Wait()
		a.unlock()
		// Without the lock: whoever finds it taken leaves what has ended to us.
		if news, err := a.news(context.WithoutCancel(ctx)); err != nil || !news || a.seen == before {
			return errors.Join(wrong, err)
		}
	}
}

// news says whether the journal has ends, or lines of the audit log, that no look of ours has seen.
func (a *Alerter) news(ctx context.Context) (bool, error) {
	ends, wrong := a.Journal.Ended(ctx, a.seen.ended, 1)
	last, err := a.Journal.LastEvent(ctx)
	return len(ends) > 0 || last > a.seen.event, errors.Join(wrong, err)
}

// forget drops what is remembered, in a project that tells nobody: when it does again, nobody wants to hear of all that was in between.
func (a *Alerter) forget(ctx context.Context) error {
	if a.forgotten {
		return nil
	}
	memory, err := a.Journal.AlertMemory(ctx)
	if err != nil {
		return err
	}
	if len(memory) > 0 {
		if mine, err := a.acquire(); err != nil || !mine {
			return err
		}
		for key := range memory {
			memory[key] = ""
		}
		if err := a.Journal.AddAlerts(ctx, nil, memory); err != nil {
			return err
		}
	}
	a.topics, a.forgotten = nil, true
	return nil
}

func (a *Alerter) alerts() *models.Alerts {
	if p := a.Project(); p != nil {
		return p.Alerts
	}
	return nil
}

// acquire takes the lock that makes this process the one that tells. False: another one has it.
func (a *Alerter) acquire() (bool, error) {
	if a.lock != nil {
		return true, nil
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(a.Journal.Path()), "alerts.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("lock the outbox: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("lock the outbox: %w", err)
	}
	a.lock, a.topics, a.changes = f, nil, 0 // another process may have gone on since
	return true, nil
}

func (a *Alerter) unlock() {
	if a.lock != nil {
		_ = a.lock.Close()
		a.lock = nil
	}
}
