package models

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads dbt_project.yml, of the folder itself and of installed packages. A folder that has one, and no millrace.yml, is a
// project of Millrace as it is.

// DBTFile is the name of the file that makes a folder a project of dbt.
const DBTFile = "dbt_project.yml"

// dbtPackage is a dbt project: the folder's own, or a package that it has installed. A Millrace project without dbt_project.yml is one
// too, with the usual folders and no configuration.
type dbtPackage struct {
	name string
	dir  string // what its files' names begin with: "" of the folder's own, dbt_packages/dbt_utils
	file *config.File
	keys dbtKeys

	ignore *ignore // its .dbtignore, once it is read
}

// dbtKeys are those of dbt_project.yml. What is not decoded further has no effect here, or is read where it is used.
type dbtKeys struct {
	config.Origin
	Name            string            `yaml:"name" required:"true"`
	Profile         string            `yaml:"profile"`
	ModelPaths      config.StringList `yaml:"model-paths"`
	SeedPaths       config.StringList `yaml:"seed-paths"`
	TestPaths       config.StringList `yaml:"test-paths"`
	MacroPaths      config.StringList `yaml:"macro-paths"`
	SnapshotPaths   config.StringList `yaml:"snapshot-paths"`
	AnalysisPaths   config.StringList `yaml:"analysis-paths"`
	DocsPaths       config.StringList `yaml:"docs-paths"`
	AssetPaths      config.StringList `yaml:"asset-paths"`
	SourcePaths     config.StringList `yaml:"source-paths"` // before dbt 1.0
	DataPaths       config.StringList `yaml:"data-paths"`
	InstallPath     string            `yaml:"packages-install-path"`
	Require         config.StringList `yaml:"require-dbt-version"`
	TargetPath      string            `yaml:"target-path"`
	Vars            config.Node       `yaml:"vars"`
	Models          config.Node       `yaml:"models"`
	Seeds           config.Node       `yaml:"seeds"`
	Snapshots       config.Node       `yaml:"snapshots"`
	Sources         config.Node       `yaml:"sources"`
	Tests           config.Node       `yaml:"tests"`
	DataTests       config.Node       `yaml:"data_tests"`
	UnitTests       config.Node       `yaml:"unit_tests"`
	Exposures       config.Node       `yaml:"exposures"`
	OnRunStart      config.StringList `yaml:"on-run-start"`
	OnRunEnd        config.StringList `yaml:"on-run-end"`
	Dispatch        []dispatchKeys    `yaml:"dispatch"`
	dbtKeysWithout  `yaml:",inline"`
	dbtKeysNotThere `yaml:",inline"`
}

type (
	dispatchKeys struct {
		config.Origin
		Namespace   string            `yaml:"macro_namespace" required:"true"`
		SearchOrder config.StringList `yaml:"search_order" required:"true"`
	}
	// dbtKeysWithout are keys that have nothing to say here.
	dbtKeysWithout struct {
		Version       config.Node `yaml:"version"`
		ConfigVersion config.Node `yaml:"config-version"`
		Clean         config.Node `yaml:"clean-targets"`
		Logs          config.Node `yaml:"log-path"`
		Flags         config.Node `yaml:"flags"`
		Cloud         config.Node `yaml:"dbt-cloud"`
		Query         config.Node `yaml:"query-comment"`
		Quoting       config.Node `yaml:"quoting"`
		Access        config.Node `yaml:"restrict-access"`
		Anchors       config.Node `yaml:"anchors"`
	}
	// dbtKeysNotThere configure what this version does not have: lint names them.
	dbtKeysNotThere struct {
		Metrics        config.Node `yaml:"metrics"`
		SemanticModels config.Node `yaml:"semantic-models"`
		SavedQueries   config.Node `yaml:"saved-queries"`
		Functions      config.Node `yaml:"functions"`
		FunctionPaths  config.Node `yaml:"function-paths"`
	}
)

