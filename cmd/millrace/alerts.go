package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/httpclient"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/alert"
	"github.com/millrace/millrace/pipeline/journal"
)

func (a *app) alertsCommand() *cobra.Command {
	var f journal.AlertFilter
	var state string
	test := &cobra.Command{Use: "test [CHANNEL]", Short: "send a test message now, and say what came back",
		Long: "Sends a message that says that it is a test to the channel, or to every channel, and prints what came back.\n",
		Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error { return a.testAlerts(c.Context(), args) }}
	retry := &cobra.Command{Use: "retry [CHANNEL]", Short: "try again what could not be delivered",
		Long: "Makes messages that were given up pending again, and those that wait for their next try due, of one channel or of\n" +
			"all. They are delivered now, or by the millrace serve that runs.\n",
		Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error { return a.retryAlerts(c.Context(), args) }}
	send := &cobra.Command{Use: "send", Short: "tell now what there is to tell, for cron where no millrace serve runs",
		Long: "Looks at what has happened, and has not, decides what is to be told, and delivers it, once. Let cron do so every few\n" +
			"minutes where it starts the runs: stale tables and runs that were killed are found although no run ends. Where\n" +
			"millrace serve runs there is nothing to do: it watches all the time.\n",
		Example: "  */5 * * * * millrace alerts send -C /srv/shop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.sendAlerts(c.Context()) }}
	c := group("alerts", "list the messages for people, test channels", test, send, retry)
	c.Long = "Lists what was told to whom, or is to be, the newest first; see alerts: in millrace.yml.\n"
	c.Example = "  millrace alerts --state failed\n  millrace alerts test ops"
	inner := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return inner(c, args)
		}
		if f.Limit < 0 {
			return usage("--limit %d: give a number from 0, which means all", f.Limit)
		}
		f.State = journal.AlertState(state)
		return a.listAlerts(c.Context(), f)
	}
	c.Flags().IntVarP(&f.Limit, "limit", "n", 20, "messages to list; 0 for all")
	c.Flags().StringVar(&f.Channel, "channel", "", "only messages to this channel")
	c.Flags().StringVar(&state, "state", "", "only messages in this state: pending, delivered, failed, suppressed, folded")
	return c
}

func (a *app) listAlerts(ctx context.Context, f journal.AlertFilter) error {
	e, closeEngine, err := a.journalEngine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	all, err := e.Journal.Alerts(ctx, f)
	if err != nil {
		return err
	}
	if a.json {
		if all == nil {
			all = []journal.Alert{}
		}
		return a.printJSON(all)
	}
	if len(all) == 0 {
		a.note("no messages")
		return nil
	}
	g := grid{header: []string{"CREATED", "CHANNEL", "STATE", "TRIES", "MESSAGE", "ERROR"}, right: []bool{false, false, false, true}, width: a.terminalWidth()}
	for _, m := range all {
		g.add(clockText(m.Created), m.Channel, string(m.State), fmt.Sprint(m.Tries), oneLine(a.redactor.Redact(m.Title)), oneLine(a.redactor.Redact(m.Error)))
	}
	return g.print(a.stdout)
}

// withAlerts opens the project's alerts for a command that is about them.
func (a *app) withAlerts(ctx context.Context, args []string, do func(*pipeline.Engine, *alert.Alerter, *models.Alerts) error) error {
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		a.tellRefused(ctx, err)
		return err
	}
	defer closeEngine()
	alerts := e.Project.Alerts
	if alerts == nil {
		return usage("the project tells nobody: add alerts: to %s; docs/alerts.md shows how", models.ProjectFile)
	}
	if len(args) == 1 && alerts.Channel(args[0]) == nil {
		var known []string
		for _, c := range alerts.Channels {
			known = append(known, c.Name)
		}
		if s := config.Suggest(args[0], known); s != "" {
			return usage("there is no channel %q: did you mean %q?", args[0], s)
		}
		return usage("there is no channel %q: channels are %s", args[0], strings.Join(known, ", "))
	}
	alerter, err := a.alerter(always(e), nil)
	if err != nil {
		return err
	}
	return do(e, alerter, alerts)
}

// tested is what came back from a channel.
type tested struct {
	Channel string `json:"channel"`
	Type    string `json:"type"`
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
}

func (a *app) testAlerts(ctx context.Context, args []string) error {
	return a.withAlerts(ctx, args, func(_ *pipeline.Engine, alerter *alert.Alerter, alerts *models.Alerts) error {
		all, failed := []tested{}, 0
		for _, c := range alerts.Channels {
			if len(args) == 1 && args[0] != c.Name {
				continue
			}
			one := tested{Channel: c.Name, Type: c.Type, OK: true}
			if err := alerter.Test(ctx, c); err != nil {
				one.OK, one.Error = false, err.Error()
				failed++
			}
			all = append(all, one)
			if a.json {
				continue
			}
			if one.OK {
				a.out("ok   %s (%s) has taken it", one.Channel, one.Type)
			} else {
				a.out("FAIL %s (%s): %s", one.Channel, one.Type, one.Error)
			}
		}
		if a.json {
			if err := a.printJSON(all); err != nil {
				return err
			}
		}
		if failed > 0 {
			return &codeError{code: codeFailed}
		}
		return nil
	})
}

