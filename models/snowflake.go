package models

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
)

// Snowflake are the keys of a target of type snowflake beyond those of every target. What is published locally, in the
// target's path, is the truth; the schema in Snowflake follows it.
type Snowflake struct {
	Account   string `yaml:"account" required:"true" doc:"Account identifier, organization-account, as in the account's URL before .snowflakecomputing.com." example:"acme-main"`
	User      string `yaml:"user" doc:"User to log in as. Workload identity and OAuth client credentials need none." example:"MILLRACE"`
	Role      string `yaml:"role" doc:"Role to work as; the user's default role when none is given." example:"LOADER"`
	Warehouse string `yaml:"warehouse" required:"true" doc:"Virtual warehouse that COPY and DML statements run in." example:"LOAD_WH"`
	Database  string `yaml:"database" required:"true" doc:"Database to publish to. It must exist." example:"ANALYTICS"`
	// Schema, of Target, is where nodes of the default schema go. Others go to a schema of their own name.
	SchemaPrefix string `yaml:"schema_prefix" doc:"Put before the names of all schemas, as in DEV_." example:"DEV_"`

	Authenticator        string            `yaml:"authenticator" enum:"key_pair,token,oauth,workload_identity" doc:"How to log in; found by the keys that are given when it is not."`
	PrivateKey           secret.Value      `yaml:"private_key" doc:"Private RSA key of the user, PKCS#8 in PEM." example:"${secret:sf_key}"`
	PrivateKeyFile       string            `yaml:"private_key_file" doc:"File that holds the private key, instead of private_key." example:"keys/millrace.p8"`
	PrivateKeyPassphrase secret.Value      `yaml:"private_key_passphrase" doc:"Passphrase of an encrypted private key."`
	Token                secret.Value      `yaml:"token" doc:"Programmatic access token; with authenticator: oauth an OAuth token that something else renews." example:"${secret:sf_token}"`
	TokenFile            string            `yaml:"token_file" doc:"File that holds the token; it is read again at each login."`
	OAuth                *SnowflakeOAuth   `yaml:"oauth" doc:"OAuth 2.0 client credentials."`
	WorkloadIdentity     *WorkloadIdentity `yaml:"workload_identity" doc:"Identity of the machine or pod that runs millrace."`

	Host     string          `yaml:"host" doc:"Host of the server, where it is not <account>.snowflakecomputing.com: a private link, or a stand-in on this machine."`
	Port     int             `yaml:"port" bounds:"1,65535" doc:"Port of the server; 443 when none is given."`
	Protocol string          `yaml:"protocol" default:"https" enum:"https,http" doc:"http is refused unless the host is this machine."`
	Proxy    *SnowflakeProxy `yaml:"proxy" doc:"HTTP proxy; HTTPS_PROXY and NO_PROXY hold where none is given."`

	Revocation string `yaml:"revocation" default:"strict" enum:"strict,advisory" doc:"strict refuses a certificate of a host that cannot be checked against a revocation list (CRL); advisory refuses only one that is known to be revoked, which whoever can keep the list from being read can use."`

	QueryTag         string          `yaml:"query_tag" doc:"Text that is put into the query tag of every statement, beside run, load, table and step."`
	StatementTimeout config.Duration `yaml:"statement_timeout" default:"1h" doc:"Longest time for one statement at the server; as long again, 5 minutes at most, is waited for an answer."`
	LockTimeout      config.Duration `yaml:"lock_timeout" default:"10m" doc:"Longest wait for a lock that another transaction holds."`
	LoginTimeout     config.Duration `yaml:"login_timeout" default:"60s" doc:"Longest time for a login, its retries included."`
	Uploads          int             `yaml:"uploads" default:"4" bounds:"1,32" doc:"Files that are uploaded at once."`
	FileSize         config.Size     `yaml:"file_size" default:"150MB" doc:"Size that files are written for, where those of the local version are not sent as they are. Snowflake advises 100 to 250 MB."`
	MaxCredits       float64         `yaml:"max_credits" doc:"Refuse a load that is estimated to need more credits of the warehouse than this; 0 is no limit."`
	CreditsPerHour   float64         `yaml:"credits_per_hour" doc:"What an hour of the warehouse costs, where its size, type and generation do not tell, or not exactly; 0: by these."`
	Suspend          bool            `yaml:"suspend" doc:"Suspend the warehouse when a load has ended, or was refused or has failed after it had woken it, rather than wait for its auto_suspend. The role needs OPERATE on it."`
	Transient        bool            `yaml:"transient" doc:"Create tables as transient: no fail-safe, lower cost."`
	KeepStaging      config.Duration `yaml:"keep_staging" default:"7d" doc:"How long the staging of a load that failed is kept for a look."`
	Transform        string          `yaml:"transform" default:"local" enum:"local" doc:"Where models run. This version runs them locally."`

	DialectWarnings bool `yaml:"dialect_warnings" default:"true" doc:"Whether lint warns of what a model's SQL would mean in Snowflake; models run locally, so it is for those that are to move there one day."`

	Tables config.Map[SnowflakeTable] `yaml:"tables" doc:"How single tables are kept, by schema.table or a pattern with *; the last that fits holds."`
}

