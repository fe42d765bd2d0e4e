package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// The limits of logs over HTTP.
const (
	mostStreams    = 64
	streamsOfOne   = 8 // of those, under one name
	longestLine    = 256 << 10
	heartbeat      = 15 * time.Second
	streamPatience = 10 * time.Second // a client that takes no bytes for so long is dropped
	pollEvery      = 250 * time.Millisecond
)

// logRoutes are those of the API about the logs of runs.
func (s *Server) logRoutes() []route {
	stream := &operation{id: "streamLog", summary: "The log of a run as it is written, as server-sent events. The id of an event is its place: with Last-Event-ID the stream goes on there. It ends with an event `end`.",
		status: http.StatusOK, media: "text/event-stream",
		query: []param{{name: "tail", doc: fmt.Sprintf("Begin at the last so many lines, at most %d, and not at the first. Last-Event-ID goes before it.", mostTail), integer: true, most: mostTail}}}
	follow := func(w http.ResponseWriter, r *http.Request) error {
		c, err := newCall(r, stream)
		if err != nil {
			return err
		}
		return s.logStream(w, c)
	}
	return []route{
		get(s, "/runs/{run}/log", "getLog", "The log of a run: JSON lines as they were written.", s.logPage, paging...),
		{method: "GET", pattern: apiPrefix + "/runs/{run}/log/stream", role: Viewer, api: stream, handle: follow},
	}
}

