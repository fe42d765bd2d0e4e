package snowfake

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
)

// client is one session with the tokens that stand for it. Its fields but run are guarded by Server.mu.
type client struct {
	id            int64
	user          string
	session       *Session
	run           sync.Mutex // one statement at a time
	token, master string     // the valid ones
	expired       bool       // token is no longer
	masterExpired bool
	gone          bool     // logged out
	vanished      bool     // nothing of it arrives any more
	maimed        []string // staged files that lose their tail before it does anything else
}

// How long tokens are said to be good for, in seconds (the recorded logins). Nothing counts them down: faults expire them.
const (
	tokenValidity  = 3600
	masterValidity = 14400
)

// admit gives a session its tokens.
func (s *Server) admit(user string, session *Session) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	c := &client{id: s.cfg.Clock().UnixMilli()*1000 + s.sessions, user: user, session: session, token: rand.Text(), master: rand.Text()}
	s.clients[c.token] = c
	s.masters[c.master] = c
	return c
}

// bearer is the token of a request (restful.go, headerSnowflakeToken).
func bearer(r *request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), `Snowflake Token="`)
	return strings.TrimSuffix(token, `"`)
}

// authorize finds the session of a request, or what to answer in its stead. A token that was renewed is an expired one.
func (s *Server) authorize(r *request) (*client, *reply) {
	token := bearer(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[token]
	var answer reply
	switch {
	case c == nil:
		answer = refuse(codeTokenInvalid, "Session token is invalid.")
	case c.gone:
		answer = refuse(codeSessionGone, "Session no longer exists.  New login required to access the service.")
	case c.expired || c.token != token:
		answer = refuse(codeSessionExpired, "Session token has expired.")
	default:
		return c, nil
	}
	return nil, &answer
}

// renew gives a new token for the master token (restful.go, renewRestfulSession).
func (s *Server) renew(r *request) reply {
	var body renewBody
	if err := json.Unmarshal(r.body, &body); err != nil || body.Type != "RENEW" {
		return refuse("390400", "the stand-in only renews tokens (requestType RENEW)")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.masters[bearer(r)]
	switch {
	case c == nil || c.masterExpired:
		return refuse(codeMasterExpired, "Authentication token has expired.  The user must authenticate again.")
	case c.gone:
		return refuse(codeSessionGone, "Session no longer exists.  New login required to access the service.")
	}
	c.token, c.expired = rand.Text(), false
	s.clients[c.token] = c
	return succeed(renewData{
		SessionToken: c.token, Validity: tokenValidity, MasterToken: c.master, MasterValidity: masterValidity, SessionID: c.id,
	})
}

func (s *Server) heartbeat(r *request) reply {
	if _, no := s.authorize(r); no != nil {
		return *no
	}
	return succeed(nil)
}

// logout ends a session. One that still executes a statement ends after it: clients do not wait for that.
func (s *Server) logout(r *request) reply {
	c, no := s.authorize(r)
	if no != nil {
		return *no
	}
	s.mu.Lock()
	c.gone = true
	s.mu.Unlock()
	s.damage(c)
	if c.run.TryLock() {
		defer c.run.Unlock()
		_ = c.session.Close() // the client has no use for its error
		return succeed(nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil { // a server that ends leaves its sessions to the account
		s.work.Go(func() {
			c.run.Lock()
			defer c.run.Unlock()
			_ = c.session.Close()
		})
	}
	return succeed(nil)
}

// holder is the session of a request by any token that was ever its own.
func (s *Server) holder(r *request) *client {
	if c := s.clients[bearer(r)]; c != nil {
		return c
	}
	return s.masters[bearer(r)]
}

func (s *Server) expire(r *request, master bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.holder(r); c != nil {
		c.expired, c.masterExpired = true, c.masterExpired || master
	}
}

// vanish is the end of a client that was killed: the server hears no more of it. Its transaction stays open.
func (s *Server) vanish(r *request) {
	s.mu.Lock()
	c := s.holder(r)
	if c != nil {
		c.vanished = true
	}
	s.mu.Unlock()
	if c != nil {
		c.session.Abandon()
	}
}

func (s *Server) vanished(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.holder(r)
	return c != nil && c.vanished
}
