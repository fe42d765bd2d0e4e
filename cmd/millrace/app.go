package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	sources "github.com/millrace/millrace/extract/all"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/load"
	loaders "github.com/millrace/millrace/load/all"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// app is what the commands share: the flags of every command, and where to write.
type app struct {
	stdout, stderr io.Writer
	redactor       *secret.Redactor

	dir      string
	target   string
	vars     []string
	varsYAML string // dbt's --vars
	json     bool
	memory   string
	threads  int
	verbose  bool
	noColor  bool
	format   string // of logs
	metrics  string // file to write them to

	dbtProfile, profilesDir string    // dbt's
	line                    []string  // the command line
	misused                 error     // a flag of dbt's that is something else here
	asked                   selection // what a run was to work on

	opened *openedFiles // what loading the project opens; nil when nobody wants to know
}

func newApp(stdout, stderr io.Writer) *app {
	r := &secret.Redactor{}
	return &app{stdout: stdout, stderr: stderr, redactor: r}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Move, model and publish tables, every row accounted for",
		Long: "Millrace reads sources into Parquet, builds SQL models on DuckDB and publishes all tables of a run by one\n" +
			"atomic swap: nobody ever sees a half-published table, whatever is killed and whenever.\n" + exitHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w: see `%s --help`", plainFlagError(err), c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVarP(&a.dir, "project", "C", ".", "folder of the project")
	f.StringVarP(&a.target, "target", "t", "", "target to use instead of the project's own choice")
	f.StringArrayVar(&a.vars, "var", nil, "set a project variable, as name=value")
	f.StringVar(&a.varsYAML, "vars", "", "set project variables as dbt does: a mapping in YAML, '{name: value}'")
	f.BoolVar(&a.json, "json", false, "print the answer as JSON")
	f.StringVar(&a.memory, "memory", "", "memory that the work may use, such as 512MB")
	f.IntVar(&a.threads, "threads", 0, "processors to use (default all)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log every step and part")
	f.StringVar(&a.format, "log-format", formatText, "text, or json for logs and progress as JSON lines on stderr")
	a.dbtFlags(f)
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if a.misused != nil {
			return a.misused
		}
		if err := a.excludedToo(c, args); err != nil {
			return err
		}
		return a.checkFormat()
	}
	f.BoolVar(&a.noColor, "no-color", false, "no colour and no motion; NO_COLOR does the same")
	root.AddCommand(a.commands()...)
	for _, c := range root.Commands() {
		if c.Long == "" {
			c.Long = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
		}
		c.Long += "\n" + exitHelp
	}
	return root
}

// plainFlagError says of a flag's value what it must be, in the place of the parser's own words.
func plainFlagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag, must := invalid.GetFlag(), ""
	switch flag.Value.Type() {
	case "int", "int64":
		must = "a whole number"
	case "duration":
		must = "a span of time, such as 30s"
	case "bool":
		must = "true or false"
	default:
		return err
	}
	return fmt.Errorf("--%s %s: it must be %s", flag.Name, invalid.GetValue(), must)
}

// interactive says whether people watch stderr on a terminal.
func (a *app) interactive() bool {
	return a.watched() && os.Getenv("TERM") != "dumb" && !a.plain()
}

// watched says whether stderr is a terminal at all.
func (a *app) watched() bool {
	f, ok := a.stderrFile()
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) plain() bool { return a.noColor || os.Getenv("NO_COLOR") != "" }

func (a *app) logger() *slog.Logger { return a.loggerFrom(slog.LevelWarn) }

// servingLogger is that of millrace serve, whose log is all that is to be seen of it.
func (a *app) servingLogger() *slog.Logger { return a.loggerFrom(slog.LevelInfo) }

func (a *app) loggerFrom(level slog.Level) *slog.Logger {
	if a.verbose {
		level = slog.LevelDebug
	}
	var handler slog.Handler = slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})
	if a.format == formatJSON {
		handler = pipeline.JSONLog(a.stderr, level)
	}
	return slog.New(a.redactor.Handler(handler))
}

// Formats of logs.
const (
	formatText = "text"
	formatJSON = "json"
)

func (a *app) checkFormat() error {
	if a.format != formatText && a.format != formatJSON {
		return usage("--log-format %s: use text or json", a.format)
	}
	return nil
}

// printJSON writes one value for machines.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// specs are the types of sources, as the project loader wants them.
func specs() []models.SourceSpec { return pipeline.SourceSpecs(sources.Specs()) }

// project loads the project. Unresolved leaves ${…} alone, for commands that look at the files only.
func (a *app) project(ctx context.Context, unresolved bool) (*models.Project, config.Problems, error) {
	in, err := a.loading(ctx, unresolved)
	if err != nil {
		return nil, nil, err
	}
	if unresolved {
		in.Now = clock.System()
	}
	kept := ""
	if os.Getenv(workerEnv) != "" {
		kept = os.Getenv(filesEnv)
	}
	return a.load(in, kept)
}

