package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// discover implements extract.Spec.Discover. The catalog shows only what the account may read.
func discover(ctx context.Context, src extract.Source) (*extract.Discovery, error) {
	s := src.(*source)
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	rows, err := c.QueryContext(ctx, "SELECT TABLE_NAME, COALESCE(TABLE_COMMENT, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW') ORDER BY TABLE_NAME", s.config.DBName)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	defer rows.Close()
	var names, comments []string
	for rows.Next() {
		var name, comment string
		if err := rows.Scan(&name, &comment); err != nil {
			return nil, err
		}
		names, comments = append(names, name), append(comments, comment)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain(ctx, err)
	}
	_ = rows.Close()
	out := &extract.Discovery{Streams: []extract.Discovered{}}
	for i, name := range names {
		found, err := s.discovered(ctx, c, name)
		if err != nil {
			out.Notes = append(out.Notes, fmt.Sprintf("%s cannot be read: %v", name, s.explain(ctx, err)))
			continue
		}
		if found.Comment = comments[i]; found.Comment == "VIEW" {
			found.Comment = ""
		}
		out.Streams = append(out.Streams, *found)
	}
	return out, nil
}

// streamName spells a table as splitName reads it.
func streamName(table string) string {
	if strings.ContainsAny(table, ".`") {
		return quoteName(table)
	}
	return table
}

func (s *source) discovered(ctx context.Context, c *session, table string) (*extract.Discovered, error) {
	st := extract.Stream{Name: streamName(table), Mode: extract.Full, Options: &database.StreamOptions{}}
	rel, err := s.relation(ctx, c, st)
	if err != nil {
		return nil, err
	}
	d := &extract.Discovered{Name: st.Name, Kind: rel.kind, Rows: rel.rows, Bytes: rel.bytes, Notes: append(rel.notes, rel.remarks()...), Key: []string{}, Cursors: []extract.CursorCandidate{}}
	nullable := map[string]bool{}
	for _, a := range rel.attributes {
		nullable[a.name] = a.nullable
	}
	order, unique, err := indexes(ctx, c, rel.schema, rel.table)
	if err != nil {
		return nil, err
	}
	for _, index := range order {
		if columns := unique[index]; !slices.ContainsFunc(columns, func(n string) bool { return n == "\x00" || nullable[n] }) {
			d.Key = columns
			break
		}
	}
	for _, col := range rel.columns {
		d.Columns = append(d.Columns, extract.Column{Name: col.name, Type: col.duckType})
		if !database.LikelyCursor(col.name, database.Moments) {
			continue // most columns: the server is not asked
		}
		probe := *rel
		probe.stream.Mode, probe.stream.Cursor, probe.cursor = extract.Incremental, col.name, nil
		if probe.lookAtCursor(ctx, c, rel.attributes) != nil || !database.LikelyCursor(col.name, probe.cursor.class) {
			continue
		}
		d.Cursors = append(d.Cursors, extract.CursorCandidate{Column: col.name, Type: col.sqlType, Indexed: probe.cursor.indexed, Nullable: col.nullable})
	}
	database.SortCursors(d.Cursors)
	return d, nil
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
	out.Say("server", extract.LevelOK, "", "%s, as %s", f.version, f.account)
	var name string
	var cipher sql.NullString
	if err := c.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_version'").Scan(&name, &cipher); err == nil {
		local := strings.HasPrefix(s.config.Addr, "127.") || strings.HasPrefix(s.config.Addr, "localhost") || strings.HasPrefix(s.config.Addr, "[::1]") || s.config.Net == "unix" || s.options.SSH != nil
		switch {
		case cipher.String == "" && local:
			out.Say("tls", extract.LevelOK, "", "not encrypted, and not leaving the machine or the tunnel")
		case cipher.String == "":
			out.Say("tls", extract.LevelWarn, "add ?tls=true to the URL", "the connection is not encrypted")
		case s.config.TLS != nil && s.config.TLS.InsecureSkipVerify && s.config.TLS.VerifyConnection == nil:
			out.Say("tls", extract.LevelWarn, "add ?tls=true to the URL, and tls: { ca: file.pem } where the authority is your own", "%s, but anyone may answer: the server's certificate is not checked", cipher.String)
		default:
			out.Say("tls", extract.LevelOK, "", "%s, certificate checked", cipher.String)
		}
	}
	lookback := strings.TrimSuffix(defaultLookback.String(), "0s")
	switch {
	case !slices.ContainsFunc(streams, func(st extract.Stream) bool { return st.Cursor != "" && st.Mode != extract.Full }):
	case !f.sees:
		out.Say("safe edge", extract.LevelWarn, fmt.Sprintf("GRANT PROCESS ON *.* TO '%s'@'…'", s.config.User), "this account cannot see the statements of other sessions: cursors stay %s behind the clock", lookback)
	case f.hidden:
		out.Say("safe edge", extract.LevelWarn, "GRANT SLAVE MONITOR ON *.* TO "+f.account, "the server is or was a replica, and this account may not see which: cursors stay %s behind the clock", lookback)
	case f.replica:
		out.Say("safe edge", extract.LevelWarn, "read incremental streams from the primary, or raise lookback: where it lags by more than "+lookback, "the server is a replica, whose rows bear another server's time: cursors stay %s behind the clock", lookback)
	default:
		out.Say("safe edge", extract.LevelOK, "", "running statements are seen: no late commit is missed")
	}
	out.Streams(streams, func(st extract.Stream) ([]string, error) {
		rel, err := s.relation(ctx, c, st)
		if err == nil {
			_, err = c.ExecContext(ctx, "DO (SELECT COUNT(*) FROM (SELECT 1 FROM "+rel.from+" LIMIT 1) AS t)")
		}
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		return rel.remarks(), nil
	})
	return out, nil
}
