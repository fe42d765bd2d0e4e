package serve

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/millrace/millrace/transform/match/steward"
)

// aliases are names of records whose keys are personal, for those who are not shown keys: an alias leads to what explains its record, and
// tells nothing of the key but how many times aliasStep bytes it needs. Nobody else can make one, so that nobody finds out by them
// whether there is a record. Like sessions they hold until the server ends.
type aliases struct {
	secret []byte
	seal   cipher.AEAD
}

// aliasMark begins an alias, in place of a key.
const aliasMark = "~"

// aliasStep is what the lengths of sealed keys are multiples of: nearly all keys are of one length.
const aliasStep = 64

func newAliases() *aliases {
	secret := make([]byte, 64)
	_, _ = rand.Read(secret) // never fails
	block, _ := aes.NewCipher(secret[:32])
	seal, _ := cipher.NewGCM(block)
	return &aliases{secret[32:], seal}
}

// of is the alias of a record's key. One record has one alias: its nonce is made of what it seals.
func (a *aliases) of(entity string, r steward.Record) string {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write([]byte(entity + "\x00" + r.String()))
	nonce := mac.Sum(nil)[:a.seal.NonceSize()]
	return aliasMark + base64.RawURLEncoding.EncodeToString(a.seal.Seal(nonce, nonce, padded(r.Key), []byte(entity+"\x00"+r.Source)))
}

// padded is a key with a byte 1 and as many of 0 behind it as make its length a multiple of aliasStep.
func padded(key string) []byte {
	return append([]byte(key+"\x01"), make([]byte, aliasStep-1-len(key)%aliasStep)...)
}

// unpadded is the key of padded.
func unpadded(sealed []byte) string {
	return strings.TrimSuffix(strings.TrimRight(string(sealed), "\x00"), "\x01")
}

// record is whose alias stands in place of the key; false where it is none, or one of another server.
func (a *aliases) record(entity string, r steward.Record) (steward.Record, bool) {
	text, ok := strings.CutPrefix(r.Key, aliasMark)
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(sealed) < a.seal.NonceSize() {
		return r, false
	}
	n := a.seal.NonceSize()
	key, err := a.seal.Open(nil, sealed[:n], sealed[n:], []byte(entity+"\x00"+r.Source))
	return steward.Record{Source: r.Source, Key: unpadded(key)}, err == nil
}
