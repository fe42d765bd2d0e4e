package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/transform/check"
)

// CheckNames are all checks that ever ran, by node and name. It goes from one to the next by the index, and does not read the
// results in between.
func (j *Journal) CheckNames(ctx context.Context) ([]CheckName, error) {
	return query(ctx, j, `
		WITH RECURSIVE nodes (node) AS (
			SELECT min(node) FROM check_result
			UNION ALL SELECT (SELECT min(node) FROM check_result c WHERE c.node > nodes.node) FROM nodes WHERE node IS NOT NULL),
		names (node, name) AS (
			SELECT node, (SELECT min(name) FROM check_result c WHERE c.node = nodes.node) FROM nodes WHERE node IS NOT NULL
			UNION ALL SELECT node, (SELECT min(name) FROM check_result c WHERE c.node = names.node AND c.name > names.name) FROM names WHERE name IS NOT NULL)
		SELECT node, name FROM names WHERE name IS NOT NULL ORDER BY node, name`,
		func(rows *sql.Rows) (n CheckName, err error) { return n, rows.Scan(&n.Node, &n.Name) })
}

// LatestCheck is a check's result in the latest run for the target that knew it, with that run's id; ErrNotFound when it never ran.
func (j *Journal) LatestCheck(ctx context.Context, n CheckName, t Target) (result check.Result, run string, err error) {
	own, unnamed := t.names()
	text, err := query(ctx, j, `SELECT run, result FROM check_result WHERE node = ? AND name = ? AND `+targetOfResult+` IN (?, ?) ORDER BY at DESC, run DESC LIMIT 1`,
		func(rows *sql.Rows) (text string, err error) { return text, rows.Scan(&run, &text) }, n.Node, n.Name, own, unnamed)
	if err != nil {
		return result, "", err
	}
	if len(text) == 0 {
		return result, "", fmt.Errorf("check %s of %s: %w", n.Name, n.Node, ErrNotFound)
	}
	return result, run, json.Unmarshal([]byte(text[0]), &result)
}

// CheckTrend is the check's latest outcomes in runs for the target, oldest first.
func (j *Journal) CheckTrend(ctx context.Context, n CheckName, t Target, limit int) ([]CheckPoint, error) {
	own, unnamed := t.names()
	return query(ctx, j, `SELECT run, at, status, failing, checked FROM
			(SELECT run, at, status, failing, checked FROM check_result WHERE node = ? AND name = ? AND `+targetOfResult+` IN (?, ?) ORDER BY at DESC, run DESC LIMIT ?) AS latest
		ORDER BY at, run`, func(rows *sql.Rows) (p CheckPoint, err error) {
		var at string
		err = rows.Scan(&p.Run, &at, &p.Status, &p.Failing, &p.Checked)
		p.At = parseTime(at)
		return p, err
	}, n.Node, n.Name, own, unnamed, limit)
}
