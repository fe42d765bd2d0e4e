package models_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
)

// TestAlertsOfTwoWords: a channel, and everything that needs somebody is told to it.
func TestAlertsOfTwoWords(t *testing.T) {
	p, problems := load(map[string]string{"millrace.yml": head + "alerts:\n  channels:\n    ops: { type: slack, url: https://hooks.slack.com/services/T/B/x }\n"})
	if problems != "" {
		t.Fatal(problems)
	}
	a := p.Alerts
	if len(a.Rules) != 1 || strings.Join(a.Rules[0].To, " ") != "ops" || strings.Join(a.Rules[0].On, " ") != "failure recovery freshness late paused project" {
		t.Errorf("rules: %+v", a.Rules)
	}
	if a.Repeat.Std() != 4*time.Hour || a.Channel("ops").Options.(*models.SlackChannel).URL.Reveal() != "https://hooks.slack.com/services/T/B/x" {
		t.Errorf("%+v", a)
	}
	p, problems = load(map[string]string{"millrace.yml": head + "alerts:\n  channels: { ops: { type: command, command: [page] } }\n  rules:\n    - { to: ops }\n"})
	if problems != "" || len(p.Alerts.Rules[0].On) != 6 {
		t.Errorf("a rule of two words: %s, %+v", problems, p.Alerts)
	}
}

// TestAlertSecretsBlockNothing: a secret of a channel that is missing is no reason not to move data.
func TestAlertSecretsBlockNothing(t *testing.T) {
	text := head + "alerts:\n  channels:\n    ops: { type: slack, url: \"${secret:slack_url}\" }\n    page: { type: command, command: [page] }\n" +
		"  rules: [ { to: [ops, page] } ]\n  heartbeat: { url: \"${MILLRACE_TEST_NOT_SET}\" }\n"
	files := fstest.MapFS{"millrace.yml": {Data: []byte(text)}}
	p, problems := models.Load(models.Loading{Dir: "/p", Files: files, Sources: []models.SourceSpec{fakeSource}, Env: func(string) (string, bool) { return "", false }})
	if problems.HasErrors() || len(problems) != 2 {
		t.Fatalf("problems: %v", problems)
	}
	if p.Alerts.Channel("ops").Broken == "" || p.Alerts.Channel("page").Broken != "" || p.Alerts.Heartbeat.Broken == "" {
		t.Errorf("%+v %+v", p.Alerts.Channels[0], p.Alerts.Heartbeat)
	}
	if _, problems := models.Load(models.Loading{Dir: "/p", Files: files, Sources: []models.SourceSpec{fakeSource}}); len(problems) != 0 {
		t.Errorf("lint needs no secret: %v", problems)
	}
}

func TestAlertMistakes(t *testing.T) {
	for _, c := range []struct{ alerts, want string }{
		{"{}", `missing key "channels"`},
		{"{ channels: {} }", "there are no channels"},
		{"{ channels: { a: { type: slak, url: https://x } } }", `did you mean "slack"?`},
		{"{ channels: { a: { url: https://x } } }", `missing key "type"`},
		{"{ channels: { a: { type: slack } } }", `missing key "url"`},
		{"{ channels: { a: { type: slack, url: https://x, to: b } } }", `millrace.yml:7:57: unknown key "to"`},
		{"{ channels: { a: { type: teams, url: hooks.example.org/secret-path } } }", "must be a URL that begins with https://"},
		{"{ channels: { a: { type: webhook, url: https://x, secret: whsec_secret-path } } }", "millrace.yml:7:67: secret: a secret that begins with whsec_ goes on in base64"},
		{"{ channels: { a: { type: email, to: nobody, from: x@y, smtp: 'smtp://h:25' } } }", `to: "nobody" is no mail address`},
		{"{ channels: { a: { type: email, to: a@b, from: \"x@y\\r\\nBcc: z@y\", smtp: 'smtp://h:25' } } }", "is no mail address"},
		{"{ channels: { a: { type: email, to: a@b, from: x@y, smtp: 'smtp://u:hunter22@h:25' } } }", "it holds a password"},
		{"{ channels: { a: { type: email, to: a@b, from: x@y, smtp: 'mail.example.org' } } }", "smtp://user@host:port"},
		{"{ channels: { a: { type: command, command: [] } } }", "names no program"},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: b } ] }", `the project has no channel "b"`},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: a, pipelines: nightlly } ] }", `did you mean "nightly"?`},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: a, owners: finace } ] }", `warning: the project has no owner "finace"`},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: a, on: fail } ] }", "failure"},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: a, on: [] } ] }", "millrace.yml:7:83: on: the list is empty"},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: [] } ] }", "to: the list is empty"},
		{"{ channels: { a: { type: command, command: [x] } }, rules: [ { to: a, owners: [] } ] }", "owners: the list is empty"},
		{"{ channels: { a: { type: command, command: [x] }, b: { type: command, command: [x] } }, rules: [ { to: a } ] }", `nothing is told to channel "b"`},
		{"{ channels: { a: { type: command, command: [x] } }, heartbeat: { url: https://x, every: 1s } }", "at least 10s"},
		{"{ channels: { a: { type: command, command: [x] } }, heartbeat: { url: https://x, every: 0s } }", "millrace.yml:7:97: every: must be at least 10s"},
		{"{ channels: { a: { type: command, command: [x], timeout: 0s } } }", "millrace.yml:7:66: timeout: must be at least 1s"},
		{"{ channels: { a: { type: command, command: [x] } }, late_after: 0 }", "millrace.yml:7:73: late_after: must be at least 1s"},
		{"{ channels: { a: { type: command, command: [x] } } }\nserve: { session: 0s }", "millrace.yml:8:19: session: must be at least 1m"},
		{"{ channels: { a: { type: command, command: [x] } }, report_url: millrace.example.org }", "report_url: must be a URL"},
	} {
		_, problems := load(map[string]string{"millrace.yml": head + "alerts: " + c.alerts + "\npipelines: { nightly: { owner: finance } }\n"})
		if !strings.Contains(problems, c.want) {
			t.Errorf("%s: %q is not in\n%s", c.alerts, c.want, problems)
		}
		for _, canary := range []string{"secret-path", "hunter22"} {
			if strings.Contains(problems, canary) {
				t.Errorf("%s: the problem shows %s:\n%s", c.alerts, canary, problems)
			}
		}
	}
}

// TestAlertsPage: the examples of docs/alerts.md lint, and the page names every occasion.
func TestAlertsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		files := fstest.MapFS{"millrace.yml": {Data: []byte(strings.Replace(head, "key: [id]", "owner: finance", 1) + "pipelines: { nightly: {} }\n" + example[1])}}
		if _, problems := models.Load(models.Loading{Dir: "/p", Files: files, Sources: []models.SourceSpec{fakeSource}}); len(problems) > 0 {
			t.Errorf("%s\n%v", example[1], problems)
		}
	}
	for _, on := range []string{models.OnFailure, models.OnFirstFailure, models.OnRecovery, models.OnWarning, models.OnFreshness, models.OnLate, models.OnPaused, models.OnProject} {
		if !strings.Contains(string(page), "| `"+on+"` |") {
			t.Errorf("%s is not explained", on)
		}
	}
}
