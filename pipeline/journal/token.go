package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrTokenExists says that there is a token of that name already.
var ErrTokenExists = errors.New("there is a token of that name")

// Token lets its bearer in at the HTTP server. The journal has its hash: the token itself is shown once, when it is made.
type Token struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"` // nil: never
}

// HashToken is how a token is kept. Tokens are random and long, so that a plain hash cannot be reversed by guessing.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// AddToken keeps a token by its hash; ErrTokenExists when its name is taken.
func (j *Journal) AddToken(ctx context.Context, t Token, hash string) error {
	return j.tx(ctx, "token", func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `INSERT INTO token (name, hash, role, created, expires) VALUES (?,?,?,?,?) ON CONFLICT (name) DO NOTHING`,
			t.Name, hash, t.Role, stamp(t.Created), stampPtr(t.Expires)))
		if err == nil && n == 0 {
			return fmt.Errorf("%q: %w", t.Name, ErrTokenExists)
		}
		return err
	})
}

// RemoveToken forgets a token: its bearer, and sessions that began with it, are let in no more. False: there was none.
func (j *Journal) RemoveToken(ctx context.Context, name string) (removed bool, err error) {
	err = j.tx(ctx, "token", func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `DELETE FROM token WHERE name = ?`, name))
		removed = n > 0
		return err
	})
	return removed, err
}

const selectToken = `SELECT name, role, created, expires FROM token`

// Tokens lists the tokens by name, those that have expired too.
func (j *Journal) Tokens(ctx context.Context) ([]Token, error) {
	return query(ctx, j, selectToken+` ORDER BY name`, scanToken)
}

// TokenByHash finds a token by what HashToken gives. False: nobody was given it.
func (j *Journal) TokenByHash(ctx context.Context, hash string) (t Token, found bool, err error) {
	all, err := query(ctx, j, selectToken+` WHERE hash = ?`, scanToken, hash)
	if err != nil || len(all) == 0 {
		return Token{}, false, err
	}
	return all[0], true, nil
}

func scanToken(rows *sql.Rows) (t Token, err error) {
	var created string
	var expires sql.NullString
	err = rows.Scan(&t.Name, &t.Role, &created, &expires)
	t.Created, t.Expires = parseTime(created), parseTimePtr(expires)
	return t, err
}
