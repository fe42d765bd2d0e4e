package serve

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
)

// door makes the template of a page outside of the frame that all other pages have: it is shown to those who are not let in.
func door(name, text string) *template.Template {
	return template.Must(template.Must(template.New(name).Parse(doorHead)).Parse(text))
}

const doorHead = `{{define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.}} · Millrace</title><link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/look.css"><link rel="stylesheet" href="/assets/dark.css" id="dark" media="(prefers-color-scheme: dark)"><link rel="stylesheet" href="/assets/pages.css"></head>
{{end}}`

var loginTemplate = door("login", `{{template "head" "Log in"}}<body><main class="door"><h1>Millrace</h1>{{with .Message}}<p class="banner bad" role="alert">{{.}}</p>{{end}}
<form method="post" action="/login"><input type="hidden" name="next" value="{{.Next}}"><input name="username" autocomplete="username" value="millrace" hidden><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus><button>Log in</button></form>
</main></body></html>
`)

// loginPage asks for a token, with what went wrong before. It stands in for the page that was asked for, to which the login leads.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, status int, message string) error {
	next := r.PostFormValue("next")
	if r.Method == http.MethodGet && r.URL.Path != "/login" {
		next = r.URL.RequestURI()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	return loginTemplate.Execute(w, struct{ Message, Next string }{message, next})
}

var errorTemplate = door("error", `{{template "head" .Title}}<body><main class="door"><h1>{{.Title}}</h1><p>{{.Detail}}</p>{{with .Hint}}<p class="quiet">{{.}}</p>{{end}}<p><a href="/login">Log in</a></p></main></body></html>
`)

// errorPage tells a person of a problem.
func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, p *Problem) {
	if p.kind == kindLogin {
		_ = s.loginPage(w, r, p.Status, "")
		return
	}
	if who, err := s.identify(r); err == nil && who.roles.may(Viewer) && s.problemPage(w, r.WithContext(context.WithValue(r.Context(), keyIdentity, who)), p) == nil {
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_ = errorTemplate.Execute(w, p)
}

// problemPage tells of a problem to somebody who is logged in: as a page among the others, with a way back.
func (s *Server) problemPage(w http.ResponseWriter, r *http.Request, p *Problem) error {
	page := struct {
		*Problem
		Back, About string // where they come from, and the entity that the path is about
		Forbidden   bool
	}{p, wayBack(r), "", p.kind == kindForbidden}
	v := view{Title: p.Title, Code: p.Status, Data: &page}
	if about, ok := strings.CutPrefix(r.URL.Path, "/entities/"); ok {
		v.Section = "Golden records"
		about, _, _ = strings.Cut(about, "/")
		if slices.ContainsFunc(s.Engine().Project.Entities, func(e *models.Entity) bool { return e.Name == about }) {
			page.About = about
		}
	}
	return s.site.show(w, r, "problem", v)
}

// wayBack is the page of ours that somebody comes from: that with the form, or the link; "" when it is not known, or is the one that went wrong.
func wayBack(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host != r.Host || from.RequestURI() == r.URL.RequestURI() {
		return ""
	}
	if to := ownPath(from.RequestURI()); to != "/" {
		return to
	}
	return ""
}
