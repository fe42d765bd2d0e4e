package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/duckdb"
)

// buildVersion is set by the linker: -ldflags "-X main.buildVersion=v1.2.3".
var buildVersion string

// version is what manifests and the journal call this binary.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if c := commit(info); c != "" {
		return "devel-" + c
	}
	return "devel"
}

// commit is the revision that the binary was built from, with a + when the tree was changed; "" when unknown.
func commit(info *debug.BuildInfo) string {
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

// versions is everything that a bug report needs.
type versions struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	DuckDB   string `json:"duckdb"`
	Arrow    string `json:"arrow"`
	Platform string `json:"platform"`
}

func allVersions(ctx context.Context) versions {
	v := versions{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Commit = commit(info)
		for _, dep := range info.Deps {
			if dep.Path == "github.com/apache/arrow-go/v18" {
				v.Arrow = dep.Version
			}
		}
	}
	v.DuckDB = duckdbVersion(ctx)
	return v
}

// duckdbVersion asks the engine itself.
func duckdbVersion(ctx context.Context) string {
	db, err := duckdb.Open(ctx, duckdb.Config{Memory: 64 << 20, Threads: 1})
	if err != nil {
		return "does not load: " + err.Error()
	}
	defer db.Close()
	rows, err := db.Query(ctx, "SELECT version()")
	if err != nil || len(rows.Values) != 1 {
		return "unknown"
	}
	text, _ := rows.Values[0][0].(string)
	return text
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the version of millrace and of what is in it",
		Example: "  millrace version --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v := allVersions(c.Context())
			if a.json {
				return a.printJSON(v)
			}
			a.out("millrace %s (%s)", v.Version, v.Platform)
			if v.Commit != "" {
				a.out("commit   %s", v.Commit)
			}
			a.out("go       %s", v.Go)
			a.out("duckdb   %s", v.DuckDB)
			a.out("arrow    %s", v.Arrow)
			return nil
		},
	}
}
