package files

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
)

// Options are the source's own keys.
type Options struct {
	Root string `yaml:"root" default:"." doc:"Folder that all paths are relative to and that no path leaves; absolute, or relative to the project."`
}

// StreamOptions are the keys of one stream.
type StreamOptions struct {
	Path           string             `yaml:"path" required:"true" example:"inbox/orders_*.csv.gz" doc:"Files to read, relative to root: *, **, ? and [..] are wildcards."`
	Format         string             `yaml:"format" enum:"csv,tsv,json,ndjson,parquet,arrow" doc:"Format of the files; the default goes by the file name."`
	Compression    string             `yaml:"compression" enum:"auto,none,gzip,zstd" default:"auto" doc:"Compression of the files; auto goes by the file name (.gz, .zst)."`
	CSV            CSV                `yaml:"csv" doc:"How CSV files are written."`
	Columns        config.Map[string] `yaml:"columns" example:"{id: BIGINT, amount: 'DECIMAL(12,2)'}" doc:"Columns and their DuckDB types. Without it the types are guessed once and then kept."`
	Records        string             `yaml:"records" example:"result.items" doc:"Where in a JSON document the array of records is: keys joined by dots."`
	FilenameColumn string             `yaml:"filename_column" doc:"Adds a column of this name with the file that each record came from."`
	OnMissing      string             `yaml:"on_missing_column" enum:"fail,null" default:"fail" doc:"What to do when a file lacks a column."`
	Extra          string             `yaml:"extra_columns" enum:"evolve,ignore,fail" doc:"What to do with columns that are not expected; default evolve, or fail when columns are given; for Parquet and Arrow, whose columns are corrections only, always evolve."`
	MinAge         config.Duration    `yaml:"min_age" default:"0" doc:"A file changed more recently than this is left for the next run: it may still be written."`
	MaxRecord      config.Size        `yaml:"max_record" default:"16MB" doc:"A longer record is rejected."`
	MaxExpanded    config.Size        `yaml:"max_expanded" doc:"Most bytes that a compressed file may expand to; default 100 times its size, and never less than 1GiB."`
}

// CSV is how CSV files are written.
type CSV struct {
	Delimiter       string            `yaml:"delimiter" doc:"Character between fields; the default is found out, or , when columns are given."`
	Quote           *string           `yaml:"quote" doc:"Character around fields, default \"; empty for none."`
	Escape          string            `yaml:"escape" doc:"Character before a quote inside a quoted field; default the quote itself."`
	Header          Header            `yaml:"header" default:"auto" doc:"Whether the first record names the columns; auto means yes when columns are given."`
	Null            config.StringList `yaml:"null" doc:"Texts that mean NULL, quoted or not; default the empty text only."`
	DateFormat      string            `yaml:"date_format" example:"%d.%m.%Y" doc:"Format of dates; default ISO."`
	TimestampFormat string            `yaml:"timestamp_format" example:"%d.%m.%Y %H:%M:%S" doc:"Format of timestamps; default ISO."`
	Decimal         string            `yaml:"decimal" default:"." doc:"Decimal separator: . or ,"`
	Comment         string            `yaml:"comment" doc:"Lines that start with this character are skipped."`
	Skip            int               `yaml:"skip" doc:"Lines to skip at the start of each file."`
	Duplicates      string            `yaml:"duplicates" enum:"fail,number" default:"fail" doc:"Columns of one name. number: the second price is price_1, as DuckDB names it."`
	Encoding        string            `yaml:"encoding" enum:"utf-8,latin-1,utf-16" default:"utf-8" doc:"Character encoding of the files."`
}

const (
	defaultMaxRecord = 16_000_000
	bombRatio        = 100
	bombFloor        = 1 << 30
)

// streamOptions gives the options of s; a missing Options reads as defaults, so that tests can leave keys out.
func streamOptions(s extract.Stream) (*StreamOptions, error) {
	o, ok := s.Options.(*StreamOptions)
	if !ok || o == nil {
		return nil, fmt.Errorf("stream %q: options are a %T", s.Name, s.Options)
	}
	return o, nil
}

func (o *StreamOptions) maxRecord() int64 {
	if o.MaxRecord > 0 {
		return int64(o.MaxRecord)
	}
	return defaultMaxRecord
}

