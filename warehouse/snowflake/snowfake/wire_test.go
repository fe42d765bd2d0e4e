package snowfake_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// reply is an answer as far as these tests read it.
type reply struct {
	Data struct{ Token string }
	Code string
}

// post sends a request as a driver does that compresses what it sends.
func post(t *testing.T, s *world, path, token, body string) (int, reply) {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := io.WriteString(zip, body); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, &packed)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Authorization", `Snowflake Token="`+token+`"`)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer reply
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil && resp.StatusCode == http.StatusOK {
		t.Fatalf("%s answers %q: %v", path, text, err)
	}
	return resp.StatusCode, answer
}

// What the driver sends rarely, or never in a test: a compressed login, heartbeats, and what comes after a session's end.
func TestRequestsByHand(t *testing.T) {
	s := start(t)
	_, in := post(t, s, "/session/v1/login-request", "", `{"data":{"ACCOUNT_NAME":"testaccount","LOGIN_NAME":"loader","PASSWORD":"pw"}}`)
	token := in.Data.Token
	if token == "" {
		t.Fatalf("login: %+v", in)
	}
	for _, c := range []struct{ path, token, body, code string }{
		{"/session/heartbeat", token, "", ""},
		{"/session/heartbeat", "made-up", "", "390104"},
		{"/session/token-request", "made-up", `{"requestType":"RENEW"}`, "390114"},
		{"/session?delete=true", token, "", ""},
		{"/session/heartbeat", token, "", "390111"},
		{"/queries/v1/query-request?requestId=1", token, `{"sqlText":"SELECT 1"}`, "390111"},
	} {
		if status, answer := post(t, s, c.path, c.token, c.body); status != http.StatusOK || answer.Code != c.code {
			t.Errorf("%s: status %d, code %q, want 200 and %q", c.path, status, answer.Code, c.code)
		}
	}
	if status, _ := post(t, s, "/queries/v1/query-request", token, "not JSON"); status != http.StatusBadRequest {
		t.Errorf("a request that is none: status %d", status)
	}
	if status, _ := post(t, s, "/session/authenticator-request", "", "{}"); status != http.StatusNotFound || s.Refused()["POST /session/authenticator-request"] != 1 {
		t.Errorf("a route that is not there: status %d, counted %v", status, s.Refused())
	}
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	for _, st := range s.Statements() {
		if strings.Contains(st.SQL, "SELECT") {
			t.Errorf("executed after the session's end: %+v", st)
		}
	}
}
