package models

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
)

// foreignKeys are keys that others have for a target, dbt most of all, and what to write instead.
var foreignKeys = map[string]string{
	"password":                  noPassword,
	"passcode":                  "a run has nobody who types a code: log in by private_key_file: or token:",
	"private_key_path":          "write private_key_file:",
	"private_key_content":       "write private_key: ${secret:name}",
	"token_file_path":           "write token_file:",
	"pat":                       "write token: ${secret:name}",
	"on_error":                  "remove it: a file with a row that cannot be loaded fails the load, and nothing of it is published",
	"timezone":                  "remove it: loads work in UTC, and a TIMESTAMP WITH TIME ZONE is an instant",
	"username":                  "write user:",
	"threads":                   "write uploads: for the files that are uploaded at once; models run in DuckDB, within memory: of the project",
	"account_identifier":        "write account:",
	"account_name":              "write account:",
	"url":                       "write account:, which is what stands before .snowflakecomputing.com",
	"dbname":                    "write database:",
	"connect_timeout":           "write login_timeout:",
	"oauth_client_id":           "write oauth: { client_id: …, client_secret: …, token_url: … }",
	"oauth_client_secret":       "write oauth: { client_id: …, client_secret: …, token_url: … }",
	"client_session_keep_alive": "remove it: a load opens its own sessions and ends them",
	"reuse_connections":         "remove it: a load opens its own sessions and ends them",
	"connect_retries":           "remove it: what can be repeated is repeated, within login_timeout:",
	"retry_on_database_errors":  "remove it: a load that failed is brought by the next run, or by millrace push",
	"retry_all":                 "remove it: a load that failed is brought by the next run, or by millrace push",
	"insecure_mode":             "remove it: certificates are always checked",
	"ocsp_fail_open":            "remove it: certificates are always checked",
}

const noPassword = "Snowflake refuses logins by a password alone: log in with a key pair (user: and private_key_file:) or with a programmatic access token (token: ${secret:name}); docs/snowflake.md says how to make one"

// foreignLogins are values of authenticator: that others know.
var foreignLogins = map[string]string{
	"externalbrowser":            "a run has nobody in front of a browser: log in by private_key_file:, token:, oauth: or workload_identity:",
	"oauth_authorization_code":   "a run has nobody in front of a browser: write oauth: with client credentials",
	"oauth_client_credentials":   "write oauth",
	"username_password_mfa":      "a run has nobody who confirms a login: write key_pair or token",
	"snowflake":                  noPassword,
	"snowflake_jwt":              "write key_pair",
	"jwt":                        "write key_pair",
	"keypair":                    "write key_pair",
	"programmatic_access_token":  "write token",
	"pat":                        "write token",
	"workload_identity_provider": "write workload_identity",
}

// decodeSnowflake decodes a target of that type.
func (l *loader) decodeSnowflake(t *Target, node config.Node) {
	for _, p := range node.Decode(t, t.Snowflake) {
		key, _ := strings.CutPrefix(p.Message, "unknown key ")
		if hint, known := foreignKeys[strings.Trim(key, `"`)]; known {
			p.Hint = hint
		}
		if hint, known := foreignLogins[strings.ToLower(node.Get("authenticator").Text())]; known && strings.HasPrefix(p.Message, `"authenticator"`) {
			p.Hint = hint
		}
		if node.Get("transform").Text() == "pushdown" && strings.HasPrefix(p.Message, `"transform"`) {
			p.Message, p.Hint = "running models in Snowflake is not built yet: models run locally and their tables follow", "remove transform: or write transform: local"
		}
		l.problems = append(l.problems, p)
	}
}

// snowflakeKeys validates the keys of one target. Of a target that is not chosen only what is written out is judged.
type snowflakeKeys struct {
	*loader
	node   config.Node
	s      *Snowflake
	chosen bool
}

func (k snowflakeKeys) validate() {
	k.account()
	k.server()
	k.login()
	k.bounds()
}

// at is the place of a key's value.
func (k snowflakeKeys) at(key string) config.Pos { return k.node.Origin().At(key) }

// known says whether the key is there with a value that can be judged, and that nothing was said of yet.
func (k snowflakeKeys) known(key string) bool { return k.judged(k.node.Get(key)) }