// openLog opens the log of a run at a place, or at its end when that comes before; nil while there is none.
func (s *Server) openLog(r journal.Run, at int64) (*os.File, int64, error) {
	f, err := os.Open(pipeline.LogPath(s.Engine().Project.StateDir(), r.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		at, err = f.Seek(min(at, end), io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, at, nil
}

// over says whether a run writes no more.
func (s *Server) over(r journal.Run) bool {
	return s.Engine().Summary(r).State != pipeline.StateRunning
}

// place reads a byte offset; anything else is the beginning.
func place(text string) int64 {
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at < 0 {
		return 0
	}
	return at
}

func (s *Server) logPage(c *call) (Page[json.RawMessage], error) {
	lines := Page[json.RawMessage]{Items: []json.RawMessage{}}
	r, err := s.run(c)
	if err != nil {
		return lines, err
	}
	after, err := c.after(numberKey)
	if err != nil {
		return lines, err
	}
	over := s.over(r)
	f, at, err := s.openLog(r, place(after))
	if err != nil || f == nil {
		return lines, err
	}
	defer f.Close()
	t := newTail(f, at)
	t.whole = over
	bytes := 0
	for len(lines.Items) <= c.limit() && bytes < 4<<20 {
		line, err := t.next()
		if err != nil {
			return lines, err
		}
		if line == nil {
			return lines, nil
		}
		if len(lines.Items) == c.limit() {
			break
		}
		after = strconv.FormatInt(t.at, 10)
		bytes += len(line)
		lines.Items = append(lines.Items, line)
	}
	lines.Next = page([]string{after, ""}, 1, func(s string) string { return s }).Next
	return lines, nil
}

// tail reads whole lines of a file that is being written.
type tail struct {
	r     *bufio.Reader
	at    int64 // behind the last line
	whole bool  // the file grows no more: its end ends a line, also of a run that was killed in the middle of one
	part  []byte
}

func newTail(f io.Reader, at int64) *tail { return &tail{r: bufio.NewReaderSize(f, 64<<10), at: at} }

// next is the next whole line as JSON, nil when there is none yet. A line that is none, or too long, becomes one that says so.
func (t *tail) next() (json.RawMessage, error) {
	for {
		chunk, err := t.r.ReadSlice('\n')
		t.at += int64(len(chunk))
		if len(t.part) <= longestLine {
			t.part = append(t.part, chunk...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (!t.whole || len(t.part) == 0):
			return nil, nil
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		line := bytes.TrimSpace(t.part)
		t.part = t.part[:0]
		switch {
		case len(line) == 0:
			continue
		case len(line) > longestLine:
			return json.RawMessage(`{"level":"WARN","msg":"a line of the log is too long to be shown"}`), nil
		case !json.Valid(line):
			return json.RawMessage(`{"level":"WARN","msg":"a line of the log is no JSON"}`), nil
		}
		return bytes.Clone(line), nil
	}
}

// logStream sends a run's log as server-sent events until the run is over.
func (s *Server) logStream(w http.ResponseWriter, c *call) error {
	run, err := s.run(c)
	if err != nil {
		return err
	}
	at, err := s.begin(c, run)
	if err != nil {
		return err
	}
	who := identityOf(c.Context()).name
	if !s.streams.enter(who) {
		return &Problem{kind: kindTooMany, Detail: fmt.Sprintf("%d logs can be followed at once, %d of them by %s", mostStreams, streamsOfOne, who), Hint: "close one, or ask for pages of the log", retry: time.Minute}
	}
	defer s.streams.leave(who)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy that waits for more would show nothing
	follow := &follower{s: s, w: w, control: http.NewResponseController(w), run: run.ID, at: at}
	err = follow.start(c.Request)
	if err != nil {
		s.Log.Debug("a log is followed no more", "run", run.ID, "error", err)
	}
	return nil // the answer has begun: there is nobody to tell
}

// begin is where a stream is to begin: behind the event that the client had last, or at the last lines when it wants no more.
func (s *Server) begin(c *call, run journal.Run) (int64, error) {
	last, tail := strings.TrimSpace(c.Header.Get("Last-Event-ID")), c.number("tail", 0)
	if last != "" || tail == 0 {
		return place(last), nil
	}
	f, _, err := s.openLog(run, 0)
	if err != nil || f == nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return lastLines(f, info.Size(), tail)
}

// follower sends what comes to a log. It holds one buffer and no more: when the client does not read, writing fails at its
// deadline, and when the log grows faster than the client reads, the rest is in the file.
type follower struct {
	s       *Server
	w       http.ResponseWriter
	control *http.ResponseController
	run     string
	at      int64
	log     *os.File
	tail    *tail
	beat    *time.Ticker
}

// start sends until the run is over, the client has gone or is let in no more, or the server closes.
func (f *follower) start(r *http.Request) error {
	defer func() {
		if f.log != nil {
			_ = f.log.Close()
		}
	}()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	f.beat = time.NewTicker(f.s.heartbeat)
	defer f.beat.Stop()
	if err := f.send(": the log of run " + f.run + "\n\n"); err != nil {
		return err
	}
	for {
		run, err := f.s.Engine().Journal.Run(r.Context(), f.run)
		if err != nil {
			return err
		}
		over := f.s.over(run) // asked before the lines are: none comes after
		if err := f.lines(r, run, over); err != nil {
			return err
		}
		if over {
			return f.send(fmt.Sprintf("event: end\ndata: {\"status\":%q}\n\n", f.s.Engine().Summary(run).State))
		}
		if err := f.wait(r, poll.C); err != nil {
			return err
		}
	}
}

// wait waits for the time to look into the log again, or for what ends the stream: an error.
func (f *follower) wait(r *http.Request, next <-chan time.Time) error {
	select {
	case <-next:
		return nil
	case <-f.beat.C:
		if err := f.mayStill(r); err != nil {
			return err
		}
		return f.send(": still here\n\n")
	case <-r.Context().Done():
		return r.Context().Err()
	case <-f.s.closing:
		return errors.Join(f.send("event: restart\ndata: {}\n\n"), http.ErrServerClosed)
	}
}

// mayStill looks once more who asked: a stream does not outlive its token or session.
func (f *follower) mayStill(r *http.Request) error {
	who, err := f.s.identify(r)
	if err == nil && !who.roles.may(Viewer) {
		err = errors.New("whoever follows it is let in no more")
	}
	return err
}

// lines sends the whole lines that are there, as long as whoever asked may have them. That the run is over is known from before.
func (f *follower) lines(r *http.Request, run journal.Run, over bool) (err error) {
	if f.log == nil {
		if f.log, f.at, err = f.s.openLog(run, f.at); err != nil || f.log == nil {
			return err
		}
		f.tail = newTail(f.log, f.at)
	}
	f.tail.whole = over
	passed := make(chan time.Time)
	close(passed)
	var out strings.Builder
	for {
		line, err := f.tail.next()
		if err != nil {
			return err
		}
		if line != nil {
			fmt.Fprintf(&out, "id: %d\ndata: %s\n\n", f.tail.at, line)
		}
		if out.Len() > 32<<10 || line == nil && out.Len() > 0 {
			if err := f.send(out.String()); err != nil {
				return err
			}
			out.Reset()
			if err := f.wait(r, passed); err != nil {
				return err
			}
		}
		if line == nil {
			return nil
		}
	}
}

// send writes and flushes, within the client's patience.
func (f *follower) send(text string) error {
	if err := f.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(f.w, text); err != nil {
		return err
	}
	return f.control.Flush()
}
