package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/zalando/go-keyring"
)

const canary = "canary-7f3a"

func TestValueHidesItself(t *testing.T) {
	type box struct {
		Public  Value
		private Value
	}
	v := NewValue(canary)
	b := box{v, v}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+" "+verb+"\n", v, &v, b, []any{b, map[string]Value{"a": v}})
	}
	text, _ := json.Marshal(map[string]any{"a": v, "b": b})
	out.Write(text)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "b", b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "b", b)
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), "63616e617279") {
		t.Error(out.String())
	}
	if v.Reveal() != canary || !v.Equal(NewValue(canary)) || v.Equal(Value{}) || !(NewValue("").IsZero()) {
		t.Error("the value itself is lost")
	}
}

// env returns a LookupEnv of the given names and values.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func write(t *testing.T, mode os.FileMode, text string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// expect looks a name up and compares: want begins with "error: " when an error must contain the rest.
func expect(t *testing.T, s *Stores, name, want, hint string) {
	t.Helper()
	v, err := s.Lookup(context.Background(), name)
	if text, isError := strings.CutPrefix(want, "error: "); isError {
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hintOf(err), hint) {
			t.Errorf("%s: error %v\nhint %q", name, err, hintOf(err))
		}
		if err != nil && strings.Contains(err.Error()+hintOf(err)+fmt.Sprintf("%#v", err), "canary") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
		return
	}
	if err != nil || v.Reveal() != want {
		t.Errorf("%s: %q %v, want %q", name, v.Reveal(), err, want)
	}
}

