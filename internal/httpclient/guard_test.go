package httpclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestGuard(t *testing.T) {
	refused := strings.Fields(`127.0.0.1 127.8.9.10 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1 169.254.169.254 100.64.0.1 100.127.255.255
		0.0.0.0 0.1.2.3 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 198.18.0.1 192.0.2.1 192.0.0.170 100.100.100.200
		:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fdff::1 ff02::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1::1
		2001:db8::1 2001::1 ::127.0.0.1`)
	public := strings.Fields(`8.8.8.8 1.1.1.1 172.32.0.1 100.128.0.1 2606:4700:4700::1111 2a00:1450::1`)
	for _, c := range []struct {
		allow, host     string
		refused, passed []string
	}{
		{"", "h", refused, public},
		{"10.0.0.0/8 192.168.1.1", "h", []string{"127.0.0.1", "192.168.1.2", "::ffff:127.0.0.1"}, []string{"10.1.2.3", "192.168.1.1", "::ffff:10.0.0.1"}},
		{"Db.Corp", "db.corp.", []string{"169.254.1.1", "169.254.169.254", "fe80::1", "::ffff:169.254.169.254"}, []string{"10.1.2.3", "127.0.0.1", "fd00::1"}},
		{"db.corp", "evil.db.corp", []string{"10.1.2.3"}, nil},
		{"*", "h", strings.Fields(`169.254.169.254 169.254.0.23 168.63.129.16 192.0.0.192 fd00:ec2::254 ::ffff:169.254.169.254 ::ffff:0:169.254.169.254
			::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 64:ff9b:1:a9fe:a9:fe00:: 2002:a9fe:a9fe::1 2001:0:a9fe:a9fe::1
			2001:0:808:808::5601:5601 fe80::a9fe:a9fe%eth0 2a00:1450::5efe:a9fe:a9fe 64:ff9b::a83f:8110`),
			[]string{"127.0.0.1", "fe80::1", "fe80::1%eth0", "10.1.2.3", "fd00::1", "64:ff9b::808:808", "8.8.8.8"}},
		{"168.63.129.16", "h", nil, []string{"168.63.129.16"}},
		{"168.63.129.0/24", "h", []string{"168.63.129.16"}, nil},
		{"169.254.0.0/16", "h", []string{"169.254.169.254"}, []string{"169.254.1.1"}},
		{"169.254.169.254", "h", []string{"169.254.169.253"}, []string{"169.254.169.254"}},
	} {
		g, err := newGuard(strings.Fields(c.allow))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range c.refused {
			if g.check(c.host, netip.MustParseAddr(a)) == nil {
				t.Errorf("allowed [%s]: %s passes", c.allow, a)
			}
		}
		for _, a := range c.passed {
			if err := g.check(c.host, netip.MustParseAddr(a)); err != nil {
				t.Errorf("allowed [%s]: %v", c.allow, err)
			}
		}
	}
	for _, bad := range []string{"10.0.0.0/99", "http://h", "h:80", "*.corp", ""} {
		if _, err := newGuard([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestGuardDecidesWhenDialling(t *testing.T) {
	s := script(t, answer(200, ""))
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	w := newWorld(t, Config{AllowPrivate: []string{}, Attempts: 3})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		_, err := w.get("http://" + host + port)
		var refused *GuardError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", host, err)
			continue
		}
		wants(t, err.Error(), "attempt 1 of 3: refused to connect to", "it is not a public address; not sent again")
	}
	if w.of(s).Breaker == Open {
		t.Error("a refusal of ours opens the breaker")
	}
	_, err := w.get(s.URL)
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || hinted.Hint() != "if this is meant, list 127.0.0.1 under allow_private" {
		t.Error(hinted)
	}
}

func TestRedirectToAPrivateAddress(t *testing.T) {
	inner := script(t, answer(200, "internal"))
	outer := script(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(inner.URL, "127.0.0.1", "127.0.0.2", 1), http.StatusFound)
	})
	w := newWorld(t, Config{})
	_, err := w.get(outer.URL)
	wants(t, fmt.Sprint(err), "refused to connect to 127.0.0.2")
}

func TestGuardBeforeAProxy(t *testing.T) {
	g, _ := newGuard([]string{"wiki.internal"})
	g.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "rebind.example":
			return []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("10.0.0.1")}, nil
		case "public.example":
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return nil, errors.New("no such host")
	}
	for host, pass := range map[string]bool{
		"8.8.8.8": true, "10.0.0.1": false, "169.254.169.254": false, "::1": false, "public.example": true, "rebind.example": false,
		"unknown.example": true, "localhost": false, "a.localhost.": false, "metadata.google.internal": false, "wiki.internal": true,
		"127.1": false, "2130706433": false, "0x7f000001": false, "127.0.0.1.": false,
	} {
		if err := g.target(t.Context(), host); (err == nil) != pass {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestGuardOfAllBeforeAProxy(t *testing.T) {
	g, _ := newGuard([]string{"*"})
	g.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "rebind.example" {
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
		}
		return nil, errors.New("no such host")
	}
	for host, pass := range map[string]bool{
		"10.0.0.1": true, "localhost": true, "wiki.internal": true, "unknown.example": true, "münchen.example": true, "3f2ab7": true,
		"169.254.169.254": false, "169.254.169.254.": false, "169.254.169.254..": false, "2852039166": false, "0xa9fea9fe": false, "0xA9.0xFE.0xA9.0xFE": false,
		"0251.0376.0251.0376": false, "169.254.43518": false, "１６９.254.169.254": false, "169。254。169。254": false, "fe80::a9fe:a9fe%eth0": false,
		"metadata.google.internal": false, "Metadata.Google.Internal.": false, "rebind.example": false,
	} {
		if err := g.target(t.Context(), host); (err == nil) != pass {
			t.Errorf("%s: %v", host, err)
		}
	}
	for host, want := range map[string]string{"2852039166": "write the address as four numbers", "metadata.google.internal": "use the service's address"} {
		var refused *GuardError
		if err := g.target(t.Context(), host); !errors.As(err, &refused) || !strings.Contains(refused.Hint(), want) {
			t.Errorf("%s: the advice for %v would not help", host, err)
		}
	}
}

// resolver answers each question for an IPv4 address with the next of some, as a server that rebinds a name does.
func resolver(t *testing.T, answers ...string) *net.Resolver {
	var mu sync.Mutex
	serve := func(conn net.Conn) {
		defer conn.Close()
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(conn, question); err != nil || m.Unpack(question) != nil {
			t.Error("no question")
			return
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			mu.Lock()
			addr := netip.MustParseAddr(answers[0])
			answers = answers[1:]
			mu.Unlock()
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			}}
		}
		text, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
	}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go serve(there)
		return here, nil
	}}
}

func TestNameThatIsBoundAgain(t *testing.T) {
	s := script(t, answer(200, "", "Connection", "close"))
	w := newWorld(t, Config{Proxy: direct})
	g, err := newGuard([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	w.base.DialContext = g.dialer(net.Dialer{Resolver: resolver(t, "127.0.0.1", "127.0.0.2")})
	url := "http://rebind.example" + s.URL[strings.LastIndex(s.URL, ":"):]
	if _, err := w.get(url); err != nil {
		t.Fatal(err)
	}
	_, err = w.get(url)
	wants(t, fmt.Sprint(err), "refused to connect to rebind.example (127.0.0.2)")
}
