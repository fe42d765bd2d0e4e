package serve

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// The limits of requests that open an engine of SQL to count or show rows. Together the times stay below that of an answer.
const (
	engines      = 2 // at once
	enginesOfOne = 1 // of those, by one who asks: nobody keeps the others from theirs
	turnsOfOne   = 4 // that wait or go on, by one who asks
	lookPatience = 10 * time.Second
	lookTime     = 30 * time.Second
	lookAgain    = 10 * time.Second // when it is worth asking again
)

// look waits for its turn to open engines of SQL, one after another, and gives what opens small ones, for a limited time.
func (s *Server) look(ctx context.Context, f func(context.Context, *pipeline.Engine) error) error {
	who := identityOf(ctx)
	if err := s.looking.enter(ctx, who.id); err != nil {
		return err
	}
	defer s.looking.leave(who.id)
	limited, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	err := f(limited, s.Engine().Browse())
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &Problem{kind: kindBusy, Detail: "the rows could not be read in time", Hint: "millrace query and millrace rejects take as long as it needs", retry: lookAgain}
	}
	return err
}

// turns are taken in the order in which they are asked for, but for those of somebody who has one.
type turns struct {
	patience time.Duration

	mu     sync.Mutex
	going  map[string]int // by who
	all    int
	queued []*turn
}

// turn is somebody who waits.
type turn struct {
	who string
	has chan struct{} // closed when it is theirs
}

func newTurns() *turns { return &turns{patience: lookPatience, going: map[string]int{}} }

// enter waits for a turn; after an error there is none to leave.
func (t *turns) enter(ctx context.Context, who string) error {
	mine := &turn{who, make(chan struct{})}
	if !t.queue(mine) {
		return &Problem{kind: kindTooMany, Detail: "you have rows counted or shown several times already", Hint: "wait for those answers first", retry: time.Second}
	}
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	select {
	case <-mine.has:
		return nil
	case <-ctx.Done():
		t.giveUp(mine)
		return ctx.Err()
	case <-patience.C:
		t.giveUp(mine)
		return &Problem{kind: kindBusy, Detail: "others have rows counted or shown just now", Hint: "try again in a moment", retry: lookAgain}
	}
}

// queue lines up, unless the same one has too many turns already.
func (t *turns) queue(mine *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	has := t.going[mine.who]
	for _, other := range t.queued {
		if other.who == mine.who {
			has++
		}
	}
	if has >= turnsOfOne {
		return false
	}
	t.queued = append(t.queued, mine)
	t.next()
	return true
}

// next gives out the turns that are free.
func (t *turns) next() {
	t.queued = slices.DeleteFunc(t.queued, func(one *turn) bool {
		if t.all >= engines || t.going[one.who] >= enginesOfOne {
			return false
		}
		t.all++
		t.going[one.who]++
		close(one.has)
		return true
	})
}

// giveUp leaves the queue, or the turn that came meanwhile.
func (t *turns) giveUp(mine *turn) {
	t.mu.Lock()
	i := slices.Index(t.queued, mine)
	if i >= 0 {
		t.queued = slices.Delete(t.queued, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 {
		t.leave(mine.who)
	}
}

// leave ends a turn.
func (t *turns) leave(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.going[who]--; t.going[who] == 0 {
		delete(t.going, who)
	}
	t.next()
}
