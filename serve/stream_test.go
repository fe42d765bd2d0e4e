package serve

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// logOf adds lines to the log of a run.
func (l *lab) logOf(run string, lines ...string) {
	l.t.Helper()
	dir := filepath.Join(l.e.Project.StateDir(), "logs")
	l.must(os.MkdirAll(dir, 0o700))
	f, err := os.OpenFile(filepath.Join(dir, run+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	l.must(err)
	_, err = f.WriteString(strings.Join(lines, ""))
	l.must(err)
	l.must(f.Close())
}

// running journals a run that goes on: its lock is held.
func (l *lab) running() (journal.Run, func()) {
	l.t.Helper()
	r := journal.Run{ID: "20261127T020000-running", Pipeline: "nightly", LogicalTime: night, Attempt: 1, Status: journal.Running, Started: night, Selection: journal.Selection{Nodes: []string{}}}
	l.must(l.j.BeginRun(l.t.Context(), r))
	dir := filepath.Join(l.e.Project.StateDir(), "locks")
	l.must(os.MkdirAll(dir, 0o700))
	lock, err := os.Create(filepath.Join(dir, "nightly.lock"))
	l.must(err)
	l.must(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	return r, func() {
		r.Status, r.Finished = journal.Succeeded, &night
		l.must(l.j.FinishRun(context.Background(), r, nil))
		l.must(lock.Close())
	}
}

func line(n int) string { return fmt.Sprintf("{\"level\":\"INFO\",\"msg\":\"line %d\"}\n", n) }

// follow opens the stream; its lines come one by one.
func (l *lab) follow(server, run, query, last string) (next func() string, closing func()) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), "GET", server+"/api/v1/runs/"+run+"/log/stream"+query, nil)
	l.must(err)
	r.Header.Set("Authorization", "Bearer "+l.viewer)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(r)
	l.must(err)
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		l.t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	lines := bufio.NewReader(answer.Body)
	return func() string {
		for {
			text, err := lines.ReadString('\n')
			if err != nil {
				return err.Error()
			}
			if text = strings.TrimSpace(text); text != "" && text[0] != ':' {
				return text
			}
		}
	}, func() { _ = answer.Body.Close() }
}

func TestLogStream(t *testing.T) {
	l := newLab(t, project, nil)
	server := httptest.NewServer(l.s.Handler())
	defer server.Close()
	r, end := l.running()
	next, hangUp := l.follow(server.URL, r.ID, "", "") // there is no log yet
	l.logOf(r.ID, line(1), line(2)[:10])
	if id, data := next(), next(); id != fmt.Sprint("id: ", len(line(1))) || data != "data: "+strings.TrimSpace(line(1)) {
		t.Errorf("%s, %s", id, data)
	}
	hangUp()
	l.logOf(r.ID, line(2)[10:], line(3))
	next, hangUp = l.follow(server.URL, r.ID, "", fmt.Sprint(len(line(1)))) // goes on where it was
	defer hangUp()
	if id, data := next(), next(); id != fmt.Sprint("id: ", 2*len(line(1))) || data != "data: "+strings.TrimSpace(line(2)) {
		t.Errorf("%s, %s", id, data)
	}
	if _, data := next(), next(); data != "data: "+strings.TrimSpace(line(3)) {
		t.Error(data)
	}
	l.logOf(r.ID, "no JSON\n", strings.Repeat("x", longestLine+5)+"\n", "\n", line(4))
	end()
	for _, want := range []string{"no JSON", "too long", "line 4"} {
		if _, data := next(), next(); !strings.Contains(data, want) {
			t.Errorf("%.100s", data)
		}
	}
	if event, data, eof := next(), next(), next(); event != "event: end" || data != `data: {"status":"succeeded"}` || eof != "EOF" {
		t.Errorf("%s, %s, %s", event, data, eof)
	}
}

// TestManyLines follows a log of 10^5 lines to its end.
func TestManyLines(t *testing.T) {
	l := newLab(t, project, nil)
	server := httptest.NewServer(l.s.Handler())
	defer server.Close()
	run := l.runs(1)[0].ID
	all := []string{}
	for i := range 100_000 {
		all = append(all, line(i))
	}
	l.logOf(run, all...)
	next, hangUp := l.follow(server.URL, run, "", "")
	defer hangUp()
	for i := range all {
		if _, data := next(), next(); data != "data: "+strings.TrimSpace(all[i]) {
			t.Fatalf("line %d: %s", i, data)
		}
	}
	if event := next(); event != "event: end" {
		t.Error(event)
	}
}

