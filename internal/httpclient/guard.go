package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
	"golang.org/x/net/idna"
)

// guard refuses connections to addresses that are not public: loopback, private, link-local, carrier-grade NAT, multicast, reserved,
// and their IPv6 relatives (unique-local, IPv4-mapped, NAT64, 6to4). It decides when a connection is dialled, on the very address that is
// dialled, so neither a name that resolves otherwise the second time nor a redirect gets round it.
//
// With a proxy it is the proxy that dials. The guard lets the client connect to the proxy, which the user has named, and looks at
// each URL before the proxy gets it: addresses, and what a name resolves to here. A name that does not resolve here passes, and
// the proxy might resolve another one differently: then only the proxy's own rules protect. The client warns of that once.
type guard struct {
	public  *ssrf.Guardian
	all     bool
	names   map[string]bool
	exact   map[netip.Addr]bool
	nets    []netip.Prefix
	proxies map[string]bool // host:port of the proxies
	lookup  func(context.Context, string) ([]netip.Addr, error)
}

// metadata are the addresses under which clouds hand a machine its credentials.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // AWS, GCP, Azure and most others
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS over IPv6
	netip.MustParseAddr("169.254.170.2"):   true, // AWS ECS
	netip.MustParseAddr("169.254.170.23"):  true, // AWS EKS
	netip.MustParseAddr("fd00:ec2::23"):    true, // AWS EKS over IPv6
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("fd20:ce::254"):    true, // GCP over IPv6
	netip.MustParseAddr("168.63.129.16"):   true, // Azure's WireServer
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
}

// metadataNames are names of such addresses, which may resolve at a proxy and not here.
var metadataNames = map[string]bool{"metadata.google.internal": true, "metadata.goog": true, "instance-data.ec2.internal": true}

// GuardError says that a connection was refused because of where it would have gone.
type GuardError struct {
	Host string // as the URL names it
	Addr string // what it resolved to; empty when the name itself was refused
	Why  string

	instead string // what to write, where listing the host would not help
}

// Error names host and address.
func (e *GuardError) Error() string {
	at := e.Host
	if e.Addr != "" && e.Addr != e.Host {
		at += " (" + e.Addr + ")"
	}
	return fmt.Sprintf("refused to connect to %s: %s", at, e.Why)
}

// Hint says how to allow it.
func (e *GuardError) Hint() string {
	if e.instead != "" {
		return e.instead
	}
	allow := e.Host
	if e.Addr != "" {
		allow = e.Addr
	}
	return "if this is meant, list " + allow + " under allow_private"
}

func newGuard(allow []string) (*guard, error) {
	g := &guard{
		public: ssrf.New(ssrf.WithAnyPort()),
		names:  map[string]bool{}, exact: map[netip.Addr]bool{}, proxies: map[string]bool{},
	}
	for _, entry := range allow {
		if entry == "*" {
			g.all = true
		} else if addr, err := netip.ParseAddr(entry); err == nil {
			g.exact[addr.Unmap()] = true
		} else if prefix, err := netip.ParsePrefix(entry); err == nil {
			g.nets = append(g.nets, prefix.Masked())
		} else if entry == "" || strings.ContainsAny(entry, "/:*@ ") {
			return nil, fmt.Errorf("allow_private: %q is no host name, address or network such as 10.0.0.0/8", entry)
		} else {
			g.names[hostKey(entry)] = true
		}
	}
	return g, nil
}

func hostKey(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// check returns a GuardError when host must not be reached at addr.
func (g *guard) check(host string, addr netip.Addr) error {
	if g.exact[addr.Unmap()] {
		return nil
	}
	all := meanings(addr)
	if slices.ContainsFunc(all, func(a netip.Addr) bool { return metadata[a] }) {
		return &GuardError{Host: host, Addr: addr.String(), Why: "it is a cloud's metadata service"}
	}
	for _, n := range g.nets {
		if n.Contains(addr.Unmap()) {
			return nil
		}
	}
	if slices.ContainsFunc(all, func(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }) {
		return &GuardError{Host: host, Addr: addr.String(), Why: "it is a link-local address, where clouds have services of their own"}
	}
	if g.all || g.names[hostKey(host)] && !addr.IsLinkLocalUnicast() {
		return nil
	}
	if g.public.SafeAddr(addr) != nil {
		return &GuardError{Host: host, Addr: addr.String(), Why: "it is not a public address"}
	}
	return nil
}

// dialer returns what the transport dials with.
func (g *guard) dialer(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		d := d
		if !g.proxies[strings.ToLower(address)] {
			d.Control = func(_, resolved string, _ syscall.RawConn) error {
				to, err := netip.ParseAddrPort(resolved)
				if err != nil {
					return &GuardError{Host: host, Why: "its address cannot be read"}
				}
				return g.check(host, to.Addr())
			}
		}
		return d.DialContext(ctx, network, address)
	}
}

// number matches the last label of what some programs read as an address: 2130706433, 127.1, 0x7f.1.
var number = regexp.MustCompile(`^([0-9]*|0x[0-9a-f]*)$`)

// target checks a host that a proxy will be asked for, as far as that can be done from here.
func (g *guard) target(ctx context.Context, host string) error {
	if ascii, err := idna.Lookup.ToASCII(host); err == nil { // as net/http does: digits have other forms too
		host = ascii
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.check(host, addr)
	}
	name := hostKey(host)
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case number.MatchString(last):
		return &GuardError{Host: host, Why: "it is an address in a notation that each program reads differently",
			instead: "write the address as four numbers from 0 to 255"}
	case metadataNames[name]:
		return &GuardError{Host: host, Why: "it is a cloud's metadata service",
			instead: "if this is meant, use the service's address, and list that under allow_private"}
	case (last == "localhost" || last == "internal") && !g.all && !g.names[name]:
		return &GuardError{Host: host, Why: "it is a name of this machine or of a private network"}
	}
	addrs, err := g.lookup(ctx, host)
	if err != nil {
		return nil // only the proxy knows it
	}
	for _, addr := range addrs {
		if err := g.check(host, addr); err != nil {
			return err
		}
	}
	return nil
}
