package snowfake

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// create is CREATE of all that can be created.
func (s *Session) create(ctx context.Context, p *parser) (*Answer, error) {
	replace := p.accept("OR", "REPLACE")
	kind := ""
	switch {
	case p.accept("TRANSIENT"):
		kind = "TRANSIENT"
	case p.accept("TEMPORARY"), p.accept("TEMP"):
		kind = "TEMPORARY"
	}
	switch {
	case p.accept("TABLE"):
		return s.createTable(ctx, p, kind, replace)
	case kind != "":
	case p.accept("VIEW") && !replace:
		return s.createView(ctx, p)
	case p.accept("SCHEMA"):
		return s.createSchema(ctx, p, replace)
	case p.accept("STAGE"):
		return s.createStage(ctx, p, replace)
	case p.accept("DATABASE") && !replace:
		return s.createDatabase(ctx, p)
	case p.accept("STREAM") && !replace:
		return s.createStream(ctx, p)
	case p.accept("ROLE") && !replace:
		return s.createRole(ctx, p)
	case p.accept("USER") && !replace:
		return s.createUser(ctx, p)
	case p.accept("WAREHOUSE") && !replace:
		return s.createWarehouse(ctx, p)
	}
	return nil, unknownf("CREATE %s", p.peek().raw)
}

func (p *parser) ifNotExists() bool { return p.accept("IF", "NOT", "EXISTS") }

// comment reads COMMENT = 'text'.
func (p *parser) comment(into *string) bool {
	if !p.accept("COMMENT") {
		return false
	}
	p.expect("=")
	*into = p.stringValue()
	return true
}

// collation reads DEFAULT_DDL_COLLATION = 'text', which new tables of a schema, or new columns of a table, then have
// (https://docs.snowflake.com/en/sql-reference/collation).
func (p *parser) collation(into *string) bool {
	if !p.accept("DEFAULT_DDL_COLLATION") {
		return false
	}
	p.expect("=")
	*into = p.stringValue()
	return true
}

func already(name string) *Answer { return said("%s already exists, statement succeeded.", name) }

func (s *Session) createDatabase(ctx context.Context, p *parser) (*Answer, error) {
	quiet, name := p.ifNotExists(), p.ident()
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.account.databases[name] != nil {
		if quiet {
			return already(name), nil
		}
		return nil, exists(name)
	}
	if s.role != Admin && s.role != "SYSADMIN" {
		return nil, denied("account", s.account.cfg.Name)
	}
	if err := s.commitOpen(ctx); err != nil {
		return nil, err
	}
	s.account.databases[name] = s.account.newDatabase(name, s.role)
	s.database, s.schema = name, "PUBLIC"
	return said("Database %s successfully created.", name), nil
}

func (s *Session) createRole(ctx context.Context, p *parser) (*Answer, error) {
	quiet, name := p.ifNotExists(), p.ident()
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.account.roles[name] != nil {
		if quiet {
			return already(name), nil
		}
		return nil, exists(name)
	}
	if s.role != Admin && s.role != "USERADMIN" {
		return nil, denied("account", s.account.cfg.Name)
	}
	s.account.roles[name] = map[string]bool{}
	return said("Role %s successfully created.", name), s.commitOpen(ctx)
}

func (s *Session) createSchema(ctx context.Context, p *parser, replace bool) (*Answer, error) {
	if replace {
		return nil, unknownf("CREATE OR REPLACE SCHEMA")
	}
	quiet, parts, comment, collation := p.ifNotExists(), p.idents(), "", ""
	p.collation(&collation)
	p.comment(&comment)
	if err := p.done(); err != nil {
		return nil, err
	}
	name, err := s.qualify(append(parts, ""))
	if len(parts) == 1 {
		name, err = s.qualify([]string{s.database, parts[0], ""})
	}
	if err != nil {
		return nil, err
	}
	db, err := s.databaseOf(name.Database)
	if err != nil {
		return nil, err
	}
	// Before it is looked for: CREATE SCHEMA IF NOT EXISTS of one that is there was refused so (https://github.com/dbt-labs/dbt-external-tables/issues/214).
	if !s.may("CREATE SCHEMA", db, db.owner) {
		return nil, denied("database", db.name)
	}
	if err := s.commitOpen(ctx); err != nil {
		return nil, err
	}
	full := name.Database + "." + name.Schema
	if have := db.schemas[name.Schema]; have != nil {
		if quiet {
			return already(name.Schema), nil
		}
		return nil, exists(full)
	}
	sch := s.account.newSchema(name.Database, name.Schema, s.role)
	sch.comment, sch.collation = comment, collation
	db.schemas[name.Schema] = sch
	s.database, s.schema = name.Database, name.Schema // CREATE SCHEMA makes it the session's (https://docs.snowflake.com/en/sql-reference/sql/create-schema)
	return said("Schema %s successfully created.", name.Schema), nil
}

func (s *Session) createStage(ctx context.Context, p *parser, replace bool) (*Answer, error) {
	quiet, name, comment := p.ifNotExists(), p.object(), ""
	for p.err == nil {
		if p.comment(&comment) {
			continue
		}
		if !p.accept("ENCRYPTION") {
			break
		}
		// The one that encrypts at the client, which is what the driver does by default.
		p.expect("=", "(", "TYPE", "=")
		if p.stringValue() != "SNOWFLAKE_FULL" {
			p.fail(unknownf("an ENCRYPTION other than SNOWFLAKE_FULL"))
		}
		p.expect(")")
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return nil, err
	}
	if err := s.commitOpen(ctx); err != nil {
		return nil, err
	}
	have := sch.stages[name.Name]
	switch {
	case !s.may("CREATE STAGE", sch, sch.owner): // as for a schema
		return nil, denied("schema", sch.name)
	case have != nil && quiet:
		return already(name.Name), nil
	case have != nil && !replace:
		return nil, exists(name.String())
	case have != nil && !s.holds(have.owner):
		return nil, denied("stage", name.Name)
	}
	dir := filepath.Join(s.account.cfg.Dir, "stages", strings.Join(mapText([]string{name.Database, name.Schema, name.Name}, safeName), "."))
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	sch.stages[name.Name] = &stage{objectName: name, owner: s.role, comment: comment, created: s.account.cfg.Clock(), dir: dir}
	return said("Stage area %s successfully created.", name.Name), nil
}

// safeName is a name that may be a file's.
func safeName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '$' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, name)
}
