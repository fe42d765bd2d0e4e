package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/extract"
	sources "github.com/millrace/millrace/extract/all"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

func (a *app) discoverCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "discover SOURCE|URL [PATTERN]",
		Short: "list what a source has to read, as streams for the project",
		Long: "Lists the tables and views of a database, a source of the project or a URL, as YAML to paste under streams:. It\n" +
			"reads the catalog only, and writes nothing. PATTERN leaves only the names that it matches, with * for any text.\n" +
			"In a URL, ${NAME} is an environment variable: what stands on a command line is seen by others.\n",
		Example: "  millrace connectors discover erp\n  millrace connectors discover erp 'sales.*'\n  millrace connectors discover 'postgres://reader:${ERP_PASSWORD}@db.example.com/erp' --json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			found, err := a.discover(c.Context(), args[0])
			if err != nil {
				return err
			}
			names := tableNames(found.Streams)
			if len(args) == 2 {
				if err := keep(found, args[1]); err != nil {
					return err
				}
			}
			if a.json {
				return a.printJSON(found)
			}
			if _, err := fmt.Fprint(a.stdout, streamsYAML(found.Streams, names)); err != nil {
				return err
			}
			for _, n := range found.Notes {
				a.note("note: %s", oneLine(n))
			}
			return nil
		},
	}
}

// discover asks a source of the project, or one that a URL names.
func (a *app) discover(ctx context.Context, what string) (*extract.Discovery, error) {
	if strings.Contains(what, "://") {
		at, err := a.address(what)
		if err != nil {
			return nil, err
		}
		return a.discoverAt(ctx, at, a.dir)
	}
	p, err := a.loaded(ctx)
	if err != nil {
		return nil, err
	}
	s := p.Source(what)
	if s == nil {
		var names []string
		for _, known := range p.Sources {
			names = append(names, known.Name)
		}
		hint := "the sources are: " + strings.Join(names, ", ")
		if guess := config.Suggest(what, names); guess != "" {
			hint = "did you mean " + guess + "?"
		}
		return nil, usage("no source is called %q: %s", what, hint)
	}
	for _, spec := range sources.Specs() {
		if spec.Type != s.Type {
			continue
		}
		if spec.Discover == nil {
			return nil, usage("source %q is of type %s, which cannot list what there is: `millrace connectors show %[2]s` shows what a stream says, and\n"+
				"   `millrace init --from FOLDER` makes streams of the data files of a folder", s.Name, s.Type)
		}
		open := pipeline.SourceOpener(p, sources.Specs(), a.logger())
		return discovered(ctx, spec, func() (extract.Source, error) { return open(s) })
	}
	return nil, fmt.Errorf("no source of type %q", s.Type)
}

func (a *app) discoverAt(ctx context.Context, at *address, folder string) (*extract.Discovery, error) {
	dir, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	return discovered(ctx, at.spec, func() (extract.Source, error) {
		return at.spec.Open(extract.Env{Name: at.source, Project: dir, Log: a.logger()}, at.options)
	})
}

func discovered(ctx context.Context, spec extract.Spec, open func() (extract.Source, error)) (*extract.Discovery, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	found, err := spec.Discover(ctx, s)
	return found, errors.Join(err, s.Close())
}

// keep leaves the streams whose name, or whose last part, a pattern matches.
func keep(d *extract.Discovery, pattern string) error {
	kept := []extract.Discovered{}
	for _, s := range d.Streams {
		whole, err := path.Match(pattern, s.Name)
		if err != nil {
			return usage("pattern %q: %w", pattern, err)
		}
		parts := models.NameParts(s.Name)
		last, _ := path.Match(pattern, parts[len(parts)-1])
		if whole || last {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 && len(d.Streams) > 0 {
		return usage("none of %s matches %q; the first is %s", plural(len(d.Streams), "name"), pattern, d.Streams[0].Name)
	}
	d.Streams = kept
	return nil
}

// address is the URL of a source that is not in the project.
type address struct {
	spec    extract.Spec
	options any
	source  string   // name that the source gets: that of the database
	written string   // the URL with references in place of its passwords
	vars    []string // the environment variables that these name
}

var (
	variable      = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	passwordParam = regexp.MustCompile(`(?i)([?&](ssl)?password=)([^&]*)`)
)

// address reads a URL. Its errors do not repeat it: they could not tell the password from the rest.
func (a *app) address(text string) (*address, error) {
	wrong := usage("this is not a URL such as scheme://user@host:port/database: @ : / ? # %% in names and passwords are written %%40 %%3A %%2F %%3F %%23 %%25")
	out := &address{}
	full, err := out.resolve(text)
	if err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(full, "://")
	end := len(rest)
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		end = at
	}
	parsed, err := url.Parse(full)
	if err != nil || parsed.Fragment != "" || parsed.User == nil && strings.Contains(rest[end:], "@") { // a / # or ? in the password
		return nil, wrong
	}
	out.source = identifier(path.Base(parsed.Path), identifier(scheme, "source"))
	name := func(suffix string) string {
		v := strings.ToUpper(out.source) + suffix
		out.vars = append(out.vars, v)
		return "${" + v + "}"
	}
	if password, ok := parsed.User.Password(); ok && password != "" {
		a.redactor.Add(secret.NewValue(password))
	}
	_, given, _ := strings.Cut(text, "://")
	if at := strings.IndexAny(given, "/?#"); at >= 0 {
		given = given[:at]
	}
	out.written = text
	if at := strings.LastIndexByte(given, '@'); at >= 0 {
		user, password, _ := strings.Cut(given[:at], ":")
		if password != "" && !isVariable(password) {
			a.redactor.Add(secret.NewValue(password))
			out.written = scheme + "://" + user + ":" + name("_PASSWORD") + text[len(scheme)+len("://")+at:]
		}
	}
	out.written = passwordParam.ReplaceAllStringFunc(out.written, func(m string) string {
		g := passwordParam.FindStringSubmatch(m)
		if g[3] == "" || isVariable(g[3]) {
			return m
		}
		a.redactor.Add(secret.NewValue(g[3]))
		return g[1] + name("_"+strings.ToUpper(g[2])+"PASSWORD")
	})
	var known []string
	for _, spec := range sources.Specs() {
		if spec.FromURL == nil || spec.Discover == nil {
			continue
		}
		known = append(known, spec.Type+"://")
		options, ok, err := spec.FromURL(full)
		if err != nil {
			return nil, usage("%w", err)
		}
		if ok {
			out.spec, out.options = spec, options
			return out, nil
		}
	}
	return nil, usage("no source reads %s:// URLs: known are %s", scheme, strings.Join(known, ", "))
}

func isVariable(s string) bool { return variable.FindString(s) == s }

// resolve puts the values of environment variables in the place of ${NAME}, and notes their names.
func (at *address) resolve(text string) (string, error) {
	var missing error
	full := variable.ReplaceAllStringFunc(text, func(m string) string {
		name := variable.FindStringSubmatch(m)[1]
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = usage("the environment variable %s is not set", name)
		}
		at.vars = append(at.vars, name)
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	})
	if missing == nil && strings.Contains(full, "${") {
		missing = usage("a URL on the command line can name environment variables only, as ${NAME}")
	}
	return full, missing
}

