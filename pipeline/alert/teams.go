package alert

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// teams posts an Adaptive Card to a workflow. (The connectors of Office 365, with their message cards, were retired.)
type teams struct{ poster }

// teamsLimit is the size of a message in bytes, with room for what Teams wraps it into.
const teamsLimit = 27 << 10

func (t *teams) send(ctx context.Context, _ string, _ time.Time, m *Message) error {
	body, err := teamsPayload(m)
	if err != nil {
		return refused{err}
	}
	return t.post(ctx, body, nil)
}

// teamsPayload is the message for Teams, with as many of its blocks as fit.
func teamsPayload(m *Message) ([]byte, error) {
	blocks := m.blocks()
	for {
		body, err := json.Marshal(teamsCard(m, blocks))
		if err != nil || len(body) <= teamsLimit || len(blocks) == 0 {
			return body, err
		}
		blocks = blocks[:len(blocks)-1]
	}
}

func teamsCard(m *Message, blocks []block) map[string]any {
	colour := map[string]string{"OK": "Good", "FAIL": "Attention", "WARN": "Warning"}[sign(m)]
	if colour == "" {
		colour = "Accent"
	}
	body := []any{map[string]any{"type": "TextBlock", "text": teamsEscape(cut(sign(m)+" "+m.Title, 300)), "weight": "Bolder", "size": "Medium", "wrap": true, "color": colour}}
	for _, b := range blocks {
		text := teamsEscape(b.text)
		if b.label != "" {
			text = "**" + b.label + ":** " + text
		}
		one := map[string]any{"type": "TextBlock", "text": cut(text, 4000), "wrap": true, "spacing": "Small"}
		if b.code {
			one["fontType"] = "Monospace"
		}
		body = append(body, one)
	}
	body = append(body, map[string]any{"type": "TextBlock", "text": teamsEscape(m.Project + " · " + clockText(m.At)), "isSubtle": true, "size": "Small", "wrap": true})
	card := map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
		"msteams": map[string]any{"width": "Full"}}
	if m.Link != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": "Open in Millrace", "url": m.Link}}
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}}
}

// teamsEscape makes plain text of Markdown, of mentions (<at>) and of date functions ({{DATE(…)}}); a line break needs two.
func teamsEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "{{", "{ {", "\n", "\n\n").Replace(s)
}
