package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/extract"
)

// ask makes a stream of each table that a database has.
func (f *found) ask(ctx context.Context, a *app, url string) error {
	at, err := a.address(url)
	if err != nil {
		return err
	}
	d, err := a.discoverAt(ctx, at, f.Folder)
	if err != nil {
		return err
	}
	if len(d.Streams) == 0 {
		why := "it has neither tables nor views"
		if len(d.Notes) > 0 {
			why = strings.Join(d.Notes, "; ")
		}
		return usage("--from: there is nothing to read in %s: %s", at.source, why)
	}
	f.Source, f.Type, f.URL, f.Variables, f.discovered, f.Notes = at.source, at.spec.Type, at.written, at.vars, d.Streams, d.Notes
	f.names = tableNames(d.Streams)
	for i := range d.Streams {
		s := &d.Streams[i]
		f.Streams = append(f.Streams, foundStream{Name: f.names[s.Name], Bytes: s.Bytes, Discovered: s})
	}
	return nil
}

// databaseYAML is the source in the project file.
func (f *found) databaseYAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n    type: %s\n    url: %s\n    streams:\n", f.Source, f.Type, yamlQuoted(f.URL))
	b.WriteString("      # mode: full reads a whole snapshot each time. incremental reads what changed since the last run, by a cursor that\n" +
		"      # every change of a row moves on, and merges it by key. append reads rows that never change, once each. Columns and\n" +
		"      # their types come from the database. `millrace connectors discover " + f.Source + "` lists tables that are new there.\n")
	b.WriteString(streamsYAML(f.discovered, f.names))
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "      # not here: %s\n", oneLine(n))
	}
	return b.String()
}

func (a *app) printDatabase(f found, folder string) {
	g := grid{header: []string{"STREAM", "KIND", "ROWS", "SIZE", "KEY", "CURSOR", "NAME THERE"}, right: []bool{false, false, true, true}, width: a.terminalWidth()}
	for _, s := range f.Streams {
		d := s.Discovered
		rows := "?"
		if d.Rows >= 0 {
			rows = fmt.Sprintf("~%d", d.Rows)
		}
		g.add(f.Source+"."+s.Name, d.Kind, rows, bytesText(d.Bytes), oneLine(orDash(strings.Join(d.Key, ", "))), oneLine(orDash(cursorOf(*d))), oneLine(d.Name))
	}
	_ = g.print(a.stdout)
	for _, n := range f.Notes {
		a.out("not among them: %s", oneLine(n))
	}
	// Not through a.out: a password such as "shop" would take the folder's name with it.
	fmt.Fprintf(a.stdout, "made %s: %s\n\nnext:\n", f.Folder, strings.Join(f.Written, ", "))
	if folder != "." {
		fmt.Fprintf(a.stdout, "  cd %s\n", folder)
	}
	for _, v := range f.Variables {
		fmt.Fprintf(a.stdout, "  export %s=…   # as it is, without %%40 and the like; it is in none of the files\n", v)
	}
	fmt.Fprintf(a.stdout, "  millrace doctor\n  millrace plan\n  millrace run\n  millrace query \"SELECT * FROM %s.%s LIMIT 10\"\n", f.Source, f.first())
}

func cursorOf(d extract.Discovered) string {
	if c := bestCursor(d); c != nil {
		return c.Column
	}
	return ""
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
