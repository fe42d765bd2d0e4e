package serve

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// flood adds so many runs to the journal, one a minute until the morning, with five steps and a firing each, and eight check results
// for every fourth; every twentieth was of both pipelines.
func (s *shopfront) flood(runs int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.e.Project.StateDir(), "state.db"))
	s.must(err)
	defer db.Close()
	tx, err := db.BeginTx(s.t.Context(), nil)
	s.must(err)
	for _, statement := range []string{
		`CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			SELECT i, strftime('%Y%m%dT%H%M%S', ?2, -i || ' minutes') || '-' || printf('%06x', i) AS id, strftime('%Y-%m-%dT%H:%M:%S.000000Z', ?2, -i || ' minutes') AS at,
				strftime('%Y-%m-%dT%H:%M:%S.000000Z', ?2, -i || ' minutes', '40 seconds') AS done FROM n`,
		`INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished, exit_code, trigger, firing)
			SELECT id, CASE WHEN i % 20 = 1 THEN 'nightly+web' WHEN i % 2 = 0 THEN 'web' ELSE 'nightly' END, at, 1, CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'succeeded' END, '{"nodes":[],"target":"local"}', '', 'test', 1, at, done, 0, 'schedule', 'f' || id FROM n`,
		`INSERT INTO step (run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes)
			SELECT n.id, node.value, 'model', 1, 'succeeded', at, done, 1000 + i % 7, 0, 0, '[]', '[]' FROM n, json_each('["erp.orders","marts.fct_orders","marts.order_items","marts.dim_customers","marts.daily_revenue"]') AS node`,
		`INSERT INTO check_result (run, node, name, position, status, failing, checked, at, result)
			SELECT n.id, 'marts.fct_orders', 'check_' || c.value, c.value, 'pass', 0, 1000, at, json_object('node', 'marts.fct_orders', 'name', 'check_' || c.value, 'status', 'pass', 'severity', 'error', 'failing', 0, 'checked', 1000, 'message', 'no row fails')
			FROM n, json_each('[1,2,3,4,5,6,7,8]') AS c WHERE i % 4 = 0`,
		`INSERT OR IGNORE INTO firing (id, pipeline, logical_time, trigger, state, reason, ask, by, due, tries, cancel, run, created, started, finished)
			SELECT 'f' || id, CASE i % 2 WHEN 0 THEN 'web' ELSE 'nightly' END, at, 'schedule', 'succeeded', '', '{}', '', at, 1, '', id, at, at, done FROM n`,
		`INSERT INTO event (at, run, kind, text) SELECT at, id, 'trigger', 'flood' FROM n`,
	} {
		args := []any{runs, s.now.Format("2006-01-02 15:04:05")}
		if statement[:6] != "CREATE" {
			args = nil
		}
		_, err := tx.ExecContext(s.t.Context(), statement, args...)
		s.must(err)
	}
	s.must(tx.Commit())
}

// BenchmarkPages is the server's time for the overview, and for other pages that a journal could slow down, with 100,000 runs in it.
// bench -only pages holds the overview to its bar.
func BenchmarkPages(b *testing.B) {
	s := newShopfront(b)
	s.flood(100_000)
	for _, page := range []struct{ name, path string }{{"overview", "/"}, {"runs", "/runs"}, {"failed", "/runs?pipeline=web&status=failed"}, {"run", "/runs/" + s.broken}, {"schedules", "/schedules"}, {"pipeline", "/pipelines/web"},
		{"checks", "/checks"}, {"table", "/tables/marts.fct_orders"}, {"events", "/events"}} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, page.path, nil)
				r.Host, r.RemoteAddr = "127.0.0.1", "127.0.0.1:5555"
				r.Header.Set("Authorization", "Bearer "+s.operator)
				w := httptest.NewRecorder()
				if s.srv.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatalf("%d %.300s", w.Code, w.Body)
				}
			}
		})
	}
}