func mustNew(t *testing.T, cfg Config, deps Deps) *Stores {
	t.Helper()
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaultIsEnvironmentOnly(t *testing.T) {
	keyring.MockInit()
	if err := keyring.Set("millrace", "ring", canary); err != nil {
		t.Fatal(err)
	}
	r := &Redactor{}
	s := mustNew(t, nil, Deps{LookupEnv: env("MILLRACE_SECRET_PG_PASS_WORD", canary, "MILLRACE_SECRET_EMPTY", ""), Redactor: r})
	expect(t, s, "pg-pass.word", canary, "")
	expect(t, s, "ring", `error: secret "ring" not found; asked: env (MILLRACE_SECRET_RING is not set)`, "set environment variable MILLRACE_SECRET_RING")
	expect(t, s, "empty", "error: is empty", "")
	expect(t, s, "../x", "error: a name consists of", "")
	expect(t, s, "", "error: a name consists of", "")
	if _, err := s.Lookup(context.Background(), "nope"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := r.Redact("x " + canary); got != "x ***" {
		t.Error("not registered:", got)
	}
}

func TestNewRefusesWrongEntries(t *testing.T) {
	_, err := New(Config{{Type: "file"}, {Type: "nope"}, {Type: "env", Path: "x"}, {Type: "vault", Path: "p", Address: "vault:8200"}, {Type: "age", Path: "x"},
		{Type: "vault", Path: "p", Address: "http://vault.example.com"}, {Type: "vault", Path: "../x", Address: "https://v"}}, Deps{})
	for _, want := range []string{
		`entry 1 (file): missing key "path"`, `entry 2 (nope): unknown type`, `entry 3 (env): key "path" belongs`, `entry 4 (vault): address must`,
		`entry 5 (age): missing key "identity"`, `entry 6 (vault): address is http://`, `entry 7 (vault): mount and path`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, 0o600, canary+"\n", dir, "run", "pg")
	write(t, 0o400, "line1\nline2\n\n", dir, "run", "multi")
	write(t, 0o644, canary, dir, "run", "open")
	write(t, 0o600, "", dir, "run", "empty")
	write(t, 0o600, "# c\nexport A=one # c\nB='it is # $X\nmore'\nC=\"x\\n\\\"y\\\"\\q\" # c\nD = spaced\nEMPTY=\n", dir, "secrets.env")
	write(t, 0o640, "A="+canary, dir, "group.env")
	write(t, 0o600, "A=1\n"+canary+"\n", dir, "bad.env")
	write(t, 0o600, "A=\""+canary+"\n", dir, "open.env")
	write(t, 0o600, "A='x' "+canary+"\n", dir, "after.env")

	folder := mustNew(t, Config{{Type: "file", Path: "run"}}, Deps{Dir: dir})
	expect(t, folder, "pg", canary, "")
	expect(t, folder, "multi", "line1\nline2\n", "")
	expect(t, folder, "open", "error: run/open can be read or changed by others (mode 0644)", "run: chmod 600 "+filepath.Join(dir, "run", "open"))
	expect(t, folder, "empty", "error: file empty is empty", "")
	expect(t, folder, "none", "error: file run (no file none)", "add none to run")
	expect(t, mustNew(t, Config{{Type: "file", Path: "run", Shared: true}}, Deps{Dir: dir}), "open", canary, "")

	file := mustNew(t, Config{{Type: "file", Path: filepath.Join(dir, "secrets.env")}}, Deps{})
	for name, want := range map[string]string{"A": "one", "B": "it is # $X\nmore", "C": "x\n\"y\"\\q", "D": "spaced", "EMPTY": "error: entry EMPTY is empty", "Z": "error: no entry Z"} {
		expect(t, file, name, want, "")
	}
	for path, want := range map[string]string{
		"group.env": "error: mode 0640", "bad.env": "error: bad.env, line 2: expected NAME=value",
		"open.env": "error: line 1: the quote is not closed", "after.env": "error: line 1: text after", "absent.env": "error: file absent.env (does not exist)",
	} {
		expect(t, mustNew(t, Config{{Type: "file", Path: path}}, Deps{Dir: dir}), "A", want, "")
	}
}

func TestOrderOfStores(t *testing.T) {
	dir := t.TempDir()
	write(t, 0o600, "BOTH=from-file\nFILE=f\n", dir, "s.env")
	write(t, 0o644, "BOTH=x\n", dir, "open.env")
	keyring.MockInit()
	if err := keyring.Set("millrace", "ring", "from-ring"); err != nil {
		t.Fatal(err)
	}
	deps := Deps{Dir: dir, LookupEnv: env("MILLRACE_SECRET_BOTH", "from-env")}
	s := mustNew(t, Config{{Type: "env"}, {Type: "file", Path: "s.env"}, {Type: "keyring"}}, deps)
	expect(t, s, "BOTH", "from-env", "")
	expect(t, s, "FILE", "f", "")
	expect(t, s, "ring", "from-ring", "")
	expect(t, s, "none", "error: env (MILLRACE_SECRET_NONE is not set); file s.env (no entry none); keyring (no entry of service millrace)", "")
	s = mustNew(t, Config{{Type: "file", Path: "open.env"}, {Type: "env"}}, deps)
	expect(t, s, "BOTH", "error: open.env can be read", "chmod 600")
	keyring.MockInitWithError(errors.New("no dbus"))
	expect(t, mustNew(t, Config{{Type: "keyring"}, {Type: "env"}}, deps), "BOTH", "from-env", "")
}

func TestAge(t *testing.T) {
	dir := t.TempDir()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(name, text string, armored bool) {
		var out bytes.Buffer
		var sink io.Writer = &out
		var a io.WriteCloser
		if armored {
			a = armor.NewWriter(&out)
			sink = a
		}
		w, err := age.Encrypt(sink, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if a != nil {
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
		write(t, 0o644, out.String(), dir, name) // encrypted: may be committed
	}
	seal("s.env.age", "PG="+canary+"\n", false)
	seal("s.yml.age", "PG: "+canary+"\nkey: |\n  a\n  b\n", true)
	seal("bad.yml.age", "PG: ["+canary, false)
	seal("number.yml.age", "PG: 12\n", false)
	seal("bad.env.age", canary, false)
	damaged, err := os.ReadFile(filepath.Join(dir, "s.env.age"))
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)-1] ^= 1
	write(t, 0o600, string(damaged), dir, "damaged.age")
	write(t, 0o600, "# created\n"+id.String()+"\n", dir, "id")
	write(t, 0o600, other.String(), dir, "other")
	write(t, 0o644, id.String(), dir, "open")
	write(t, 0o600, "AGE-SECRET-KEY-1CANARY", dir, "broken")
	for _, c := range []struct{ path, identity, want string }{
		{"s.env.age", "id", canary},
		{"s.yml.age", "id", canary},
		{"bad.yml.age", "id", "error: is not a YAML mapping"},
		{"number.yml.age", "id", "error: PG is not a text; put it in quotes"},
		{"bad.env.age", "id", "error: line 1: expected NAME=value"},
		{"damaged.age", "id", "error: damaged or not an age file"},
		{"s.env.age", "other", "error: is not encrypted for the identity"},
		{"s.env.age", "open", "error: can be read or changed by others"},
		{"s.env.age", "broken", "error: holds no age identity"},
		{"s.env.age", "absent", "error: does not exist"},
		{"absent.age", "id", "error: age absent.age (does not exist)"},
	} {
		s := mustNew(t, Config{{Type: "age", Path: c.path, Identity: c.identity}}, Deps{Dir: dir})
		expect(t, s, "PG", c.want, "")
	}
	expect(t, mustNew(t, Config{{Type: "age", Path: "s.yml.age", Identity: "~/id"}}, Deps{Dir: dir, LookupEnv: env("HOME", dir)}), "key", "a\nb\n", "")
}

func FuzzParseEnv(f *testing.F) {
	f.Add([]byte("A=1\nexport B='x\ny'\nC=\"\\n\""))
	f.Add([]byte("A='"))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = parseEnv(data) })
}
