package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// minSecret is the shortest text that is redacted: shorter ones would tear holes into ordinary words.
const minSecret = 4

// Redactor removes secrets from text. It knows those it was told, in plain and in the encodings that programs log:
// base64 (also as a part of a longer text such as user:password), URL-encoded, hex, JSON and Go strings, and each line
// of secrets of several lines. It is safe for concurrent use; the zero Redactor and a nil one know no secrets.
type Redactor struct {
	mu    sync.Mutex
	known map[string]bool
	state atomic.Pointer[redaction]
}

// redaction is one immutable set of forms to replace.
type redaction struct {
	forms    []string // longest first
	longest  int
	replacer *strings.Replacer
}

// Add makes the redactor know a secret. Texts under four characters are not remembered.
func (r *Redactor) Add(v Value) {
	text := v.Reveal()
	if r == nil || len(text) < minSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[text] {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.known[text] = true
	all := map[string]bool{}
	for secret := range r.known {
		for _, form := range forms(secret) {
			all[form] = true
		}
	}
	next := &redaction{}
	for form := range all {
		next.forms = append(next.forms, form)
		next.longest = max(next.longest, len(form))
	}
	slices.SortFunc(next.forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(next.forms))
	for _, form := range next.forms {
		pairs = append(pairs, form, hidden)
	}
	next.replacer = strings.NewReplacer(pairs...)
	r.state.Store(next)
}

// Redact returns text without the known secrets and without passwords in URLs.
func (r *Redactor) Redact(text string) string {
	if r != nil {
		if s := r.state.Load(); s != nil {
			text = s.replacer.Replace(text)
		}
	}
	return RedactURLs(text)
}

// forms returns the ways a secret may stand in a text.
func forms(secret string) []string {
	whole := []string{secret}
	if strings.Contains(secret, "\n") {
		for _, line := range strings.Split(secret, "\n") {
			line = strings.TrimSpace(line)
			if len(line) >= 8 && !strings.HasPrefix(line, "-----") {
				whole = append(whole, line)
			}
		}
	}
	var out []string
	for _, s := range whole {
		out = append(out, s)
		for _, e := range []string{url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), userinfo(s)} {
			out = append(out, e, lowerEscapes(e))
		}
		h := hex.EncodeToString([]byte(s))
		out = append(out, h, strings.ToUpper(h))
		for _, q := range []string{jsonText(s, true), jsonText(s, false), strconv.Quote(s), strconv.QuoteToASCII(s)} {
			out = append(out, q[1:len(q)-1])
			inner := jsonText(q[1:len(q)-1], false) // JSON in JSON, as in a logged body
			out = append(out, inner[1:len(inner)-1])
		}
		out = append(out, base64Forms(s)...)
	}
	return slices.DeleteFunc(out, func(f string) bool { return len(f) < minSecret })
}

func userinfo(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") }

var escape = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return escape.ReplaceAllStringFunc(s, strings.ToLower) }

func jsonText(s string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// base64Forms returns the encodings of s alone, and the characters that s alone decides when it stands in a longer
// text, for each of the three ways its bytes may fall on the groups of three.
func base64Forms(s string) []string {
	var out []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		out = append(out, enc.EncodeToString([]byte(s)), enc.WithPadding(base64.NoPadding).EncodeToString([]byte(s)))
		for before := range 3 {
			padded := append(make([]byte, before), s...)
			text := enc.WithPadding(base64.NoPadding).EncodeToString(padded)
			from := (before*8 + 5) / 6 // characters that hold bits of what stands before
			to := len(padded) * 8 / 6  // characters that hold bits of what comes after
			if middle := text[from:to]; len(middle) >= 8 {
				out = append(out, middle)
			}
		}
	}
	return out
}

// The expressions of RedactURLs match within a word: neither crosses what between takes for an end of one.
var (
	urlUser  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"'<>]*):([^\s"'<>]*)@`)
	portPath = regexp.MustCompile(`^[0-9]+(/|\?|#)`)
	urlQuery = regexp.MustCompile(`(?i)([?&;](?:[a-z0-9_-]*(?:password|passwd|secret|token|signature|api_?key|access_?key)|pwd|sig)=)[^&;\s"'<>#]+`)
)

const between = " \t\r\n\f\"'<>"

// RedactURLs replaces passwords in URLs, user:password@ as well as ?password= and the like, by ***.
func RedactURLs(text string) string {
	text = inWords(text, "://", func(word string) string { return urlUser.ReplaceAllStringFunc(word, withoutPassword) })
	return inWords(text, "=", func(word string) string { return urlQuery.ReplaceAllString(word, "${1}"+hidden) })
}

