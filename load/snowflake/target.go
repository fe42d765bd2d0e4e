package snowflake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// ConfigOf is what a project says of its target, with a private key read. What it runs with is the caller's to add: all from Temp on, and Rate.
func ConfigOf(p *models.Project) (Config, error) {
	t, s := p.Target, p.Target.Snowflake
	auth, err := authOf(p)
	if err != nil {
		return Config{}, err
	}
	c := Config{Project: p.Name, Root: p.TargetDir(), Uploads: s.Uploads, FileSize: int64(s.FileSize), MaxCredits: s.MaxCredits, Hourly: s.CreditsPerHour, Suspend: s.Suspend,
		Transient: s.Transient, KeepStaging: s.KeepStaging.Std(),
		Naming: sf.Naming{Database: s.Database, Prefix: s.SchemaPrefix, DefaultSchema: t.Schema, As: map[warehouse.Name]string{}},
		Conn: snowflake.Config{Account: s.Account, User: s.User, Role: s.Role, Warehouse: s.Warehouse, Database: s.Database, Auth: auth, Host: s.Host, Port: s.Port,
			HTTP: s.Protocol == "http", LaxRevocation: s.Revocation == "advisory", StatementTimeout: s.StatementTimeout.Std(), LockTimeout: s.LockTimeout.Std(), LoginTimeout: s.LoginTimeout.Std()}}
	if s.QueryTag != "" {
		c.Conn.Tag = map[string]string{"tag": s.QueryTag}
	}
	if x := s.Proxy; x != nil {
		c.Conn.Proxy = &snowflake.Proxy{Host: x.Host, Port: x.Port, User: x.User, Password: x.Password.Reveal(), NoProxy: x.NoProxy}
	}
	c.Keep = func(name warehouse.Name) Keep {
		if !t.Follows(name.String()) {
			return Keep{Mode: "none"}
		}
		kept := s.Table(name.String())
		return Keep{Mode: kept.Mode, Swap: kept.Strategy == "swap", Soft: kept.Deletes == "soft", PartitionBy: kept.PartitionBy, ClusterBy: kept.ClusterBy}
	}
	for _, n := range p.Nodes {
		if n.Model != nil && n.Model.Materialized == models.Ephemeral {
			continue
		}
		name := warehouse.Name{Schema: n.Schema, Table: n.Table}
		c.Nodes = append(c.Nodes, name)
		if as := s.Table(n.Name()).As; as != "" {
			c.Naming.As[name] = as
		}
	}
	return c, nil
}

// authOf is the one way to log in that the target has: the loader of the project has seen to that. What is wrong with a key is told where it is named.
func authOf(p *models.Project) (snowflake.Auth, error) {
	s := p.Target.Snowflake
	at := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(p.Dir, path)
	}
	a := snowflake.Auth{Token: s.Token.Reveal(), TokenFile: at(s.TokenFile), OAuthToken: s.Authenticator == "oauth" && s.OAuth == nil}
	if o := s.OAuth; o != nil {
		a.OAuth = &snowflake.OAuth{ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), TokenURL: o.TokenURL, Scope: o.Scope}
	}
	if w := s.WorkloadIdentity; w != nil {
		a.WorkloadIdentity = &snowflake.WorkloadIdentity{Provider: strings.ToUpper(w.Provider), EntraResource: w.EntraResource, Impersonate: w.Impersonate}
	}
	pem, key, file := []byte(s.PrivateKey.Reveal()), "private_key", ""
	wrong := func(err error) error {
		return config.Problems{p.Target.Origin.At(key).Problem(fmt.Sprintf("%s: %s%v", key, file, err), "")}
	}
	if s.PrivateKeyFile != "" {
		key = "private_key_file"
		var err error
		if pem, err = os.ReadFile(at(s.PrivateKeyFile)); err != nil {
			return a, wrong(err)
		}
		file = s.PrivateKeyFile + ": "
	}
	if len(pem) == 0 {
		return a, nil
	}
	var err error
	if a.PrivateKey, err = snowflake.ParsePrivateKey(pem, []byte(s.PrivateKeyPassphrase.Reveal())); err != nil {
		return a, wrong(err)
	}
	return a, nil
}

// overQuota is the code of a warehouse that its resource monitor does not let resume.
const overQuota = 90073

// away says of an error that the place does not answer: the network or the server fails, the connection is lost, somebody holds a lock, the quota is used up.
// That may be over when the run wants to load. What is wrong with the configuration or with rights is not.
func away(err error) error {
	var e *snowflake.Error
	if !errors.As(err, &e) {
		return err
	}
	passing := slices.Contains([]snowflake.Kind{snowflake.KindUnavailable, snowflake.KindLock, snowflake.KindTimeout}, e.Kind) || e.Code == overQuota
	if passing || snowflake.Unsure(err) {
		return fmt.Errorf("%w: %w", load.ErrAway, err)
	}
	return err
}
