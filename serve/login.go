package serve

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// cookieName is the cookie of a session. Browsers give cookies of one port to another port of the same machine: without TLS
// the name has the port in it, so that two servers do not log each other's people out.
func (s *Server) cookieName(r *http.Request) string {
	if s.secure(r) {
		return "__Host-millrace"
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "millrace-" + port
}

// setCookie gives the browser a session, or takes it away when id is "". SameSite is Lax, not Strict: links in alerts lead to
// pages; what changes things is guarded by where it comes from.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, id string) {
	c := &http.Cookie{Name: s.cookieName(r), Value: id, Path: "/", HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteLaxMode, MaxAge: int(s.Settings.Session.Std() / time.Second)}
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// LoginLink lets somebody in once, as an operator and a steward, for a short time after the start.
func (s *Server) LoginLink() string {
	base := s.URL()
	if s.Settings.PublicURL != "" {
		base = originOf(s.Settings.PublicURL)
	}
	return base + "/login?code=" + url.QueryEscape(s.sessions.code())
}

// showLogin is the page to log in at. A link of the start leads to its own: looking at it does not use it up.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	if code := r.URL.Query().Get("code"); code != "" {
		return linkPage(w, code)
	}
	return s.loginPage(w, r, http.StatusOK, "")
}

// login takes a token from the page's form, or the code of a link.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return &Problem{kind: kindInvalid, Detail: "the form could not be read"}
	}
	if code := r.PostForm.Get("code"); code != "" { // as hard to guess as a session's id, and no guess at a token
		if !s.sessions.redeem(code) {
			return s.loginPage(w, r, http.StatusUnauthorized, "That link has been used, or is too old. Restart millrace serve for another one, or log in with a token.")
		}
		return s.letIn(w, r, identity{name: linkName, roles: linkRoles}, session{link: true}, "/")
	}
	if wait := s.logins.try(s.client(r)); wait > 0 {
		return &Problem{kind: kindTooMany, Detail: "too many logins went wrong", Hint: "wait, then try again", retry: wait}
	}
	token := r.PostForm.Get("token")
	who, err := s.bearer(r.Context(), token)
	if err != nil {
		return err
	}
	if !who.roles.may(Viewer) {
		s.Log.Warn("login refused", "address", s.client(r).String())
		return s.loginPage(w, r, http.StatusUnauthorized, "That token is not valid.")
	}
	s.logins.right(s.client(r))
	return s.letIn(w, r, who, session{token: journal.HashToken(token)}, r.PostForm.Get("next"))
}

// ownPath is where to go after a login: a path of this server, or the overview.
func ownPath(next string) string {
	if u, err := url.Parse(next); err != nil || u.Host != "" || u.Scheme != "" || !isClean(u.EscapedPath()) || strings.HasPrefix(u.Path, "/log") {
		return "/"
	}
	return next
}

// letIn begins a session under a new id, whatever the browser had before.
func (s *Server) letIn(w http.ResponseWriter, r *http.Request, who identity, as session, next string) error {
	if old, err := r.Cookie(s.cookieName(r)); err == nil {
		s.sessions.end(old.Value)
	}
	if err := s.event(r, who.name, "login", "", "", "from "+s.client(r).String()); err != nil {
		return err
	}
	s.setCookie(w, r, s.sessions.begin(as))
	http.Redirect(w, r, ownPath(next), http.StatusSeeOther)
	return nil
}

// logout ends the session.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(s.cookieName(r)); err == nil {
		s.sessions.end(c.Value)
	}
	s.setCookie(w, r, "")
	if err := s.event(r, identityOf(r.Context()).name, "logout", "", "", "from "+s.client(r).String()); err != nil {
		return err
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}
