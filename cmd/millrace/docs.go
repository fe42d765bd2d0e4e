package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

// docsWord lets dbt's docs generate be what it is here, and says what docs serve is.
func docsWord(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "generate":
		return nil
	case len(args) > 0 && args[0] == "serve":
		return errors.New("the docs are one file that needs no server: " +
			"millrace docs writes docs.html; millrace serve offers pages of runs and tables")
	}
	return cobra.NoArgs(c, args)
}

func (a *app) docsCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "docs",
		Short: "write the project's tables, columns, terms and lineage as one page",
		Long: "Writes one HTML file that tells of every table: what it holds, who owns it, its columns with their types, terms and\n" +
			"checks, where each column comes from and where it goes, the SQL as written and as it runs, and the last results of\n" +
			"checks. It needs no network and no server: put it anywhere.\n\n" +
			"It opens no source and shows no values. Of tables that were never published it knows the columns that a contract or\n" +
			"the models' SQL names.\n",
		Example: "  millrace docs\n  millrace docs --out public/",
		Args:    docsWord,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.looking(c, func(ctx context.Context, e *pipeline.Engine) error {
				d, err := report.GatherDocs(ctx, e)
				if err != nil {
					return err
				}
				var page bytes.Buffer
				if err := d.HTML(&page); err != nil {
					return err
				}
				if info, err := os.Stat(out); err == nil && info.IsDir() {
					out = filepath.Join(out, "index.html")
				}
				return a.deliver(page.Bytes(), reportFlags{format: "html", output: out}, map[string]any{"tables": len(d.Tables), "bytes": page.Len()})
			})
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "docs.html", "file to write, or a folder for its index.html; - is stdout")
	return c
}
