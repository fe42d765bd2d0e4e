package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/secret"
)

func TestURL(t *testing.T) {
	type target struct {
		URL URL `yaml:"url" required:"true"`
	}
	lookups := Lookups{Env: func(name string) (string, bool) { return "s3cr/et-" + name, name == "PW" },
		Secret: func(string) (secret.Value, error) { return secret.NewValue("postgres://u:hidden1@h/db"), nil }}
	cases := map[string]struct{ yaml, url, problem string }{
		"password from the environment": {"url: postgres://u:${PW}@h/db", "postgres://u:s3cr%2Fet-PW@h/db", ""},
		"password from a secret":        {"url: postgres://u:${secret:pw}@h/db?sslmode=disable", "postgres://u:postgres%3A%2F%2Fu%3Ahidden1%40h%2Fdb@h/db?sslmode=disable", ""},
		"half a reference":              {"url: postgres://u:x${PW}@h/db", "", "a password stands in the project file"},
		"all of it a secret":            {"url: ${secret:erp}", "postgres://u:hidden1@h/db", ""},
		"no password":                   {"url: postgres://u@h/db?sslmode=require", "postgres://u@h/db?sslmode=require", ""},
		"password in the file":          {"url: postgres://u:topsecret@h/db", "", "a password stands in the project file"},
		"password as a parameter":       {"url: postgres://u@h/db?password=topsecret", "", "a password stands in the project file"},
		"no URL":                        {"url: 'postgres://u:${PW}@h:port/db'", "", "this is not a URL"},
		"no scheme":                     {"url: ${PW}", "", "the URL has no scheme"},
		"missing":                       {"other: 1", "", "url"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, problems := Parse("x.yml", []byte(c.yaml+"\n"))
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			var got target
			problems = f.Root(lookups.Resolve).Decode(&got)
			text := problems.Error()
			if c.problem == "" && (problems.HasErrors() || got.URL.Reveal() != c.url) {
				t.Errorf("%q, %v", got.URL.Reveal(), problems)
			}
			if !strings.Contains(text, c.problem) {
				t.Errorf("got %v, want %q", problems, c.problem)
			}
			out, err := json.Marshal(got)
			for _, hidden := range []string{"topsecret", "s3cr", "hidden1"} {
				if strings.Contains(text+string(out)+got.URL.String(), hidden) || err != nil {
					t.Errorf("the password shows: %s %s, %v", text, out, err)
				}
			}
		})
	}
}
