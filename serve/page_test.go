package serve

import (
	"io"
	"net/http"
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

func (s *shopfront) get(path string) (int, string) {
	s.t.Helper()
	r, err := http.Get(s.srv.URL + path)
	s.must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	s.must(err)
	return r.StatusCode, string(b)
}

func TestPages(t *testing.T) {
	s := newShopfront(t)
	for name, path := range s.paths() {
		if code, body := s.get(path); code != http.StatusOK {
			t.Errorf("%s: %d %.300s", name, code, body)
		}
	}
}
