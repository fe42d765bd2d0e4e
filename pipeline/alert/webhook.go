package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// webhook posts the message itself, signed by the rules of Standard Webhooks.
type webhook struct {
	poster
	key []byte // nil: not signed
}

// Payload is what webhooks and commands get.
type Payload struct {
	Type      string    `json:"type"` // millrace.failure and so on
	ID        string    `json:"id"`   // the same however often it is sent
	Timestamp time.Time `json:"timestamp"`
	Data      *Message  `json:"data"`
}

func payload(id string, at time.Time, m *Message) ([]byte, error) {
	return json.Marshal(Payload{Type: "millrace." + m.Kind, ID: id, Timestamp: at.UTC(), Data: m})
}

func (w *webhook) send(ctx context.Context, id string, at time.Time, m *Message) error {
	body, err := payload(id, at, m)
	if err != nil {
		return refused{err}
	}
	header := http.Header{}
	header.Set("webhook-id", id)
	stamp := strconv.FormatInt(w.clock().Unix(), 10)
	header.Set("webhook-timestamp", stamp)
	if w.key != nil {
		header.Set("webhook-signature", "v1,"+signature(w.key, id, stamp, body))
	}
	return w.post(ctx, body, header)
}

// signature is that of version 1: HMAC-SHA256 over id, timestamp and body.
func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
