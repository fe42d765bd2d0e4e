package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

func TestRedactForms(t *testing.T) {
	secret := `p@ss/w+rd "ü" <&> \x`
	r := &Redactor{}
	r.Add(NewValue(secret))
	r.Add(NewValue("abc")) // too short
	inJSON, _ := json.Marshal(map[string]string{"k": secret})
	twice, _ := json.Marshal(string(inJSON))
	std, web := base64.StdEncoding, base64.URLEncoding
	for name, text := range map[string]string{
		"plain": "x " + secret + " y", "query": "q=" + url.QueryEscape(secret), "path": "/" + url.PathEscape(secret),
		"userinfo": url.UserPassword("u", secret).String(), "lower escapes": strings.ToLower(url.QueryEscape(secret)),
		"hex": hex.EncodeToString([]byte(secret)), "upper hex": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"json": string(inJSON), "json twice": string(twice), "go": fmt.Sprintf("%q", secret), "go ascii": fmt.Sprintf("%+q", secret),
		"base64": std.EncodeToString([]byte(secret)), "base64 url": web.EncodeToString([]byte(secret)),
		"base64 raw": base64.RawStdEncoding.EncodeToString([]byte(secret)), "base64 raw url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		got := r.Redact(text)
		if !strings.Contains(got, "***") || strings.Contains(got, "p@ss") || strings.Contains(got, text) {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
	for _, user := range []string{"u:", "us:", "use:", "user:"} { // basic authentication, at every alignment
		text := std.EncodeToString([]byte(user + secret + "!"))
		middle := std.EncodeToString([]byte(secret))[4:12]
		if got := r.Redact(text); !strings.Contains(got, "***") || strings.Contains(got, middle) || len(got) > 16 {
			t.Errorf("basic %q: %q became %q", user, text, got)
		}
	}
	if got := r.Redact("abc is no secret"); got != "abc is no secret" {
		t.Error(got)
	}
	if got := (*Redactor)(nil).Redact("x"); got != "x" || (&Redactor{}).Redact("x") != "x" {
		t.Error(got)
	}
}

func TestRedactLongerFirstAndLines(t *testing.T) {
	r := &Redactor{}
	r.Add(NewValue("secret"))
	r.Add(NewValue("secret-and-more"))
	r.Add(NewValue("-----BEGIN KEY-----\nMIIEcanary01\n-----END KEY-----\n"))
	if got := r.Redact("a secret-and-more b secret"); got != "a *** b ***" {
		t.Error(got)
	}
	if got := r.Redact("-----BEGIN KEY-----\n  MIIEcanary01"); got != "-----BEGIN KEY-----\n  ***" {
		t.Error(got)
	}
}

func TestRedactURLs(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://user:pw@host/db":                    "postgres://user:***@host/db",
		"x amqp://u:p%40w@h:1/ and redis://:pw@h":       "x amqp://u:***@h:1/ and redis://:***@h",
		"mysql://u:p@w@h/db":                            "mysql://u:***@h/db",
		"mysql://u:p/w@h/db":                            "mysql://u:***@h/db",
		"postgres://user@host/db":                       "postgres://user@host/db",
		"http://localhost:8080/a@b":                     "http://localhost:8080/a@b",
		"https://h/x?user=a&password=pw&sslmode=on":     "https://h/x?user=a&password=***&sslmode=on",
		"https://h/x?X-Amz-Signature=pw&access_token=t": "https://h/x?X-Amz-Signature=***&access_token=***",
		"a=b": "a=b",
		"1 < 2 and see\tredis://u:pw@h,\n'https://h/?sig=s' <a href=\"x://u:pw@h?token=t\">=": "1 < 2 and see\tredis://u:***@h,\n'https://h/?sig=***' <a href=\"x://u:***@h?token=***\">=",
	} {
		if got := RedactURLs(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	r := &Redactor{}
	r.Add(NewValue(canary))
	text := "one " + canary + " two\nthree " + canary
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		w := r.Writer(&out)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if got, err := w.Write([]byte(rest[:n])); err != nil || got != n {
				t.Fatal(got, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil || out.String() != "one *** two\nthree ***" {
			t.Errorf("size %d: %q %v", size, out.String(), err)
		}
	}
}

func TestWriterOfLongLines(t *testing.T) {
	r := &Redactor{}
	r.Add(NewValue(canary))
	for shift := range 2 * len(canary) {
		var out bytes.Buffer
		w := r.Writer(&out)
		line := strings.Repeat("x", maxLine-3*len(canary)+shift) + strings.Repeat(canary, 5)
		for _, part := range []string{line[:maxLine+1], line[maxLine+1:]} {
			if _, err := w.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if out.Len() == 0 {
			t.Error("a long line is held back whole")
		}
		if err := w.Flush(); err != nil || strings.Contains(out.String(), "canary") || strings.Count(out.String(), "***") != 5 {
			t.Error(shift, out.String()[maxLine-100:])
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterPassesErrors(t *testing.T) {
	if _, err := (&Redactor{}).Writer(brokenWriter{}).Write([]byte("x\n")); err == nil {
		t.Error("the error was lost")
	}
}

type carrier struct{ Inner *struct{ Text string } }

func TestHandler(t *testing.T) {
	r := &Redactor{}
	r.Add(NewValue(canary))
	var out bytes.Buffer
	deep := carrier{Inner: &struct{ Text string }{canary}}
	for _, next := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		log := slog.New(r.Handler(next)).With("with", canary).WithGroup("g")
		log.Info("message "+canary, canary, "key", "s", "x"+canary, "err", fmt.Errorf("dial: %w", errors.New(canary)), "list", []string{canary},
			slog.Group("group", "in", canary), "deep", deep, "url", "postgres://u:other@h", "n", 5, "kept", []string{"a"})
	}
	text := out.String()
	if strings.Contains(text, "canary") || strings.Contains(text, "other") || !strings.Contains(text, `"kept":["a"]`) || !strings.Contains(text, `"n":5`) {
		t.Error(text)
	}
}

func BenchmarkRedact(b *testing.B) {
	r := &Redactor{}
	for i := range 20 {
		r.Add(NewValue(fmt.Sprintf("secret-number-%d-of-the-project", i)))
	}
	line := strings.Repeat("step done stream=orders rows=1000 took=1.2s ", 4)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		r.Redact(line)
	}
}

// TestRedactURLsByWord: what is replaced word by word is what the expressions match in the whole text.
func TestRedactURLsByWord(t *testing.T) {
	parts := []string{"http", "://", "user", ":", "pw", "@", "host", "/", "?", "&", "token=", "sig=", "=", "x", " ", "\n", "\"", "'", "<", ">", "\f", "8080", "é"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range random.IntN(14) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		text := b.String()
		want := urlQuery.ReplaceAllString(urlUser.ReplaceAllStringFunc(text, withoutPassword), "${1}"+hidden)
		if got := RedactURLs(text); got != want {
			t.Fatalf("%q became %q, want %q", text, got, want)
		}
	}
}
