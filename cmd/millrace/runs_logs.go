package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

func (a *app) runsLogsCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "logs [RUN]",
		Short: "print the log of a run",
		Long: "Prints what a run, named by its id or the beginning of it, or the latest one, said: a line for each step that begins\n" +
			"or ends, each part and each warning, of all its attempts, whoever started them. With --json the lines are as they\n" +
			"are kept in .millrace/logs, one JSON object each. Logs are kept for 90 days.\n",
		Example: "  millrace runs logs\n  millrace runs logs 20261121T0400 --follow",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.printLog(ctx, id, follow) })
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return c
}

func (a *app) printLog(ctx context.Context, id string, follow bool) error {
	e, closeEngine, err := a.journalEngine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	r, err := runNamed(ctx, e, id)
	if err != nil {
		return err
	}
	file, err := os.Open(pipeline.LogPath(e.Project.StateDir(), r.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return usage("run %s has no log: it is older than the logs that are kept, or a run of an older millrace", r.ID)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 64<<10)
	var begun []byte // of a line whose end is still to be written
	for last := !follow; ; {
		line, err := in.ReadBytes('\n')
		begun = append(begun, line...)
		switch {
		case err == nil:
			a.printLogLine(begun)
			begun = begun[:0]
			continue
		case !errors.Is(err, io.EOF):
			return err
		case last:
			return nil
		}
		if r, err = e.Journal.Run(ctx, r.ID); err != nil {
			return err
		}
		last = e.Holder(r) == nil // what its process wrote at its end is still to be read
		if err := pause(ctx, 300*time.Millisecond, last); err != nil {
			return err
		}
	}
}

// pause waits, unless there is nothing to wait for.
func pause(ctx context.Context, d time.Duration, over bool) error {
	if over {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// runNamed is the run of that id or beginning of an id, or the latest one.
func runNamed(ctx context.Context, e *pipeline.Engine, id string) (journal.Run, error) {
	if id != "" {
		return e.Journal.Run(ctx, id)
	}
	latest, err := e.Journal.Runs(ctx, journal.Filter{Limit: 1})
	if err != nil {
		return journal.Run{}, err
	}
	if len(latest) == 0 {
		return journal.Run{}, usage("there was no run yet")
	}
	return latest[0], nil
}

// printLogLine prints one line: time, level, step and message, then all else as key=value. What is no JSON it prints as it is.
func (a *app) printLogLine(line []byte) {
	var fields map[string]any
	if a.json || json.Unmarshal(line, &fields) != nil {
		fmt.Fprint(a.stdout, a.redactor.Redact(string(line)))
		return
	}
	at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(fields[slog.TimeKey]))
	head := []string{at.Local().Format(time.DateTime), fmt.Sprintf("%-5v", fields[slog.LevelKey])}
	for _, key := range []string{"step", "stream"} {
		if step, there := fields[key]; there {
			head = append(head, fmt.Sprint(step))
		}
	}
	head = append(head, fmt.Sprint(fields[slog.MessageKey]))
	for _, key := range []string{slog.TimeKey, slog.LevelKey, slog.MessageKey, "step", "stream", "run", "attempt"} {
		delete(fields, key)
	}
	var rest []string
	for key, value := range fields {
		rest = append(rest, key+"="+logValue(key, value))
	}
	slices.Sort(rest)
	a.out("%s", oneLine(strings.Join(append(head, rest...), " ")))
}

// logValue is a value of the log as people read it.
func logValue(key string, value any) string {
	seconds, number := value.(float64)
	switch {
	case number && key == "took":
		return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).String()
	case number && seconds == float64(int64(seconds)):
		return fmt.Sprint(int64(seconds))
	}
	text := fmt.Sprint(value)
	if strings.ContainsAny(text, " =\"\n") {
		return fmt.Sprintf("%q", text)
	}
	return text
}
