package httpclient

import (
	"net/netip"
	"slices"
)

// Networks of IPv6 whose addresses hold one of IPv4.
var (
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
	atTheEnd   = []netip.Prefix{ // in their last four bytes
		netip.MustParsePrefix("64:ff9b::/96"), // NAT64
		nat64Local,
		netip.MustParsePrefix("::/96"),           // IPv4-compatible
		netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated
		netip.MustParsePrefix("fe80::/10"),       // link-local: by some systems' convention
	}
)

// meanings returns an address without its zone, and those of IPv4 that a gateway or a tunnel on the way may take it for.
func meanings(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap().WithZone("")
	all := []netip.Addr{addr}
	if addr.Is4() {
		return all
	}
	b := addr.As16()
	add := func(v4 ...byte) { all = append(all, netip.AddrFrom4([4]byte(v4))) }
	isatap := b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe // in any network
	if isatap || slices.ContainsFunc(atTheEnd, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		add(b[12:]...)
	}
	switch {
	case nat64Local.Contains(addr):
		add(b[6], b[7], b[9], b[10]) // as RFC 6052 writes it behind 48 bits
	case sixToFour.Contains(addr):
		add(b[2:6]...)
	case teredo.Contains(addr):
		add(b[4:8]...)
		add(^b[12], ^b[13], ^b[14], ^b[15])
	}
	return all
}
