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
	name  string // of the token, for the audit log
	roles Roles
	id    string // tells bearers apart, also those of a name that was given anew; no token is found by it
}

// identityOf is who makes the request; behind a route that takes a role there is always somebody.
func identityOf(ctx context.Context) identity {
	who, _ := ctx.Value(keyIdentity).(identity)
	return who
}

// linkName is who came by the link that is printed at the start.
const linkName = "login link"

// linkRoles are all: whoever owns the terminal can read the files.
var linkRoles = Roles{Operator, Steward}

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
	one, ok := s.sessions.find(c.Value)
	switch {
	case !ok:
		return identity{}, nil
	case one.link:
		return identity{linkName, linkRoles, journal.HashToken(c.Value)}, nil
	}
	return s.holder(r.Context(), one.token)
}

// bearer is whose the token is.
func (s *Server) bearer(ctx context.Context, token string) (identity, error) {
	return s.holder(ctx, journal.HashToken(token))
}

// holder is whose the token with that hash is, as things are now. Unknown and expired ones are told apart by nothing that is
// answered.
func (s *Server) holder(ctx context.Context, hash string) (identity, error) {
	who := identity{id: journal.HashToken(hash)}
	for name, t := range s.Engine().Project.Serve.Tokens.All() { // all of them, so that time tells nothing
		want := journal.HashToken(t.Token.Reveal())
		if subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1 && !t.Token.IsZero() {
			who.name = name
			who.roles, _ = ParseRoles(strings.Join(t.Role, ","))
		}
	}
	if who.roles.may(Viewer) {
		return who, nil
	}
	t, found, err := s.Engine().Journal.TokenByHash(ctx, hash)
	if err != nil || !found {
		return identity{}, err
	}
	return s.valid(t, who.id), nil
}

// valid is a token's identity until it expires.
func (s *Server) valid(t journal.Token, id string) identity {
	if t.Expires != nil && !s.Clock().Before(*t.Expires) {
		return identity{}
	}
	roles, _ := ParseRoles(t.Role)
	return identity{t.Name, roles, id}
}

// event adds a line to the audit log: who did what, also when they have hung up since.
func (s *Server) event(r *http.Request, who, kind, pipeline, run, text string) error {
	return s.Engine().Journal.AddEvent(context.WithoutCancel(r.Context()), journal.Event{At: s.Clock(), Kind: kind, Pipeline: pipeline, Run: run, By: who, Text: text})
}
