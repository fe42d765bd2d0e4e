package httpclient

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// harmless are the headers that follow a redirect to another host. Any other may be a secret, whatever its name.
var harmless = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true, "Content-Type": true, "User-Agent": true,
}

// errRedirect is part of every refusal to follow a redirect. Such an answer would come again, so it is not asked for again.
var errRedirect = errors.New("redirect not followed")

// redirects returns the rule for redirects. A host is left for good: its headers are not sent to it again when another host
// redirects back, because then the other chooses what is asked with them.
func redirects(most int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		req.Header.Del("Referer") // the URL before may hold secrets
		first, last := via[0].URL, via[len(via)-1].URL
		switch {
		case len(via) > most:
			return fmt.Errorf("%w: more than %d in a row", errRedirect, max(most, 0))
		case req.URL.Scheme != "http" && req.URL.Scheme != "https":
			return fmt.Errorf("%w: it leads to %s://", errRedirect, req.URL.Scheme)
		case last.Scheme == "https" && req.URL.Scheme == "http":
			return fmt.Errorf("%w: it leads from https to http://%s, which is not encrypted", errRedirect, req.URL.Host)
		}
		foreign := !sameHost(req.URL, first)
		for _, r := range via {
			foreign = foreign || !sameHost(r.URL, first)
		}
		if !foreign {
			return nil
		}
		if req.Body != nil && req.Body != http.NoBody {
			return fmt.Errorf("%w: it would take the request's body to %s", errRedirect, req.URL.Host)
		}
		for name := range req.Header {
			if !harmless[name] {
				req.Header.Del(name)
			}
		}
		return nil
	}
}

func sameHost(a, b *url.URL) bool { return a.Scheme == b.Scheme && address(a) == address(b) }