var (
	plainTable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	dottedName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$`) // plain in YAML
)

// tableNames says, by their own names, under which each stream is published: the table's, unless that needs quotes in
// SQL or tables of several schemas have it.
func tableNames(streams []extract.Discovered) map[string]string {
	names := make([]string, len(streams))
	times, taken, out := map[string]int{}, map[string]bool{}, map[string]string{}
	for i, s := range streams {
		parts := models.NameParts(s.Name)
		names[i] = parts[len(parts)-1]
		if !plainTable.MatchString(names[i]) || reserved[strings.ToLower(names[i])] {
			names[i] = identifier(names[i], "table_1")
		}
		times[strings.ToLower(names[i])]++
	}
	for i, s := range streams {
		if times[strings.ToLower(names[i])] > 1 {
			names[i] = identifier(strings.Join(models.NameParts(s.Name), "_"), names[i])
		}
		out[s.Name] = free(names[i], taken)
		taken[strings.ToLower(out[s.Name])] = true
	}
	return out
}

// streamsYAML writes streams as they stand below streams: in millrace.yml. Types are not written: they come from the source.
func streamsYAML(streams []extract.Discovered, names map[string]string) string {
	var b strings.Builder
	for _, s := range streams {
		fmt.Fprintf(&b, "      # %s\n", oneLine(sizeOf(s)))
		for _, n := range s.Notes {
			fmt.Fprintf(&b, "      # note: %s\n", oneLine(n))
		}
		spelled := s.Name
		if !dottedName.MatchString(spelled) {
			spelled = yamlScalar(spelled)
		}
		fmt.Fprintf(&b, "      - name: %s\n", spelled)
		if parts := models.NameParts(s.Name); parts[len(parts)-1] != names[s.Name] {
			fmt.Fprintf(&b, "        as: %s\n", yamlScalar(names[s.Name]))
		}
		if s.Comment != "" {
			fmt.Fprintf(&b, "        description: %s\n", yamlScalar(s.Comment))
		}
		if len(s.Key) > 0 {
			fmt.Fprintf(&b, "        key: [%s]\n", yamlList(s.Key))
		}
		b.WriteString("        mode: full\n")
		if c := bestCursor(s); c != nil {
			why, mode := "to read only what has changed", extract.Incremental
			if c.Creation {
				why, mode = "to read only what is new, of rows that never change", extract.Append
			}
			fmt.Fprintf(&b, "        # in place of full, %s:\n        # mode: %s\n        # cursor: %s   # %s\n", why, mode, oneLine(yamlScalar(c.Column)), oneLine(candidateText(*c, mode)))
		}
	}
	return b.String()
}

func sizeOf(s extract.Discovered) string {
	text := s.Kind
	if s.Rows >= 0 {
		text += fmt.Sprintf(", about %s", plural(int(s.Rows), "row"))
	}
	if s.Bytes >= 0 {
		text += ", " + bytesText(s.Bytes)
	}
	if len(s.Key) == 0 && strings.Contains(s.Kind, "table") {
		text += ", without a key"
	}
	return text
}

// bestCursor is the one to read a stream incrementally by; nil where that cannot be: it takes a key as well.
func bestCursor(s extract.Discovered) *extract.CursorCandidate {
	if len(s.Key) == 0 || len(s.Cursors) == 0 {
		return nil
	}
	return &s.Cursors[0]
}

func candidateText(c extract.CursorCandidate, mode extract.Mode) string {
	text := c.Type
	if !c.Indexed {
		text += "; not indexed: each run searches all of the table"
	}
	switch {
	case c.Nullable && mode == extract.Append:
		text += "; may be NULL: append refuses such rows"
	case c.Nullable:
		text += "; may be NULL: such rows are read in every run"
	}
	return text
}

func yamlList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = yamlScalar(s)
	}
	return strings.Join(quoted, ", ")
}
