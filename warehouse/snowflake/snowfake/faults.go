package snowfake

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// When is on which side of a request's work a fault acts.
type When string

const (
	Before When = "before" // nothing has happened yet; what "" means
	After  When = "after"  // it has happened, and the client does not hear of it
)

// Action is what a fault does.
type Action string

const (
	Drop         Action = "drop"          // break the connection
	Status       Action = "status"        // answer the HTTP status Code
	ExpireToken  Action = "expire-token"  // the session's token has expired: the client may renew it. Of an object: the stage's credentials
	ExpireMaster Action = "expire-master" // so has the token that it would renew it with
	Vanish       Action = "vanish"        // break the connection for good: what the client sends from now on never arrives, as when it was killed
	Hang         Action = "hang"          // hold the request until Release, or until the client gives up
	Truncate     Action = "truncate"      // break off in the middle: before, of what the client sends; after, of the answer
	LoseTail     Action = "lose-tail"     // cut the last bytes off what was staged last, or off the object
	Slow         Action = "slow"          // answer "in progress" Code times before the result
)

// Fault is one thing that goes wrong. None depends on time.
type Fault struct {
	// Match is tried on the text of a statement; of other requests on METHOD /path; of objects on METHOD s3://bucket/key.
	// nil: it fits all.
	Match *regexp.Regexp
	Nth   int // the first match that it acts on; 0: 1
	Times int // on how many it acts from there on; 0: 1
	When  When
	Do    Action
	Code  int // for Status, 0: 503; for Slow
}

// ParseFault reads a fault in words, such as "drop after nth=2 COMMIT" or "status=503 times=3 ^PUT": the action, then when, nth
// and times in any order, then the pattern.
func ParseFault(text string) (Fault, error) {
	f := Fault{When: Before}
	do, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	name, code, coded := strings.Cut(do, "=")
	f.Do = Action(name)
	if !slices.Contains(actions, name) {
		return f, fmt.Errorf("fault %q: no action %q; there are %s", text, name, strings.Join(actions, ", "))
	}
	if coded {
		var err error
		if f.Code, err = strconv.Atoi(code); err != nil || f.Code < 1 || f.Do == Status && (f.Code < 400 || f.Code > 599) {
			return f, fmt.Errorf("fault %q: %q is not a number for %s", text, code, f.Do)
		}
	}
	for {
		word, after, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		isOption, err := f.option(word)
		if err != nil {
			return f, fmt.Errorf("fault %q: %w", text, err)
		}
		if !isOption {
			break
		}
		rest = after
	}
	pattern := strings.TrimSpace(rest)
	if pattern == "" {
		return f, fmt.Errorf("fault %q: a pattern is missing at its end", text)
	}
	var err error
	if f.Match, err = regexp.Compile(pattern); err != nil {
		return f, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

var actions = []string{string(Drop), string(Status), string(ExpireToken), string(ExpireMaster), string(Vanish), string(Hang),
	string(Truncate), string(LoseTail), string(Slow)}

func (f *Fault) option(word string) (bool, error) {
	if word == string(Before) || word == string(After) {
		f.When = When(word)
		return true, nil
	}
	name, value, _ := strings.Cut(word, "=")
	if name != "nth" && name != "times" {
		return false, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return false, fmt.Errorf("%s must be a number from 1 on, not %q", name, value)
	}
	if name == "nth" {
		f.Nth = n
	} else {
		f.Times = n
	}
	return true, nil
}

// Injected is a fault in a server.
type Injected struct {
	fault     Fault
	mu        sync.Mutex
	matches   int
	hits      int
	withdrawn bool
	acted     chan struct{}
	first     sync.Once
	released  chan struct{}
	freed     sync.Once
}

// Withdraw has the fault act no more.
func (i *Injected) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.withdrawn = true
}

// Hits is how often the fault has acted: a test that counts on a fault asks for it.
func (i *Injected) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// Acted is closed when the fault has acted for the first time, or begins to hold a request.
func (i *Injected) Acted() <-chan struct{} { return i.acted }

func (i *Injected) mark() { i.first.Do(func() { close(i.acted) }) }

// Release lets all that the fault holds go on, now and later.
func (i *Injected) Release() { i.freed.Do(func() { close(i.released) }) }

func (i *Injected) String() string {
	return fmt.Sprintf("%s %s %v", i.fault.Do, i.fault.When, i.fault.Match)
}

// matched counts a match and says whether the fault is to act on it.
func (i *Injected) matched(subject string) bool {
	if i.fault.Match != nil && !i.fault.Match.MatchString(subject) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.matches++
	first := max(i.fault.Nth, 1)
	return !i.withdrawn && i.matches >= first && i.matches < first+max(i.fault.Times, 1)
}

// hold waits until the fault is released; false: until the client, or the server, is gone.
func (i *Injected) hold(gone ...<-chan struct{}) bool {
	i.mark()
	select {
	case <-i.released:
		return true
	case <-gone[0]:
	case <-gone[1]:
	}
	return false
}

type faults struct {
	mu   sync.Mutex
	list []*Injected
}

// Fault makes something go wrong from now on.
func (s *Server) Fault(f Fault) *Injected {
	if f.When == "" {
		f.When = Before
	}
	if f.Do == Status && f.Code == 0 {
		f.Code = http.StatusServiceUnavailable
	}
	i := &Injected{fault: f, acted: make(chan struct{}), released: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, i)
	return i
}

// match finds the fault that acts on a request. All whose pattern fits count it; of those that would act the first made does.
func (f *faults) match(subject string) *Injected {
	f.mu.Lock()
	defer f.mu.Unlock()
	var acts *Injected
	for _, i := range f.list {
		if i.matched(subject) && acts == nil {
			acts = i
		}
	}
	if acts != nil {
		acts.mu.Lock()
		acts.hits++
		acts.mu.Unlock()
	}
	return acts
}

// act lets a fault act on a request, and says whether it is done with. body is what would be answered: nil before the work.
func (s *Server) act(w http.ResponseWriter, r *request, body any) bool {
	i := r.fault
	if i.fault.Do == Hang {
		return !i.hold(r.Context().Done(), s.ctx.Done())
	}
	defer i.mark()
	switch i.fault.Do {
	case Drop:
		hangUp(w)
	case Status:
		http.Error(w, "the stand-in was told to answer so", i.fault.Code)
	case Truncate:
		if !r.after() {
			hangUp(w)
		} else {
			breakOff(w, body)
		}
	case Vanish:
		s.vanish(r)
		hangUp(w)
	case ExpireToken, ExpireMaster:
		s.expire(r, i.fault.Do == ExpireMaster)
		respond(w, http.StatusOK, refuse(codeSessionExpired, "Session token has expired."))
	case LoseTail:
		s.maim(r)
		return false
	default: // Slow is the statement's own
		return false
	}
	return true
}
