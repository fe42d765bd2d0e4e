package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

var peerOfTests = netip.MustParseAddr("127.0.0.1")

var form = []string{"Content-Type", "application/x-www-form-urlencoded"}

func TestLogin(t *testing.T) {
	l := newLab(t, project, nil)
	w := l.ask("POST", "/login", "next=/runs?a=b&token="+l.viewer, form...)
	c := cookieOf(w)
	if w.Code != 303 || w.Header().Get("Location") != "/runs?a=b" || c == nil || c.Name != "millrace-4280" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure || c.MaxAge != 12*3600 {
		t.Fatalf("%d %v %+v", w.Code, w.Header(), c)
	}
	session := []string{"Cookie", c.Name + "=" + c.Value}
	again := cookieOf(l.ask("POST", "/login", "token="+l.operator, append(form, session...)...))
	if again.Value == c.Value {
		t.Error("a login keeps the session's id")
	}
	if w := l.ask("POST", "/logout", "", session...); w.Code != 401 {
		t.Errorf("the session before the login still holds: %d", w.Code)
	}
	session[1] = again.Name + "=" + again.Value
	if w := l.ask("POST", "/logout", "", session...); w.Code != 303 || cookieOf(w).MaxAge != -1 {
		t.Errorf("%d", w.Code)
	}
	if w := l.ask("POST", "/logout", "", session...); w.Code != 401 {
		t.Errorf("a session after its logout: %d", w.Code)
	}
	events, err := l.j.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 3 || events[0].Kind != "logout" || events[0].By != "otto" || events[2].Kind != "login" || events[2].By != "vera" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestCookieBehindTLS(t *testing.T) {
	l := newLab(t, project+"serve: { trusted_proxies: [127.0.0.1], public_url: 'https://etl.example.com' }\n", nil)
	c := cookieOf(l.ask("POST", "/login", "token="+l.viewer, append(form, "X-Forwarded-Proto", "https", "Host", "etl.example.com")...))
	if c == nil || c.Name != "__Host-millrace" || !c.Secure || c.Domain != "" {
		t.Errorf("%+v", c)
	}
}

// TestLoginLeadsNowhereElse is about open redirects.
func TestLoginLeadsNowhereElse(t *testing.T) {
	for _, next := range []string{"", "https://evil.example.com/", "//evil.example.com", "/\\evil.example.com", "javascript:alert(1)", "/login?code=x", "/logout", "x", "/../x", "/%2f/evil.com"} {
		if to := ownPath(next); to != "/" {
			t.Errorf("%q leads to %q", next, to)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	l := newLab(t, project, nil)
	in := func() []string {
		c := cookieOf(l.ask("POST", "/login", "token="+l.viewer, form...))
		return []string{"Cookie", c.Name + "=" + c.Value, "Accept", "text/html"}
	}
	session := in()
	l.now = l.now.Add(12 * time.Hour)
	if w := l.ask("POST", "/logout", "", session...); w.Code != 401 {
		t.Errorf("an old session: %d", w.Code)
	}
	session = in()
	if _, err := l.j.RemoveToken(t.Context(), "vera"); err != nil {
		t.Fatal(err)
	}
	if w := l.ask("POST", "/logout", "", session...); w.Code != 401 || !strings.Contains(w.Body.String(), "<form") {
		t.Errorf("a session whose token is gone: %d", w.Code)
	}
}

// TestSessionsEndWithTheirToken: another token under the same name, from the journal or a secret store, does not keep the session of the
// one before alive, and one that is called as the link is gives no more than its role.
// TestSessionsOfOne: who logs in again and again pushes out nobody else.
func TestSessionsOfOne(t *testing.T) {
	s := newSessions(func() time.Time { return night }, time.Hour, mostSessions)
	other, first := s.begin(session{token: "otto"}), s.begin(session{token: "vera"})
	for range 2 * mostSessions {
		s.begin(session{token: "vera"})
	}
	if _, in := s.find(other); !in || len(s.all) != sessionsOfOne+1 || len(s.order) != len(s.all) {
		t.Errorf("%v, %d", in, len(s.all))
	}
	if _, in := s.find(first); in {
		t.Error("the oldest stays")
	}
}

func TestSessionsEndWithTheirToken(t *testing.T) {
	l := newLab(t, project+"serve: { tokens: { ci: { token: '${secret:it_is_a_token_of_forty_characters_or_so}' } } }\n", nil)
	in := func(token string) []string {
		c := cookieOf(l.ask("POST", "/login", "token="+token, form...))
		return []string{"Cookie", c.Name + "=" + c.Value}
	}
	vera, ci := in(l.viewer), in("IT_IS_A_TOKEN_OF_FORTY_CHARACTERS_OR_SO")
	named := l.token(linkName, "viewer")
	for _, session := range [][]string{vera, ci, in(named)} {
		if w := l.ask("GET", "/api/v1/project", "", session...); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
	if w := l.ask("POST", "/api/v1/pipelines/nightly/trigger", "", in(named)...); w.Code != 403 {
		t.Errorf("a viewer who is called as the link: %d", w.Code)
	}
	if _, err := l.j.RemoveToken(t.Context(), "vera"); err != nil {
		t.Fatal(err)
	}
	l.token("vera", "operator")
	l.e.Project.Serve = newLab(t, project+"serve: { tokens: { ci: { token: '${secret:it_is_another_token_of_many_characters}' } } }\n", nil).e.Project.Serve
	for name, session := range map[string][]string{"vera": vera, "ci": ci} {
		if w := l.ask("GET", "/api/v1/project", "", session...); w.Code != 401 {
			t.Errorf("%s, whose token is another: %d", name, w.Code)
		}
	}
}

// TestRefusalsAreAlike says that an expired token is answered as one that never was.
func TestRefusalsAreAlike(t *testing.T) {
	l := newLab(t, project, nil)
	token, until := NewToken(), l.now.Add(time.Hour)
	if err := l.j.AddToken(t.Context(), journal.Token{Name: "old", Role: "operator", Created: l.now, Expires: &until}, journal.HashToken(token)); err != nil {
		t.Fatal(err)
	}
	if w := l.ask("POST", "/logout", "", as(token)...); w.Code != 303 {
		t.Errorf("before it expires: %d", w.Code)
	}
	l.now = until
	old, unknown := l.ask("POST", "/login", "token="+token, form...), l.ask("POST", "/login", "token="+NewToken(), form...)
	if old.Code != 401 || old.Body.String() != unknown.Body.String() {
		t.Errorf("%d %s\n%d %s", old.Code, old.Body, unknown.Code, unknown.Body)
	}
}

func TestLoginsAreThrottled(t *testing.T) {
	l := newLab(t, project, nil)
	try := func(token string) int { return l.ask("POST", "/login", "token="+token, form...).Code }
	for i := range freeTries {
		if code := try(fmt.Sprint(i)); code != 401 {
			t.Fatalf("try %d: %d", i, code)
		}
	}
	w := l.ask("POST", "/login", "token="+l.viewer, form...)
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, wait := range []time.Duration{1, 2, 4, 8} {
		l.now = l.now.Add(wait * time.Second)
		if code := try("x"); code != 401 {
			t.Errorf("after %d s: %d", wait, code)
		}
		if code := try("x"); code != 429 {
			t.Errorf("at once: %d", code)
		}
	}
	l.now = l.now.Add(longestWait)
	if code := try(l.viewer); code != 303 {
		t.Errorf("the right one, after a wait: %d", code)
	}
	if code := try("x"); code != 401 {
		t.Errorf("what went wrong before the right one still counts: %d", code)
	}
}

// TestManyAddresses guesses from everywhere: all together are slowed down, those who did not guess are let in, and memory does not
// grow.
func TestManyAddresses(t *testing.T) {
	now, most := night, mostTries+50
	l := newThrottle(func() time.Time { return now }, most)
	from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range mostTries {
		if wait := l.try(from(i)); wait != 0 {
			t.Fatalf("%d waits %s", i, wait)
		}
	}
	if wait := l.try(from(0)); wait != time.Minute {
		t.Errorf("one of those who failed waits %s", wait)
	}
	if honest := netip.MustParseAddr("192.0.2.1"); l.try(honest) != 0 {
		t.Error("an address that did not fail is locked out")
	} else {
		l.right(honest)
	}
	for i := range 2 * most {
		l.try(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}))
	}
	if len(l.tries) != most || l.try(netip.MustParseAddr("192.0.2.2")) != time.Minute {
		t.Errorf("%d watched", len(l.tries))
	}
	if now = now.Add(time.Minute); l.try(from(0)) != 0 {
		t.Error("the next minute is full")
	}
	now = now.Add(forgottenTry)
	if l.try(netip.MustParseAddr("192.0.2.3")); len(l.tries) != 2 {
		t.Errorf("%d watched, when most are forgotten", len(l.tries))
	}
	s := newSessions(func() time.Time { return now }, time.Hour, 10)
	first, second := s.begin(session{}), s.begin(session{})
	s.end(second)
	for range 9 {
		s.begin(session{})
	}
	if _, there := s.find(first); !there || len(s.all) != 10 || len(s.order) != 10 {
		t.Errorf("%d sessions, %d in order", len(s.all), len(s.order))
	}
	s.begin(session{})
	if _, there := s.find(first); there || len(s.all) != 10 {
		t.Errorf("the oldest did not make room; %d sessions", len(s.all))
	}
	if now = now.Add(time.Hour); s.begin(session{}) == "" || len(s.all) != 1 {
		t.Errorf("%d sessions after their time", len(s.all))
	}
}

// TestLoginsAtOnce guesses many times at once, before the first answer: no more pass than one after another.
func TestLoginsAtOnce(t *testing.T) {
	l := newThrottle(func() time.Time { return night }, mostWatched)
	passed := make(chan bool)
	for i := range 100 {
		go func() {
			last := netip.MustParseAddr("2001:db8::").As16()
			last[15] = byte(i) // one machine's addresses
			passed <- l.try(netip.AddrFrom16(last)) == 0
		}()
	}
	n := 0
	for range 100 {
		if <-passed {
			n++
		}
	}
	if n != freeTries {
		t.Errorf("%d tries passed", n)
	}
}

func TestLoginLink(t *testing.T) {
	l := newLab(t, project, func(c *Config) { c.Settings.Listen = "127.0.0.1:0" })
	if err := l.s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer l.s.listener.Close()
	link := func() string {
		u, err := url.Parse(l.s.LoginLink())
		if err != nil || u.Hostname() != "127.0.0.1" {
			t.Fatal(u, err)
		}
		return u.RequestURI()
	}
	press := func(link string) *httptest.ResponseRecorder {
		_, query, _ := strings.Cut(link, "?")
		return l.ask("POST", "/login", query, form...)
	}
	first := link()
	for _, method := range []string{"HEAD", "GET", "GET"} { // previews
		_, code, _ := strings.Cut(first, "=")
		if w := l.ask(method, first, ""); w.Code != 200 || cookieOf(w) != nil || method == "GET" && !strings.Contains(w.Body.String(), `value="`+code+`"`) {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	if w := press(first); w.Code != 303 || cookieOf(w) == nil {
		t.Errorf("%d", w.Code)
	}
	for range freeTries + 1 {
		if w := press(first); w.Code != 401 {
			t.Errorf("a link works twice: %d", w.Code)
		}
	}
	if w := l.ask("POST", "/login", "token="+l.viewer, form...); w.Code != 303 {
		t.Errorf("codes count as guesses at tokens: %d", w.Code)
	}
	late := link()
	l.now = l.now.Add(linkTime)
	if w := press(late); w.Code != 401 {
		t.Errorf("an old link works: %d", w.Code)
	}
	if strings.Contains(l.log.String(), "code") {
		t.Errorf("the code is in the log: %s", l.log)
	}
}

func TestTokensOfTheProject(t *testing.T) {
	l := newLab(t, project+"serve: { tokens: { ci: { token: '${secret:it_is_a_token_of_forty_characters_or_so}', role: operator } } }\n", nil)
	if w := l.ask("POST", "/logout", "", as("IT_IS_A_TOKEN_OF_FORTY_CHARACTERS_OR_SO")...); w.Code != 303 {
		t.Errorf("%d", w.Code)
	}
	events, _ := l.j.Events(t.Context(), 0, 1)
	if len(events) != 1 || events[0].By != "ci" {
		t.Errorf("%+v", events)
	}
}

// TestProxies: nobody but a trusted proxy is believed about whom it forwards, and behind one nobody else is answered.
func TestProxies(t *testing.T) {
	l := newLab(t, project+"serve: { listen: '0.0.0.0:4280', trusted_proxies: [10.0.0.0/8] }\n", nil)
	if w := l.ask("GET", "/login", ""); w.Code != 403 {
		t.Errorf("past the proxy: %d", w.Code)
	}
	for from, want := range map[string]string{"10.0.0.1": "192.0.2.7", "10.0.0.1, 10.0.0.2": "192.0.2.7", "192.0.2.9": "192.0.2.9", "junk": "127.0.0.1"} {
		r, _ := http.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.9.9.9:1"
		r.Header.Set("X-Forwarded-For", "203.0.113.1, 192.0.2.7, "+from)
		got := l.s.client(r).String()
		if from == "junk" {
			want = "10.9.9.9"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	r, _ := http.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.50:1"
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	r.Header.Set("X-Forwarded-Proto", "https")
	if l.s.client(r).String() != "192.0.2.50" || l.s.secure(r) {
		t.Error("a stranger is believed")
	}
}

func TestOpenDoorsAreRefused(t *testing.T) {
	l := newLab(t, project, nil)
	with := func(change func(*Config)) error {
		c := l.s.Config
		change(&c)
		_, err := New(c)
		return err
	}
	for listen, refused := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "127.8.8.8:1": false, "0.0.0.0:1": true, "[::]:1": true, ":1": true, "192.0.2.1:1": true, "example.com:1": true} {
		if err := with(func(c *Config) { c.Settings.Listen = listen }); (err != nil) != refused {
			t.Errorf("%s: %v", listen, err)
		}
	}
	encrypted := func(c *Config) {
		c.Settings.Listen, c.Settings.TLS = "0.0.0.0:1", models.ServeTLS{Cert: "cert.pem", Key: "key.pem"}
	}
	if err := with(encrypted); err == nil || !strings.Contains(err.Error(), "cert.pem: no such file") {
		t.Errorf("without a certificate: %v", err)
	}
	newCertificate(t, l.e.Project.Dir)
	if err := with(encrypted); err != nil {
		t.Errorf("with TLS and tokens: %v", err)
	}
	l.must(l.j.AddToken(t.Context(), journal.Token{Name: "old", Role: "operator", Created: night, Expires: &night}, journal.HashToken("old"))) // it lets nobody in
	for _, name := range []string{"vera", "otto", "stella"} {
		if _, err := l.j.RemoveToken(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	err := with(func(c *Config) {
		c.Settings.Listen, c.Settings.TrustedProxies = "0.0.0.0:1", config.StringList{"10.0.0.1"}
	})
	if err == nil || !strings.Contains(err.Error(), "nobody has a token") {
		t.Errorf("without tokens: %v", err)
	}
}
