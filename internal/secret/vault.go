package secret

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Limits of talking to Vault.
const (
	vaultTimeout = 10 * time.Second
	vaultMemory  = 30 * time.Second // how long one answer serves further lookups, good or bad
)

// vaultStore reads one secret (a set of keys and values) of a KV version 2 engine.
type vaultStore struct {
	address     *url.URL
	mount, path string
	namespace   string
	tokenFile   string
	deps        Deps
	client      *http.Client

	mu     sync.Mutex
	asked  time.Time
	values map[string]Value
	note   string // why there are no values, when that is no error
	err    error
}

func newVault(c StoreConfig, deps Deps) (*vaultStore, error) {
	address, err := url.Parse(c.Address)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" || address.User != nil {
		return nil, errors.New("address must be a URL such as https://vault.example.com:8200")
	}
	if address.Scheme == "http" && !c.Insecure && !loopback(address.Hostname()) {
		return nil, errors.New("address is http://, which sends the token unencrypted; use https:// or set insecure: true")
	}
	v := &vaultStore{
		address: address, mount: strings.Trim(c.Mount, "/"), path: strings.Trim(c.Path, "/"),
		namespace: c.Namespace, deps: deps,
	}
	if v.mount == "" {
		v.mount = "secret"
	}
	if strings.Contains("/"+v.path+"/"+v.mount+"/", "/../") {
		return nil, errors.New("mount and path must not contain ..")
	}
	if c.TokenFile != "" {
		v.tokenFile = deps.resolve(c.TokenFile)
	}
	v.client, err = vaultClient(deps, c.CAFile)
	return v, err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func vaultClient(deps Deps, caFile string) (*http.Client, error) {
	client := &http.Client{}
	if deps.HTTPClient != nil {
		*client = *deps.HTTPClient
	}
	if client.Timeout == 0 {
		client.Timeout = vaultTimeout
	}
	if client.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if caFile != "" {
			pem, err := os.ReadFile(deps.resolve(caFile))
			if err != nil {
				return nil, fmt.Errorf("ca_file: %w", plain(err, caFile))
			}
			transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", caFile)
			}
		}
		client.Transport = transport
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		from := via[0].URL
		if req.URL.Host != from.Host || req.URL.Scheme != from.Scheme {
			return redirectError{req.URL.Scheme + "://" + req.URL.Host}
		}
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return nil
	}
	return client, nil
}

// redirectError stops a redirect that would take the token to another host.
type redirectError struct{ to string }

func (e redirectError) Error() string {
	return "the server redirects to " + e.to + ", where the token is not sent"
}

func (v *vaultStore) describe() string {
	return fmt.Sprintf("vault %s (mount %s, path %s)", v.address.Host, v.mount, v.path)
}

func (v *vaultStore) get(ctx context.Context, name string) (Value, string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.deps.Now(); v.asked.IsZero() || now.Sub(v.asked) > vaultMemory {
		v.values, v.note, v.err = v.fetch(ctx)
		v.asked = now
		if ctx.Err() != nil { // the caller gave up; that says nothing of Vault
			v.asked = time.Time{}
		}
	}
	switch {
	case v.err != nil:
		return Value{}, "", v.err
	case v.values == nil:
		return Value{}, v.note, nil
	}
	return pick(v.values, name)
}

func (v *vaultStore) token() (string, error) {
	if v.tokenFile != "" {
		data, err := readPrivate(v.tokenFile, v.tokenFile, false)
		if err != nil {
			return "", fmt.Errorf("token_file: %w", err)
		}
		if token := strings.TrimSpace(string(data)); token != "" && !strings.ContainsAny(token, "\r\n") {
			return token, nil
		}
		return "", fmt.Errorf("token_file: %s does not hold one token", v.tokenFile)
	}
	token, ok := v.deps.LookupEnv("VAULT_TOKEN")
	if token = strings.TrimSpace(token); !ok || token == "" {
		return "", advice{errors.New("there is no token"), "set environment variable VAULT_TOKEN, or token_file on this store"}
	}
	if strings.ContainsAny(token, "\r\n") {
		return "", errors.New("VAULT_TOKEN holds more than one line")
	}
	return token, nil
}

// fetch asks Vault once. Neither the body of an answer nor the token gets into an error.
func (v *vaultStore) fetch(ctx context.Context) (map[string]Value, string, error) {
	token, err := v.token()
	if err != nil {
		return nil, "", err
	}
	v.deps.Redactor.Add(NewValue(token))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.address.JoinPath("v1", v.mount, "data", v.path).String(), nil)
	if err != nil {
		return nil, "", errors.New("address, mount and path do not make a URL")
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	if v.namespace != "" {
		req.Header.Set("X-Vault-Namespace", v.namespace)
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, "", v.failed(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		if res.StatusCode == http.StatusNotFound {
			return nil, "there is no such path, or its latest version is deleted", nil
		}
		return nil, "", v.refused(res.StatusCode)
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/json" {
		return nil, "", advice{errors.New("the answer is not JSON; this is not the API of Vault"), "check address: a proxy or a login page may answer in its place"}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSize+1))
	if err != nil {
		return nil, "", v.failed(err)
	}
	if len(body) > maxSize {
		return nil, "", fmt.Errorf("the answer is larger than %d bytes", maxSize)
	}
	values, err := parseKV(body)
	return values, "", err
}

// failed puts errors of the connection into words.
func (v *vaultStore) failed(err error) error {
	var redirect redirectError
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &redirect):
		return advice{redirect, "set address to the server that answers, if it is yours"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return advice{fmt.Errorf("no answer within %s", v.client.Timeout), "check address and the network"}
	case errors.As(err, &unknown):
		return advice{errors.New("the certificate is signed by an unknown authority"), "set ca_file to the certificate of your authority"}
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate is not valid: %w", certificate.Err)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("connect: %w", err)
}

// refused puts the status codes of Vault into words.
func (v *vaultStore) refused(status int) error {
	switch status {
	case http.StatusBadRequest:
		return advice{errors.New("Vault calls the request wrong (400)"), "check mount, path and namespace"}
	case http.StatusForbidden:
		return advice{
			errors.New("permission denied (403): the token is not valid any more or may not read this path"),
			fmt.Sprintf("check it with: vault token capabilities %s/data/%s", v.mount, v.path),
		}
	case http.StatusTooManyRequests, 472, 473:
		return fmt.Errorf("the server does not answer reads now (%d)", status)
	case http.StatusNotImplemented:
		return errors.New("Vault is not initialised (501)")
	case http.StatusServiceUnavailable:
		return advice{errors.New("Vault is sealed or in maintenance (503)"), "unseal it with: vault operator unseal"}
	}
	return fmt.Errorf("unexpected status %d", status)
}

// parseKV reads {"data": {"data": {name: value}}}.
func parseKV(body []byte) (map[string]Value, error) {
	var answer struct {
		Data *struct {
			Data     map[string]json.RawMessage `json:"data"`
			Metadata *struct{}                  `json:"metadata"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Data == nil {
		return nil, errors.New("the answer is not that of Vault")
	}
	if answer.Data.Metadata == nil {
		return nil, advice{errors.New("the answer is not that of a KV version 2 engine"), "check mount; version 1 is not supported"}
	}
	values := make(map[string]Value, len(answer.Data.Data))
	for name, raw := range answer.Data.Data {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			if raw[0] == '{' || raw[0] == '[' {
				continue // not a text; a lookup of it finds nothing
			}
			text = string(raw) // a number or boolean, as it is written
		}
		values[name] = NewValue(text)
	}
	return values, nil
}