func (o *StreamOptions) maxExpanded(stored int64) int64 {
	if o.MaxExpanded > 0 {
		return int64(o.MaxExpanded)
	}
	return max(bombRatio*stored, bombFloor)
}

func (o *StreamOptions) minAge() time.Duration { return o.MinAge.Std() }

func (o *StreamOptions) pinned() bool { return o.Columns.Len() > 0 }

// AllColumns are the columns that the stream has, where the project lists all of them; nil where its files have the last word.
func (o *StreamOptions) AllColumns() []extract.Column {
	if format := o.format(o.Path); !o.pinned() || format == "" || selfTyped(format) {
		return nil
	}
	all := o.pins()
	if o.FilenameColumn != "" {
		all = append(all, extract.Column{Name: o.FilenameColumn, Type: "VARCHAR"})
	}
	return all
}

func (o *StreamOptions) pins() []extract.Column {
	var cols []extract.Column
	for name, typ := range o.Columns.All() {
		cols = append(cols, extract.Column{Name: name, Type: landed(typ)})
	}
	return cols
}

// extra is the policy for columns that a file has and the stream does not.
func (o *StreamOptions) extra(format string) string {
	switch {
	case o.Extra != "":
		return o.Extra
	case o.pinned() && !selfTyped(format):
		return "fail"
	}
	return "evolve"
}

// selfTyped says whether files of the format know their own types: pins are corrections of some of them then.
func selfTyped(format string) bool { return format == "parquet" || format == "arrow" }

// format is csv, json, parquet or arrow, by option or by name; "" when the name does not say.
func (o *StreamOptions) format(name string) string {
	f := o.Format
	if f == "" {
		ext := path.Ext(strings.ToLower(name))
		if ext == ".gz" || ext == ".zst" {
			ext = path.Ext(strings.TrimSuffix(strings.ToLower(name), ext))
		}
		f = strings.TrimPrefix(ext, ".")
	}
	switch f {
	case "csv", "tsv", "txt":
		return "csv"
	case "json", "ndjson", "jsonl":
		return "json"
	case "parquet", "pq":
		return "parquet"
	case "arrow", "arrows", "ipc", "feather":
		return "arrow"
	}
	return ""
}

func (o *StreamOptions) compression(name string) string {
	if o.Compression != "" && o.Compression != "auto" {
		return o.Compression
	}
	switch path.Ext(strings.ToLower(name)) {
	case ".gz":
		return "gzip"
	case ".zst":
		return "zstd"
	}
	return "none"
}

// isTab says that the delimiter is a tab because the format says so.
func (o *StreamOptions) isTab(name string) bool {
	low := strings.ToLower(name)
	low = strings.TrimSuffix(strings.TrimSuffix(low, ".gz"), ".zst")
	return o.Format == "tsv" || o.Format == "" && strings.HasSuffix(low, ".tsv")
}

// check finds settings that cannot work, without touching the disk.
func check(options any, streams []extract.Stream) []extract.Problem {
	var out []extract.Problem
	if _, ok := options.(*Options); !ok {
		out = append(out, extract.Problem{Message: fmt.Sprintf("options are a %T", options)})
	}
	for _, s := range streams {
		o, err := streamOptions(s)
		if err != nil {
			out = append(out, extract.Problem{Stream: s.Name, Message: err.Error()})
			continue
		}
		out = append(out, o.check(s)...)
	}
	return out
}

var timeParts = regexp.MustCompile(`%[-]?[HIMSpfgnzZcXsGj]`)

