package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shop is a small project file with every type the decoder knows.
type shop struct {
	Origin
	Name      string             `yaml:"name" required:"true" doc:"Name of the project." example:"shop" pattern:"^[a-z][a-z0-9_]*$"`
	Target    string             `yaml:"target" default:"local" doc:"Target to publish to."`
	Workers   int                `yaml:"workers" default:"4" bounds:"1,64"`
	Small     int8               `yaml:"small"`
	Ratio     float64            `yaml:"ratio" default:"0.5"`
	Strict    bool               `yaml:"strict" default:"true"`
	Fresh     Duration           `yaml:"fresh" default:"26h"`
	Memory    Size               `yaml:"memory" default:"1GB"`
	Allow     *Threshold         `yaml:"allow"`
	Owners    StringList         `yaml:"owners"`
	Colors    []string           `yaml:"colors" enum:"red,green,blue"`
	Password  secret.Value       `yaml:"password"`
	URL       string             `yaml:"url"`
	Optional  *int               `yaml:"optional"`
	Columns   Map[string]        `yaml:"columns"`
	Plain     map[string]float64 `yaml:"plain"`
	Anything  any                `yaml:"anything"`
	Nested    nested             `yaml:"nested"`
	Pipelines []pipelineCfg      `yaml:"pipelines"`
	Sources   Map[Node]          `yaml:"sources" union:"sources"`
}

type nested struct {
	Where  Origin
	Mode   string    `yaml:"mode" enum:"full,incremental,append" default:"full"`
	Depth  int       `yaml:"depth" default:"3"`
	Inline time.Time `yaml:"when"`
}

type pipelineCfg struct {
	Name     string     `yaml:"name" required:"true" doc:"Name of the pipeline."`
	Schedule string     `yaml:"schedule"`
	Select   StringList `yaml:"select" default:"[a, b]"`
}

type sourceCommon struct {
	Type    string `yaml:"type" required:"true" doc:"Kind of source."`
	Streams []Node `yaml:"streams" union:"streams"`
}

type filesSource struct {
	Root string `yaml:"root" required:"true"`
}

type streamCommon struct {
	Origin
	Name   string `yaml:"name" required:"true"`
	Mode   string `yaml:"mode" enum:"full,incremental,append" default:"full"`
	Cursor string `yaml:"cursor"`
}

type filesStream struct {
	Path      string `yaml:"path" required:"true" example:"inbox/*.csv"`
	BatchSize int    `yaml:"batch_size" default:"1000"`
}

var testLookups = Lookups{
	Env: func(name string) (string, bool) {
		v, ok := map[string]string{"HOST": "db.local", "PORT": "5432", "WORD": "canary-word", "EMPTY": "", "DB_URL": "postgres://u:envcanary@h/db"}[name]
		return v, ok
	},
	Vars: map[string]string{"region": "eu", "days": "7d"},
	Secret: func(name string) (secret.Value, error) {
		if name == "pg" {
			return secret.NewValue("s3cr3t/@x"), nil
		}
		return secret.Value{}, errors.New("no secret " + name)
	},
}

// decodeShop parses and decodes, sources included, and returns all problems.
func decodeShop(name, src string, r Resolver) (shop, *File, Problems) {
	f, problems := Parse(name, []byte(src))
	var s shop
	problems = append(problems, f.Decode(&s, r)...)
	for _, node := range s.Sources.All() {
		var common sourceCommon
		if node.Get("type").Text() == "files" {
			problems = append(problems, node.Decode(&common, &filesSource{})...)
		} else {
			problems = append(problems, node.Decode(&common)...)
		}
		for _, stream := range common.Streams {
			problems = append(problems, stream.Decode(&streamCommon{}, &filesStream{})...)
		}
	}
	return s, f, problems.Sort()
}

