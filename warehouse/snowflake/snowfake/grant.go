package snowfake

// grant is one privilege of one role on one object: a *database, *schema, *table, *stage or *warehouse. It goes with the object, whatever
// that is called.
type grant struct {
	role, privilege string
	on              any
}

// holds says whether the session's role is owner, has been granted it, or is the administrator.
func (s *Session) holds(role string) bool {
	if s.role == Admin {
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
	return role == "PUBLIC" || has(s.role)
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

// listGrants is SHOW GRANTS ON kind name, or TO ROLE name.
func (s *Session) listGrants(list *listing, p *parser) error {
	return unknownf("SHOW GRANTS")
}