func (o *StreamOptions) check(s extract.Stream) []extract.Problem {
	var out []extract.Problem
	bad := func(key, hint, format string, args ...any) {
		out = append(out, extract.Problem{Stream: s.Name, Key: key, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if why := checkGlob(o.Path); why != "" {
		bad("path", "", "%s", why)
	}
	format := o.format(o.Path)
	if format == "" && o.Format == "" && !strings.HasSuffix(o.Path, "*") {
		bad("format", "set format: csv, json, parquet or arrow", "the name %q does not tell the format", o.Path)
	}
	if o.compression(o.Path) != "none" && (format == "parquet" || format == "arrow") {
		bad("compression", "these formats compress inside; leave the key out", "a %s file is not compressed as a whole", format)
	}
	seen := map[string]string{}
	for name, typ := range o.Columns.All() {
		if other, ok := seen[strings.ToLower(name)]; ok {
			bad("columns", "column names differ by more than case", "columns %q and %q", other, name)
		}
		seen[strings.ToLower(name)] = name
		t, err := parseType(typ)
		if err != nil {
			bad("columns", "", "column %q: %v", name, err)
			continue
		}
		if format == "csv" && t.nested() {
			bad("columns", "read it as JSON and take it apart in a model", "column %q: a CSV file has no %s", name, typ)
		}
	}
	if o.FilenameColumn != "" && seen[strings.ToLower(o.FilenameColumn)] != "" {
		bad("filename_column", "", "column %q is already one of columns", o.FilenameColumn)
	}
	if s.Cursor != "" && o.pinned() && seen[strings.ToLower(s.Cursor)] == "" {
		bad("cursor", "", "column %q is not one of columns", s.Cursor)
	}
	if format != "json" && o.Records != "" {
		bad("records", "", "records is for JSON")
	}
	if o.pinned() && o.Extra == "evolve" && !selfTyped(o.format(o.Path)) {
		bad("extra_columns", "leave columns out, or list the new column there", "evolve adds columns, but columns fixes them")
	}
	c := o.CSV
	if format != "csv" && format != "" {
		if c.Delimiter != "" || c.Quote != nil || c.Escape != "" || len(c.Null) > 0 || c.DateFormat != "" || c.TimestampFormat != "" ||
			c.Comment != "" || c.Skip != 0 || c.Encoding != "" && c.Encoding != "utf-8" || c.Header != "" && c.Header != "auto" || c.Decimal == "," {
			bad("csv", "", "csv is for CSV files, these are %s", format)
		}
		return out
	}
	one := func(key, v string) {
		if v != "" && (len(v) != 1 || v[0] >= 0x80 || v[0] == '\n' || v[0] == '\r' || v[0] == 0) {
			bad("csv."+key, "", "%s must be one ASCII character, not %q", key, v)
		}
	}
	quote := ""
	if c.Quote != nil {
		quote = *c.Quote
	}
	one("delimiter", c.Delimiter)
	one("quote", quote)
	one("escape", c.Escape)
	one("comment", c.Comment)
	if c.Quote != nil && c.Delimiter != "" && quote == c.Delimiter {
		bad("csv.quote", "", "quote and delimiter are the same")
	}
	if c.Decimal != "" && c.Decimal != "." && c.Decimal != "," {
		bad("csv.decimal", "", "decimal is . or , and not %q", c.Decimal)
	}
	if c.Decimal == "," && c.Delimiter == "," {
		bad("csv.decimal", "", "decimal and delimiter are the same")
	}
	if c.Skip < 0 {
		bad("csv.skip", "", "skip is negative")
	}
	if timeParts.MatchString(c.DateFormat) {
		bad("csv.date_format", "use a TIMESTAMP column", "a date format with a time of day would lose the time")
	}
	if strings.Contains(c.TimestampFormat, "%n") {
		bad("csv.timestamp_format", "", "nanoseconds do not fit a TIMESTAMP")
	}
	return out
}

// missing names columns that a file lacks, the way a person can act on.
func missing(file string, want, have []string) error {
	var hints []string
	for _, w := range want {
		if s := config.Suggest(w, have); s != "" && !slices.Contains(want, s) {
			hints = append(hints, fmt.Sprintf("did you mean %q?", s))
		}
	}
	hint := ""
	if len(hints) > 0 {
		hint = "; " + strings.Join(hints, " ")
	}
	return fmt.Errorf("file %s has no column %s; it has %s%s; set on_missing_column: null to read it as NULL",
		file, quoteAll(want), quoteAll(have), hint)
}

func quoteAll(names []string) string {
	if len(names) > 40 {
		return quoteAll(names[:40]) + fmt.Sprintf(" and %d more", len(names)-40)
	}
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, ", ")
}

// Header says whether a CSV file's first record names its columns: "true", "false" or "auto".
type Header string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Header) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "auto", "true", "false":
		*h = Header(s)
		return nil
	}
	return errors.New("must be true, false or auto")
}

// SchemaType implements config.SchemaTyper.
func (Header) SchemaType() map[string]any { return map[string]any{"enum": []any{"auto", true, false}} }
