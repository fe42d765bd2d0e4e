package testserver

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy stands between a client and a server, and spoils what they say to each other.
type Proxy struct {
	Addr string // host:port for the client

	t     testing.TB
	proxy *toxiproxy.Proxy
}

// NewProxy starts a proxy for a server that ends with the test.
func NewProxy(t testing.TB, server *Server) *Proxy {
	t.Helper()
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", server.Addr())
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &Proxy{Addr: p.Listen, t: t, proxy: p}
}

// Spoil adds one of toxiproxy's toxics to what comes from the server, for connections that are open and for new ones:
// latency, bandwidth, slicer, timeout, limit_data, reset_peer.
func (p *Proxy) Spoil(toxic string, attributes map[string]any) {
	p.t.Helper()
	text, err := json.Marshal(map[string]any{"type": toxic, "name": toxic, "stream": "downstream", "attributes": attributes})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		p.t.Fatal(err)
	}
}

// Heal removes all toxics; connections that they broke stay broken.
func (p *Proxy) Heal() { p.proxy.Toxics.ResetToxics(p.t.Context()) }