// judged is known of a value that may stand deeper.
func (k snowflakeKeys) judged(v config.Node) bool {
	if v.IsNull() || k.told(v.Pos()) {
		return false
	}
	return len(v.Refs()) == 0 || k.chosen && k.had(v)
}

var (
	accountForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	// regionForm is an account's locator with its region, such as xy12345.eu-central-1: regions have a digit, or name a cloud.
	regionForm = regexp.MustCompile(`^[a-z]{2,4}[0-9]+\.[a-z0-9-]+$`)
	consoleURL = regexp.MustCompile(`^app\.snowflake\.com/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)`)
)

// account wants the identifier alone; people paste the URL that they know.
func (k snowflakeKeys) account() {
	if !k.known("account") {
		return
	}
	text := k.s.Account
	lower := strings.ToLower(text)
	_, behind, hasScheme := strings.Cut(lower, "://")
	if !hasScheme {
		behind = lower
	}
	if m := consoleURL.FindStringSubmatch(behind); m != nil {
		k.problem(k.at("account"), fmt.Sprintf("write account: %s-%s", m[1], m[2]), "account: is a URL, not an account identifier")
		return
	}
	host, _, _ := strings.Cut(behind, "/")
	host, _, _ = strings.Cut(host, ":")
	if name, found := strings.CutSuffix(host, ".snowflakecomputing.com"); found {
		hint := "write account: " + name
		if name, private := strings.CutSuffix(name, ".privatelink"); private {
			hint = fmt.Sprintf("write account: %s and host: %s", name, host)
		}
		k.problem(k.at("account"), hint, "account: is a host, not an account identifier")
		return
	}
	if org, name, dotted := strings.Cut(text, "."); dotted && !strings.Contains(name, ".") && !regionForm.MatchString(lower) {
		k.problem(k.at("account"), fmt.Sprintf("write account: %s-%s", org, name), "account: %q is organization and account as SQL and Snowsight show them, with a dot", text)
		return
	}
	if !accountForm.MatchString(text) {
		k.problem(k.at("account"), "write organization-account, as in the account's URL before .snowflakecomputing.com", "account: %q is no account identifier", text)
	}
}

// server validates where and through what the account is reached.
func (k snowflakeKeys) server() {
	if k.known("host") && !hostName(k.s.Host) {
		k.problem(k.at("host"), "write the host alone; port: and protocol: are keys of their own", "host: %q is no host name", k.s.Host)
		return
	}
	if p := k.s.Proxy; p != nil && k.known("proxy") {
		at := k.node.Get("proxy").Origin()
		if k.judged(k.node.Get("proxy").Get("host")) && !hostName(p.Host) {
			k.problem(at.At("host"), "write the host alone; port: is a key of its own", "proxy: host: %q is no host name", p.Host)
		}
		if p.User != "" && !at.Has("password") || p.User == "" && at.Has("password") {
			k.problem(at.Pos(), "give both, or neither", "proxy: user: and password: belong together")
		}
	}
	if k.s.Protocol == "http" && k.known("protocol") && (k.known("host") || !k.node.Origin().Has("host")) && !thisMachine(k.s.Host) {
		k.problem(k.at("protocol"), "remove the key; http is for a stand-in on this machine, with host: 127.0.0.1", "protocol: http would send the login in the clear to %s", orAccount(k.s.Host))
	}
}

func hostName(text string) bool {
	return text != "" && !strings.ContainsAny(text, "/: ") || net.ParseIP(text) != nil
}

func orAccount(host string) string {
	if host == "" {
		return "the account's host"
	}
	return host
}

func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// The bounds of sizes and times. One PUT of more than 5 GB is refused by S3; a statement may take 7 days in Snowflake.
const (
	leastFile        = config.Size(1e6)
	mostFile         = config.Size(1e9)
	longestStatement = config.Duration(7 * 24 * time.Hour)
	longestTag       = 1000
)

