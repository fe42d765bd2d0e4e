package snowflake

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// ParsePrivateKey reads an RSA key in PKCS#8, as Snowflake's documentation has it made: plain, or encrypted (PBES2) with the
// passphrase. No error quotes the key.
func ParsePrivateKey(data, passphrase []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(bytes.TrimSpace(data))
	if block == nil {
		return nil, errors.New("the private key is not in PEM: it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----")
	}
	switch block.Type {
	case "PRIVATE KEY":
		return parsePlain(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return decrypt(block.Bytes, passphrase)
	case "RSA PRIVATE KEY":
		return nil, errors.New("the private key is in PKCS#1: turn it into PKCS#8 by openssl pkcs8 -topk8 -in key.pem -out key.p8")
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return nil, fmt.Errorf("this is a %s: give the private key that belongs to it", strings.ToLower(block.Type))
	}
	return nil, errors.New("the private key must be an RSA key in PKCS#8")
}

func parsePlain(der []byte) (*rsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the private key is damaged: its PKCS#8 cannot be read")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not an RSA key, the only kind that Snowflake takes")
	}
	return key, nil
}

// decrypt opens an encrypted key. The standard library cannot, and its author's reasons (golang/go#8860) do not make the keys
// go away that Snowflake's documentation recommends; the library is the one that Snowflake's own documentation for Go uses.
func decrypt(der, passphrase []byte) (key *rsa.PrivateKey, err error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the private key is encrypted: give its passphrase, as in private_key_passphrase: ${secret:name}")
	}
	// A wrong passphrase can leave bytes that the library's ciphers panic on.
	defer func() {
		if recover() != nil {
			key, err = nil, errUndecrypted
		}
	}()
	parsed, _, err := pkcs8.ParsePrivateKey(der, passphrase)
	if err != nil {
		return nil, errUndecrypted
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not an RSA key, the only kind that Snowflake takes")
	}
	return key, nil
}

var errUndecrypted = errors.New("the private key cannot be decrypted: the passphrase is wrong, or the key is not encrypted by PBES2 (openssl pkcs8 -topk8 -v2 aes-256-cbc)")