func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var resolver Resolver = testLookups.Resolve
			if strings.HasPrefix(name, "lint_") {
				resolver = nil
			}
			src := strings.NewReplacer("<TAB>", "\t", "<BAD>", "\xff", "<NUL>", "\x00").Replace(string(in))
			_, _, problems := decodeShop("millrace.yml", src, resolver)
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want, err := os.ReadFile(golden); err != nil || got != string(want) {
				t.Errorf("%v; got:\n%s\n(-update rewrites %s)", err, got, golden)
			}
		})
	}
}

func TestDecodeGood(t *testing.T) {
	src := `# comment
name: shop
workers: 0x10
ratio: 2
strict: false
fresh: 1d12h
memory: 512MB
allow: 1%
owners: ann
colors: [red, "blue"]
password: ${secret:pg}
url: postgres://app:${secret:pg}@${HOST}:${PORT}/shop
columns: {id: BIGINT, "a b": TEXT}
plain:
  one: 1
  two: 2.5
anything: [1, 2.5, x, true, null, {k: v}]
nested: &n
  when: 2024-01-02T03:04:05Z
pipelines:
  - name: nightly
    schedule: "0 2 * * *"
  - <<: {schedule: daily}
    name: $${x}-${var:region}
    select: ['*']
sources:
  crm:
    type: files
    root: inbox
    streams:
      - { name: contacts, path: "in/*.csv" }
`
	for _, text := range []string{src, strings.ReplaceAll(src, "\n", "\r\n"), "\ufeff" + src} {
		f, problems := Parse("millrace.yml", []byte(text))
		if problems != nil {
			t.Fatal(problems)
		}
		var secrets []string
		f.OnSecret = func(v secret.Value) { secrets = append(secrets, v.Reveal()) }
		var s shop
		if p := f.Decode(&s, testLookups.Resolve); p != nil {
			t.Fatal(p)
		}
		if s.Name != "shop" || s.Target != "local" || s.Workers != 16 || s.Ratio != 2 || s.Strict || s.Optional != nil {
			t.Errorf("scalars: %+v", s)
		}
		if s.Fresh.Std() != 36*time.Hour || s.Memory != 512_000_000 || *s.Allow != (Threshold{Percent: 1, IsPercent: true}) {
			t.Error("texts:", s.Fresh, s.Memory, s.Allow)
		}
		if !slices.Equal(s.Owners, []string{"ann"}) || !slices.Equal(s.Colors, []string{"red", "blue"}) {
			t.Error("lists:", s.Owners, s.Colors)
		}
		if s.Password.Reveal() != "s3cr3t/@x" || s.URL != "postgres://app:s3cr3t%2F%40x@db.local:5432/shop" {
			t.Error("interpolation:", s.URL)
		}
		if !slices.Contains(secrets, "s3cr3t/@x") || !slices.Contains(secrets, "s3cr3t%2F%40x") {
			t.Error("secrets handed to the redactor:", secrets)
		}
		if !slices.Equal(s.Columns.Keys(), []string{"id", "a b"}) || s.Columns.At("id").String() != "millrace.yml:13:15" {
			t.Error("columns:", s.Columns.Keys(), s.Columns.At("id"))
		}
		if want := []any{int64(1), 2.5, "x", true, nil, map[string]any{"k": "v"}}; !reflect.DeepEqual(s.Anything, want) {
			t.Errorf("any: %#v", s.Anything)
		}
		if s.Nested.Mode != "full" || s.Nested.Depth != 3 || s.Nested.Inline.Year() != 2024 || s.Plain["two"] != 2.5 {
			t.Errorf("nested: %+v", s.Nested)
		}
		if p := s.Pipelines[1]; p.Name != "${x}-eu" || p.Schedule != "daily" || !slices.Equal(s.Pipelines[0].Select, []string{"a", "b"}) {
			t.Errorf("pipelines: %+v", s.Pipelines)
		}
		if s.Key("name").String() != "millrace.yml:2:1" || s.At("fresh").String() != "millrace.yml:6:8" || s.Nested.Where.Key("when").Line != 19 {
			t.Error("origin:", s.Key("name"), s.At("fresh"), s.Nested.Where.Key("when"))
		}
		if !s.Has("name") || s.Has("target") || s.Key("target") != s.Pos() || s.Item("colors", 1).Column != 15 {
			t.Error("origin of absent keys")
		}
		node, _ := s.Sources.Get("crm")
		var common sourceCommon
		var files filesSource
		if p := node.Decode(&common, &files); p != nil || files.Root != "inbox" {
			t.Error(p, files)
		}
		var stream streamCommon
		var fs filesStream
		if p := common.Streams[0].Decode(&stream, &fs); p != nil || fs.BatchSize != 1000 || stream.Mode != "full" || fs.Path != "in/*.csv" {
			t.Error(p, stream, fs)
		}
		problem := stream.At("name").Problem("no such file", "look again")
		if problem.Render() != "millrace.yml:31:17: no such file\n   31 |       - { name: contacts, path: \"in/*.csv\" }\n      |                 ^~~~~~~~\n   look again" {
			t.Error(problem.Render())
		}
	}
}

