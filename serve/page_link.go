package serve

import "net/http"

var linkTemplate = door("link", `{{template "head" "Log in"}}<body><main class="door"><h1>Millrace</h1><p>This link lets you in once, as an operator and a steward.</p>
<form method="post" action="/login"><input type="hidden" name="code" value="{{.}}"><button autofocus>Log in</button></form>
</main></body></html>
`)

// linkPage is where the link of the start leads. Only its button uses the link up: programs that look at links before people do,
// in chats and mails, do not press it.
func linkPage(w http.ResponseWriter, code string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return linkTemplate.Execute(w, code)
}