func (k snowflakeKeys) bounds() {
	if k.known("file_size") && (k.s.FileSize < leastFile || k.s.FileSize > mostFile) {
		k.problem(k.at("file_size"), "Snowflake advises 100MB to 250MB", "file_size: must be %s to %s", leastFile, mostFile)
	}
	if k.known("schema_prefix") && strings.ContainsAny(k.s.SchemaPrefix, "\"'`.") {
		k.problem(k.at("schema_prefix"), "write it plainly, as in DEV_: names are quoted by themselves, in upper case", "schema_prefix: %q has quotes or dots in it", k.s.SchemaPrefix)
	}
	if k.known("max_credits") && !(k.s.MaxCredits >= 0) { // NaN too
		k.problem(k.at("max_credits"), "write 0 for no limit", "max_credits: %v", k.s.MaxCredits)
	}
	if k.known("credits_per_hour") && !(k.s.CreditsPerHour >= 0) {
		k.problem(k.at("credits_per_hour"), "write what an hour of the warehouse costs, as 1.35", "credits_per_hour: %v", k.s.CreditsPerHour)
	}
	for _, span := range []struct {
		key string
		is  config.Duration
	}{{"statement_timeout", k.s.StatementTimeout}, {"lock_timeout", k.s.LockTimeout}, {"login_timeout", k.s.LoginTimeout}} {
		if k.known(span.key) && (span.is.Std() < time.Second || span.is > longestStatement) {
			k.problem(k.at(span.key), "", "%s: must be 1s to %s", span.key, longestStatement)
		}
	}
	if k.known("query_tag") && len(k.s.QueryTag) > longestTag {
		k.problem(k.at("query_tag"), "", "query_tag: is longer than %d bytes", longestTag)
	}
}

// loginWay is a way to log in and the keys that make it.
type loginWay struct {
	name string
	keys []string
}

var loginWays = []loginWay{
	{"key_pair", []string{"private_key", "private_key_file"}}, {"token", []string{"token", "token_file"}},
	{"oauth", []string{"oauth"}}, {"workload_identity", []string{"workload_identity"}},
}

// ways are those whose keys are there.
func (k snowflakeKeys) ways() []loginWay {
	var ways []loginWay
	for _, w := range loginWays {
		there := loginWay{name: w.name}
		for _, key := range w.keys {
			if k.node.Origin().Has(key) {
				there.keys = append(there.keys, key)
			}
		}
		if len(there.keys) > 0 {
			ways = append(ways, there)
		}
	}
	return k.identity(ways)
}

func way(ways []loginWay, name string) *loginWay {
	for i := range ways {
		if ways[i].name == name {
			return &ways[i]
		}
	}
	return nil
}

// login wants exactly one way to log in, found by the keys. authenticator: says which it must be.
func (k snowflakeKeys) login() {
	has, ways, want := k.node.Origin().Has, k.ways(), ""
	if k.known("authenticator") {
		want = k.s.Authenticator
	}
	switch {
	case has("authenticator") && k.told(k.at("authenticator")):
		return // which is meant is not known
	case len(ways) == 0 && !has("password"):
		k.problem(k.node.Pos(), loginHint(want), "the target has no way to log in")
	case len(ways) == 0: // of the password was told
	case want == "oauth" && way(ways, "oauth") == nil && way(ways, "token") != nil && len(ways) == 1: // a token that something else renews
	case want != "" && way(ways, want) == nil:
		k.problem(k.at("authenticator"), loginHint(want), "authenticator: %s does not go with %s:", want, ways[0].keys[0])
	case len(ways) > 1:
		k.problem(k.at(ways[1].keys[0]), "remove one of them", "two ways to log in: %s: and %s:", ways[0].keys[0], ways[1].keys[0])
	case len(ways[0].keys) > 1:
		k.problem(k.at(ways[0].keys[1]), "remove one of them", "%s: and %s: are both there", ways[0].keys[0], ways[0].keys[1])
	}
	pair := way(ways, "key_pair")
	switch {
	case pair == nil:
	case !has("user"):
		k.problem(k.at(pair.keys[0]), "add user:, whose public key it belongs to", "a private key needs user:")
	case k.known("user") && k.s.User == "":
		k.problem(k.at("user"), "name the user whose public key it belongs to", "a private key needs user:, which is empty")
	}
	if k.known("private_key") {
		k.pem(k.s.PrivateKey.Reveal())
	}
	k.tokenURL()
	if w := k.s.WorkloadIdentity; w != nil && w.EntraResource != "" && w.Provider != "azure" && k.judged(k.node.Get("workload_identity").Get("provider")) {
		k.warning(k.node.Get("workload_identity").Origin().Key("entra_resource"), "it is for provider: azure", "entra_resource has no effect with provider: %s", w.Provider)
	}
	if has("private_key_passphrase") && pair == nil {
		k.problem(k.at("private_key_passphrase"), "add private_key_file:, or remove it", "a passphrase without a private key")
	}
	k.file("private_key_file", k.s.PrivateKeyFile)
	k.file("token_file", k.s.TokenFile)
}

