package serve

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// paths are all pages that somebody looks at.
func (s *shopfront) paths() map[string]string {
	return map[string]string{
		"overview": "/", "runs": "/runs", "run-real": "/runs/" + s.last, "run-failed": "/runs/" + s.broken, "run-live": "/runs/" + s.live, "schedules": "/schedules", "pipeline": "/pipelines/web",
		"tables": "/tables", "table": "/tables/marts.dim_customers", "table-model": "/tables/marts.fct_orders", "table-view": "/tables/staging.stg_crm_customers", "table-source": "/tables/crm.customers", "lineage": "/lineage", "lineage-around": "/lineage?around=marts.dim_customers", "checks": "/checks", "check": "/check?table=marts.fct_orders&check=unique_order_id",
		"quarantine": "/quarantine", "quarantined": "/quarantine/marts.dim_customers", "events": "/events",
	}
}

// get asks for a page as an operator's browser does.
func (s *shopfront) get(path string) (int, string) {
	return s.send(http.MethodGet, path, s.operator, nil)
}

func (s *shopfront) send(method, path, token string, form url.Values) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.srv.URL+path, strings.NewReader(form.Encode()))
	s.must(err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	s.must(err)
	return answer.StatusCode, string(b)
}

func TestPages(t *testing.T) {
	s := newShopfront(t)
	for name, path := range s.paths() {
		if code, body := s.get(path); code != http.StatusOK {
			t.Errorf("%s: %d %.300s", name, code, body)
		}
	}
}
