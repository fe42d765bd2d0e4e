package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/warehouse"
)

// This file writes the list of all differences where the user wants it.

// outputFile is the file that an output stands for. It is none of what is compared, and replaces nothing but a file.
func outputFile(output string, args []string) (string, error) {
	path, info, err := behindLink(output)
	switch {
	case err != nil:
		return "", usage("-o %s: %w", output, err)
	case info != nil && info.IsDir():
		return "", usage("-o %s: it is a folder: name a file in it", output)
	case info != nil && !info.Mode().IsRegular():
		return "", usage("-o %s: it is no regular file, and would be replaced by one: name another", output)
	}
	for _, arg := range args {
		for _, input := range []string{arg, databaseFile(arg)} {
			if have, err := os.Stat(input); err == nil && info != nil && os.SameFile(have, info) {
				return "", usage("-o %s: it is compared, and would be replaced: name another file", output)
			}
		}
	}
	return path, nil
}

func databaseFile(arg string) string {
	file, _, _ := databaseTable(arg)
	return file
}

// exporting makes the folder beside the output in which it is written.
func (c *comparison) exporting(output string) error {
	dir, remove, err := fsx.TempFolder(filepath.Dir(output), ".millrace-reconcile-")
	if err != nil {
		return usage("-o %s: %w", output, err)
	}
	c.out = dir
	c.closers = append(c.closers, func() error { remove(); return nil })
	return nil
}

// export writes the list of all differences; where there is none it has no rows.
func (c *comparison) export(ctx context.Context, w warehouse.Warehouse, list warehouse.File, output string) error {
	format, query := strings.ToLower(filepath.Ext(output)), "SELECT * FROM "+w.Dialect().Files([]string{list.Path})
	if format != ".parquet" {
		columns, err := w.Describe(ctx, query)
		if err != nil {
			return err
		}
		query = w.Dialect().Texts(query, columns)
	}
	f, err := w.Write(ctx, query, filepath.Join(c.out, "rows.parquet"))
	if err != nil {
		return fmt.Errorf("write differences: %w", err)
	}
	path := f.Path
	if format != ".parquet" {
		path = filepath.Join(c.out, "rows"+format)
		if err := convertTexts(f.Path, path, format); err != nil {
			return fmt.Errorf("write differences: %w", err)
		}
	}
	if err := errors.Join(fsx.SyncFile("reconcile", path), fsx.Rename("reconcile", path, output)); err != nil {
		return fmt.Errorf("write differences: %w", err)
	}
	c.app.note("%s in %s", plural(int(f.Rows), "difference"), output)
	return nil
}