// load loads the project, from another folder than its own when one is given.
func (a *app) load(in models.Loading, files string) (*models.Project, config.Problems, error) {
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return nil, nil, err
	}
	if files == "" {
		files = dir
	}
	root, err := os.OpenRoot(files)
	switch {
	case err != nil && files != dir: // nobody's mistake: it may pass
		return nil, nil, &codeError{codeFailed, fmt.Errorf("open the project's files as millrace serve keeps them: %w", err)}
	case err != nil:
		return nil, nil, usage("open project: %w", err)
	}
	defer root.Close()
	in.Dir, in.Files, in.Target = dir, root.FS(), a.target
	if a.opened != nil {
		a.opened.FS, a.opened.dir, in.Files, in.Outside = in.Files, files, a.opened, a.opened.outside
	}
	p, problems := models.Load(in)
	return p, problems, nil
}

// loading is what any loader of files wants to know.
func (a *app) loading(ctx context.Context, unresolved bool) (models.Loading, error) {
	in := models.Loading{Sources: specs(), Vars: map[string]string{}, Redactor: a.redactor, Reserved: reservedSchemas(), Context: ctx,
		ColumnType: warehouse.ContractType, SeedType: warehouse.SeedType, Trees: duckdb.Trees, Profile: a.dbtProfile}
	if a.profilesDir != "" {
		dir, err := filepath.Abs(a.profilesDir)
		if err != nil {
			return in, err
		}
		in.ProfilesDir = dir
	}
	vars, err := a.allVars()
	if err != nil {
		return in, err
	}
	for _, v := range vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return in, usage("--var %s: write name=value", v)
		}
		in.Vars[name] = value
	}
	if !unresolved {
		in.Env = os.LookupEnv
	}
	return in, nil
}

// reservedSchemas are names that a schema cannot have: DuckDB's own, and that of the database catalog.duckdb, inside
// which catalog.t would be ambiguous.
func reservedSchemas() []string { return append([]string{"catalog"}, warehouse.DuckDB.Reserved...) }

// loaded returns a project without errors; warnings go to stderr.
func (a *app) loaded(ctx context.Context) (*models.Project, error) {
	p, problems, err := a.project(ctx, false)
	if err != nil {
		return nil, err
	}
	return p, a.usable(problems)
}

// usable prints warnings to stderr; errors it returns.
func (a *app) usable(problems config.Problems) error {
	if problems.HasErrors() {
		return problems
	}
	if len(problems) > 0 && !a.json {
		a.note("%s", problems.Error())
	}
	return nil
}

// engine opens the project, its journal and its target. The caller closes what it returns.
func (a *app) engine(ctx context.Context) (*pipeline.Engine, func(), error) {
	p, err := a.loaded(ctx)
	if err != nil {
		return nil, nil, err
	}
	return a.engineOf(ctx, p)
}

// engineOf does the same for a project that is open already.
func (a *app) engineOf(ctx context.Context, p *models.Project) (*pipeline.Engine, func(), error) {
	return a.engineAt(ctx, p, p.StateDir())
}

// engineAt has its journal in a folder.
func (a *app) engineAt(ctx context.Context, p *models.Project, dir string) (*pipeline.Engine, func(), error) {
	e, err := a.bareEngine(p)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("open state folder: %w", err)
	}
	j, err := journal.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, nil, err
	}
	loader, err := e.OpenLoader(p)
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	e.Journal, e.Loader, e.TargetRoot = j, loader, p.TargetDir()
	return e, func() { _ = j.Close() }, nil
}

// bareEngine has neither journal nor target: it reads, and keeps nothing.
func (a *app) bareEngine(p *models.Project) (*pipeline.Engine, error) {
	memory, err := a.memoryFor(p)
	if err != nil {
		return nil, err
	}
	threads := a.threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	debug.SetMemoryLimit(memory * 4 / 10)
	debug.SetGCPercent(100)
	return &pipeline.Engine{Project: p, OpenLoader: openLoader, Warehouse: duckdb.Open, OpenSource: pipeline.SourceOpener(p, sources.Specs(), a.logger()),
		Log: a.logger(), Clock: clock.System, Version: version(), Memory: memory, Threads: threads, Verify: pipeline.VerifyLevel(p.Verify), Redact: a.redactor.Redact, Stop: make(chan struct{})}, nil
}

func openLoader(p *models.Project) (load.Loader, error) { return loaders.Open(p, duckdb.BuildCatalog) }

// leastMemory is what the engine needs to get anywhere.
const leastMemory = 192 << 20

func (a *app) memoryFor(p *models.Project) (int64, error) {
	memory := p.Memory
	if a.memory != "" {
		var size config.Size
		if err := size.UnmarshalText([]byte(a.memory)); err != nil {
			return 0, usage("--memory %s: %w", a.memory, err)
		}
		memory = int64(size)
	}
	if memory < leastMemory {
		return 0, usage("memory: %s is too little: give at least %s", config.Size(memory), config.Size(leastMemory))
	}
	return memory, nil
}