// pem wants a private key as Snowflake takes it, as far as its first line tells.
func (k snowflakeKeys) pem(text string) {
	begins := func(kinds ...string) bool {
		return slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN "+kind+"-----") })
	}
	switch {
	case begins("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
	case begins("RSA PRIVATE KEY"):
		k.problem(k.at("private_key"), "turn it into PKCS#8: openssl pkcs8 -topk8 -in key.pem -out key.p8", "private_key: the key is in PKCS#1")
	default:
		k.problem(k.at("private_key"), "it begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----", "private_key: this is no private key in PKCS#8 and PEM")
	}
}

// tokenURL wants an endpoint to which the client secret does not go in the clear.
func (k snowflakeKeys) tokenURL() {
	o, node := k.s.OAuth, k.node.Get("oauth")
	if o == nil || !k.judged(node.Get("token_url")) {
		return
	}
	at := node.Origin().At("token_url")
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		k.problem(at, "write it as in https://idp.example.com/oauth2/token", "token_url: it is no URL of a token endpoint")
	case u.Scheme == "http" && !thisMachine(u.Hostname()):
		k.problem(at, "write https://; http is for a stand-in on this machine", "token_url: http would send the client secret in the clear to %s", u.Host)
	}
}

// identity takes the token of an identity provider for a part of workload_identity.
func (k snowflakeKeys) identity(ways []loginWay) []loginWay {
	provider := k.node.Get("workload_identity").Get("provider")
	if way(ways, "workload_identity") == nil || k.s.WorkloadIdentity == nil {
		return ways
	}
	open := len(provider.Refs()) > 0 && !(k.chosen && k.had(provider)) // it may be oidc
	oidc := k.s.WorkloadIdentity.Provider == "oidc"
	if oidc && way(ways, "token") == nil {
		k.problem(provider.Pos(), "add token_file:, which the identity provider keeps fresh", "provider: oidc needs token: or token_file:")
	}
	if oidc || open {
		ways = slices.DeleteFunc(ways, func(w loginWay) bool { return w.name == "token" })
	}
	return ways
}

func loginHint(way string) string {
	switch way {
	case "key_pair":
		return "add user: and private_key_file:"
	case "token":
		return "add token: ${secret:name}"
	case "oauth":
		return "add oauth: { client_id: …, client_secret: …, token_url: … }, or token_file: for a token that something else renews"
	case "workload_identity":
		return "add workload_identity: { provider: aws }"
	}
	return "add user: and private_key_file: for a key pair, token: for a programmatic access token, oauth: or workload_identity:"
}

// mostSecret is the size of the largest file that is taken for a secret.
const mostSecret = 1 << 20

// file wants a file that is there, and has what it holds redacted, where the target is about to be used: on another machine it need not be.
func (k snowflakeKeys) file(key, name string) {
	if !k.chosen || k.resolve == nil || k.Lenient || !k.known(key) {
		return
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(k.Dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.problem(k.at(key), "it is looked for relative to the project", "%s: there is no file %s", key, path)
	case err != nil:
		k.problem(k.at(key), "", "%s: %v", key, err)
	case info.IsDir():
		k.problem(k.at(key), "name the file in it", "%s: %s is a folder", key, path)
	case info.Mode().IsRegular() && info.Size() <= mostSecret: // what cannot be read is said by who logs in
		text, _ := os.ReadFile(path)
		k.Redactor.Add(secret.NewValue(strings.TrimSpace(string(text))))
	}
}
