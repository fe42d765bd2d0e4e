package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/duckdb"
)

// usage is what one process, with those it started, took.
type usage struct {
	wall, cpu float64 // seconds
	rss       float64 // MiB, of the largest process
	stdout    []byte
}

// measure runs a command to its end.
func measure(dir string, name string, args ...string) (usage, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(begin).Seconds(), stdout: out.Bytes()}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%.2000s%.2000s", name, strings.Join(args, " "), err, errs.String(), out.String())
	}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.rss = float64(ru.Maxrss) / 1024
		u.cpu = float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9
	}
	return u, nil
}

// runReference runs the statements of a file, one a line, in a DuckDB of its own: what the engine alone takes.
func runReference(path string) error {
	ctx := context.Background()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	db, err := duckdb.Open(ctx, duckdb.Config{Dirs: []string{"/"}, Temp: filepath.Join(os.TempDir(), "millrace-bench-spill")})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// reference measures SQL in a process of its own.
func (b *bench) reference(statements ...string) (usage, error) {
	file, err := os.CreateTemp("", "reference-*.sql")
	if err != nil {
		return usage{}, err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(strings.Join(statements, "\n")); err != nil {
		return usage{}, err
	}
	if err := file.Close(); err != nil {
		return usage{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	return measure("", self, "-reference", file.Name())
}
