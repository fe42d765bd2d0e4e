package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// standIn is the stand-in of one script.
type standIn struct {
	*snowfake.Server
	account *snowfake.Account
}

// snowflake is the script's command "snowflake": without arguments it starts a stand-in for Snowflake with the database ANALYTICS, sets SF_PORT, and writes
// the user's private key to key.p8. With sql as the first argument, the others are statements that somebody runs there. Other arguments are something that goes wrong there from now on, in the words of snowfake.ParseFault; the file
// "hit" is there as soon as it has.
func snowflake(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 1 && args[0] == "sql" {
		s, err := ts.Value("snowflake").(*standIn).account.Login(context.Background(), snowfake.Login{User: "MILLRACE"})
		ts.Check(err)
		for _, statement := range args[1:] {
			_, err := s.Run(context.Background(), statement, nil)
			ts.Check(err)
		}
		ts.Check(s.Close())
		return
	}
	if len(args) > 0 {
		f, err := snowfake.ParseFault(strings.Join(args, " "))
		ts.Check(err)
		server := ts.Value("snowflake").(*standIn).Server
		hit := ts.MkAbs("hit")
		_ = os.Remove(hit)
		done := make(chan struct{})
		ts.Defer(func() { close(done) })
		injected := server.Fault(f)
		go func() {
			select {
			case <-injected.Acted():
				_ = os.WriteFile(hit, nil, 0o600)
			case <-done:
			}
		}()
		return
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("key.p8"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: filepath.Join(ts.MkAbs("."), "stages"), Name: "TEST",
		Users: map[string]snowfake.User{"MILLRACE": {Roles: []string{snowfake.Admin, "LOADER"}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"}}})
	ts.Check(err)
	ts.Defer(func() { ts.Check(account.Close()) })
	server, err := snowfake.NewServer(snowfake.ServerConfig{Account: account, Users: map[string]snowfake.Credentials{"MILLRACE": {PublicKey: &key.PublicKey}}})
	ts.Check(err)
	ts.Defer(func() { ts.Check(server.Close()) })
	ts.Setenv("SF_PORT", strconv.Itoa(server.Port()))
	*ts.Value("snowflake").(*standIn) = standIn{server, account}
}