// TestLastLines begins a stream at the last lines of a log, whose ids are places in the file as ever.
func TestLastLines(t *testing.T) {
	l := newLab(t, project, nil)
	server := httptest.NewServer(l.s.Handler())
	defer server.Close()
	run := l.runs(1)[0].ID
	text := strings.Repeat(line(1), 5_000) + line(2) + line(3)
	l.logOf(run, text, line(4)[:7])
	for _, c := range []struct {
		tail, last string
		first      int64 // place behind the first line
	}{{"2", "", int64(len(text) - len(line(3)))}, {"5002", "", int64(len(line(1)))}, {"9999", "", int64(len(line(1)))}, {"2", "0", int64(len(line(1)))}} {
		next, hangUp := l.follow(server.URL, run, "?tail="+c.tail, c.last)
		if id := next(); id != fmt.Sprint("id: ", c.first) {
			t.Errorf("%+v: %s", c, id)
		}
		hangUp()
	}
	for _, size := range []int{0, 1, tailChunk - 1, tailChunk, tailChunk + 1, 3 * tailChunk} {
		text := strings.Repeat("x", size) + "\na\nb\n"
		if at, err := lastLines(strings.NewReader(text), int64(len(text)), 2); err != nil || at != int64(size+1) {
			t.Errorf("%d bytes before: %d, %v", size, at, err)
		}
	}
}

// TestClientThatNeverReads is dropped at its deadline; what it is owed stays in the file.
func TestClientThatNeverReads(t *testing.T) {
	l := newLab(t, project, nil)
	run := l.runs(1)[0].ID
	l.logOf(run, strings.Repeat(line(1), 50))
	w := &deaf{header: http.Header{}}
	r := httptest.NewRequest("GET", "http://127.0.0.1:4280/api/v1/runs/"+run+"/log/stream", nil)
	r.Header.Set("Authorization", "Bearer "+l.viewer)
	l.s.Handler().ServeHTTP(w, r)
	if w.deadlines < 2 || w.wrote > 64<<10 || l.s.streams.all != 0 {
		t.Errorf("%d deadlines, %d bytes, %d streams", w.deadlines, w.wrote, l.s.streams.all)
	}
}

// deaf is a connection whose client takes nothing after the first bytes: a write ends at its deadline.
type deaf struct {
	header           http.Header
	deadlines, wrote int
}

