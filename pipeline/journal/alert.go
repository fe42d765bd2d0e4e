package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// AlertState is where a message for people stands.
type AlertState string

// The states of alerts. All but pending are final, but that a failed one may be tried again.
const (
	AlertPending    AlertState = "pending"
	AlertDelivered  AlertState = "delivered"
	AlertFailed     AlertState = "failed"     // given up
	AlertSuppressed AlertState = "suppressed" // the same was told a short while ago
	AlertFolded     AlertState = "folded"     // told in one message with others
)

// Alert is a message for one channel: a row of the outbox.
type Alert struct {
	Seq      int64           `json:"-"`
	ID       string          `json:"id"` // stays the same however often it is sent
	Channel  string          `json:"channel"`
	Kind     string          `json:"kind"`
	Key      string          `json:"key"` // what it is about: the same thing has the same key
	Pipeline string          `json:"pipeline,omitempty"`
	Run      string          `json:"run,omitempty"`
	Title    string          `json:"title"`
	Message  json.RawMessage `json:"message"`
	State    AlertState      `json:"state"`
	Tries    int             `json:"tries"`
	Due      time.Time       `json:"due"`
	Error    string          `json:"error,omitempty"`
	Folded   string          `json:"folded_into,omitempty"`
	Since    time.Time       `json:"-"` // what the time to give up counts from
	Created  time.Time       `json:"created"`
	Closed   *time.Time      `json:"closed,omitempty"`
}

// NewAlertID is sortable by time.
func NewAlertID(at time.Time) string {
	return "a" + at.UTC().Format("20060102T150405") + "-" + strings.ToLower(rand.Text()[:10])
}