func TestLintKeepsReferences(t *testing.T) {
	s, f, problems := decodeShop("m.yml", "name: ${X}\nworkers: ${N}\nfresh: \"${var:f}\"\nallow: ${A}\ncolors: [\"${C}\"]\npassword: ${secret:pw}\nurl: |\n  a\n  ${U}\n", nil)
	if problems != nil {
		t.Fatal(problems)
	}
	if s.Name != "${X}" || s.Workers != 0 || s.Password.Reveal() != "${secret:pw}" {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, r := range f.Refs() {
		got = append(got, r.String()+" "+r.Pos.String())
	}
	want := []string{"${X} m.yml:1:7", "${N} m.yml:2:10", "${var:f} m.yml:3:9", "${A} m.yml:4:8", "${C} m.yml:5:11", "${secret:pw} m.yml:6:11", "${U} m.yml:9:3"}
	if !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestTypesReadAndPrint(t *testing.T) {
	for in, want := range map[string]string{"7d": "7d", "90m": "1h30m", "26h": "26h", "1.5h": "1h30m", "48h": "2d", "0": "0s", "500ms": "500ms", "1w": "7d", "2m": "2m"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || d.String() != want {
			t.Error("duration", in, d, err)
		}
	}
	for _, in := range []string{"", "7", "d", "-1h", "1h ", "1y", "99999999999w"} {
		if new(Duration).UnmarshalText([]byte(in)) == nil {
			t.Error("duration accepted:", in)
		}
	}
	for in, want := range map[string]int64{"512MB": 512e6, "2GiB": 2 << 30, "1GB": 1e9, "4096": 4096, "1.5kB": 1500, "10 M": 10e6, "3KiB": 3072, "7B": 7} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || int64(s) != want {
			t.Error("size", in, s, err)
		}
		var again Size
		if again.UnmarshalText([]byte(s.String())) != nil || again != s {
			t.Error("size does not read its own text:", s)
		}
	}
	for _, in := range []string{"", "MB", "-1", "1XB", "99999999TB"} {
		if new(Size).UnmarshalText([]byte(in)) == nil {
			t.Error("size accepted:", in)
		}
	}
	one, hundred := Threshold{Percent: 1, IsPercent: true}, Threshold{Count: 100}
	if one.Exceeded(1, 100) || !one.Exceeded(2, 100) || hundred.Exceeded(100, 1) || !hundred.Exceeded(101, 1) || one.Exceeded(0, 0) {
		t.Error("threshold")
	}
	for _, in := range []string{"", "-1", "101%", "x", "1.5"} {
		if new(Threshold).UnmarshalText([]byte(in)) == nil {
			t.Error("threshold accepted:", in)
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"path", "page_size", "cursor", "key"}
	for in, want := range map[string]string{"pathh": "path", "pagesize": "page_size", "Page-Size": "page_size", "cusror": "cursor", "kye": "key", "zzz": "", "x": "", "": ""} {
		if got := Suggest(in, words); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestProblemsErr(t *testing.T) {
	f, _ := Parse("a.yml", []byte("a: 1\n"))
	warning := f.Root(nil).Get("a").Pos().Warning("old key", "")
	if (Problems{warning}).Err() != nil || (Problems)(nil).Err() != nil || warning.Error() != "a.yml:1:4: warning: old key" {
		t.Error("a warning is no error:", warning)
	}
	if (Problems{warning, f.Problem(Pos{Line: 1, Column: 1}, "bad", "")}).Err() == nil {
		t.Error("an error was lost")
	}
}

func TestSecretsBlock(t *testing.T) {
	var into struct {
		Secrets secret.Config `yaml:"secrets"`
	}
	f, _ := Parse("m.yml", []byte("secrets: [{type: env}, {type: vault, address: \"${HOST}\", path: shop}]"))
	if p := f.Decode(&into, testLookups.Resolve); p != nil || len(into.Secrets) != 2 || into.Secrets[1].Address != "db.local" {
		t.Error(p, into)
	}
	f, _ = Parse("m.yml", []byte("secrets: [{type: keyrng}]"))
	if p := f.Decode(&into, nil); len(p) != 1 || p[0].Hint != `did you mean "keyring"?` {
		t.Error(p)
	}
}

// TestSecretsStayOut looks for canaries in every problem of every stage.
func TestSecretsStayOut(t *testing.T) {
	src := "name: [1]\npassword: canary-lit\nurl: postgres://u:canary-url@h/d\nworkers: ${WORD}\nfresh: ${WORD}\nsmall: \"${WORD}\"\n" +
		"strict: ${WORD}\nmemory: ${WORD}\ncolors: [\"${WORD}\", canary-lit]\nnested: {mode: \"${WORD}\", password: canary-x, when: \"${WORD}\"}\npasswort: canary-lit\napi_token: 'canary-y'\n"
	_, _, problems := decodeShop("m.yml", src, testLookups.Resolve)
	text, err := json.Marshal(problems)
	if err != nil || len(problems) < 9 {
		t.Fatal(err, problems)
	}
	if all := problems.Error() + string(text); strings.Contains(all, "canary") {
		t.Error(all)
	}
}

func TestDecodeTellsSecrets(t *testing.T) {
	f, _ := Parse("m.yml", []byte("name: x\npassword: literal-pw\nurl: ${DB_URL}\n"))
	var got []string
	f.OnSecret = func(v secret.Value) { got = append(got, v.Reveal()) }
	if p := f.Decode(&shop{}, testLookups.Resolve); p != nil {
		t.Fatal(p)
	}
	if !slices.Contains(got, "literal-pw") || !slices.Contains(got, "envcanary") {
		t.Error(got)
	}
}

func TestLargeFilesAreRead(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := range 20_000 {
		fmt.Fprintf(&b, "\"k%d\": \"é\", ", i)
	}
	b.WriteString("\"worker\": 1}")
	start := time.Now()
	f, problems := Parse("one-line.json", []byte(b.String()))
	if problems != nil {
		t.Fatal(problems.Error()[:200])
	}
	var into map[string]any
	if p := f.Decode(&into, nil); p != nil || len(into) != 20_001 {
		t.Error(len(into))
	}
	if took := time.Since(start); took > time.Minute {
		t.Error("quadratic? took", took)
	}
	if _, p := Parse("big.yml", make([]byte, maxFileSize+1)); len(p) != 1 || !strings.Contains(p[0].Message, "larger than") {
		t.Error(p)
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/problems/*.yml")
	for _, file := range files {
		if src, err := os.ReadFile(file); err == nil {
			f.Add(src)
		}
	}
	for _, s := range []string{"", "- - - a", "? [a]\n: b", "a: &a [*a]", "a: !!int x", "<<: 1", "{a: {b: [", "a: |\n x\n", "a: >-\n", "\"\\u00", "a: 'x\n  y'", "a:\n- b\n-\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, r := range []Resolver{nil, testLookups.Resolve} {
			_, file, problems := decodeShop("f.yml", string(src), r)
			_ = problems.Error()
			file.Refs()
		}
	})
}
