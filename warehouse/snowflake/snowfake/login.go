package snowfake

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// login answers POST /session/v1/login-request (auth.go, postAuth). The role, database, schema and warehouse come in the address
// (auth.go, lines 358-369).
func (s *Server) login(r *request) (int, any) {
	var body loginBody
	if err := json.Unmarshal(r.body, &body); err != nil {
		return http.StatusBadRequest, refuse("390400", "read the login: "+err.Error())
	}
	// A host without such an account (test_data/wiremock/mappings/auth/password/invalid_host.json; for the status also
	// https://github.com/datafold/data-diff/issues/141).
	if accountName(body.Data.AccountName) != accountName(s.cfg.Account.cfg.Name) {
		return http.StatusForbidden, refuse(codeJWTInvalid, "Invalid account name or host.")
	}
	user, err := s.authenticate(&body)
	if err != nil {
		return http.StatusOK, loginFailure(err)
	}
	asked := r.URL.Query()
	session, err := s.cfg.Account.Login(r.Context(), Login{
		User: user, Role: asked.Get("roleName"), Warehouse: asked.Get("warehouse"), Database: asked.Get("databaseName"), Schema: asked.Get("schemaName"),
		Parameters: texts(body.Data.SessionParameters),
	})
	if err != nil {
		return http.StatusOK, loginFailure(err)
	}
	c := s.admit(user, session)
	return http.StatusOK, succeed(loginData{
		Token: c.token, Validity: tokenValidity, MasterToken: c.master, MasterValidity: masterValidity,
		DisplayUser: user, ServerVersion: "0.0.0 stand-in for tests", SessionID: c.id, Parameters: sessionParameters(body.Data.SessionParameters),
		SessionInfo: sessionInfo{Database: session.database, Schema: session.schema, Warehouse: session.warehouse, Role: session.role},
	})
}

// loginFailure answers a login that was refused: HTTP 200 with a code (the recorded answers of invalid logins).
func loginFailure(err error) reply {
	e := asError(err)
	return reply{Data: map[string]string{"nextAction": "RETRY_LOGIN"}, Code: e.Code, Message: e.Message}
}

// accountName is an account's identifier without its region, as tokens name it (internal/config, ExtractAccountName).
func accountName(identifier string) string {
	name, _, _ := strings.Cut(identifier, ".")
	return strings.ToUpper(name)
}

func texts(values map[string]any) map[string]string {
	all := make(map[string]string, len(values))
	for name, value := range values {
		all[strings.ToUpper(name)] = text(value)
	}
	return all
}

// sessionParameters are what a login answers of a session's parameters: what it asked for, over what the driver would read otherwise.
func sessionParameters(asked map[string]any) []nameValue {
	all := map[string]any{
		"AUTOCOMMIT": true, "CLIENT_SESSION_KEEP_ALIVE": false, "CLIENT_TELEMETRY_ENABLED": true,
		"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 65280, "TIMEZONE": "America/Los_Angeles", "QUERY_TAG": "",
	}
	for name, value := range asked {
		all[name] = value
	}
	list := make([]nameValue, 0, len(all))
	for name, value := range all {
		list = append(list, nameValue{name, value})
	}
	slices.SortFunc(list, func(a, b nameValue) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
