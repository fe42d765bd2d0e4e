package alert

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
)

// smtpServer speaks as much SMTP as a client of ours needs: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA.
type smtpServer struct {
	net.Listener
	cert     tls.Certificate
	starttls bool
	first    bool                 // TLS from the first byte
	rcpt     func(try int) string // answer to RCPT
	meet     func(verb string) (hangUp bool)

	mu    sync.Mutex
	tries int
	auth  string
	mails []string
}

func newSMTP(t *testing.T, first bool) (*smtpServer, *tls.Config) {
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(certs.Certificate())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{Listener: l, cert: certs.TLS.Certificates[0], starttls: true, first: first, rcpt: func(int) string { return "250 ok" }, meet: func(string) bool { return false }}
	certs.Close()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
	return s, &tls.Config{RootCAs: roots}
}

func (s *smtpServer) talk(c net.Conn) {
	defer func() { _ = c.Close() }()
	if s.first {
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	}
	in := bufio.NewReader(c)
	say := func(text string) { fmt.Fprintf(c, "%s\r\n", text) }
	say("220 test")
	secured := s.first
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if s.meet(verb) {
			return
		}
		switch {
		case verb == "EHLO" && secured:
			say("250-test\r\n250 AUTH PLAIN")
		case verb == "EHLO" && s.starttls:
			say("250-test\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250 test")
		case verb == "STARTTLS":
			say("220 go on")
			t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			c, in, secured = t, bufio.NewReader(t), true
		case verb == "AUTH":
			s.mu.Lock()
			s.auth = line
			s.mu.Unlock()
			say("235 welcome")
		case verb == "RCPT":
			s.mu.Lock()
			s.tries++
			try := s.tries
			s.mu.Unlock()
			say(s.rcpt(try))
		case verb == "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				text, err := in.ReadString('\n')
				if err != nil || text == ".\r\n" {
					break
				}
				b.WriteString(text)
			}
			s.mu.Lock()
			s.mails = append(s.mails, b.String())
			s.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default: // MAIL, RSET, NOOP
			say("250 ok")
		}
	}
}

// TestEmail: a real conversation, with STARTTLS and a password, and a mail that people can read in both forms.
func TestEmail(t *testing.T) {
	server, trust := newSMTP(t, false)
	port := server.Addr().(*net.TCPAddr).Port
	e := &email{&models.EmailChannel{To: config.StringList{"ann@example.org", "Bob <bob@example.org>"}, From: "Millräce <millrace@example.org>",
		SMTP: fmt.Sprintf("smtp://me@127.0.0.1:%d", port), Password: secret.NewValue("canary-password"), TLS: "starttls"}, trust}
	m := messages()["failure"]
	server.rcpt = func(try int) string {
		if try == 1 {
			return "451 4.7.1 greylisted, come again"
		}
		return "250 ok"
	}
	err := e.send(t.Context(), "a1", start, m)
	if err == nil || errors.As(err, new(refused)) || !strings.Contains(err.Error(), "451") {
		t.Fatalf("greylisted is not refused: %v", err)
	}
	if err := e.send(t.Context(), "a1", start, m); err != nil {
		t.Fatal(err)
	}
	if want := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00canary-password")); server.auth != want {
		t.Errorf("signed in by %q", server.auth)
	}
	if len(server.mails) != 1 {
		t.Fatalf("%d mails", len(server.mails))
	}
	head, parts := parts(t, server.mails[0])
	if head.Get("Message-ID") != "<a1@example.org>" || head.Get("Auto-Submitted") != "auto-generated" || !strings.Contains(head.Get("To"), "bob@example.org") {
		t.Errorf("%v", head)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(head.Get("Subject")); err != nil || subject != "[shop] FAIL nightly failed: erp.orders fails 2 of its 5 checks" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if !strings.Contains(parts["text/plain"], "Retry: millrace retry 20260301T020000-abcdef") || !strings.Contains(parts["text/html"], "&lt;!channel&gt;") {
		t.Errorf("%v", parts)
	}

	server.rcpt = func(int) string { return "550 5.1.1 no such user" }
	if err := e.send(t.Context(), "a1", start, m); !errors.As(err, new(refused)) || strings.Contains(err.Error(), "canary") {
		t.Errorf("refused for good: %v", err)
	}
	server.starttls = false
	if err := e.send(t.Context(), "a1", start, m); err == nil || errors.As(err, new(refused)) {
		t.Errorf("a server without STARTTLS: %v", err)
	}
	e.tls = nil
	server.starttls = true
	if err := e.send(t.Context(), "a1", start, m); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	if len(server.mails) != 1 {
		t.Error("a mail went out")
	}
	_ = server.Close()
	if err := e.send(t.Context(), "a1", start, m); err == nil || errors.As(err, new(refused)) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestEmailArrived: what the server has taken has arrived, however the farewell goes; and an end of the run ends the conversation
// with a server that says nothing.
func TestEmailArrived(t *testing.T) {
	server, trust := newSMTP(t, true)
	e := &email{&models.EmailChannel{To: config.StringList{"ann@example.org"}, From: "millrace@example.org", SMTP: "smtp://me@" + server.Addr().String(),
		Password: secret.NewValue("canary-password"), TLS: "tls"}, trust}
	ctx, stop := contextOf(t)
	ended := make(chan bool)
	taken := func() int {
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(server.mails)
	}
	server.meet = func(verb string) bool {
		if verb == "MAIL" && taken() > 0 {
			stop()
			<-ended
		}
		return verb == "QUIT"
	}
	if err := e.send(ctx, "a1", start, messages()["failure"]); err != nil || taken() != 1 || server.auth == "" {
		t.Errorf("hangs up afterwards: %v, %d mails", err, taken())
	}
	err := e.send(ctx, "a1", start, messages()["failure"])
	close(ended)
	if err == nil || errors.As(err, new(refused)) || !strings.Contains(err.Error(), net.ErrClosed.Error()) {
		t.Errorf("a server that says nothing: %v", err)
	}
}

func parts(t *testing.T, text string) (mail.Header, map[string]string) {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err != nil {
			return msg.Header, all
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = string(body)
	}
}
