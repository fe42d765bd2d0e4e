package serve

import (
	"html/template"
	"net/http"
)

var linkTemplate = template.Must(template.New("link").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Log in · Millrace</title><link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/look.css"><link rel="stylesheet" href="/assets/dark.css" id="dark" media="(prefers-color-scheme: dark)"><link rel="stylesheet" href="/assets/pages.css"></head>
<body><main class="door"><h1>Millrace</h1><p>This link lets you in once, as an operator.</p>
<form method="post" action="/login"><input type="hidden" name="code" value="{{.}}"><button autofocus>Log in</button></form>
</main></body></html>
`))

// linkPage is where the link of the start leads. Only its button uses the link up: programs that look at links before people do,
// in chats and mails, do not press it.
func linkPage(w http.ResponseWriter, code string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return linkTemplate.Execute(w, code)
}
