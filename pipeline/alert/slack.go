package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
)

// slack posts to an incoming webhook, as blocks of Block Kit.
type slack struct{ poster }

// Limits of Slack: characters of a header and of a section, blocks of a message.
const (
	slackHeader  = 150
	slackSection = 3000
	slackBlocks  = 50
)

func (s *slack) send(ctx context.Context, _ string, _ time.Time, m *Message) error {
	body, err := json.Marshal(slackPayload(m))
	if err != nil {
		return refused{err}
	}
	return s.post(ctx, body, nil)
}

// slackPayload is the message for Slack; text is what notifications show.
func slackPayload(m *Message) map[string]any {
	blocks := []any{map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": cut(sign(m)+" "+m.Title, slackHeader), "emoji": false}}}
	if len(sign(m)+" "+m.Title) > slackHeader {
		blocks = append(blocks, slackText(slackEscape(m.Title)))
	}
	for _, b := range m.blocks() {
		text := slackEscape(b.text)
		if b.code {
			text = "`" + strings.ReplaceAll(text, "`", "'") + "`"
		}
		if b.label != "" {
			text = "*" + b.label + ":* " + text
		}
		if len(blocks) < slackBlocks-2 {
			blocks = append(blocks, slackText(text))
		}
	}
	if m.Link != "" {
		blocks = append(blocks, slackText("<"+strings.NewReplacer("|", "%7C", ">", "%3E", "<", "%3C", "&", "&amp;").Replace(m.Link)+"|Open in Millrace>"))
	}
	foot := slackEscape(m.Project) + " · " + clockText(m.At)
	blocks = append(blocks, map[string]any{"type": "context", "elements": []any{map[string]any{"type": "mrkdwn", "text": foot, "verbatim": true}}})
	return map[string]any{"text": slackEscape(cut(sign(m)+" "+m.Title, slackSection/2)), "blocks": blocks, "unfurl_links": false, "unfurl_media": false}
}

// slackText is a section. Verbatim keeps Slack from making mentions and links of what looks like one.
func slackText(text string) map[string]any {
	return map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": cut(text, slackSection), "verbatim": true}}
}

// slackEscape makes plain text of what would be a mention (<!channel>), a link, or an entity; signs that look alike stand for those
// that format.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "~", "∼").Replace(s)
}

// sign says in one word how bad it is; of a digest, how bad the worst in it is.
func sign(m *Message) string {
	kind := m.Kind
	if kind == kindDigest {
		kind = cmp.Or(m.Worst, worstOf(m.Members))
	}
	switch kind {
	case kindTest:
		return "TEST"
	case models.OnRecovery:
		return "OK"
	case models.OnFailure, models.OnPaused:
		return "FAIL"
	}
	return "WARN"
}
