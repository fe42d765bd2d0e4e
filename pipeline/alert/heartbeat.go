package alert

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// beat calls the heartbeat's URL while the loop that starts runs is alive. A series of failures is logged and recorded once, with its
// end.
func (a *Alerter) beat(ctx context.Context) {
	failing := false
	for {
		every := period
		if h := a.heartbeat(); h != nil {
			every = h.Every.Std()
			failing = a.beatOnce(ctx, h, failing)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

func (a *Alerter) heartbeat() *models.Heartbeat {
	if alerts := a.alerts(); alerts != nil {
		return alerts.Heartbeat
	}
	return nil
}

func (a *Alerter) beatOnce(ctx context.Context, h *models.Heartbeat, failing bool) (fails bool) {
	if a.Alive != nil && !a.Alive() {
		return failing // silence is the message
	}
	err := a.call(ctx, h)
	if ctx.Err() != nil {
		return failing
	}
	text := ""
	switch {
	case err != nil && !failing:
		text = "the heartbeat is not heard: " + a.short(err)
		a.Log.Error("alerts: " + text)
	case err == nil && failing:
		text = "the heartbeat is heard again"
		a.Log.Info("alerts: " + text)
	}
	if text != "" {
		if err := a.Journal.AddEvent(ctx, journal.Event{At: a.Clock(), Kind: journal.EventAlertHeartbeat, Text: text}); err != nil {
			a.Log.Error("alerts: " + a.Redact(err.Error()))
		}
	}
	return err != nil
}

func (a *Alerter) call(ctx context.Context, h *models.Heartbeat) error {
	if h.Broken != "" {
		return errors.New(h.Broken)
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, h.Method, h.URL.Reveal(), nil)
	if err != nil || req.URL.Host == "" {
		return errors.New("its url is no URL")
	}
	req.Header.Set("User-Agent", "millrace")
	res, err := a.Client.Do(req)
	if err != nil {
		return plainError(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 2048))
	return judgeAnswer(req.URL.Host, res, hide(string(answer), req.URL), a.Clock())
}
