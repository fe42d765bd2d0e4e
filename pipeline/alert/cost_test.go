package alert

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

// history puts 100,000 runs into the journal.
func (w *world) history() *sql.DB {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+w.journal.Path())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
		INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished)
		SELECT printf('r%06d', i), 'p' || (i % 1000), '2025-01-01T00:00:00.000000Z', 1, 'succeeded', '{"nodes":[]}', '', '', 1, '2025-01-01T00:00:00.000000Z', '2025-01-01T00:01:00.000000Z' FROM n`); err != nil {
		w.Fatal(err)
	}
	return db
}

// TestPlans: a look reads what is new or open by an index, whatever the history. The queries are those of pipeline/journal.
func TestPlans(t *testing.T) {
	w := newWorld(t)
	db := w.history()
	for _, query := range []string{
		`SELECT * FROM ended WHERE seq > 1 ORDER BY seq LIMIT 500`,
		`SELECT * FROM run WHERE id = 'r1'`,
		`SELECT * FROM run WHERE status = 'running' ORDER BY started`,
		`SELECT * FROM firing WHERE finished IS NULL ORDER BY created, id`,
		`SELECT * FROM event WHERE id > 1 ORDER BY id LIMIT 500`,
		`SELECT * FROM alert WHERE channel = 'x' AND state = 'pending' ORDER BY seq LIMIT 6`,
		`SELECT count(*) FROM alert WHERE channel = 'x' AND state = 'delivered' AND closed > 'x'`,
		`DELETE FROM alert WHERE seq IN (SELECT seq FROM alert WHERE closed IS NOT NULL AND created < 'x' LIMIT 5000)`,
		`DELETE FROM ended WHERE seq IN (SELECT seq FROM ended WHERE seq <= 5 ORDER BY seq LIMIT 100)`,
		`SELECT channel, count(*) FROM alert WHERE state = 'pending' GROUP BY channel`,
		`SELECT started, finished FROM run WHERE pipeline = 'p1' AND status = 'succeeded' ORDER BY started DESC LIMIT 30`,
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
		if err != nil {
			t.Fatal(err)
		}
		plan := ""
		for rows.Next() {
			var id, parent, unused int
			var text string
			if err := rows.Scan(&id, &parent, &unused, &text); err != nil {
				t.Fatal(err)
			}
			plan += text + "; "
		}
		_ = rows.Close()
		if strings.Contains(plan, "SCAN") && !strings.Contains(plan, "alert_pending") && !strings.Contains(plan, "firing_unfinished") {
			t.Errorf("%s\n  %s", query, plan)
		}
	}
}

// BenchmarkIdle is a look after which nothing has happened, BenchmarkLook one after a run has ended: both with 100,000 runs behind.
func BenchmarkIdle(b *testing.B) { bench(b, false) }

// BenchmarkLook see BenchmarkIdle.
func BenchmarkLook(b *testing.B) { bench(b, true) }

func bench(b *testing.B, changes bool) {
	w := newWorld(b)
	w.history()
	w.pass(0)
	if mine, err := w.alerter.acquire(); err != nil || !mine {
		b.Fatal(err)
	}
	if err := w.alerter.look(b.Context(), w.project.Alerts); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if changes {
			b.StopTimer()
			w.run("hourly", "main.events")
			b.StartTimer()
			w.now = w.now.Add(time.Second)
		}
		if err := w.alerter.look(b.Context(), w.project.Alerts); err != nil {
			b.Fatal(err)
		}
	}
}
