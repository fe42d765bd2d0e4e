package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/models"
)

// command starts a program and hands it the message on its standard input.
type command struct {
	*models.CommandChannel
	dir string // of the project
}

// output keeps the last bytes that a program prints.
type output struct{ last []byte }

const mostOutput = 512

func (o *output) Write(p []byte) (int, error) {
	o.last = append(o.last, p...)
	if len(o.last) > mostOutput {
		o.last = append([]byte{}, o.last[len(o.last)-mostOutput:]...)
	}
	return len(p), nil
}

func (c *command) send(ctx context.Context, id string, at time.Time, m *Message) error {
	body, err := payload(id, at, m)
	if err != nil {
		return refused{err}
	}
	limited, cancel := context.WithTimeout(ctx, c.Timeout.Std())
	defer cancel()
	program := exec.CommandContext(limited, c.Command[0], c.Command[1:]...)
	program.Dir = c.dir
	program.Env = append(environment(), "MILLRACE_ALERT_ID="+id, "MILLRACE_ALERT_KIND="+m.Kind)
	program.Stdin = bytes.NewReader(body)
	out := &output{}
	program.Stdout, program.Stderr = out, out
	// A group of its own, so that what it started ends with it, but for what makes itself a group.
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	program.Cancel = func() error { return syscall.Kill(-program.Process.Pid, syscall.SIGKILL) }
	program.WaitDelay = time.Second
	err = program.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) { // exited with 0; what it left behind may hold its output, and go on
		return nil
	}
	said := ""
	if text := bytes.TrimSpace(out.last); len(text) > 0 {
		said = ": " + string(text)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s had not ended when the run did not wait for it any longer, and was killed%s", c.Command[0], said)
	case limited.Err() != nil:
		return fmt.Errorf("%s took longer than %s and was killed%s", c.Command[0], c.Timeout, said)
	}
	return fmt.Errorf("%s: %w%s", c.Command[0], err, said)
}

// ours are the variables by which our own processes know each other.
var ours = []string{"MILLRACE_WORKER", "MILLRACE_PROJECT_FILES", "TRACEPARENT", "TRACESTATE"}

// environment is what a program gets of ours: a millrace that it starts is not one of our workers.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(ours, name)
	})
}
