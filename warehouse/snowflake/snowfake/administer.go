package snowfake

import "context"

// What an administrator makes once: users and warehouses. Databases, roles and grants are beside the objects that they belong to.

// createUser is CREATE USER with what a login goes by here. The key is not looked at: Server knows its users' own
// (https://docs.snowflake.com/en/sql-reference/sql/create-user).
func (s *Session) createUser(ctx context.Context, p *parser) (*Answer, error) {
	quiet, name, user := p.ifNotExists(), p.ident(), User{}
	for p.err == nil && p.peek().kind == wordToken {
		option := p.word()
		p.expect("=")
		switch option {
		case "DEFAULT_ROLE":
			user.DefaultRole = p.ident()
		case "DEFAULT_WAREHOUSE":
			user.DefaultWarehouse = p.ident()
		case "RSA_PUBLIC_KEY":
			p.stringValue()
		case "TYPE":
			p.expect("SERVICE")
		default:
			p.fail(unknownf("CREATE USER ... %s", option))
		}
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.role != Admin && s.role != "USERADMIN" {
		return nil, denied("account", s.account.cfg.Name)
	}
	if _, have := s.account.cfg.Users[name]; have {
		if quiet {
			return already(name), nil
		}
		return nil, exists(name)
	}
	s.account.cfg.Users[name] = user
	return said("User %s successfully created.", name), s.commitOpen(ctx)
}

// createWarehouse is CREATE WAREHOUSE of the least size (https://docs.snowflake.com/en/sql-reference/sql/create-warehouse).
func (s *Session) createWarehouse(ctx context.Context, p *parser) (*Answer, error) {
	quiet, name := p.ifNotExists(), p.ident()
	w := &warehouse{WarehouseSpec: WarehouseSpec{Name: name}, owner: s.role}
	for p.err == nil && p.peek().kind == wordToken {
		option := p.word()
		p.expect("=")
		switch option {
		case "WAREHOUSE_SIZE":
			p.expect("XSMALL")
		case "AUTO_SUSPEND":
			p.integer()
		case "AUTO_RESUME":
			w.NoResume = !p.boolean()
		case "INITIALLY_SUSPENDED":
			w.Suspended = p.boolean()
		default:
			p.fail(unknownf("CREATE WAREHOUSE ... %s", option))
		}
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.role != Admin && s.role != "SYSADMIN" {
		return nil, denied("account", s.account.cfg.Name)
	}
	if s.account.warehouses[name] != nil {
		if quiet {
			return already(name), nil
		}
		return nil, exists(name)
	}
	s.account.warehouses[name] = w
	s.warehouse = name // it becomes the session's
	return said("Warehouse %s successfully created.", name), s.commitOpen(ctx)
}
