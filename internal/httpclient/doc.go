// Package httpclient is the one way in which the engine speaks HTTP to servers of others. (The Vault store of internal/secret, on which
// this package stands, has a small client of its own.)
//
// A [Client] sends a [Request] as often as it takes and may: it waits for the rate limit, asks the breaker of the host, sends, judges
// the answer, waits as the server asks or backs off, and sends again. [Client.Do] hands over the body as a stream, [Client.ReadAll]
// reads it whole and so can also send again when it was cut short. What happened is counted ([Client.Stats]) and told
// ([Deps].Observe).
//
// The client never connects to an address that is not public unless the configuration lists it, never takes a header that could be
// a secret to another host, never follows https to http, never sends twice what may not be done twice, and never puts a URL's
// secrets, or a header's, into an error or a log line. It keeps no cookies and caches nothing.
//
// Read [Config] first, then retry.go, which is the order of it all.
package httpclient
