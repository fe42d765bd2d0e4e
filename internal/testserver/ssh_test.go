package testserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func TestSSH(t *testing.T) {
	s := SSH(t)
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		if c, err := echo.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	content, err := os.ReadFile(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(content)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := knownhosts.New(s.KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	client := func(auth ...ssh.AuthMethod) (*ssh.Client, error) {
		return ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{User: s.User, Auth: auth, HostKeyCallback: hosts, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: time.Minute})
	}
	if _, err := client(ssh.Password("guess")); err == nil {
		t.Error("let in without the key")
	}
	for range 2 {
		c, err := client(ssh.PublicKeys(key))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if err := s.Restart(Immediate); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client(ssh.PublicKeys(key))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	through, err := c.Dial("tcp", echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	fmt.Fprintln(through, "there and back")
	if line, err := bufio.NewReader(through).ReadString('\n'); line != "there and back\n" {
		t.Errorf("through the tunnel came %q, %v", line, err)
	}
}
