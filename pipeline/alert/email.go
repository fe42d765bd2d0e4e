package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/millrace/millrace/models"
)

// email sends mail with a plain and an HTML part by go-mail, which knows the ways to sign in and what servers answer.
type email struct {
	*models.EmailChannel
	tls *tls.Config // nil trusts the authorities of the system
}

func (e *email) send(ctx context.Context, id string, at time.Time, m *Message) error {
	msg, err := e.message(id, at, m)
	if err != nil {
		return refused{err}
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	client, err := e.client(ctx)
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var answer *gomail.SendError
	switch {
	case msg.IsDelivered(): // a farewell that goes wrong changes nothing about it
		return nil
	case errors.As(err, &answer) && answer.ErrorCode() >= 500 && !answer.IsTemp():
		return refused{fmt.Errorf("mail: %w", err)}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("mail: no answer in time")
	}
	return fmt.Errorf("mail: %w", err)
}

// client is for one conversation, which ends with the context.
func (e *email) client(ctx context.Context) (*gomail.Client, error) {
	server, err := e.Server()
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.tls != nil {
		secure = e.tls.Clone()
	}
	secure.ServerName = server.Hostname()
	options := []gomail.Option{gomail.WithTimeout(tryTime), gomail.WithoutNoop(), gomail.WithoutRset(), gomail.WithTLSConfig(secure), gomail.WithDialContextFunc(e.dialer(ctx, secure))}
	port := map[string]int{"starttls": 587, "tls": 465, "none": 25}[e.TLS]
	if p, err := strconv.Atoi(server.Port()); err == nil {
		port = p
	}
	switch e.TLS {
	case "tls": // as the connection has it already
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if !e.Password.IsZero() {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(server.User.Username()), gomail.WithPassword(e.Password.Reveal()))
	}
	return gomail.NewClient(server.Hostname(), append(options, gomail.WithPort(port))...)
}

// dialer connects for as long as the context of the conversation goes on: go-mail looks at one only until it is connected.
func (e *email) dialer(ctx context.Context, secure *tls.Config) gomail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if e.TLS != "tls" {
			return conn, nil
		}
		secured := tls.Client(conn, secure)
		return secured, secured.HandshakeContext(dialing)
	}
}

// message writes the mail. Addresses are parsed and headers encoded, so that no line end in them begins another header.
func (e *email) message(id string, at time.Time, m *Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return nil, errors.New("from: no mail address")
	}
	msg.FromMailAddress(from)
	if err := msg.To(e.To...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(id + "@" + domain)
	msg.SetDateWithValue(at)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // or people's absence replies come back
	msg.SetGenHeader("X-Millrace-Alert", id)
	msg.Subject(cut(visible("["+m.Project+"] "+sign(m)+" "+m.Title), 200))
	msg.SetBodyString(gomail.TypeTextPlain, mailText(m))
	page, err := mailHTML(m)
	if err != nil {
		return nil, err
	}
	msg.AddAlternativeString(gomail.TypeTextHTML, page)
	return msg, nil
}

func mailText(m *Message) string {
	var b strings.Builder
	b.WriteString(sign(m) + " " + m.Title + "\n")
	for _, block := range m.blocks() {
		b.WriteString("\n")
		if block.label != "" {
			b.WriteString(block.label + ": ")
		}
		b.WriteString(block.text + "\n")
	}
	if m.Link != "" {
		b.WriteString("\n" + m.Link + "\n")
	}
	b.WriteString("\n-- \n" + m.Project + ", " + clockText(m.At) + "\n")
	return b.String()
}

var mailPage = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body style="font-family:system-ui,sans-serif;max-width:40em;line-height:1.4">
<h1 style="font-size:1.2em;color:{{.Colour}}">{{.Sign}} {{.Title}}</h1>
{{range .Blocks}}<p style="white-space:pre-line">{{if .Label}}<b>{{.Label}}:</b> {{end}}{{if .Code}}<code>{{.Text}}</code>{{else}}{{.Text}}{{end}}</p>
{{end}}{{if .Link}}<p><a href="{{.Link}}">Open in Millrace</a></p>
{{end}}<p style="color:#666;font-size:.9em">{{.Foot}}</p>
</body></html>
`))

func mailHTML(m *Message) (string, error) {
	type part struct {
		Label, Text string
		Code        bool
	}
	var parts []part
	for _, b := range m.blocks() {
		parts = append(parts, part{b.label, b.text, b.code})
	}
	colour := map[string]string{"OK": "#116329", "FAIL": "#b3261e", "WARN": "#7d4e00"}[sign(m)]
	if colour == "" {
		colour = "#222"
	}
	var b bytes.Buffer
	err := mailPage.Execute(&b, map[string]any{"Title": m.Title, "Sign": sign(m), "Colour": template.CSS(colour), "Blocks": parts, "Link": m.Link, "Foot": m.Project + ", " + clockText(m.At)})
	return b.String(), err
}
