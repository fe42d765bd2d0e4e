package httpclient

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestShownURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://u:p@h:8443/a/b?token=t&page=2&flag#frag": "https://h:8443/a/b?token=***&page=***&***",
		"https://h":         "https://h",
		"https://h/a%2Fb?=": "https://h/a%2Fb?=***",
	} {
		u, _ := url.Parse(text)
		if got := showURL(u, false); got != want {
			t.Errorf("%s is shown as %s", text, got)
		}
		if got := showURL(u, true); !strings.HasPrefix(got, "https://h") || !strings.HasSuffix(got, "/…") || strings.ContainsAny(got, "?ab") {
			t.Errorf("as a secret %s is shown as %s", text, got)
		}
	}
}

// Every text that a failure leaves behind is searched for what the request must not show.
func TestNothingShowsSecrets(t *testing.T) {
	canaries := []string{"canaryuser", "canarypass", "canaryquery", "canarypath", "canarybearer", "canarykey", "canaryknown", "canarylocation"}
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "id-1 "+r.URL.Path)
			w.WriteHeader(status)
			user, password, _ := r.BasicAuth()
			fmt.Fprintf(w, "no %s at https://%s%s\nwith\x1b[31m %s %s %s %s %s, canaryknown12", r.URL.RequestURI(), r.Host, r.URL.RequestURI(),
				r.Header, r.URL.Query().Get("code"), user+" canaryuser", password, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}
	}
	urls := map[string]string{"refused connection": "http://127.0.0.1:1", "private": "http://10.0.0.1", "unreadable": "http://h:canarypass99x"}
	for name, step := range map[string]http.HandlerFunc{
		"echo": echo(500), "final echo": echo(400), "reset": raw(""),
		"nonsense":             raw("canaryknown12 is no HTTP\r\n\r\n"),
		"redirect":             answer(302, "", "Location", "http://10.0.0.1/canarylocation?x=canarylocation"),
		"redirect of no sense": answer(302, "", "Location", "http://10.0.0.1/%zz/canarylocation"),
		"body that breaks off": raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncanaryknown12"),
	} {
		urls[name] = script(t, step).URL
	}
	for name, base := range urls {
		for _, auth := range []string{"", "Bearer canarybearer12"} {
			t.Run(name+auth, func(t *testing.T) {
				w := newWorld(t, Config{Attempts: 2}, func(d *Deps) {
					d.Redact = func(text string) string { return strings.ReplaceAll(text, "canaryknown12", "***") }
				})
				r := Request{URL: base, Secret: true, Header: http.Header{"X-Api-Key": {"canarykey12"}}}
				if name != "unreadable" {
					user := "://canaryuser:canarypass@"
					if auth != "" {
						user = "://canaryuser@"
					}
					r.URL = strings.Replace(base, "://", user, 1) + "/services/T0/canarypath12?code=canaryquery12"
				}
				if auth != "" {
					r.Header.Set("Authorization", auth)
				}
				_, err := w.ReadAll(t.Context(), r)
				if err == nil {
					t.Fatal("it succeeded")
				}
				if resp, err2 := w.Do(t.Context(), r); err2 == nil {
					_, err2 = io.ReadAll(resp.Body)
					resp.Body.Close()
					err = errors.Join(err, err2)
				}
				texts := fmt.Sprintf("%v %+v %#v\n%s\n%+v\n%+v", err, err, err, w.log.String(), w.attempts, w.Stats())
				for e := err; e != nil; e = errors.Unwrap(e) {
					texts += fmt.Sprintf("%v %#v\n", e, e)
				}
				for _, c := range canaries {
					if strings.Contains(texts, c) {
						t.Errorf("%s is in %s", c, texts)
					}
				}
				if name == "final echo" {
					wants(t, err.Error(), "GET http://127.0.0.1:", "/…: attempt 1 of 2: HTTP 400 Bad Request (request id id-1 ", "no ***", " at http", "with [31m map[")
				}
			})
		}
	}
}

func TestUnreadableRequests(t *testing.T) {
	w := newWorld(t, Config{})
	for want, r := range map[string]Request{
		"the URL begins with \"ftp\"":       {URL: "ftp://h/x"},
		"the URL names no host":             {URL: "http:///x"},
		"the URL cannot be read":            {URL: "http://h/\x7f"},
		`"G T" is no method`:                {URL: "http://h", Method: "G T"},
		`the header "X-Key" cannot be sent`: {URL: "http://h", Header: http.Header{"X-Key": {"a\r\nb"}}},
	} {
		_, err := w.ReadAll(t.Context(), r)
		wants(t, fmt.Sprint(err), want)
	}
	if len(w.Stats()) != 0 {
		t.Error(w.Stats())
	}
}
