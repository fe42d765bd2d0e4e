package main

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
)

// workerLog puts what a worker says on stderr into the log of serve: an error, which may have several lines, as one.
type workerLog struct {
	log  *slog.Logger
	held string // an error that more may belong to
	said string // the last error in few words
}

// begins are the beginnings of lines that belong to none before them: errors, the log's own, and steps.
var begins = regexp.MustCompile(`^(millrace: |time=|\[\d+/\d+\] )`)

// line takes one line of the worker's.
func (w *workerLog) line(line string) {
	text := strings.TrimSpace(line)
	switch ours, isError := strings.CutPrefix(text, "millrace: "); {
	case text == "":
	case isError:
		w.flush(slog.LevelError)
		w.held, w.said = text, ours
	case w.held != "" && !begins.MatchString(text):
		if len(w.held) < longestLine {
			w.held += "; " + text
		}
	default:
		w.flush(slog.LevelError)
		w.log.Log(context.Background(), levelOfLine(text), text)
	}
}

// flush logs the error that is held. How bad the last one is, the exit code says.
func (w *workerLog) flush(level slog.Level) {
	if w.held != "" {
		w.log.Log(context.Background(), level, w.held)
		w.held = ""
	}
}

var stepEnd = regexp.MustCompile(`^\[\d+/\d+\] \S+ (\w+) in `)

func levelOfLine(text string) slog.Level {
	var step string
	if m := stepEnd.FindStringSubmatch(text); m != nil {
		step = m[1]
	}
	switch {
	case step == "failed" || strings.Contains(text, " level=ERROR "):
		return slog.LevelError
	case step == "checks_failed" || strings.Contains(text, " level=WARN "):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// levelOf is how bad the end of a run is: nothing is wrong with one that waits for a lock, or that was asked to end.
func levelOf(code int) slog.Level {
	switch code {
	case codeOK, codeLocked, codeInterrupted, codeTerminated:
		return slog.LevelInfo
	case codeChecks:
		return slog.LevelWarn
	}
	return slog.LevelError
}
