package snowfake

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// grant is one privilege of one role on one object: a *database, *schema, *table, *stage or *warehouse. It goes with the object, whatever
// that is called.
type grant struct {
	role, privilege string
	on              any
}

// holds says whether the session acts as a role: it is its own, one that this has been granted, PUBLIC, or it is the administrator.
func (s *Session) holds(role string) bool {
	if s.role == Admin || role == "PUBLIC" {
		return true
	}
	seen := map[string]bool{}
	var has func(have string) bool
	has = func(have string) bool {
		if have == role {
			return true
		}
		seen[have] = true
		for granted := range s.account.roles[have] {
			if !seen[granted] && has(granted) {
				return true
			}
		}
		return false
	}
	return has(s.role)
}

// may says whether the role may do something with an object. OWNERSHIP is not a grant: only the owner has it.
func (s *Session) may(privilege string, on any, owner string) bool {
	if s.holds(owner) {
		return true
	}
	for g := range s.account.grants {
		if g.on == on && g.privilege == privilege && s.holds(g.role) {
			return true
		}
	}
	return false
}

// sees says whether the role may know of an object: it has any privilege on it.
func (s *Session) sees(on any, owner string) bool {
	if s.holds(owner) {
		return true
	}
	for g := range s.account.grants {
		if g.on == on && s.holds(g.role) {
			return true
		}
	}
	return false
}

// privileges are those that can be granted on each kind of object, as far as statements here ask for them
// (https://docs.snowflake.com/en/user-guide/security-access-control-privileges).
var privileges = map[string]map[string]bool{
	"DATABASE":  set("USAGE CREATE_SCHEMA"),
	"SCHEMA":    set("USAGE CREATE_TABLE CREATE_VIEW CREATE_STAGE"),
	"TABLE":     set("SELECT INSERT UPDATE DELETE TRUNCATE"),
	"STAGE":     set("READ WRITE"),
	"WAREHOUSE": set("USAGE OPERATE MONITOR"),
}

// securable is something that privileges are granted on.
type securable struct {
	on         any
	kind, name string
	owner      *string
}

// securable reads a kind and a name.
func (p *parser) securable() securable {
	kind := p.word()
	parts := p.idents()
	if p.err != nil {
		return securable{}
	}
	found, err := p.session.securable(kind, parts)
	if err != nil {
		p.fail(err)
	}
	return found
}

func (s *Session) securable(kind string, parts []string) (securable, error) {
	last := parts[len(parts)-1]
	switch kind {
	case "DATABASE":
		db, err := s.databaseOf(last)
		if err != nil {
			return securable{}, err
		}
		return securable{db, kind, db.name, &db.owner}, nil
	case "SCHEMA":
		database := s.database
		if len(parts) == 2 {
			database = parts[0]
		}
		sch, err := s.schemaOf(database, last)
		if err != nil {
			return securable{}, err
		}
		return securable{sch, kind, sch.database + "." + sch.name, &sch.owner}, nil
	case "TABLE":
		t, err := s.tableOf(parts)
		if err != nil {
			return securable{}, err
		}
		return securable{t, kind, t.String(), &t.owner}, nil
	case "STAGE":
		name, err := s.qualify(parts)
		if err != nil {
			return securable{}, err
		}
		st, err := s.stageOf(name, "READ")
		if err != nil {
			return securable{}, err
		}
		return securable{st, kind, st.String(), &st.owner}, nil
	case "WAREHOUSE":
		w := s.account.warehouses[last]
		if w == nil || !s.sees(w, w.owner) {
			return securable{}, missing("Warehouse", last)
		}
		return securable{w, kind, w.Name, &w.owner}, nil
	}
	return securable{}, unknownf("privileges on a %s", kind)
}

// privilege reads one of more than one word.
func (p *parser) privilege() string {
	word := p.word()
	if word == "CREATE" {
		return word + " " + p.word()
	}
	return word
}

// grant is GRANT privileges ON kind name TO ROLE r, GRANT OWNERSHIP, or GRANT ROLE r TO ROLE or USER.
func (s *Session) grant(ctx context.Context, p *parser) (*Answer, error) {
	if p.accept("ROLE") {
		return s.grantRole(ctx, p)
	}
	return s.changeGrants(ctx, p, "TO", func(g grant) { s.account.grants[g] = true })
}

// revoke is REVOKE privileges ON kind name FROM ROLE r.
func (s *Session) revoke(ctx context.Context, p *parser) (*Answer, error) {
	return s.changeGrants(ctx, p, "FROM", func(g grant) { delete(s.account.grants, g) })
}

