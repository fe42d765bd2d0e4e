package models

import (
	"cmp"
	"errors"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
)

// Alerts says who is told of what happens to the project's runs; pipeline/alert does the telling.
type Alerts struct {
	Channels  []*AlertChannel
	Rules     []AlertRule
	Repeat    config.Duration
	LateAfter config.Duration
	Heartbeat *Heartbeat // nil for none
	ReportURL string
}

// Channel returns the channel of that name, or nil.
func (a *Alerts) Channel(name string) *AlertChannel {
	for _, c := range a.Channels {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// AlertChannel is a place that messages go to.
type AlertChannel struct {
	Name    string
	Type    string
	Options any    // *SlackChannel, *TeamsChannel, *WebhookChannel, *EmailChannel or *CommandChannel
	Broken  string // why nothing can be sent to it now, such as a secret that is missing; no reason not to move data
}

// alertsFile is alerts: in millrace.yml.
type alertsFile struct {
	config.Origin
	Channels  config.Map[config.Node] `yaml:"channels" required:"true" union:"channels" doc:"Places that messages go to, by names of your choice."`
	Rules     []AlertRule             `yaml:"rules" doc:"What is told to whom; without any, everything that needs somebody is told to every channel."`
	Repeat    config.Duration         `yaml:"repeat" default:"4h" doc:"A pipeline that goes on failing for the same cause is not told again before that; what came since is counted."`
	LateAfter config.Duration         `yaml:"late_after" default:"15m" doc:"A run is late when it takes longer than this and twice as long as 95 in 100 of its pipeline's last 30 successful runs, or when it should have started so long ago."`
	Heartbeat config.Node             `yaml:"heartbeat" union:"heartbeat" doc:"A dead man's switch: a URL elsewhere that is called while millrace serve is alive, and that raises the alarm when the calls stop."`
	ReportURL string                  `yaml:"report_url" doc:"Where people reach the pages of millrace serve: messages link to its runs." example:"https://millrace.example.org"`
}

// What rules may be on.
const (
	OnFailure      = "failure"
	OnFirstFailure = "first_failure"
	OnRecovery     = "recovery"
	OnWarning      = "warning"
	OnFreshness    = "freshness"
	OnLate         = "late"
	OnPaused       = "paused"
	OnProject      = "project"
)

// AlertRule says what is told to which channels. A condition that is absent holds for all.
type AlertRule struct {
	config.Origin
	On        config.StringList `yaml:"on" default:"[failure, recovery, freshness, late, paused, project]" enum:"failure,first_failure,recovery,warning,freshness,late,paused,project" doc:"failure: a run, or a part of it, failed. first_failure: only the first of a series that the rule's conditions hold for. recovery: what had failed works again. warning: a run did its work, with warnings or quarantined rows. freshness: tables are older than their pipeline promises. late: a run takes too long or does not start, or times of a schedule were missed and nothing makes up for them. paused: a schedule was paused after too many failures. project: a changed project was refused, or a run cannot begin because of mistakes in the project's files."`
	To        config.StringList `yaml:"to" required:"true" doc:"Names of channels." example:"[ops]"`
	Pipelines config.StringList `yaml:"pipelines" doc:"Only of these pipelines."`
	Owners    config.StringList `yaml:"owners" doc:"Only what one of these answers for: owners of the tables at fault, or of the pipeline where those name nobody."`
	Tags      config.StringList `yaml:"tags" doc:"Only of tables at fault with one of these tags."`
	Severity  config.StringList `yaml:"severity" enum:"error,warn,quarantine" doc:"Only where a check of this severity fails; whatever is no check is an error."`
}

// SlackChannel is an incoming webhook of Slack.
type SlackChannel struct {
	URL secret.Value `yaml:"url" required:"true" doc:"URL of an incoming webhook. Whoever has it can write to the channel: keep it among the secrets." example:"${secret:slack_url}"`
}

// TeamsChannel is a workflow of Microsoft Teams.
type TeamsChannel struct {
	URL secret.Value `yaml:"url" required:"true" doc:"URL of the workflow that posts to a channel when a webhook request is received. It is a secret." example:"${secret:teams_url}"`
}

// WebhookChannel is any server that takes JSON.
type WebhookChannel struct {
	URL    secret.Value `yaml:"url" required:"true" doc:"Where messages are posted to, as JSON." example:"${secret:hook_url}"`
	Secret secret.Value `yaml:"secret" doc:"Key that signs the messages by the rules of Standard Webhooks: any text, or whsec_ and base64." example:"${secret:hook_key}"`
}

// Key is what messages are signed with, nil without a secret.
func (o *WebhookChannel) Key() ([]byte, error) {
	if o.Secret.IsZero() {
		return nil, nil
	}
	return signingKey(o.Secret)
}

// EmailChannel is a list of recipients and the server that takes mail for them.
type EmailChannel struct {
	To       config.StringList `yaml:"to" required:"true" doc:"Recipients." example:"[data@example.org]"`
	From     string            `yaml:"from" required:"true" doc:"Sender." example:"Millrace <millrace@example.org>"`
	SMTP     string            `yaml:"smtp" required:"true" doc:"Server, with the user that signs in." example:"smtp://millrace@mail.example.org:587"`
	Password secret.Value      `yaml:"password" doc:"Password of that user." example:"${secret:smtp}"`
	TLS      string            `yaml:"tls" default:"starttls" enum:"starttls,tls,none" doc:"starttls: refuse a server that does not offer it. tls: from the first byte, mostly on port 465. none: only for a server on this machine or in a trusted network."`
}

// CommandChannel is a program of yours.
type CommandChannel struct {
	Command []string        `yaml:"command" required:"true" doc:"Program and its arguments. It is started without a shell, gets the message as JSON on its standard input, and has done its work when it exits with 0." example:"[/usr/local/bin/page, --oncall]"`
	Timeout config.Duration `yaml:"timeout" default:"30s" doc:"It is killed, with its process group, when it takes longer."`
}

// Heartbeat is what tells others that millrace serve is alive.
type Heartbeat struct {
	URL    secret.Value    `yaml:"url" required:"true" doc:"URL that is called, as healthchecks.io, Better Stack, Cronitor and others give one." example:"${secret:heartbeat_url}"`
	Every  config.Duration `yaml:"every" default:"5m" doc:"Time between the calls."`
	Method string          `yaml:"method" default:"GET" enum:"GET,POST" doc:"How it is called."`
	Broken string          `yaml:"-"` // why it cannot be called, such as a secret that is missing
}

// channelKeys are the keys of any channel.
type channelKeys struct {
	Type string `yaml:"type" required:"true" enum:"slack,teams,webhook,email,command" doc:"Kind of channel."`
}

// channelTypes are the kinds of channels, as the schema lists them.
var channelTypes = []struct {
	name, doc string
	options   func() any
}{
	{"slack", "A channel of Slack, by an incoming webhook.", func() any { return &SlackChannel{} }},
	{"teams", "A channel of Microsoft Teams, by a workflow.", func() any { return &TeamsChannel{} }},
	{"webhook", "A server of yours that takes JSON.", func() any { return &WebhookChannel{} }},
	{"email", "Mail.", func() any { return &EmailChannel{} }},
	{"command", "A program of yours.", func() any { return &CommandChannel{} }},
}

// alertUnions are the shapes of alerts: for the schema.
func alertUnions() map[string][]config.Variant {
	var channels []config.Variant
	for _, t := range channelTypes {
		channels = append(channels, config.Variant{Type: t.name, Doc: t.doc, Structs: []any{channelKeys{}, t.options()}})
	}
	return map[string][]config.Variant{"channels": channels, "heartbeat": {{Structs: []any{Heartbeat{}}}}}
}

// alerts reads alerts: twice. What is wrong with the text is an error. A secret that cannot be had is a warning, because an alert
// that cannot be sent is no reason not to move data.
func (l *loader) alerts() {
	f := l.file.Alerts
	if f == nil {
		return
	}
	plain := l.files[ProjectFile].Root(nil).Get("alerts")
	a := &Alerts{Rules: f.Rules, Repeat: f.Repeat, LateAfter: f.LateAfter, ReportURL: strings.TrimRight(f.ReportURL, "/")}
	for name, node := range f.Channels.All() {
		if c := l.channel(name, f.Channels.Key(name), plain.Get("channels").Get(name), node); c != nil {
			a.Channels = append(a.Channels, c)
		}
	}
	if !f.Heartbeat.IsZero() {
		a.Heartbeat = &Heartbeat{}
		a.Heartbeat.Broken = l.lenient(plain.Get("heartbeat"), f.Heartbeat, a.Heartbeat)
		l.webURL(plain.Get("heartbeat"), "url")
		l.atLeast(plain.Get("heartbeat"), "every", a.Heartbeat.Every, 10*time.Second)
	}
	l.atLeast(plain, "late_after", a.LateAfter, time.Second)
	l.webURL(plain, "report_url")
	if f.Channels.Len() == 0 && f.Origin.Has("channels") {
		l.problem(f.Origin.At("channels"), "name at least one, such as ops: { type: slack, url: \"${secret:slack_url}\" }", "there are no channels")
	}
	l.rules(f, a)
	l.p.Alerts = a
}

// atLeast refuses a span that is so short that nothing would work with it.
func (l *loader) atLeast(n config.Node, key string, span config.Duration, least time.Duration) {
	if v := n.Get(key); v.IsScalar() && l.had(v) && span.Std() < least && !l.told(v.Pos()) {
		l.problem(v.Pos(), "", "%s: must be at least %s", key, config.Duration(least))
	}
}

// lenient decodes the node without its references, for the errors, and then with them; it returns why they cannot be had.
func (l *loader) lenient(plain, node config.Node, into ...any) string {
	if problems := plain.Decode(into...); len(problems) > 0 || l.resolve == nil {
		l.problems = append(l.problems, problems...)
		return ""
	}
	var missing []string
	for _, p := range node.Decode(into...) {
		p.Severity = config.SeverityWarning
		l.problems = append(l.problems, p)
		missing = append(missing, p.Message)
	}
	return strings.Join(missing, "; ")
}

func (l *loader) channel(name string, pos config.Pos, plain, node config.Node) *AlertChannel {
	if !plainName.MatchString(name) {
		l.problem(pos, "use letters, digits, _ and -", "channel name %q", name)
		return nil
	}
	c := &AlertChannel{Name: name, Type: plain.Get("type").Text()}
	for _, t := range channelTypes {
		if t.name == c.Type {
			c.Options = t.options()
		}
	}
	var keys channelKeys
	if c.Options == nil { // absent or unknown: the keys of that type are unknown too
		for _, p := range plain.Decode(&keys) {
			if !strings.HasPrefix(p.Message, "unknown key") {
				l.problems = append(l.problems, p)
			}
		}
		return nil
	}
	c.Broken = l.lenient(plain, node, &keys, c.Options)
	at := plain.Origin()
	switch o := c.Options.(type) {
	case *SlackChannel, *TeamsChannel:
		l.webURL(plain, "url")
	case *WebhookChannel:
		l.webURL(plain, "url")
		c.Broken = cmp.Or(c.Broken, l.signing(plain, o))
	case *EmailChannel:
		l.email(at, o)
	case *CommandChannel:
		l.atLeast(plain, "timeout", o.Timeout, time.Second)
		if len(o.Command) == 0 && at.Has("command") || len(o.Command) > 0 && o.Command[0] == "" {
			l.problem(at.At("command"), "write [program, argument, …]", "command: names no program")
		}
	}
	return c
}

// signing finds a secret that nothing can be signed with: a mistake where it is written out, and no reason not to move data where a
// reference stands for it, which without its value says nothing.
func (l *loader) signing(n config.Node, o *WebhookChannel) string {
	_, err := o.Key()
	tell, refers := l.problem, strings.Contains(n.Get("secret").Text(), "${")
	if err == nil || refers && l.resolve == nil {
		return ""
	}
	if refers {
		tell = l.warning
	}
	tell(n.Get("secret").Pos(), "make one with: echo whsec_$(openssl rand -base64 32)", "secret: %v", err)
	return err.Error()
}

// webURL checks a URL that is written out; one that a reference stands for is found out when it is used.
func (l *loader) webURL(n config.Node, key string) {
	text := n.Get(key).Text()
	if text == "" || strings.Contains(text, "${") {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		l.problem(n.Get(key).Pos(), "", "%s: must be a URL that begins with https:// or http://", key)
	}
}

func (l *loader) email(at config.Origin, o *EmailChannel) {
	address := func(key, text string, pos config.Pos) {
		if text == "" || strings.Contains(text, "${") {
			return
		}
		if _, err := mail.ParseAddress(text); err != nil || strings.ContainsAny(text, "\r\n") {
			l.problem(pos, "write name@example.org, or Name <name@example.org>", "%s: %q is no mail address", key, text)
		}
	}
	address("from", o.From, at.At("from"))
	for i, to := range o.To {
		address("to", to, at.Item("to", i))
	}
	if len(o.To) == 0 && at.Has("to") {
		l.problem(at.At("to"), "", "to: names nobody")
	}
	if o.TLS == "none" && at.Has("password") {
		l.problem(at.At("tls"), "use tls: starttls, or a server that takes mail without signing in", "tls: none would send the password in the clear")
	}
	if strings.Contains(o.SMTP, "${") || o.SMTP == "" {
		return
	}
	if _, err := o.Server(); err != nil {
		l.problem(at.At("smtp"), "write smtp://user@host:587; the password goes to password:", "smtp: %v", err)
	}
}

// Server is the mail server of a channel, as a URL without a password.
func (o *EmailChannel) Server() (*url.URL, error) {
	u, err := url.Parse(o.SMTP)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL") // the error would repeat it
	case u.Scheme != "smtp" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, errors.New("it must have the form smtp://user@host:port")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("it holds a password")
	}
	return u, nil
}

// rules checks what the rules name.
func (l *loader) rules(f *alertsFile, a *Alerts) {
	if len(a.Rules) == 0 {
		every := AlertRule{On: config.StringList{OnFailure, OnRecovery, OnFreshness, OnLate, OnPaused, OnProject}}
		for _, c := range a.Channels {
			every.To = append(every.To, c.Name)
		}
		a.Rules = []AlertRule{every}
	}
	var pipelines, owners, tags []string
	for _, pl := range l.p.Pipelines {
		pipelines, owners = append(pipelines, pl.Name), append(owners, pl.Owner)
	}
	for _, n := range l.p.Nodes {
		owners, tags = append(owners, n.Owner), append(tags, n.Tags...)
		for _, c := range n.Checks {
			owners, tags = append(owners, c.Owner), append(tags, c.Tags...)
		}
	}
	told := map[string]bool{}
	for _, r := range a.Rules {
		for _, name := range r.To {
			told[name] = true
		}
		l.noEmpty(r)
		l.named(r.Origin, "to", r.To, f.Channels.Keys(), "channel", l.problem)
		l.named(r.Origin, "pipelines", r.Pipelines, pipelines, "pipeline", l.problem)
		l.named(r.Origin, "owners", r.Owners, owners, "owner", l.warning)
		l.named(r.Origin, "tags", r.Tags, tags, "tag", l.warning)
	}
	for _, name := range f.Channels.Keys() {
		if !told[name] {
			l.warning(f.Channels.Key(name), "name it under to: of a rule", "nothing is told to channel %q", name)
		}
	}
}

// noEmpty refuses lists that are there and name nothing: one would tell nobody, another be no condition.
func (l *loader) noEmpty(r AlertRule) {
	lists := []struct {
		key   string
		names config.StringList
	}{{"on", r.On}, {"to", r.To}, {"pipelines", r.Pipelines}, {"owners", r.Owners}, {"tags", r.Tags}, {"severity", r.Severity}}
	for _, list := range lists {
		if len(list.names) == 0 && r.Origin.Has(list.key) {
			l.problem(r.Origin.At(list.key), "name at least one, or leave the key out", "%s: the list is empty", list.key)
		}
	}
}

func (l *loader) named(o config.Origin, key string, names, known []string, what string, tell func(config.Pos, string, string, ...any)) {
	for i, name := range names {
		if slices.Contains(known, name) || strings.Contains(name, "${") {
			continue
		}
		hint := config.DidYouMean(name, known, "")
		tell(o.Item(key, i), hint, "the project has no %s %q", what, name)
	}
}