// withoutPassword is a match of urlUser.
func withoutPassword(match string) string {
	g := urlUser.FindStringSubmatch(match)
	if portPath.MatchString(g[2]) { // http://host:80/path@version has no password
		return match
	}
	return g[1] + ":" + hidden + "@"
}

// inWords replaces in the words of a text that have a mark, and looks at no others: texts may have megabytes, and few URLs.
func inWords(text, mark string, replace func(word string) string) string {
	var out strings.Builder
	done := 0 // bytes of the text that are out
	for {
		at := strings.Index(text[done:], mark)
		if at < 0 {
			break
		}
		at += done
		begin, end := strings.LastIndexAny(text[done:at], between)+1+done, len(text)
		if n := strings.IndexAny(text[at:], between); n >= 0 {
			end = at + n
		}
		out.WriteString(text[done:begin])
		out.WriteString(replace(text[begin:end]))
		done = end
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// maxLine is how much of one line a Writer holds back.
const maxLine = 64 << 10

// Writer writes redacted text to another writer. It passes on whole lines, so that a secret that comes in several
// Writes is seen; Flush, or Close, writes the last line when it has no line break. It is safe for concurrent use.
type Writer struct {
	r   *Redactor
	w   io.Writer
	mu  sync.Mutex
	buf []byte
}

// Writer returns a Writer on w. Closing it does not close w.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{r: r, w: w} }

// Write implements io.Writer. An error of the writer below is returned for the Write that meets it.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	cut := bytes.LastIndexAny(w.buf, "\r\n") + 1
	if cut == 0 && len(w.buf) > maxLine {
		cut = w.r.safeCut(w.buf)
	}
	return len(p), w.emit(cut)
}

// Flush writes what is held back.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.emit(len(w.buf))
}

// Close is Flush.
func (w *Writer) Close() error { return w.Flush() }

func (w *Writer) emit(n int) error {
	if n == 0 {
		return nil
	}
	text := w.r.Redact(string(w.buf[:n]))
	w.buf = append(w.buf[:0], w.buf[n:]...)
	_, err := io.WriteString(w.w, text)
	return err
}

// safeCut returns how much of a long line may be written without cutting a secret: a secret may begin in the last
// bytes, and one may lie across the cut.
func (r *Redactor) safeCut(buf []byte) int {
	var s *redaction
	if r != nil {
		s = r.state.Load()
	}
	if s == nil {
		return len(buf)
	}
	cut := max(0, len(buf)-s.longest+1)
	for moved := true; moved; {
		moved = false
		for _, form := range s.forms {
			from := max(0, cut-len(form)+1)
			if i := bytes.Index(buf[from:min(len(buf), cut+len(form)-1)], []byte(form)); i >= 0 && from+i < cut {
				cut, moved = from+i, true
			}
		}
	}
	return cut
}

// Handler returns a slog.Handler that redacts messages and attributes before next sees them.
func (r *Redactor) Handler(next slog.Handler) slog.Handler { return Handler(r.Redact, next) }

// Handler does the same with any function that redacts.
func Handler(redact func(string) string, next slog.Handler) slog.Handler {
	return handler{redact, next}
}

type handler struct {
	redact func(string) string
	next   slog.Handler
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.redact(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return handler{h.redact, h.next.WithAttrs(clean)}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.redact, h.next.WithGroup(name)}
}

func (h handler) attr(a slog.Attr) slog.Attr {
	a.Key = h.redact(a.Key)
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(h.redact(v.String()))
	case slog.KindGroup:
		group := v.Group()
		clean := make([]slog.Attr, len(group))
		for i, inner := range group {
			clean[i] = h.attr(inner)
		}
		a.Value = slog.GroupValue(clean...)
	case slog.KindAny:
		a.Value = h.any(v.Any())
	default:
		a.Value = v
	}
	return a
}

// any keeps a value as it is when neither its text nor its JSON holds a secret, else it becomes redacted text.
func (h handler) any(v any) slog.Value {
	text := fmt.Sprintf("%+v", v)
	clean := h.redact(text)
	if _, isError := v.(error); isError || clean != text {
		return slog.StringValue(clean)
	}
	if encoded, err := json.Marshal(v); err == nil {
		if clean := h.redact(string(encoded)); clean != string(encoded) {
			return slog.StringValue(clean)
		}
	}
	return slog.AnyValue(v)
}
