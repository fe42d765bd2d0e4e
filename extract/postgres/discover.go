package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// sqlTables lists what could be read: no partitions, which their table shows, no system tables, nothing of extensions.
const sqlTables = `SELECT c.oid, n.nspname, c.relname, c.relkind::text, coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp%'
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname`

// sqlKey is the primary key, or else the unique index of the fewest columns that are all NOT NULL.
const sqlKey = `SELECT array(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, place)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.place)
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND NOT a.attnotnull)
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1`

// discover implements extract.Spec.Discover.
func discover(ctx context.Context, src extract.Source) (*extract.Discovery, error) {
	s := src.(*source)
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	f, err := c.facts(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	type table struct {
		oid                         uint32
		schema, name, kind, comment string
		allowed                     bool
	}
	rows, err := c.Query(ctx, sqlTables)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		return t, row.Scan(&t.oid, &t.schema, &t.name, &t.kind, &t.comment, &t.allowed)
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	out := &extract.Discovery{Streams: []extract.Discovered{}}
	var forbidden []string
	for _, t := range tables {
		name := streamName(t.schema, t.name)
		if !t.allowed {
			forbidden = append(forbidden, name)
			continue
		}
		found, err := s.discovered(ctx, c, f, t.oid, name)
		if err != nil {
			out.Notes = append(out.Notes, fmt.Sprintf("%s cannot be read: %s", name, plainWords(err)))
			continue
		}
		found.Comment = t.comment
		out.Streams = append(out.Streams, *found)
	}
	if len(forbidden) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%q has no right to read %s: GRANT SELECT ON … TO %[1]q", f.user, strings.Join(forbidden, ", ")))
	}
	return out, nil
}

// streamName spells a table as splitName reads it.
func streamName(schema, table string) string {
	quote := func(s string) string {
		if strings.ContainsAny(s, `."`) {
			return quoteIdent(s)
		}
		return s
	}
	return quote(schema) + "." + quote(table)
}

func (s *source) discovered(ctx context.Context, c *session, f facts, oid uint32, name string) (*extract.Discovered, error) {
	d := &extract.Discovered{Name: name, Key: []string{}, Cursors: []extract.CursorCandidate{}}
	if err := c.QueryRow(ctx, sqlKey, oid).Scan(&d.Key); err != nil && err != pgx.ErrNoRows {
		return nil, err
	}
	rel, err := s.relation(ctx, c, f, extract.Stream{Name: name, Mode: extract.Full, Key: d.Key, Options: &database.StreamOptions{}})
	if err != nil {
		return nil, err
	}
	d.Kind, d.Rows, d.Bytes, d.Notes = rel.kind, rel.rows, rel.bytes, rel.notes
	for _, col := range rel.columns {
		d.Columns = append(d.Columns, extract.Column{Name: col.name, Type: col.duckType})
		if !database.LikelyCursor(col.name, database.Moments) {
			continue // most columns: the server is not asked
		}
		probe := &relation{stream: extract.Stream{Name: name, Mode: extract.Incremental, Cursor: col.name}, oid: rel.oid, kind: rel.kind}
		if probe.lookAtCursor(ctx, c, f, rel.attributes) != nil || !database.LikelyCursor(col.name, probe.cursor.class) {
			continue
		}
		d.Cursors = append(d.Cursors, extract.CursorCandidate{Column: col.name, Type: col.sqlType, Indexed: probe.cursor.indexed, Nullable: col.nullable})
	}
	database.SortCursors(d.Cursors)
	return d, nil
}

// grant is the statement that gives the right which err says is missing.
func (s *source) grant(err error) string {
	user := quoteIdent(s.config.User)
	text := plainWords(err)
	for _, kind := range []string{"table", "view", "schema", "function", "materialized view", "foreign table"} {
		if name, ok := strings.CutPrefix(text, "permission denied for "+kind+" "); ok {
			switch kind {
			case "schema":
				return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", name, user)
			case "function":
				return fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s", name, user)
			}
			for _, st := range s.env.Streams {
				if schema, table, err := splitName(st.Name); err == nil && table == name && schema != "" {
					name = quoteIdent(schema) + "." + quoteIdent(table)
					break
				}
			}
			return fmt.Sprintf("GRANT SELECT ON %s TO %s", name, user)
		}
	}
	if strings.HasPrefix(text, "permission denied") || routine(err) != "aclcheck_error" {
		return "ask the owner for the right to read it"
	}
	// In another language than English the kind and the name stand somewhere in its words.
	return fmt.Sprintf("ask the owner to GRANT SELECT on it to %s; USAGE on a schema, EXECUTE on a function", user)
}

// examine implements extract.Spec.Examine.
func examine(ctx context.Context, src extract.Source, streams []extract.Stream) ([]extract.Finding, error) {
	s := src.(*source)
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	f, err := c.facts(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	var out database.Findings
	role := "primary"
	if f.standby {
		role = "standby"
	}
	out.Say("server", extract.LevelOK, "", "PostgreSQL %d.%d, a %s, time zone %s", f.version/10000, f.version%10000, role, f.zone)
	if f.version < 120000 {
		out.Say("server", extract.LevelWarn, "", "this version is out of support and not tested")
	}
	s.examineTLS(ctx, c, &out)
	lookback := strings.TrimSuffix(defaultLookback.String(), "0s")
	byMoment := slices.ContainsFunc(streams, func(st extract.Stream) bool { return st.Cursor != "" && st.Mode != extract.Full })
	switch {
	case !byMoment:
	case f.standby:
		out.Say("safe edge", extract.LevelWarn, "read incremental streams from the primary, or raise lookback: where transactions take longer than "+lookback, "a standby does not show the primary's open transactions: cursors stay %s behind the clock", lookback)
	case !f.monitors:
		out.Say("safe edge", extract.LevelWarn, fmt.Sprintf("GRANT pg_monitor TO %s", quoteIdent(f.user)), "%q cannot see when other sessions' transactions began: cursors stay %s behind the clock", f.user, lookback)
	default:
		out.Say("safe edge", extract.LevelOK, "", "open transactions are seen: no late commit is missed")
	}
	out.Streams(streams, func(st extract.Stream) ([]string, error) {
		rel, err := s.relation(ctx, c, f, st)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		return rel.remarks(), nil
	})
	return out, nil
}

// examineTLS says whether what we read can be read by others on the way.
func (s *source) examineTLS(ctx context.Context, c *session, out *database.Findings) {
	var encrypted bool
	var version *string
	if err := c.QueryRow(ctx, "SELECT ssl, version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()").Scan(&encrypted, &version); err != nil {
		return
	}
	local := s.config.Host == "localhost" || strings.HasPrefix(s.config.Host, "/") || strings.HasPrefix(s.config.Host, "127.") || s.config.Host == "::1" || s.options.SSH != nil
	tls := s.config.TLSConfig
	switch {
	case !encrypted && local:
		out.Say("tls", extract.LevelOK, "", "not encrypted, and not leaving the machine or the tunnel")
	case !encrypted:
		out.Say("tls", extract.LevelWarn, "add ?sslmode=verify-full to the URL", "the connection is not encrypted")
	case tls != nil && tls.InsecureSkipVerify && tls.VerifyPeerCertificate == nil && tls.VerifyConnection == nil:
		out.Say("tls", extract.LevelWarn, "add ?sslmode=verify-full to the URL, and tls: { ca: file.pem } where the authority is your own", "%s, but anyone may answer: the server's certificate is not checked", *version)
	default:
		out.Say("tls", extract.LevelOK, "", "%s, certificate checked", *version)
	}
}
