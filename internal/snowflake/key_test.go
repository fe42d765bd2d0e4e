package snowflake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"
)

// opensslKey was made by: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 | openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:rosebud
const opensslKey = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIq45sO0BZgH8CAggA
MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDOw6j685fv3YwCaKGK7Z0xBIIC
gKJDXbFBdP4s32pmj1s2RLYqC7CPBcNWQwYBo19f8dtjxM8UZ3kqm0x3k/cFQWBO
dLFQtDeWQNgAZu1giDQgQeSTHTIjywTL8cSD1531pIRrxoeRxaareAihYe2U9xed
/N0Ksi5YvrCnGu1WsDJ2P4HqVpbONDZ0vXVJie2CH0Sxh2DUA9A8ghlpl787akW6
Ha2kqFP7fXdDxBHijZ/Bj9FCldLhwXvL8ND4RCbdiPD+M8NnPBgoaHR7wiXoZLaq
7UBrnGH2tXeLAcsYJzZvWd/DYLcUbtSRCTg9bVWjNjAVOFmU4yNkvMhWFFKLlfW5
20ANmABWx7eMzUktPLnhGhMPFBVNIAmZwRGXcq44v3vSC1EkaA9q/hgsU33J9GEL
Dei0jZUdqSz8jSJ5iOkguR3kdOX3wPPsKNd5upiFt3B16mnW8E1K6BAkHSEKsORT
bjVopnXaXEDS1fG+IuwTR/aq6MUKzcGWStpTZ5AzZkiYs199yEE948lL3Ts8LPW+
dP6C0Dn8bfC6bubPUNRwaWRHTRBM8Z2Ln+ymMfnVcQhla9WCpgR8E26ZtfRoQVWJ
gzDWRn4cFwVKCmpsKcIl9x4xy3sgNDYcc10wkuqi1NyffpZKAQgkXWVht8BceIb6
gTnwWNruaj7IRPrQjIp0/FJcseH/PjQ671auuuYN54dl7N57weWOxnK4VApe1qC/
vfN2vgM78FsgGNKjBvCvCA7/esL6sf5ljvw1b5t59X8zQMSFeLJ6ovTryVgZhEDS
kAIn+dFySJ7VfZylHw9NPoyRxGiKwIb+UH8B2fvDQw9c8BT6escXKAh1OHcvcmdy
O8Kgu0UAfhLHSvtQ1kUTfLw=
-----END ENCRYPTED PRIVATE KEY-----`

func TestPrivateKeysAreReadAndOthersNamed(t *testing.T) {
	key := privateKey(t)
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := pkcs8.MarshalPrivateKey(key, []byte("rosebud"), nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		kind       string
		der        []byte
		passphrase string
		says       string // "": it is read
	}{
		"plain":                  {"PRIVATE KEY", plain, "", ""},
		"encrypted":              {"ENCRYPTED PRIVATE KEY", locked, "rosebud", ""},
		"no passphrase":          {"ENCRYPTED PRIVATE KEY", locked, "", "give its passphrase"},
		"wrong passphrase":       {"ENCRYPTED PRIVATE KEY", locked, "sled", "the passphrase is wrong"},
		"encrypted and cut":      {"ENCRYPTED PRIVATE KEY", locked[:len(locked)-9], "rosebud", "cannot be decrypted"},
		"PKCS#1":                 {"RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), "", "openssl pkcs8 -topk8"},
		"public":                 {"PUBLIC KEY", public, "", "give the private key"},
		"not RSA":                {"PRIVATE KEY", other, "", "not an RSA key"},
		"damaged":                {"PRIVATE KEY", plain[:100], "", "damaged"},
		"something else in PEM":  {"OPENSSH PRIVATE KEY", plain, "", "PKCS#8"},
		"nothing that is in PEM": {"", plain, "", "not in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			data := pem.EncodeToMemory(&pem.Block{Type: c.kind, Bytes: c.der})
			if c.kind == "" {
				data = c.der
			}
			got, err := ParsePrivateKey(data, []byte(c.passphrase))
			if c.says == "" {
				if err != nil || !got.Equal(key) {
					t.Fatalf("read as %v, %v", got != nil, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("the error is %v, want one that says %q", err, c.says)
			}
			if c.passphrase != "" && strings.Contains(err.Error(), c.passphrase) {
				t.Error("the error shows the passphrase")
			}
			for line := range strings.Lines(string(data)) {
				if line = strings.TrimSpace(line); len(line) > 40 && strings.Contains(err.Error(), line) {
					t.Error("the error quotes the key")
				}
			}
		})
	}
}

// What openssl writes is read, whatever the library that encrypts in the test above thinks of the format.
func TestAKeyThatOpenSSLEncryptedIsRead(t *testing.T) {
	if _, err := ParsePrivateKey([]byte(opensslKey), []byte("rosebud")); err != nil {
		t.Fatal(err)
	}
}