// AddAlerts adds messages to the outbox and, in the same transaction, what whoever decides on them is to remember: neither can be
// lost without the other. An empty value is forgotten.
func (j *Journal) AddAlerts(ctx context.Context, alerts []Alert, remember map[string]string) error {
	return j.tx(ctx, "alert", func(tx *sql.Tx) error {
		for _, a := range alerts {
			if err := addAlert(ctx, tx, a); err != nil {
				return err
			}
		}
		for key, value := range remember {
			text, args := `INSERT OR REPLACE INTO alert_memory (key, value) VALUES (?,?)`, []any{key, value}
			if value == "" {
				text, args = `DELETE FROM alert_memory WHERE key = ?`, args[:1]
			}
			if _, err := tx.ExecContext(ctx, text, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

func addAlert(ctx context.Context, tx *sql.Tx, a Alert) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO alert (id, channel, kind, key, pipeline, run, title, message, state, tries, due, error, folded, since, created, closed)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, a.ID, a.Channel, a.Kind, a.Key, a.Pipeline, a.Run, a.Title, string(a.Message), a.State, a.Tries,
		stamp(a.Due), a.Error, a.Folded, stamp(a.Since), stamp(a.Created), stampPtr(a.Closed))
	return err
}

// AlertMemory is all that was to be remembered.
func (j *Journal) AlertMemory(ctx context.Context) (map[string]string, error) {
	all, err := query(ctx, j, `SELECT key, value FROM alert_memory`, func(rows *sql.Rows) (kv [2]string, err error) {
		return kv, rows.Scan(&kv[0], &kv[1])
	})
	memory := map[string]string{}
	for _, kv := range all {
		memory[kv[0]] = kv[1]
	}
	return memory, err
}

// Rest is until when a channel is left alone. The zero Rest is over.
type Rest struct {
	Until time.Time `json:"until"`
	Asked bool      `json:"asked"` // its server asked for that
}

// restPrefix begins the keys under which rests are remembered.
const restPrefix = "rest:"

// Rest returns that of the channel.
func (j *Journal) Rest(ctx context.Context, channel string) (r Rest, err error) {
	all, err := query(ctx, j, `SELECT value FROM alert_memory WHERE key = ?`, func(rows *sql.Rows) (r Rest, err error) {
		var text string
		if err = rows.Scan(&text); err == nil {
			err = json.Unmarshal([]byte(text), &r)
		}
		return r, err
	}, restPrefix+channel)
	if len(all) > 0 {
		r = all[0]
	}
	return r, err
}

// SaveAlert records what became of the last try to send a message, and the rest of its channel that comes of it. False: the message is
// not pending any more.
func (j *Journal) SaveAlert(ctx context.Context, a Alert, rest Rest) (pending bool, err error) {
	text, err := json.Marshal(rest)
	if err != nil {
		return false, err
	}
	err = j.tx(ctx, "alert", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO alert_memory (key, value) VALUES (?,?)`, restPrefix+a.Channel, string(text)); err != nil {
			return err
		}
		n, err := changed(tx.ExecContext(ctx, `UPDATE alert SET state = ?, tries = ?, due = ?, error = ?, closed = ? WHERE id = ? AND state = 'pending'`,
			a.State, a.Tries, stamp(a.Due), a.Error, stampPtr(a.Closed), a.ID))
		pending = n > 0
		return err
	})
	return pending, err
}

// GiveUpAlerts gives up what has waited for the channel since before; it returns how many.
func (j *Journal) GiveUpAlerts(ctx context.Context, channel string, before, at time.Time, why string) (n int, err error) {
	err = j.tx(ctx, "alert", func(tx *sql.Tx) error {
		n, err = changed(tx.ExecContext(ctx, `UPDATE alert SET state = 'failed', error = iif(error = '', ?, error), closed = ? WHERE channel = ? AND state = 'pending' AND since <= ?`,
			why, stamp(at), channel, stamp(before)))
		return err
	})
	return n, err
}

// FoldAlerts puts one message into the outbox instead of others that wait there.
func (j *Journal) FoldAlerts(ctx context.Context, into Alert, others []Alert) error {
	return j.tx(ctx, "alert", func(tx *sql.Tx) error {
		for _, a := range others {
			if _, err := tx.ExecContext(ctx, `UPDATE alert SET state = 'folded', folded = ?, closed = ? WHERE id = ? AND state = 'pending'`,
				into.ID, stamp(into.Created), a.ID); err != nil {
				return err
			}
		}
		return addAlert(ctx, tx, into)
	})
}

// sameSpan is how far from each other, at most, the rows of one message for several channels are: they were added together.
const sameSpan = 100

// SameAlert returns the channels that the same message was added for together with this one.
func (j *Journal) SameAlert(ctx context.Context, a Alert) ([]string, error) {
	return query(ctx, j, `SELECT channel FROM alert WHERE seq BETWEEN ? AND ? AND seq <> ? AND message = ?`, func(rows *sql.Rows) (channel string, err error) {
		return channel, rows.Scan(&channel)
	}, a.Seq-sameSpan, a.Seq+sameSpan, a.Seq, string(a.Message))
}

// ReplaceAlert puts others into the outbox instead of one that waits there. Unfold makes what was folded into that one wait again.
func (j *Journal) ReplaceAlert(ctx context.Context, old Alert, why string, at time.Time, into []Alert, unfold bool) error {
	return j.tx(ctx, "alert", func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `UPDATE alert SET state = 'suppressed', error = ?, closed = ? WHERE id = ? AND state = 'pending'`, why, stamp(at), old.ID))
		if err != nil || n == 0 {
			return err
		}
		if unfold {
			if _, err := tx.ExecContext(ctx, `UPDATE alert SET state = 'pending', folded = '', closed = NULL WHERE channel = ? AND folded = ?`, old.Channel, old.ID); err != nil {
				return err
			}
		}
		for _, a := range into {
			if err := addAlert(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// RetryAlerts makes those that were given up, of one channel or of all, pending again; it returns how many.
func (j *Journal) RetryAlerts(ctx context.Context, channel string, at time.Time) (n int, err error) {
	err = j.tx(ctx, "alert", func(tx *sql.Tx) error {
		n, err = changed(tx.ExecContext(ctx, `UPDATE alert SET state = 'pending', tries = 0, due = ?1, since = ?1, closed = NULL WHERE state = 'failed' AND (channel = ?2 OR ?2 = '')`,
			stamp(at), channel))
		if err != nil {
			return err
		}
		return hasten(ctx, tx, channel, at)
	})
	return n, err
}

// HastenAlerts ends the rest of the channel, and makes what waits for its next try there due.
func (j *Journal) HastenAlerts(ctx context.Context, channel string, at time.Time) error {
	return j.tx(ctx, "alert", func(tx *sql.Tx) error { return hasten(ctx, tx, channel, at) })
}

// hasten is for one channel, or with "" for all.
func hasten(ctx context.Context, tx *sql.Tx, channel string, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE alert SET due = ?1 WHERE state = 'pending' AND due > ?1 AND (channel = ?2 OR ?2 = '')`, stamp(at), channel); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM alert_memory WHERE key = ?1 || ?2 OR ?2 = '' AND key GLOB ?1 || '*'`, restPrefix, channel)
	return err
}

// forgetAtOnce is how many messages one transaction removes: nobody waits long for it.
const forgetAtOnce = 5000

// ForgetAlerts removes the messages that were written before that time and have come to their end.
func (j *Journal) ForgetAlerts(ctx context.Context, before time.Time) error {
	for n := forgetAtOnce; n == forgetAtOnce; {
		if err := j.tx(ctx, "alert", func(tx *sql.Tx) (err error) {
			n, err = changed(tx.ExecContext(ctx, `DELETE FROM alert WHERE seq IN (SELECT seq FROM alert WHERE closed IS NOT NULL AND created < ? LIMIT ?)`, stamp(before), forgetAtOnce))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

const selectAlert = `SELECT seq, id, channel, kind, key, pipeline, run, title, message, state, tries, due, error, folded, since, created, closed FROM alert`

func scanAlert(rows *sql.Rows) (a Alert, err error) {
	var message, due, since, created string
	var closed sql.NullString
	err = rows.Scan(&a.Seq, &a.ID, &a.Channel, &a.Kind, &a.Key, &a.Pipeline, &a.Run, &a.Title, &message, &a.State, &a.Tries, &due, &a.Error, &a.Folded, &since, &created, &closed)
	a.Message, a.Due, a.Since, a.Created, a.Closed = json.RawMessage(message), parseTime(due), parseTime(since), parseTime(created), parseTimePtr(closed)
	return a, err
}

// PendingAlerts are a channel's messages that are not delivered yet, the oldest first.
func (j *Journal) PendingAlerts(ctx context.Context, channel string, limit int) ([]Alert, error) {
	return query(ctx, j, selectAlert+` WHERE channel = ? AND state = 'pending' ORDER BY seq LIMIT ?`, scanAlert, channel, limit)
}

// DueAlerts are those of them whose time has come, the oldest first, or before that those that were tried the least. What is due later
// than far was noted before a clock was set back, and is due too.
func (j *Journal) DueAlerts(ctx context.Context, channel string, now, far time.Time, leastTried bool, limit int) ([]Alert, error) {
	return query(ctx, j, selectAlert+` WHERE channel = ? AND state = 'pending' AND (due <= ? OR due > ?) ORDER BY iif(?, tries, 0), seq LIMIT ?`, scanAlert,
		channel, stamp(now), stamp(far), leastTried, limit)
}

// PendingChannels counts the messages that are not delivered yet, by channel.
func (j *Journal) PendingChannels(ctx context.Context) (map[string]int, error) {
	type count struct {
		channel string
		n       int
	}
	all, err := query(ctx, j, `SELECT channel, count(*) FROM alert WHERE state = 'pending' GROUP BY channel`, func(rows *sql.Rows) (c count, err error) {
		return c, rows.Scan(&c.channel, &c.n)
	})
	counts := map[string]int{}
	for _, c := range all {
		counts[c.channel] = c.n
	}
	return counts, err
}

// DeliveredAlerts counts the channel's messages that were delivered after the one time, up to the other.
func (j *Journal) DeliveredAlerts(ctx context.Context, channel string, after, upTo time.Time) (n int, err error) {
	err = j.db.QueryRowContext(ctx, `SELECT count(*) FROM alert WHERE channel = ? AND state = 'delivered' AND closed > ? AND closed <= ?`, channel, stamp(after), stamp(upTo)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", j.explain(err))
	}
	return n, nil
}

// AlertFilter narrows Alerts. Its zero value asks for all.
type AlertFilter struct {
	Channel string
	State   AlertState
	Limit   int
}

// Alerts returns the messages that match, the newest first.
func (j *Journal) Alerts(ctx context.Context, f AlertFilter) ([]Alert, error) {
	limit := f.Limit
	if limit == 0 {
		limit = -1
	}
	return query(ctx, j, selectAlert+` WHERE (channel = ?1 OR ?1 = '') AND (state = ?2 OR ?2 = '') ORDER BY seq DESC LIMIT ?3`, scanAlert, f.Channel, f.State, limit)
}
