// Command millrace is the one binary: every file here is one command, and wires parts that live elsewhere.
// Read app.go for what the commands share, run.go for the main job.
package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	_ "time/tzdata" // for schedules on machines without a database of time zones
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := newApp(stdout, stderr)
	root := a.rootCommand()
	a.line = args
	root.SetArgs(versionWord(args))
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.printError(err)
	}
	code := exitCode(err)
	if code == codeUsage && os.Getenv(workerEnv) != "" {
		return workerUsage
	}
	return code
}

// versionWord takes the flag --version, which many programs have, for the command.
func versionWord(args []string) []string {
	for i, word := range args {
		if !strings.HasPrefix(word, "-") { // of a command
			return args
		}
		if word == "--version" {
			return slices.Concat([]string{"version"}, args[:i], args[i+1:])
		}
	}
	return args
}
