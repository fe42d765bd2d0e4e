package httpclient

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/secret"
)

// everywhere resolves every name to a public address.
func everywhere(d *Deps) {
	d.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if strings.HasPrefix(host, "private") {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
	}
}

func TestProxy(t *testing.T) {
	var asked []string
	p := script(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	address := strings.TrimPrefix(p.URL, "http://")
	url := "http://robot:pa55word@" + address
	w := newWorld(t, Config{AllowPrivate: []string{}, Proxy: secret.NewValue(url), NoProxy: "near.example"}, everywhere)
	for range 2 {
		if _, err := w.get("http://api.example/a?b=c"); err != nil {
			t.Fatal(err)
		}
	}
	want := "GET http://api.example/a?b=c Basic " + base64.StdEncoding.EncodeToString([]byte("robot:pa55word"))
	if len(asked) != 2 || asked[0] != want {
		t.Error(asked)
	}
	if strings.Count(w.log.String(), "level=WARN") != 1 || strings.Contains(w.log.String(), "pa55word") {
		t.Error(w.log.String())
	}

	_, err := w.get("https://api.example/")
	wants(t, fmt.Sprint(err), "attempt 1 of 8: the proxy refuses the connection: 403 Forbidden; not sent again")
	n := len(asked)
	for _, hidden := range []string{"http://169.254.169.254/latest", "http://private.example/", "https://10.0.0.1/", "http://" + address + "/"} {
		_, err = w.get(hidden)
		wants(t, fmt.Sprint(err), "refused to connect to")
	}
	if len(asked) != n {
		t.Errorf("the proxy was asked for what is private: %q", asked[n:])
	}
}

func TestProxyCarriesTLS(t *testing.T) {
	s, ca, _ := secured(t, nil, answer(200, "through"))
	p := script(t, func(w http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(200)
		here, _, _ := w.(http.Hijacker).Hijack()
		go func() { _, _ = io.Copy(there, here); there.Close() }()
		_, _ = io.Copy(here, there)
		here.Close()
	})
	t.Setenv("HTTPS_PROXY", p.URL)
	w := newWorld(t, Config{AllowPrivate: []string{}, CAFile: ca}, everywhere)
	if a, err := w.get("https://example.com/"); err != nil || string(a.Body) != "through" {
		t.Error(a, err)
	}
	w = newWorld(t, Config{AllowPrivate: []string{}, CAFile: ca, Proxy: direct, Attempts: 1}, everywhere)
	_, err := w.get("https://private.invalid/")
	wants(t, fmt.Sprint(err), "lookup private.invalid")
}

func TestProxyThatCannotBe(t *testing.T) {
	for _, text := range []string{"http://robot:pa55word@", "ftp://robot:pa55word@h", "http://robot:pa55word@h:%zz", "robot:pa55word@[::1"} {
		_, err := New(Config{Proxy: secret.NewValue(text)}, Deps{})
		if err == nil || strings.Contains(err.Error(), "pa55") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
