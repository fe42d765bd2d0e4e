package httpclient

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestHeadersDoNotFollowToAnotherHost(t *testing.T) {
	var seen []string
	note := func(r *http.Request) {
		var names []string
		for name := range r.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		seen = append(seen, r.URL.Path+" "+strings.Join(names, ","))
	}
	var home string
	foreign := script(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home+"/end", http.StatusFound)
		}
	})
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/same?x=1", http.StatusFound)
		case "/same":
			http.Redirect(w, r, foreign.URL+"/back", http.StatusFound)
		}
	})
	home = s.URL
	w := newWorld(t, Config{})
	_, err := w.ReadAll(t.Context(), Request{URL: s.URL + "/", Header: http.Header{
		"Authorization": {"Bearer token-of-the-account"}, "Cookie": {"session=1"}, "x-api-key": {"k"}, "Accept": {"application/json"},
		"Referer": {"https://own.example"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/ Accept,Accept-Encoding,Authorization,Cookie,Referer,User-Agent,X-Api-Key",
		"/same Accept,Accept-Encoding,Authorization,Cookie,User-Agent,X-Api-Key",
		"/back Accept,Accept-Encoding,User-Agent",
		"/end Accept,Accept-Encoding,User-Agent", // chosen by another host
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%s", strings.Join(seen, "\n"))
	}
	if got := w.of(s); got.Sent != 1 || got.OK != 1 {
		t.Errorf("a chain is one attempt: %+v", got)
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	other := script(t, answer(200, ""))
	for name, c := range map[string]struct {
		status   int
		location string
		r        Request
		want     string
	}{
		"for ever":           {302, "/", Request{}, "redirect not followed: more than 5 in a row"},
		"body to a stranger": {307, other.URL, Request{Method: "POST", Body: []byte("x")}, "it would take the request's body to 127.0.0.1:"},
		"no HTTP":            {302, "file:///etc/passwd", Request{}, "it leads to file://"},
		"unreadable":         {302, "https://h/%zz?token=canary1234", Request{}, "its Location header cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, answer(c.status, "", "Location", c.location))
			w := newWorld(t, Config{})
			c.r.URL = s.URL
			_, err := w.ReadAll(t.Context(), c.r)
			wants(t, fmt.Sprint(err), c.want, "not sent again")
			if strings.Contains(fmt.Sprint(err), "canary") {
				t.Error(err)
			}
			if got := w.of(s); got.Sent != 1 || got.Dead != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestPostBecomesGetElsewhere(t *testing.T) {
	other := script(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.ContentLength) })
	s := script(t, answer(303, "", "Location", other.URL))
	w := newWorld(t, Config{})
	a, err := w.ReadAll(t.Context(), Request{Method: "POST", URL: s.URL, Body: []byte("private")})
	if err != nil || string(a.Body) != "GET0" {
		t.Fatal(a, err)
	}
}
