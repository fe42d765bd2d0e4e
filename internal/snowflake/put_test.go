package snowflake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// storage is a cloud's storage: what is asked of it is answered by its handler, all else goes to the server.
type storage func(r *http.Request) (status int, body string)

func (s storage) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == "127.0.0.1" {
		return http.DefaultTransport.RoundTrip(r)
	}
	status, body := s(r)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// put sends a file to a stage of that kind, as a Bulk statement, and gives what was recorded.
func put(t *testing.T, stage map[string]any, store storage) (s *server, r *Result, told []Sent, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(file, []byte("PAR1 and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) {
		answerJSON(w, map[string]any{"success": true, "data": map[string]any{"queryId": "01b-put", "command": "UPLOAD", "src_locations": []string{file},
			"parallel": 1, "autoCompress": false, "overwrite": true, "sourceCompression": "none", "stageInfo": stage}})
	})
	cfg := s.config(t)
	cfg.Transport = store
	session := s.session(t, cfg, func(_ context.Context, sent *Sent) error {
		if sent.Step == "upload" {
			told = append(told, *sent)
		}
		return nil
	})
	r, err = session.Query(t.Context(), Statement{SQL: "PUT 'file://" + file + "' @s/l1/ OVERWRITE=TRUE AUTO_COMPRESS=FALSE", Step: "upload", Bulk: true})
	return s, r, told, err
}

// On Google's cloud the driver sends a PUT again, with all that its context holds: a request id would be answered from the first,
// and the channel of a query id would be used twice, which panics.
func TestAnUploadThatIsAskedForTwice(t *testing.T) {
	stored := 0
	s, r, told, err := put(t, map[string]any{"locationType": "GCS", "location": "bucket/stage/", "presignedUrl": "http://storage.example.com/a.parquet?X-Goog-Signature=secret"},
		func(r *http.Request) (int, string) {
			if data, err := io.ReadAll(r.Body); err == nil && r.Method == http.MethodPut {
				stored = len(data)
			}
			return http.StatusOK, ""
		})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || r.Columns[6] != "status" || *r.Rows[0][6] != "UPLOADED" || stored != 14 {
		t.Errorf("stored are %d bytes, the upload gives %+v", stored, r)
	}
	ids := map[string]int{}
	for _, sent := range s.requests(queryPath)[1:] {
		ids[sent.requestID]++
		if sent.async() {
			t.Error("an upload was sent asynchronously")
		}
	}
	if len(ids) != 2 {
		t.Errorf("the PUT was asked for under %v, want two ids", ids)
	}
	if len(told) != 2 || told[0].RequestID != "" {
		t.Errorf("recorded was %+v", told)
	}
}

// The driver gives up on credentials that have expired, and calls it a success with a row that says ERROR (storage_client.go:166).
func TestAnUploadThatFailsInItsRowFails(t *testing.T) {
	_, _, told, err := put(t, map[string]any{"locationType": "S3", "location": "bucket/stage/", "region": "eu-west-1",
		"creds": map[string]any{"AWS_KEY_ID": "old", "AWS_SECRET_KEY": "x", "AWS_TOKEN": "x"}},
		func(*http.Request) (int, string) {
			return http.StatusBadRequest, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
		})
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindUnavailable || !strings.Contains(err.Error(), "a.parquet was not uploaded") {
		t.Errorf("the error is %v", err)
	}
	if len(told) != 2 || told[1].Err == nil {
		t.Errorf("recorded was %+v", told)
	}
}
