package snowfake

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Credentials say how a user may log in. What is empty is no way in.
type Credentials struct {
	PublicKey *rsa.PublicKey
	Tokens    []string // programmatic access tokens
	OAuth     []string // access tokens of an identity provider elsewhere; the server's own endpoint issues more
	Password  string
	// Provider and Subject of a workload's identity: AWS, AZURE, GCP or OIDC, and the subject of its token. The token is not verified:
	// that is Snowflake's, with the provider's keys. Attestations without a subject to read (AWS) only have the provider compared.
	Provider, Subject string
}

// OAuthClient may ask the server's token endpoint for tokens of a user.
type OAuthClient struct{ Secret, User string }

// refused is a login that failed, in the words of the recorded answers.
func refusedLogin(code, message string) error {
	return &Error{Code: code, SQLState: "08004", Message: message}
}

// authenticate finds the user of a login, by the authenticators of the driver's createRequestBody (auth.go, lines 487-600).
func (s *Server) authenticate(body *loginBody) (string, error) {
	d := &body.Data
	name := strings.ToUpper(d.LoginName)
	switch who := s.cfg.Users[name]; {
	case d.Authenticator == "SNOWFLAKE_JWT":
		return s.byKey(d.Token)
	case d.Authenticator == "WORKLOAD_IDENTITY":
		return s.byWorkload(d.Provider, d.Token)
	case d.Authenticator == "PROGRAMMATIC_ACCESS_TOKEN":
		if !among(d.Token, who.Tokens) {
			return "", refusedLogin(codePATInvalid, "Programmatic access token is invalid.")
		}
		return name, nil
	// With client credentials the driver names no authenticator, only the kind of OAuth (auth.go, lines 324-330 and 571-581).
	case d.Authenticator == "OAUTH" || d.Authenticator == "" && d.Environment.OAuthType == "OAUTH_CLIENT_CREDENTIALS":
		return s.byOAuth(name, d.Token)
	case d.Authenticator == "" && who.Password != "" && same(d.Password, who.Password):
		return name, nil
	}
	return "", refusedLogin(codeBadPassword, "Incorrect username or password was specified.")
}

// byKey verifies a key pair's token: what the driver's prepareJWTToken makes, and
// https://docs.snowflake.com/en/user-guide/key-pair-auth-troubleshooting lists the ways to fail of. Snowflake names none of them to
// the client, but for an id that an administrator can look up.
func (s *Server) byKey(token string) (string, error) {
	user, err := s.verify(token)
	if err != nil {
		return "", refusedLogin(codeJWTInvalid, "JWT token is invalid. ["+queryID()+"]")
	}
	return user, nil
}

func (s *Server) verify(token string) (string, error) {
	signed, signature, ok := cutLast(token, ".")
	header, payload, ok2 := strings.Cut(signed, ".")
	if !ok || !ok2 {
		return "", fmt.Errorf("not a token of three parts")
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Expires int64  `json:"exp"`
		Issued  int64  `json:"iat"`
	}
	if err := decodePart(header, &head); err != nil {
		return "", err
	}
	if err := decodePart(payload, &claims); err != nil {
		return "", err
	}
	account, user, ok := strings.Cut(claims.Subject, ".")
	key := s.cfg.Users[user].PublicKey
	if head.Algorithm != "RS256" || !ok || account != accountName(s.cfg.Account.cfg.Name) || key == nil {
		return "", fmt.Errorf("signed by %s for %q: not a user with a key", head.Algorithm, claims.Subject)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	print := sha256.Sum256(der)
	if claims.Issuer != claims.Subject+".SHA256:"+base64.StdEncoding.EncodeToString(print[:]) {
		return "", fmt.Errorf("issued by %q: not the user's key", claims.Issuer)
	}
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw); err != nil {
		return "", err
	}
	now := s.cfg.Clock()
	if !now.Before(time.Unix(claims.Expires, 0)) || now.Add(time.Minute).Before(time.Unix(claims.Issued, 0)) {
		return "", fmt.Errorf("issued at %d for use until %d: not now", claims.Issued, claims.Expires)
	}
	return user, nil
}

// byOAuth takes a token that the server has issued, or one that the user is known by. The name may be missing: a token has its own.
func (s *Server) byOAuth(name, token string) (string, error) {
	s.mu.Lock()
	user := s.issued[token]
	s.mu.Unlock()
	if user == "" && among(token, s.cfg.Users[name].OAuth) {
		user = name
	}
	if user == "" || name != "" && name != user {
		return "", refusedLogin(codeOAuthInvalid, "Invalid OAuth access token. ")
	}
	return user, nil
}

// byWorkload finds who has the identity (auth_wif.go, getAttestation). What Snowflake answers to a wrong one is not known here.
func (s *Server) byWorkload(provider, token string) (string, error) {
	var claims struct {
		Subject string `json:"sub"`
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if err := decodePart(parts[1], &claims); err != nil {
			claims.Subject = ""
		}
	}
	for name, who := range s.cfg.Users {
		if provider != "" && token != "" && who.Provider == provider && who.Subject == claims.Subject {
			return name, nil
		}
	}
	return "", refusedLogin(codeBadPassword, "Incorrect username or password was specified.")
}

// token is an OAuth token endpoint for client credentials (RFC 6749, section 4.4; auth_oauth.go, buildClientCredentialsConfig).
// They come in the header or in the form: golang.org/x/oauth2 tries both.
func (s *Server) token(r *request) (int, any) {
	form := r.form()
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	known := s.cfg.OAuth[id]
	if known.Secret == "" || !same(secret, known.Secret) {
		return http.StatusUnauthorized, map[string]string{"error": "invalid_client"}
	}
	if form.Get("grant_type") != "client_credentials" {
		return http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"}
	}
	token := rand.Text()
	s.mu.Lock()
	s.issued[token] = strings.ToUpper(known.User)
	s.mu.Unlock()
	return http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": form.Get("scope")}
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func among(token string, known []string) bool {
	for _, k := range known {
		if token != "" && same(token, k) {
			return true
		}
	}
	return false
}
