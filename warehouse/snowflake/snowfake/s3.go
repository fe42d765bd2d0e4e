package snowfake

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Transport carries a driver's requests (Config.Transporter): those for S3 are answered here, all others go out. The driver forces
// https on S3 (s3_storage_client.go, getS3CustomEndpoint), so nothing that listens could answer them.
func (s *Server) Transport() http.RoundTripper {
	return &transport{server: s, out: http.DefaultTransport.(*http.Transport).Clone()}
}

type transport struct {
	server *Server
	out    *http.Transport
}

// CloseIdleConnections is what the driver's clients ask for when they end.
func (t *transport) CloseIdleConnections() { t.out.CloseIdleConnections() }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Hostname(), ".amazonaws.com") {
		return t.out.RoundTrip(r)
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	key := objectKey(r)
	fault := t.server.faults.match(r.Method + " s3://" + bucket + "/" + key)
	if fault != nil && fault.fault.When == Before {
		if resp, err, done := t.act(fault, r, key); done {
			return resp, err
		}
	}
	resp := t.answer(r, key)
	if fault != nil && fault.fault.When == After {
		if resp, err, done := t.act(fault, r, key); done {
			return resp, err
		}
	}
	return resp, nil
}

// objectKey takes the key from both forms of addresses: the bucket in the host, and in the path.
func objectKey(r *http.Request) string {
	key := strings.TrimPrefix(r.URL.Path, "/")
	if strings.HasPrefix(r.URL.Hostname(), bucket+".") {
		return key
	}
	return strings.TrimPrefix(key, bucket+"/")
}

// act lets a fault act on an object's request.
func (t *transport) act(i *Injected, r *http.Request, key string) (*http.Response, error, bool) {
	broken := errors.New("the stand-in was told to break the connection")
	if i.fault.Do == Hang && !i.hold(r.Context().Done(), t.server.ctx.Done()) {
		return nil, broken, true
	}
	defer i.mark()
	switch i.fault.Do {
	case Drop, Vanish:
		return nil, broken, true
	case Truncate:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2) // as much as arrives before it breaks
		return nil, broken, true
	case Status:
		return refuseObject(r, i.fault.Code, "InternalError"), nil, true
	case ExpireToken, ExpireMaster: // s3_storage_client.go, expiredToken: the driver asks for new ones by the PUT statement
		return refuseObject(r, http.StatusBadRequest, "ExpiredToken"), nil, true
	case LoseTail:
		if file, err := t.server.store.file(key); err == nil {
			shorten([]string{file})
		}
	}
	return nil, nil, false
}

// answer does what the driver's uploads need of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API): PUT and HEAD of objects, uploads in
// parts, and whether transfers are accelerated (file_transfer_agent.go, transferAccelerateConfigWithUtil).
func (t *transport) answer(r *http.Request, key string) *http.Response {
	o, query := t.server.store, r.URL.Query()
	upload := query.Get("uploadId")
	switch {
	case r.Method == http.MethodGet && query.Has("accelerate"):
		return answerObject(r, http.StatusOK, `<AccelerateConfiguration/>`)
	case r.Method == http.MethodHead:
		return t.head(r, key)
	case r.Method == http.MethodPost && query.Has("uploads"):
		id, err := o.begin(r.Header)
		return stored(r, err, "<InitiateMultipartUploadResult><UploadId>"+id+"</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodPut && upload != "":
		m, err := o.multipart(upload)
		if err == nil {
			var number int
			if number, err = strconv.Atoi(query.Get("partNumber")); err == nil {
				err = m.part(number, content(r))
			}
		}
		return stored(r, err, "")
	case r.Method == http.MethodPost && upload != "":
		numbers, err := parts(r.Body)
		if err == nil {
			err = o.complete(key, upload, numbers)
		}
		return stored(r, err, "<CompleteMultipartUploadResult><ETag>snowfake</ETag></CompleteMultipartUploadResult>")
	case r.Method == http.MethodDelete && upload != "":
		return stored(r, o.forget(upload), "")
	case r.Method == http.MethodPut:
		return stored(r, o.put(key, r.Header, content(r)), "")
	}
	t.server.mu.Lock()
	t.server.refused[r.Method+" s3://"+bucket+"/"+key]++
	t.server.mu.Unlock()
	return refuseObject(r, http.StatusNotImplemented, "NotImplemented")
}

// head tells whether an object is there, and the size that it has encrypted.
func (t *transport) head(r *http.Request, key string) *http.Response {
	file, err := t.server.store.file(key)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(file); err == nil {
			resp := answerObject(r, http.StatusOK, "")
			resp.ContentLength = encrypted(info.Size())
			resp.Header.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
			return resp
		}
	}
	return refuseObject(r, http.StatusNotFound, "NotFound")
}

// parts reads which parts make an object, from the request that completes it.
func parts(body io.Reader) ([]int, error) {
	var list struct {
		Parts []struct {
			Number int `xml:"PartNumber"`
		} `xml:"Part"`
	}
	if err := xml.NewDecoder(body).Decode(&list); err != nil {
		return nil, err
	}
	numbers := make([]int, len(list.Parts))
	for i, p := range list.Parts {
		numbers[i] = p.Number
	}
	slices.Sort(numbers)
	return numbers, nil
}

// stored answers a request that was to store something.
func stored(r *http.Request, err error, body string) *http.Response {
	if err != nil {
		return refuseObject(r, http.StatusBadRequest, "InvalidRequest: "+err.Error())
	}
	resp := answerObject(r, http.StatusOK, body)
	resp.Header.Set("ETag", `"snowfake"`)
	return resp
}

func refuseObject(r *http.Request, status int, code string) *http.Response {
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(code)) // a buffer takes all
	return answerObject(r, status, "<Error><Code>"+text.String()+"</Code><Message>the stand-in</Message></Error>")
}

func answerObject(r *http.Request, status int, body string) *http.Response {
	if r.Method == http.MethodHead {
		body = ""
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}
}

// content is a body without the frames that the AWS SDK puts around its pieces when a checksum follows them
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html). The checksum is not verified.
func content(r *http.Request) io.Reader {
	if !strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return r.Body
	}
	return &chunked{from: bufio.NewReader(r.Body)}
}

type chunked struct {
	from *bufio.Reader
	left int64 // of the piece at hand
	done bool
}

func (c *chunked) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.done {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.left == 0 && err == nil {
		_, err = c.from.Discard(2) // the line's end behind the piece
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *chunked) next() error {
	line, err := c.from.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the size of a piece: %w", err)
	}
	size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
	if c.left, err = strconv.ParseInt(size, 16, 64); err != nil {
		return fmt.Errorf("read the size of a piece: %w", err)
	}
	c.done = c.left == 0
	return nil
}
