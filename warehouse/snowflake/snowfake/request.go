package snowfake

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// largest is the most that a request may hold. Statements are far smaller; data goes to a stage.
const largest = 16 << 20

// readRequest takes a request in, and unpacks a body that was sent compressed.
func readRequest(r *http.Request) (*request, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("unpack the request: %w", err)
		}
		defer zip.Close()
		body = zip
	}
	req := &request{Request: r, subject: r.Method + " " + r.URL.Path}
	var err error
	if req.body, err = io.ReadAll(io.LimitReader(body, largest+1)); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if len(req.body) > largest {
		return nil, fmt.Errorf("the request is larger than %d bytes", largest)
	}
	if r.URL.Path != "/queries/v1/query-request" {
		return req, nil
	}
	if err := json.Unmarshal(req.body, &req.query); err != nil {
		return nil, fmt.Errorf("read the statement: %w", err)
	}
	req.subject = req.query.SQL
	return req, nil
}

// hangUp breaks the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close() // what it reports no longer matters
	}
}

// breakOff answers with half of the body under the length of the whole, and breaks the connection.
func breakOff(w http.ResponseWriter, body any) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	text, err := json.Marshal(body)
	if err != nil {
		return
	}
	fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text[:len(text)/2])
	_ = buf.Flush() // the client may be gone
}

// form is the body of a request to the token endpoint; what is no form has no fields.
func (r *request) form() url.Values {
	values, err := url.ParseQuery(string(r.body))
	if err != nil {
		return url.Values{}
	}
	return values
}
