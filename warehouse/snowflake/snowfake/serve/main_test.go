package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

func TestServe(t *testing.T) {
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public, ready := filepath.Join(dir, "key.pub"), filepath.Join(dir, "ready")
	if err := os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-dir", filepath.Join(dir, "stages"), "-public-key", public, "-ready", ready, "-fault", "drop after ^SELECT 1$"}, write)
		write.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(<-ended)
	}
	if !strings.HasPrefix(line, "A stand-in for Snowflake, for tests and demos only") {
		t.Errorf("it begins with %q", line)
	}
	address, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t, string(address), key); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func ask(t *testing.T, address string, key *rsa.PrivateKey) error {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	db := sql.OpenDB(sf.NewConnector(sf.SnowflakeDriver{}, sf.Config{
		Account: "test", User: "millrace", Host: host, Port: port, Protocol: "http", Authenticator: sf.AuthTypeJwt, PrivateKey: key, DisableOCSPChecks: true,
	}))
	defer db.Close()
	var one int
	return db.QueryRowContext(t.Context(), "SELECT 1").Scan(&one)
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{}, {"-dir", t.TempDir()}, {"-dir", t.TempDir(), "-public-key", "missing"}, {"-fault", "explode now"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