// folders gives the paths of one kind, below the package's folder: those named, those by an older name, or the usual ones.
func (p *dbtPackage) folders(named, older config.StringList, usual ...string) []string {
	if len(named) == 0 {
		named = older
	}
	if len(named) == 0 {
		named = usual
	}
	var all []string
	for _, dir := range named {
		if dir == "" { // what stands there is no text, which is told
			continue
		}
		if !path.IsAbs(dir) {
			dir = path.Join(p.dir, dir)
		}
		if dir = path.Clean(dir); !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

func (p *dbtPackage) modelPaths() []string {
	return p.folders(p.keys.ModelPaths, p.keys.SourcePaths, "models")
}
func (p *dbtPackage) seedPaths() []string {
	return p.folders(p.keys.SeedPaths, p.keys.DataPaths, "seeds")
}
func (p *dbtPackage) macroPaths() []string { return p.folders(p.keys.MacroPaths, nil, "macros") }
func (p *dbtPackage) snapshotPaths() []string {
	return p.folders(p.keys.SnapshotPaths, nil, "snapshots")
}
func (p *dbtPackage) testPaths() []string { return p.folders(p.keys.TestPaths, nil, "tests") }

// allPaths are where properties files may be, and docs blocks where nothing says where they are.
func (p *dbtPackage) allPaths() []string {
	return slices.Concat(p.modelPaths(), p.seedPaths(), p.snapshotPaths(), p.folders(p.keys.AnalysisPaths, nil, "analyses"), p.macroPaths(),
		p.testPaths())
}

func (p *dbtPackage) docsPaths() []string {
	if len(p.keys.DocsPaths) == 0 {
		return p.allPaths()
	}
	return p.folders(p.keys.DocsPaths, nil)
}

// isRoot says whether it is the folder's own project.
func (p *dbtPackage) isRoot() bool { return p.dir == "" }

// label is how nodes and macros name the package: "" is the project's own.
func (p *dbtPackage) label() string {
	if p.isRoot() {
		return ""
	}
	return p.name
}

// within is a file of the package as the package has it.
func (p *dbtPackage) within(file string) string {
	return strings.TrimPrefix(strings.TrimPrefix(file, p.dir), "/")
}

// fqn is the package, the folders below the one of its kind, and the name: what the trees of dbt_project.yml go by.
func (p *dbtPackage) fqn(folders []string, file, name string) []string {
	rest := file
	for _, dir := range folders {
		if inside, ok := strings.CutPrefix(file, dir+"/"); ok {
			rest = inside
		}
	}
	parts := append([]string{p.name}, strings.Split(path.Dir(rest), "/")...)
	return append(slices.DeleteFunc(parts, func(s string) bool { return s == "." }), name)
}

// isDBT says whether the folder is a project of dbt: then dbt's ways hold where Millrace's own are others.
func (l *loader) isDBT() bool { return l.packages[0].file != nil }

// dbt reads dbt_project.yml and finds the installed packages. The first package is always there.
func (l *loader) dbt() {
	root := &dbtPackage{name: l.file.Name}
	l.packages = []*dbtPackage{root}
	l.givenVars()
	if exists(l.Files, DBTFile) {
		l.dbtProject(root)
		if l.file.Name == "" {
			l.file.Name = root.name
		}
	}
	install := path.Clean(cmp.Or(root.keys.InstallPath, "dbt_packages"))
	for _, e := range l.installed(install) {
		dir := path.Join(install, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			if _, err := l.mount(dir); err != nil {
				l.warning(config.Pos{File: dir}, "run dbt deps again, or put the package itself there", "the link leads nowhere: %v", err)
			}
		}
		if files, inside := l.filesOf(dir); exists(files, path.Join(inside, DBTFile)) {
			p := &dbtPackage{dir: dir}
			l.dbtProject(p)
			l.packages = append(l.packages, p)
		}
	}
	l.p.versions = map[string]string{}
	for _, p := range l.packages {
		if p.file != nil {
			l.p.versions[p.name] = p.file.Root(nil).Get("version").Text()
		}
	}
	l.missingPackages(install)
	l.packageNames()
	l.wholeProject()
}

// installed lists the folder of packages, which may lie outside of the project.
func (l *loader) installed(install string) []fs.DirEntry {
	files, inside, err := l.folder(install)
	if err == nil {
		var entries []fs.DirEntry
		if entries, err = fs.ReadDir(files, inside); err == nil {
			return entries
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		l.problem(config.Pos{File: install}, "", "%v", err)
	}
	return nil
}

// packageFiles name the packages of a project.
var packageFiles = []string{"packages.yml", "dependencies.yml"}

// missingPackages warns of a project that names packages and has none: what it calls of them is told as unknown.
func (l *loader) missingPackages(install string) {
	for _, file := range packageFiles {
		if len(l.packages) > 1 || !exists(l.Files, file) {
			continue
		}
		src, err := l.read(file)
		if err != nil {
			continue
		}
		f, problems := config.Parse(file, src)
		if list := f.Root(nil).Get("packages"); !problems.HasErrors() && len(list.Items()) > 0 {
			l.warning(list.Pos(), "have dbt deps put them there", "the packages of %s are not in %s/", file, install)
		}
	}
}

// wholeProject takes what the folder's own dbt_project.yml says of all packages, and the hooks that runs have.
func (l *loader) wholeProject() {
	l.p.DBT, l.p.Dispatch = l.isDBT(), map[string][]string{}
	l.p.Artifacts = path.Clean(l.packages[0].keys.TargetPath)
	if l.p.Artifacts == "." || !fs.ValidPath(l.p.Artifacts) {
		l.p.Artifacts = "target"
	}
	for _, d := range l.packages[0].keys.Dispatch {
		l.p.Dispatch[d.Namespace] = d.SearchOrder
	}
	for _, p := range l.packages {
		if !p.isRoot() {
			l.p.Packages = append(l.p.Packages, p.name)
		}
		l.p.OnRunStart = append(l.p.OnRunStart, l.runHooks(p, "on-run-start", p.keys.OnRunStart)...)
		l.p.OnRunEnd = append(l.p.OnRunEnd, l.runHooks(p, "on-run-end", p.keys.OnRunEnd)...)
	}
}

// runHooks are the hooks that a package has for runs, with dbt's names.
func (l *loader) runHooks(p *dbtPackage, key string, texts []string) []Hook {
	var all []Hook
	for i, text := range texts {
		if h, ok := l.hook(text, p.keys.Item(key, i)); ok {
			h.Package, h.Name = p.label(), fmt.Sprintf("%s-%s-%d", p.name, key, i)
			all = append(all, h)
		}
	}
	return all
}

// environment lets the templates of a dbt project see the environment. Lint, which has none, takes the name of a variable for its value.
func (l *loader) environment() {
	switch {
	case !l.isDBT():
	case l.Env != nil:
		l.p.env = l.Env
	default:
		l.p.env = func(name string) (string, bool) {
			l.envNames.Store(name, true)
			return name, true
		}
	}
}

// unknowable says whether the name of a variable stands in a text in place of its value.
func (l *loader) unknowable(text string) (found bool) {
	l.envNames.Range(func(name, _ any) bool {
		found = strings.Contains(text, name.(string))
		return !found
	})
	return found
}

// packageNames refuses two packages of one name.
func (l *loader) packageNames() {
	seen := map[string]*dbtPackage{}
	for _, p := range l.packages {
		if other := seen[p.name]; other != nil && p.name != "" {
			l.problem(p.keys.At("name"), "remove one of the folders", "two packages are named %q; the other is %s", p.name, path.Join(other.dir, DBTFile))
		}
		seen[p.name] = p
	}
}

// dbtProject reads one dbt_project.yml. Its templates see the variables and the target, which are read first.
func (l *loader) dbtProject(p *dbtPackage) {
	p.file = l.parse11(path.Join(p.dir, DBTFile))
	if p.isRoot() {
		l.environment()
	}
	if p.file == nil {
		p.name = path.Base(p.dir)
		return
	}
	root := p.file.Root(nil)
	p.name = root.Get("name").Text()
	if p.isRoot() {
		l.givenVars()
		isVariable := isTemplate(root.Get("profile").Text())
		l.renderYAML(p.file, "", func(at []string) bool { return len(at) != 1 || at[0] != "profile" })
		l.profile(p.file.Root(nil), isVariable)
		l.targets()
	}
	l.renderYAML(p.file, p.label(), func(at []string) bool {
		return at[0] == "vars" || strings.HasPrefix(at[0], "on-run") || slices.ContainsFunc(at, isHookKey)
	})
	l.packageVars(p, p.file.Root(nil).Get("vars")) // its own templates see only what --var says
	l.tolerate(slices.DeleteFunc(p.file.Decode(&p.keys, nil), func(problem *config.Problem) bool {
		return strings.HasSuffix(problem.Message, "has no value") // to dbt it is as if the key was not there
	}))
	l.unread(p.keys.Origin, "what it is about is not there", dbtKeysNotThere{})
	l.dbtKeysValid(p)
	if p.name == "" {
		p.name = path.Base(p.dir)
	}
}

// parse11 parses a file of dbt's, whose YAML is 1.1, and in which the last of several keys of one name counts; nil after a problem.
func (l *loader) parse11(name string) *config.File {
	f := l.parseBy(name, config.ParseLast)
	if f != nil {
		f.Read11()
	}
	return f
}

// tolerate takes what another tool's files have beyond what Millrace knows as a warning, and everything else as it is.
func (l *loader) tolerate(problems config.Problems) {
	l.problems = append(l.problems, tolerated(problems)...)
}

func tolerated(problems config.Problems) config.Problems {
	for _, p := range problems {
		if strings.HasPrefix(p.Message, "unknown key") {
			p.Severity, p.Message = config.SeverityWarning, p.Message+": it has no effect"
		}
	}
	return problems
}

func isHookKey(key string) bool {
	switch strings.TrimPrefix(key, "+") {
	case "pre-hook", "pre_hook", "post-hook", "post_hook":
		return true
	}
	return false
}

// renderYAML renders the templates that stand in a YAML file of dbt's. What skip says is left as it is: it is rendered later.
func (l *loader) renderYAML(f *config.File, pkg string, skip func(path []string) bool) {
	f.Rewrite(func(at []string, text string, pos config.Pos) (any, bool) {
		if len(at) > 0 && strings.TrimPrefix(at[len(at)-1], "+") == "severity" && text != strings.ToLower(text) && !strings.Contains(text, "{{") {
			return strings.ToLower(text), true // dbt takes WARN too
		}
		if !strings.Contains(text, "{{") && !strings.Contains(text, "{%") || len(at) > 0 && skip(at) {
			return nil, false
		}
		v, err := l.yamlValue(pos, pkg, text)
		if err != nil {
			var je *jinja.Error
			if errors.As(err, &je) {
				l.problem(pos, je.Hint, "%s", je.Text())
			} else {
				l.problem(pos, "", "%v", err)
			}
			return nil, false
		}
		return jinja.ToGo(v), true
	})
}

// yamlValue renders one value of a YAML file: a template value.
func (l *loader) yamlValue(pos config.Pos, pkg, text string) (any, error) {
	t, err := jinja.Parse(pos.File, text)
	if err != nil {
		return nil, err
	}
	probe := &trial{node: &Node{Path: pos.File, Pos: pos, Model: &Model{Package: pkg}}, project: l.p}
	facts := l.p.ContextFacts()
	facts.PlainVars = true
	globals := jinja.ModelGlobals(probe, facts)
	for _, name := range []string{"ref", "source", "config", "this", "is_incremental"} {
		delete(globals, name)
	}
	globals["env_var"] = l.yamlEnv()
	return t.RenderNative(l.Context, globals, jinja.Options{})
}

// secretPrefix begins the names of what dbt keeps for secrets.
const secretPrefix = "DBT_ENV_SECRET"

// yamlEnv is env_var() of templates in YAML. Those of a profile see secrets too, which are then kept out of all output.
func (l *loader) yamlEnv() jinja.Func {
	return func(a jinja.Args) (any, error) {
		vals, err := a.Bind(jinja.Param{Name: "name", Required: true}, jinja.Param{Name: "default"})
		if err != nil {
			return nil, err
		}
		name := fmt.Sprint(vals[0])
		secretName := strings.HasPrefix(name, secretPrefix)
		if secretName && !l.secretsInYAML {
			return nil, &jinja.Error{Msg: fmt.Sprintf("env_var(%q): a secret cannot be read here", name),
				Hint: "only " + profilesFile + " may read it"}
		}
		value, ok := "", false
		if l.p.env != nil {
			value, ok = l.p.env(name)
		}
		if l.Env == nil && vals[1] != nil { // lint has the name in place of a value: the default is nearer to the truth
			ok = false
		}
		switch {
		case ok && secretName && l.Redactor != nil:
			l.Redactor.Add(secret.NewValue(value))
		case !ok && vals[1] == nil:
			return nil, &jinja.Error{Msg: fmt.Sprintf("the environment variable %q is not set", name),
				Hint: fmt.Sprintf("set it, or give a default: env_var('%s', '…')", name)}
		case !ok:
			return vals[1], nil
		}
		return value, nil
	}
}

// setting is one key of a configuration, with its value as Go has it and as templates see it.
type setting struct {
	key    string
	value  any
	said   any // a template value: dicts keep their order
	pos    config.Pos
	keyPos config.Pos
}

// saidInCode is a setting whose value is a template's.
func saidInCode(key string, said any, pos, keyPos config.Pos) setting {
	return setting{key, jinja.ToGo(said), said, pos, keyPos}
}

// cascade gives what the tree of a package's dbt_project.yml says of a resource, outermost first.
func (l *loader) cascade(p *dbtPackage, tree func(*dbtKeys) config.Node, fqn []string) []setting {
	if p.file == nil {
		return nil
	}
	return l.configTree(nil, tree(&p.keys), fqn)
}

// overruled gives what the project's own tree says of a resource of a package: it goes before all that the package says.
func (l *loader) overruled(p *dbtPackage, tree func(*dbtKeys) config.Node, fqn []string) []setting {
	if p.isRoot() {
		return nil
	}
	return l.cascade(l.packages[0], tree, fqn)
}

// fromFiles gives what the project's files say of a resource: what its own config() goes before, and what goes before that.
func (l *loader) fromFiles(p *dbtPackage, tree func(*dbtKeys) config.Node, fqn []string, patch *tableProperties) (said, last []setting) {
	said = l.cascade(p, tree, fqn)
	if patch != nil {
		patch.used = true
		said = append(said, l.patchSettings(patch)...)
	}
	return said, l.overruled(p, tree, fqn)
}

// configTree walks down one tree: keys with a plus sign, and those whose value is no mapping, are configuration; others are folders.
func (l *loader) configTree(said []setting, at config.Node, fqn []string) []setting {
	if !at.IsMapping() {
		return said
	}
	if len(fqn) > 0 {
		l.branches.reach(at, fqn[0])
	}
	for key, value := range at.All() {
		_, plus := strings.CutPrefix(key, "+")
		if !plus && value.IsMapping() {
			continue
		}
		said = append(said, l.settingOf(at, key, value))
	}
	if len(fqn) > 0 {
		return l.configTree(said, at.Get(fqn[0]), fqn[1:])
	}
	return said
}

// goValue is a YAML value as Go has it.
func (l *loader) goValue(n config.Node) any {
	var v any
	l.problems = append(l.problems, n.Decode(&v)...)
	return v
}

// settingOf is one key of a mapping of configuration.
func (l *loader) settingOf(of config.Node, key string, value config.Node) setting {
	return setting{strings.TrimPrefix(key, "+"), l.goValue(value), templateValue(value), value.Pos(), of.Origin().Key(key)}
}

// packageOf is the package of that label.
func (l *loader) packageOf(label string) *dbtPackage {
	for _, p := range l.packages {
		if p.label() == label || p.name == label {
			return p
		}
	}
	return nil
}
