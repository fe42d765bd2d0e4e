package mysql

import (
	"testing"

	"github.com/millrace/millrace/extract/database"
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
