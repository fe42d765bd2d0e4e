package serve

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/pipeline/journal"
)

// How many browsers may be logged in, and how many of them by one token or by links: their oldest session makes room.
const (
	mostSessions  = 1000
	sessionsOfOne = 50
)

// linkTime is how long the link that is printed at the start lets somebody in.
const linkTime = 10 * time.Minute

// sessions are the browsers that are logged in. They are kept by hash, in memory: a restart logs everybody out.
type sessions struct {
	clock clock.Clock
	span  time.Duration
	most  int

	mu    sync.Mutex
	all   map[string]session
	order []string             // the keys of all: they last equally long, so that the first ends first
	codes map[string]time.Time // of links not used yet, until when
}

// session is somebody who is logged in. It holds no longer than the token that it began with.
type session struct {
	token string // hash of that token; "" when it began with a link
	link  bool   // it began with the link that is printed at the start
	until time.Time
}

func newSessions(c clock.Clock, span time.Duration, most int) *sessions {
	return &sessions{clock: c, span: span, most: most, all: map[string]session{}, codes: map[string]time.Time{}}
}

// begin logs somebody in, until the span is over, and returns the session's id.
func (s *sessions) begin(one session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 && (len(s.order) >= s.most || !s.clock().Before(s.all[s.order[0]].until)) {
		s.drop(0)
	}
	s.makeRoom(one.token)
	id := rand.Text() + rand.Text()
	one.until = s.clock().Add(s.span)
	key := journal.HashToken(id)
	s.all[key], s.order = one, append(s.order, key)
	return id
}

// makeRoom drops the oldest session of a token that has as many as it may.
func (s *sessions) makeRoom(token string) {
	oldest, count := -1, 0
	for i, key := range s.order {
		if s.all[key].token != token {
			continue
		}
		if count++; oldest < 0 {
			oldest = i
		}
	}
	if count >= sessionsOfOne {
		s.drop(oldest)
	}
}

// drop ends a session by its place.
func (s *sessions) drop(i int) {
	delete(s.all, s.order[i])
	s.order = slices.Delete(s.order, i, i+1)
}

// find is the session of that id, while it lasts.
func (s *sessions) find(id string) (one session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok = s.all[journal.HashToken(id)]
	return one, ok && s.clock().Before(one.until)
}

// end logs a session out.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := journal.HashToken(id)
	delete(s.all, key)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == key })
}

// code makes what a link lets somebody in by, once.
func (s *sessions) code() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := rand.Text() + rand.Text()
	s.codes[journal.HashToken(code)] = s.clock().Add(linkTime)
	return code
}

// redeem uses a code up.
func (s *sessions) redeem(code string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := journal.HashToken(code)
	until, ok := s.codes[key]
	delete(s.codes, key)
	return ok && s.clock().Before(until)
}
