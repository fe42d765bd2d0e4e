package serve

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is the inbox of webhooks: Standard Webhooks (standardwebhooks.com), signature v1.

// The limits of webhooks.
const (
	hookTolerance = 5 * time.Minute
	hookBytes     = 256 << 10
	hookPatience  = 3 * time.Second // for a body
	hooksAtOnce   = 16              // whose bodies are read at once, signed or not
	hooksOfOne    = 4               // of those, from one address
	hooksAMinute  = 120             // of one pipeline, signed, without those that were answered before
)

// hookLimits keep a flood from filling memory and journal.
type hookLimits struct {
	clock    clock.Clock
	patience time.Duration
	reading  *places[netip.Addr]

	firing sync.Mutex // held while a firing is looked for and added: two requests at once make one

	mu     sync.Mutex
	minute time.Time
	taken  map[string]int // signed requests of this minute, by pipeline: as many keys as the project has pipelines
	decoy  []byte         // signs for pipelines that do not exist, so that these cannot be told from a wrong signature
}

func newHookLimits(c clock.Clock) *hookLimits {
	decoy := make([]byte, 32)
	_, _ = rand.Read(decoy) // never fails
	return &hookLimits{clock: c, patience: hookPatience, reading: newPlaces[netip.Addr](hooksAtOnce, hooksOfOne), taken: map[string]int{}, decoy: decoy}
}

// take is how long to wait; 0 when the pipeline may have one more in this minute.
func (l *hookLimits) take(pipeline string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	if minute := now.Truncate(time.Minute); !minute.Equal(l.minute) {
		l.minute = minute
		clear(l.taken)
	}
	if l.taken[pipeline] >= hooksAMinute {
		return l.minute.Add(time.Minute).Sub(now)
	}
	l.taken[pipeline]++
	return 0
}

// hookRefused is what every request hears that is not let in, whatever was wrong with it.
var hookRefused = &Problem{kind: kindLogin, Detail: "the request is not signed for this pipeline, or not in time",
	Hint: "sign it as Standard Webhooks has it: webhook-id, webhook-timestamp, webhook-signature"}

// Hooked is what a webhook is answered.
type Hooked struct {
	Firing string `json:"firing"`
	Folded bool   `json:"folded"` // into one that waits already
	Reason string `json:"reason,omitempty"`
}

// hook starts a run for a signed request.
func (s *Server) hook(w http.ResponseWriter, r *http.Request) error {
	body, err := s.hookBody(w, r)
	if err != nil {
		return err
	}
	name := r.PathValue("pipeline")
	if !s.signed(r, name, body) {
		return hookRefused
	}
	c := &call{Request: detached(r), status: http.StatusAccepted}
	return s.onceByKey(w, c, "webhook "+name, r.Header.Get("webhook-id"), body, hookKeep, func() (any, error) {
		if wait := s.hooks.take(name); wait > 0 {
			return nil, &Problem{kind: kindTooMany, Detail: "too many webhooks of pipeline " + name, Hint: "one firing that waits stands for all: there is no need for more", retry: wait}
		}
		return s.fireHook(c, name)
	})
}

// hookBody reads the body of a request that may be signed. What its headers tell is looked at before it takes a place, and it
// does not keep that for long: who can sign nothing must not hold up those who can. Its pipeline is not looked at: that there is
// none would show in how soon the answer comes.
func (s *Server) hookBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !s.inTime(r) {
		return nil, hookRefused
	}
	client := household(s.client(r))
	if !s.hooks.reading.enter(client) {
		return nil, &Problem{kind: kindTooMany, Detail: "too many webhooks at once", retry: time.Second}
	}
	defer s.hooks.reading.leave(client)
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.hooks.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hookBytes))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, hookRefused
	}
	return body, err
}

// inTime says whether the request has what Standard Webhooks wants, and was sent a moment ago.
func (s *Server) inTime(r *http.Request) bool {
	id := r.Header.Get("webhook-id")
	seconds, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	off := s.Clock().Sub(time.Unix(seconds, 0))
	return err == nil && off.Abs() <= hookTolerance && id != "" && len(id) <= longestKey && r.Header.Get("webhook-signature") != ""
}

// signed says whether the request is signed with one of the pipeline's secrets.
func (s *Server) signed(r *http.Request, name string, body []byte) bool {
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	keys, known := [][]byte{s.hooks.decoy}, false
	if p := s.Engine().Project.Pipeline(name); p != nil && p.Webhook != nil {
		if k, err := p.Webhook.Keys(); err == nil {
			keys, known = k, true
		}
	}
	match := 0
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, given := range strings.Fields(r.Header.Get("webhook-signature")) {
			match |= subtle.ConstantTimeCompare([]byte(given), []byte(want))
		}
	}
	return known && match == 1
}

// fireHook adds a firing, unless one that a webhook asked for waits already.
func (s *Server) fireHook(c *call, name string) (Hooked, error) {
	s.hooks.firing.Lock()
	defer s.hooks.firing.Unlock()
	waits, err := s.waitingHook(c.Context(), name)
	if err != nil {
		return Hooked{}, err
	}
	if waits != "" {
		return Hooked{waits, true, "a firing that a webhook asked for waits already: its run sees what this one is about"}, nil
	}
	by := "webhook " + c.Header.Get("webhook-id")
	return act(s, c, func(a *journal.Act) (Hooked, journal.Event, error) {
		f, err := addFiring(a, s.Clock(), journal.Firing{Pipeline: name, Trigger: journal.TriggerWebhook, By: by})
		return Hooked{Firing: f.ID}, journal.Event{Kind: "webhook", Pipeline: name, By: by, Text: "firing " + f.ID}, err
	})
}

// waitingHook is the firing of the pipeline that a webhook asked for and that has not begun; "" for none.
func (s *Server) waitingHook(ctx context.Context, name string) (string, error) {
	open, err := s.Engine().Journal.Firings(ctx, journal.FiringFilter{Pipeline: name, Trigger: journal.TriggerWebhook, Open: true})
	for _, f := range open {
		if f.State == journal.FiringWaiting && f.Cancel == "" {
			return f.ID, err
		}
	}
	return "", err
}
