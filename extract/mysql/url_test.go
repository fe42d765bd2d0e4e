package mysql

import (
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
)

// TestFromURL: a source of which nothing but its URL is known has the limits that one in a project has.
func TestFromURL(t *testing.T) {
	for _, text := range []string{"mysql://u@h/d", "mariadb://u@h/d"} {
		options, ok, err := Spec().FromURL(text)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		o := options.(*database.Options)
		if o.URL.Reveal() != text || o.Connections != 4 || o.ConnectTimeout <= 0 || o.LockTimeout <= 0 || o.IdleTimeout <= 0 {
			t.Errorf("%+v", o)
		}
	}
	if _, ok, _ := Spec().FromURL("postgres://u@h/d"); ok {
		t.Error("a URL of another database")
	}
}

// TestIdentity: what a stream reads is named by where it is, and a query by the database that its names are looked up in.
func TestIdentity(t *testing.T) {
	for _, c := range []struct{ url, name, query, want string }{
		{"mysql://reader:hunter2@DB.example.com/shop?tls=true", "orders", "", "db.example.com:3306/shop, `orders`"},
		{"mysql://db.example.com:3306/test", "`shop`.orders", "", "db.example.com:3306/shop, `orders`"},
		{"mysql://db.example.com:3307/shop", "orders", "", "db.example.com:3307/shop, `orders`"},
		{"mysql://h/shop?socket=/run/My.sock", "orders", "", "/run/My.sock/shop, `orders`"},
		{"mysql://db.example.com/shop", "test.orders", "SELECT 1", "db.example.com:3306/shop, query e004ebd5b553"},
	} {
		src, err := open(extract.Env{}, database.ForURL(c.url))
		if err != nil {
			t.Fatal(err)
		}
		if got := src.Identity(extract.Stream{Name: c.name, Options: &database.StreamOptions{Query: c.query}}); got != c.want {
			t.Errorf("%s of %s: %s", c.name, c.url, got)
		}
		_ = src.Close()
	}
}

// TestCheckURL: what cannot work is said before anything connects, also while the password is not known.
func TestCheckURL(t *testing.T) {
	databasetest.CheckURLs(t, check, map[string]string{
		"mysql://u:${secret:pw}@h:3306/d?tls=true":  "",
		"mariadb://u@h/d":                           "",
		"${SHOP_URL}":                               "",
		"mysql://u:${PW}@${H}:${PORT}/d?tls=${TLS}": "",
		"mysql://${secret:dsn}":                     "",
		"mysql://u:${vault:a/b@c}@[${H6}]:3306/d":   "",
		"mysql://u:p%25${PW}@[::1]:3306/d":          "",
		"mysql://u:${PW}@h":                         "not the URL",
		"postgres://u:${PW}@h/d":                    "not the URL",
		"mysql://u:${PW}@h/d?tls=banana":            "tls=banana is not known",
		"mysql://u:${PW}@h/d?parseTime=true":        `parameter "parseTime"`,
	})
}