func (d *deaf) Header() http.Header              { return d.header }
func (d *deaf) WriteHeader(int)                  {}
func (d *deaf) Flush()                           {}
func (d *deaf) SetWriteDeadline(time.Time) error { d.deadlines++; return nil }
func (d *deaf) Write(b []byte) (int, error) {
	if d.wrote += len(b); d.deadlines > 1 {
		return 0, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

func TestStreamsAreBounded(t *testing.T) {
	l := newLab(t, project, nil)
	run := l.runs(1)[0].ID
	for range streamsOfOne {
		l.s.streams.enter("vera")
	}
	for token, want := range map[string]int{l.viewer: 429, l.operator: 200} {
		if w := l.ask("GET", "/api/v1/runs/"+run+"/log/stream", "", as(token)...); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
	for i := range mostStreams {
		l.s.streams.enter(fmt.Sprint(i))
	}
	if w := l.ask("GET", "/api/v1/runs/"+run+"/log/stream", "", as(l.operator)...); w.Code != 429 || l.s.streams.all != mostStreams {
		t.Errorf("%d; %d streams", w.Code, l.s.streams.all)
	}
	l.json("GET", "/api/v1/runs/none/log/stream", "", 404, nil)
}

// TestStreamsEndWithTheirToken: whoever is let in no more gets no further lines.
func TestStreamsEndWithTheirToken(t *testing.T) {
	l := newLab(t, project, nil)
	l.s.heartbeat = time.Millisecond
	server := httptest.NewServer(l.s.Handler())
	defer server.Close()
	r, end := l.running()
	defer end()
	l.logOf(r.ID, line(1))
	next, hangUp := l.follow(server.URL, r.ID, "", "")
	defer hangUp()
	next()
	if data := next(); data != "data: "+strings.TrimSpace(line(1)) {
		t.Error(data)
	}
	_, err := l.j.RemoveToken(t.Context(), "vera")
	l.must(err)
	if over := next(); over != "EOF" {
		t.Errorf("the stream goes on: %s", over)
	}
}

func TestLogPages(t *testing.T) {
	l := newLab(t, project, nil)
	run := l.runs(1)[0].ID
	path := "/api/v1/runs/" + run + "/log?limit=2"
	var p Page[json.RawMessage]
	if l.json("GET", path, "", 200, &p); len(p.Items) != 0 || p.Next != "" {
		t.Errorf("without a log: %+v", p)
	}
	l.logOf(run, line(1), line(2), line(3), line(4), line(5), line(6)[:9])
	got := ""
	for next, pages := "", 0; pages < 9; pages++ {
		p = Page[json.RawMessage]{}
		l.json("GET", path+"&cursor="+next, "", 200, &p)
		for _, item := range p.Items {
			got += string(item) + "\n"
		}
		if next = p.Next; next == "" {
			break
		}
	}
	if want := line(1) + line(2) + line(3) + line(4) + line(5) + `{"level":"WARN","msg":"a line of the log is no JSON"}` + "\n"; got != want {
		t.Errorf("%s", got)
	}
}

// TestLastWords: the end of the log of a run that is over ends its last line. Who wants to go on beyond the end gets nothing that is not there.
func TestLastWords(t *testing.T) {
	l := newLab(t, project, nil)
	run := l.runs(1)[0].ID
	l.logOf(run, line(1), strings.TrimSpace(line(2))) // killed before the newline
	for _, path := range []string{"/log", "/log/stream"} {
		if w := l.ask("GET", "/api/v1/runs/"+run+path, "", as(l.viewer)...); !strings.Contains(w.Body.String(), "line 2") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	if w := l.ask("GET", "/api/v1/runs/"+run+"/log/stream", "", append(as(l.viewer), "Last-Event-ID", "99999999")...); strings.Contains(w.Body.String(), "line") || !strings.Contains(w.Body.String(), "event: end") {
		t.Errorf("%s", w.Body)
	}
}

// revoking takes the token away when the first lines come.
type revoking struct {
	*httptest.ResponseRecorder
	first func()
}

func (w *revoking) WriteString(text string) (int, error) {
	if strings.HasPrefix(text, "id: ") && w.first != nil {
		w.first()
		w.first = nil
	}
	return w.ResponseRecorder.WriteString(text)
}

// TestStreamEndsWithItsToken: also while there are lines left.
func TestStreamEndsWithItsToken(t *testing.T) {
	l := newLab(t, project, nil)
	l.s.heartbeat = time.Nanosecond // always due
	run := l.runs(1)[0].ID
	var many []string
	for i := range 100_000 {
		many = append(many, line(i))
	}
	l.logOf(run, many...)
	w := &revoking{httptest.NewRecorder(), func() {
		_, err := l.j.RemoveToken(t.Context(), "vera")
		l.must(err)
	}}
	r := httptest.NewRequest("GET", "http://127.0.0.1:4280/api/v1/runs/"+run+"/log/stream", nil)
	r.Header.Set("Authorization", "Bearer "+l.viewer)
	l.s.Handler().ServeHTTP(w, r)
	if w.first != nil || strings.Contains(w.Body.String(), "line 99999") || strings.Contains(w.Body.String(), "event: end") {
		t.Errorf("%d bytes came", w.Body.Len())
	}
}

// TestServe listens, and ends streams when it is asked to end.
func TestServe(t *testing.T) {
	l := newLab(t, project, func(c *Config) { c.Settings.Listen = "127.0.0.1:0" })
	l.must(l.s.Listen())
	r, end := l.running()
	defer end()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.s.Serve(ctx) }()
	next, hangUp := l.follow(l.s.URL(), r.ID, "", "")
	defer hangUp()
	slow, err := net.Dial("tcp", l.s.listener.Addr().String())
	l.must(err)
	_, err = io.WriteString(slow, "GET /healthz HTTP/1.1\r\n") // and nothing more: it must not hold the end up for ever
	l.must(err)
	l.must(slow.Close())
	stop()
	if event := next(); event != "event: restart" {
		t.Error(event)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestTLS is S10: the server speaks TLS 1.3 and nothing older, and in it HTTP/2 with those who can: a log is followed over it as well.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pair := newCertificate(t, dir)
	l := newLab(t, project, func(c *Config) {
		c.Settings.Listen, c.Settings.TLS.Cert, c.Settings.TLS.Key = "127.0.0.1:0", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	l.must(l.s.Listen())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.s.Serve(ctx) }()
	trust := x509.NewCertPool()
	trust.AddCert(pair)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust, MaxVersion: version}}}
		answer, err := client.Get(l.s.URL() + "/login")
		if version == tls.VersionTLS12 {
			if err == nil {
				t.Error("TLS 1.2 is spoken")
			}
			continue
		}
		l.must(err)
		if l.must(answer.Body.Close()); answer.StatusCode != 200 || answer.TLS.Version != version || answer.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%d, TLS %x, %v", answer.StatusCode, answer.TLS.Version, answer.Header)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	r, end := l.running()
	defer end()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.s.URL()+"/api/v1/runs/"+r.ID+"/log/stream", nil)
	l.must(err)
	request.Header.Set("Authorization", "Bearer "+l.viewer)
	answer, err := client.Do(request)
	l.must(err)
	stop()
	text, err := io.ReadAll(answer.Body)
	l.must(err)
	l.must(answer.Body.Close())
	if answer.ProtoMajor != 2 || answer.StatusCode != 200 || !strings.Contains(string(text), "event: restart") {
		t.Errorf("%s %d %s", answer.Proto, answer.StatusCode, text)
	}
	l.must(<-ended)
}

// newCertificate writes a new key and a certificate for 127.0.0.1.
func newCertificate(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