// SnowflakeOAuth are OAuth 2.0 client credentials (RFC 6749, section 4.4).
type SnowflakeOAuth struct {
	ClientID     string       `yaml:"client_id" required:"true" doc:"Client id at the identity provider."`
	ClientSecret secret.Value `yaml:"client_secret" required:"true" doc:"Client secret." example:"${secret:sf_oauth}"`
	TokenURL     string       `yaml:"token_url" required:"true" doc:"The identity provider's token endpoint: https, unless it is on this machine." example:"https://idp.example.com/oauth2/token"`
	Scope        string       `yaml:"scope" doc:"Scopes, with commas between them; derived from the role when none is given."`
}

// WorkloadIdentity is the identity that a cloud gives a machine.
type WorkloadIdentity struct {
	Provider      string   `yaml:"provider" required:"true" enum:"aws,azure,gcp,oidc" doc:"Who vouches for the machine. oidc takes the token of token or token_file."`
	EntraResource string   `yaml:"entra_resource" doc:"Resource to ask Microsoft Entra for, where it is not Snowflake's own."`
	Impersonate   []string `yaml:"impersonate" doc:"Service accounts or roles to go through, in order."`
}

// SnowflakeProxy is an HTTP proxy.
type SnowflakeProxy struct {
	Host     string       `yaml:"host" required:"true" doc:"Host of the proxy."`
	Port     int          `yaml:"port" required:"true" bounds:"1,65535" doc:"Port of the proxy."`
	User     string       `yaml:"user" doc:"User at the proxy."`
	Password secret.Value `yaml:"password" doc:"Password of that user."`
	NoProxy  string       `yaml:"no_proxy" doc:"Hosts that are reached without it, with commas between them."`
}

// SnowflakeTable says how one table is kept.
type SnowflakeTable struct {
	Origin      config.Origin
	Mode        string   `yaml:"mode" default:"auto" enum:"auto,full,append,merge,partition,scd2,none" doc:"How changes are brought: auto chooses by what has changed; full replaces all rows; append adds new ones and fails when old ones have changed; merge goes by the key; partition replaces the partitions that have changed; scd2 keeps the history of each key; none does not load the table."`
	Strategy    string   `yaml:"strategy" default:"overwrite" enum:"overwrite,swap" doc:"How a full refresh is published: overwrite within the transaction of the load, or swap, which costs no copy but stands outside of it."`
	Deletes     string   `yaml:"deletes" default:"hard" enum:"hard,soft" doc:"What merge does with rows that are gone: hard deletes them, soft marks them in _deleted_at."`
	PartitionBy []string `yaml:"partition_by" doc:"Columns whose values make a partition, for the mode partition."`
	ClusterBy   []string `yaml:"cluster_by" doc:"Clustering key that the table is created with. It turns on Automatic Clustering, which costs credits of its own."`
	As          string   `yaml:"as" doc:"Name in Snowflake, as TABLE or SCHEMA.TABLE, instead of the node's own."`
}

// FollowedBy names the place that follows what is published to the target, for people; "" when there is none.
func (t *Target) FollowedBy() string {
	if t == nil || t.Snowflake == nil {
		return ""
	}
	return "Snowflake"
}

// Follows says whether the place that follows the target is to have a table: rows in quarantine stay here.
func (t *Target) Follows(table string) bool {
	return t.FollowedBy() != "" && !strings.HasSuffix(table, QuarantineSuffix) && t.Snowflake.Table(table).Mode != "none"
}

// PlaceHash tells one place, and one way of keeping tables there, from another: what was brought to the one says nothing of the other. "" when
// nothing follows the target.
func (t *Target) PlaceHash() string {
	if t.FollowedBy() == "" {
		return ""
	}
	s := t.Snowflake
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d %q %q %q", s.Account, s.Host, s.Port, s.Database, s.SchemaPrefix, t.Schema)
	for pattern, kept := range s.Tables.All() {
		fmt.Fprintf(h, " %q %q %q %q %q %q %q", pattern, kept.Mode, kept.Strategy, kept.Deletes, kept.PartitionBy, kept.ClusterBy, kept.As)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// MaxCredits is what one load of that place may cost by estimate; 0 is no limit.
func (t *Target) MaxCredits() float64 {
	if t.Snowflake == nil {
		return 0
	}
	return t.Snowflake.MaxCredits
}

// targetTypes are the kinds of targets, as the schema lists them.
var targetTypes = []struct {
	name, doc string
	options   func() any
}{
	{"local", "A local folder.", func() any { return &struct{}{} }},
	{"snowflake", "A local folder that a schema in Snowflake follows.", func() any { return &Snowflake{} }},
}

// targetUnions are the shapes of targets: for the schema.
func targetUnions() map[string][]config.Variant {
	var all []config.Variant
	for _, t := range targetTypes {
		all = append(all, config.Variant{Type: t.name, Doc: t.doc, Structs: []any{Target{}, t.options()}})
	}
	return map[string][]config.Variant{"targets": all}
}
