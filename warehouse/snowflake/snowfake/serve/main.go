// Command serve runs the stand-in for Snowflake as a process of its own, for demos and for scripts of the command line. It is no part
// of millrace and no database: what it holds is gone when it ends.
package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "snowfake:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	dir, listen, ready, account, user, key string
	faults                                 []snowfake.Fault
}

func parse(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "`folder` for the stages, which clients write into")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on")
	flags.StringVar(&o.ready, "ready", "", "`file` to write host:port into as soon as it listens")
	flags.StringVar(&o.account, "account", "TEST", "`name` of the account")
	flags.StringVar(&o.user, "user", "MILLRACE", "`name` of the one user, who is ACCOUNTADMIN")
	flags.StringVar(&o.key, "public-key", "", "PEM `file` with the user's public key")
	flags.Func("fault", "what is to go wrong, such as \"drop after nth=2 ^COMMIT\"; may be given several times", func(text string) error {
		f, err := snowfake.ParseFault(text)
		o.faults = append(o.faults, f)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.dir == "" || o.key == "" || flags.NArg() > 0 {
		flags.Usage()
		return nil, errors.New("give -dir and -public-key, and nothing that is no flag")
	}
	return &o, nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	key, err := publicKey(o.key)
	if err != nil {
		return err
	}
	user := strings.ToUpper(o.user)
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: o.dir, Name: o.account, Users: map[string]snowfake.User{
		user: {Roles: []string{snowfake.Admin}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"},
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	server, err := snowfake.NewServer(snowfake.ServerConfig{
		Account: account, Listen: o.listen, Users: map[string]snowfake.Credentials{user: {PublicKey: key}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, f := range o.faults {
		server.Fault(f)
	}
	address := net.JoinHostPort(server.Host(), strconv.Itoa(server.Port()))
	if o.ready != "" {
		if err := announce(o.ready, address); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "A stand-in for Snowflake, for tests and demos only: account %s, user %s, http://%s\n", o.account, user, address)
	<-ctx.Done()
	return nil
}

// announce writes the address so that who waits for the file never reads half of it.
func announce(file, address string) error {
	beside := file + ".tmp"
	if err := os.WriteFile(beside, []byte(address), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, file)
}

// publicKey reads a key as `openssl rsa -pubout` writes it.
func publicKey(file string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM text in it", file)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	known, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an RSA key", file)
	}
	return known, nil
}