func (s *Session) changeGrants(ctx context.Context, p *parser, word string, change func(grant)) (*Answer, error) {
	names := []string{p.privilege()}
	for p.accept(",") {
		names = append(names, p.privilege())
	}
	p.expect("ON")
	on := p.securable()
	p.expect(word, "ROLE")
	role := p.ident()
	copied := p.accept("COPY", "CURRENT", "GRANTS")
	if err := p.done(); err != nil {
		return nil, err
	}
	if s.account.roles[role] == nil {
		return nil, missing("Role", role)
	}
	if !s.holds(*on.owner) {
		return nil, denied(on.kind, on.name)
	}
	if names[0] == "OWNERSHIP" && word == "TO" && len(names) == 1 {
		// Without COPY CURRENT GRANTS it is refused while there are grants (https://docs.snowflake.com/en/sql-reference/sql/grant-ownership).
		for g := range s.account.grants {
			if g.on == on.on && !copied {
				return nil, failf("003036", "42501", "SQL execution error:\nDependent grant of privilege '%s' on securable '%s' to role '%s' exists. It must be revoked first.", g.privilege, on.name, g.role)
			}
		}
		*on.owner = role
		return said("Statement executed successfully."), s.commitOpen(ctx)
	}
	for _, name := range names {
		if !privileges[on.kind][underscored(name)] {
			return nil, unknownf("the privilege %s on a %s", name, on.kind)
		}
		change(grant{role, name, on.on})
	}
	return said("Statement executed successfully."), s.commitOpen(ctx)
}

func underscored(name string) string {
	b := []byte(name)
	for i := range b {
		if b[i] == ' ' {
			b[i] = '_'
		}
	}
	return string(b)
}

func (s *Session) grantRole(ctx context.Context, p *parser) (*Answer, error) {
	role := p.ident()
	p.expect("TO")
	toUser := p.accept("USER")
	if !toUser {
		p.expect("ROLE")
	}
	to := p.ident()
	if err := p.done(); err != nil {
		return nil, err
	}
	a := s.account
	user, known := a.cfg.Users[to]
	switch {
	case s.role != Admin && s.role != "USERADMIN":
		return nil, denied("role", role)
	case a.roles[role] == nil:
		return nil, missing("Role", role)
	case toUser && !known:
		return nil, missing("User", to)
	case toUser:
		user.Roles = append(slices.Clone(user.Roles), role)
		a.cfg.Users[to] = user
	case a.roles[to] == nil:
		return nil, missing("Role", to)
	default:
		a.roles[to][role] = true
	}
	return said("Statement executed successfully."), s.commitOpen(ctx)
}

// listGrants is SHOW GRANTS ON kind name, or TO ROLE name (https://docs.snowflake.com/en/sql-reference/sql/show-grants).
func (s *Session) listGrants(list *listing, p *parser) error {
	var on any
	role := ""
	if p.accept("ON") {
		on = p.securable().on
	} else {
		p.expect("TO", "ROLE")
		role = p.ident()
	}
	if err := p.done(); err != nil {
		return err
	}
	if role != "" && s.account.roles[role] == nil {
		return missing("Role", role)
	}
	for _, found := range s.account.securables() {
		all := []grant{{*found.owner, "OWNERSHIP", found.on}}
		for g := range s.account.grants {
			if g.on == found.on {
				all = append(all, g)
			}
		}
		slices.SortFunc(all, func(a, b grant) int {
			return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.privilege, b.privilege))
		})
		for _, g := range all {
			if g.on == on || g.role == role {
				list.rows = append(list.rows, []any{s.account.cfg.Clock(), g.privilege, found.kind, found.name, "ROLE", g.role, "false"})
			}
		}
	}
	return nil
}

// securables are all objects, in the order of their names.
func (a *Account) securables() []securable {
	var all []securable
	for _, name := range slices.Sorted(maps.Keys(a.warehouses)) {
		all = append(all, securable{a.warehouses[name], "WAREHOUSE", name, &a.warehouses[name].owner})
	}
	for _, db := range inOrder(a.databases) {
		all = append(all, securable{db, "DATABASE", db.name, &db.owner})
		for _, sch := range inOrder(db.schemas) {
			all = append(all, securable{sch, "SCHEMA", sch.database + "." + sch.name, &sch.owner})
			for _, t := range inOrder(sch.tables) {
				all = append(all, securable{t, t.objectKind(), t.String(), &t.owner})
			}
			for _, st := range inOrder(sch.stages) {
				all = append(all, securable{st, "STAGE", st.String(), &st.owner})
			}
		}
	}
	return all
}