func (a *app) retryAlerts(ctx context.Context, args []string) error {
	channel := ""
	if len(args) == 1 {
		channel = args[0]
	}
	return a.withAlerts(ctx, args, func(e *pipeline.Engine, _ *alert.Alerter, _ *models.Alerts) error {
		givenUp, err := e.Journal.RetryAlerts(ctx, channel, e.Clock())
		if err != nil {
			return err
		}
		due, err := waiting(ctx, e, channel)
		if err != nil {
			return err
		}
		if err := a.settle(ctx, e, false); err != nil {
			return err
		}
		left, err := waiting(ctx, e, channel)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]int{"given_up_before": givenUp, "due": due, "pending": left})
		}
		a.out("%s", retried(givenUp, due, left, e.Served()))
		return nil
	})
}

// retried says what became of the messages that were made due: some had been given up, and some may be left.
func retried(givenUp, due, left int, served bool) string {
	text := plural(due, "message") + " due now"
	if givenUp > 0 {
		text += fmt.Sprintf(", %d given up before", givenUp)
	}
	switch {
	case due == 0:
		return "no message waits, and none was given up"
	case left == 0:
		return text + "; none waits any more"
	case served:
		return text + ": the millrace serve that runs delivers what waits"
	}
	return text + "; " + stillWait(left)
}

func stillWait(n int) string {
	if n == 1 {
		return "1 message still waits: millrace alerts --state pending says why"
	}
	return fmt.Sprintf("%d messages still wait: millrace alerts --state pending says why", n)
}

// waiting counts the messages that a channel, or "" any, has not taken yet.
func waiting(ctx context.Context, e *pipeline.Engine, channel string) (int, error) {
	all, err := e.Journal.PendingChannels(ctx)
	left := 0
	for name, count := range all {
		if channel == "" || channel == name {
			left += count
		}
	}
	return left, err
}

func (a *app) sendAlerts(ctx context.Context) error {
	return a.withAlerts(ctx, nil, func(e *pipeline.Engine, _ *alert.Alerter, _ *models.Alerts) error {
		if err := a.settle(ctx, e, false); err != nil {
			return err
		}
		left, err := waiting(ctx, e, "")
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]int{"pending": left})
		}
		if left > 0 {
			a.note("%s", stillWait(left))
		}
		return nil
	})
}

// deliverTime is how long the end of a run may be held up by messages; what is left waits for the next run, or for serve.
const deliverTime = 10 * time.Second

// tellAlerts delivers what the run that ended has to tell, where no millrace serve does. It changes nothing about the run. Without
// alerts it only sees to it that those of another day begin anew.
func (a *app) tellAlerts(ctx context.Context, e *pipeline.Engine) {
	stopped := ctx.Err() != nil || e.Stopping()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if stopped { // somebody waits for us to end: it says nothing about a channel that it is cut off
		defer time.AfterFunc(2*time.Second, cancel).Stop()
	}
	var kept error
	if e.Project.Alerts != nil && os.Getenv(filesEnv) == "" {
		kept = keepAlerts(e.Project)
	}
	if err := errors.Join(kept, a.settle(ctx, e, false)); err != nil {
		fmt.Fprintf(a.stderr, "millrace: alerts: %s\n", a.redactor.Redact(err.Error()))
	}
}

// settle tells once what there is to tell; of a project that was refused, that it was.
func (a *app) settle(ctx context.Context, e *pipeline.Engine, refused bool) error {
	ctx, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	alerter, err := a.alerter(always(e), nil)
	if err != nil {
		return err
	}
	alerter.Refused, alerter.FromFiles = refused, !refused && os.Getenv(filesEnv) == ""
	return alerter.Settle(ctx)
}

// tellCrash tells of a worker that was killed and could not tell itself.
func (a *app) tellCrash(ctx context.Context) {
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return // the worker has said why, or nothing can be read
	}
	defer closeEngine()
	a.tellAlerts(ctx, e)
}

// always is an engine whose project is never loaded anew.
func always(e *pipeline.Engine) func() *pipeline.Engine { return func() *pipeline.Engine { return e } }

// alerter is the project's alerter; serve runs it, and a run without serve lets it settle. Nothing schedules here when alive is nil.
func (a *app) alerter(engine func() *pipeline.Engine, alive func() bool) (*alert.Alerter, error) {
	e := engine()
	// The outbox retries, over hours; and whose servers these are, the project's owner says: only a cloud's metadata service is refused.
	client, err := httpclient.New(httpclient.Config{Attempts: 1, BreakAfter: -1, MaxRedirects: -1, AllowPrivate: []string{"*"}},
		httpclient.Deps{Log: e.Log, Now: e.Clock, Redact: a.redactor.Redact})
	if err != nil {
		return nil, err
	}
	if alive == nil {
		alive = func() bool { return false }
	}
	return alert.New(alert.Config{Project: func() *models.Project { return engine().Project }, Journal: e.Journal, Client: alertClient{client}, Log: e.Log, Clock: e.Clock,
		Redact: a.redactor.Redact, Alive: alive, State: func(r journal.Run) pipeline.RunState { return engine().Summary(r).State },
		Overdue: func(ctx context.Context, since time.Time) ([]pipeline.Overdue, error) {
			return engine().Overdue(ctx, since)
		}})
}

// alertClient sends requests whose URLs are secrets, and hands over every answer, good or bad: the outbox judges them.
type alertClient struct{ client *httpclient.Client }

// Do implements alert.Doer.
func (c alertClient) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	var bad []int
	for code := 300; code < 600; code++ {
		bad = append(bad, code)
	}
	return c.client.Do(r.Context(), httpclient.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, Secret: true, Accept: bad})
}
