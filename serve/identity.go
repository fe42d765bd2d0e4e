package serve

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/millrace/millrace/pipeline/journal"
)

// identity is who makes a request.
type identity struct {
	name string // of the token, for the audit log
	role Role
}

// identityOf is who makes the request; behind a route that takes a role there is always somebody.
func identityOf(ctx context.Context) identity {
	who, _ := ctx.Value(keyIdentity).(identity)
	return who
}

// linkName is who came by the link that is printed at the start.
const linkName = "login link"

// NewToken is a new token of 256 random bits.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return "millrace_" + base64.RawURLEncoding.EncodeToString(b)
}

// identify finds out who makes the request: by its token, else by its session. The zero identity is nobody; a token that is
// wrong is nobody even with a session.
func (s *Server) identify(r *http.Request) (identity, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return identity{}, nil
		}
		return s.bearer(r.Context(), strings.TrimSpace(token))
	}
	c, err := r.Cookie(s.cookieName(r))
	if err != nil {
		return identity{}, nil
	}
	name, ok := s.sessions.find(c.Value)
	if !ok {
		return identity{}, nil
	}
	return s.named(r.Context(), name)
}

// bearer is whose the token is. Unknown and expired ones are told apart by nothing that is answered.
func (s *Server) bearer(ctx context.Context, token string) (identity, error) {
	who := identity{}
	for name, t := range s.Engine().Project.Serve.Tokens.All() { // all of them, so that time tells nothing
		sum, want := journal.HashToken(token), journal.HashToken(t.Token.Reveal())
		if subtle.ConstantTimeCompare([]byte(sum), []byte(want)) == 1 && !t.Token.IsZero() {
			who.name = name
			who.role, _ = ParseRole(t.Role)
		}
	}
	if who.role != Nobody {
		return who, nil
	}
	t, found, err := s.Engine().Journal.TokenByHash(ctx, journal.HashToken(token))
	if err != nil || !found {
		return identity{}, err
	}
	return s.valid(t), nil
}

// named is who a session belongs to, as long as its token is there.
func (s *Server) named(ctx context.Context, name string) (identity, error) {
	if name == linkName {
		return identity{name, Operator}, nil
	}
	if t, ok := s.Engine().Project.Serve.Tokens.Get(name); ok {
		role, _ := ParseRole(t.Role)
		return identity{name, role}, nil
	}
	tokens, err := s.Engine().Journal.Tokens(ctx)
	for _, t := range tokens {
		if t.Name == name {
			return s.valid(t), err
		}
	}
	return identity{}, err
}

// valid is a token's identity until it expires.
func (s *Server) valid(t journal.Token) identity {
	if t.Expires != nil && !s.Clock().Before(*t.Expires) {
		return identity{}
	}
	role, _ := ParseRole(t.Role)
	return identity{t.Name, role}
}

// event adds a line to the audit log: who did what.
func (s *Server) event(r *http.Request, who, kind, pipeline, run, text string) error {
	return s.Engine().Journal.AddEvent(r.Context(), journal.Event{At: s.Clock(), Kind: kind, Pipeline: pipeline, Run: run, By: who, Text: text})
}
