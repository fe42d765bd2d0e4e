package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file makes nodes of the project's seeds. Loading looks for their files, and not into them: what they hold is data, which is
// read when a run reads it.

// seeds makes nodes of the CSV files of all packages.
func (l *loader) seeds() {
	for _, p := range l.packages {
		folders := p.seedPaths()
		for _, dir := range folders {
			for _, file := range l.glob(dir, ".csv") {
				l.seed(p, folders, file)
			}
			if files := l.glob(dir, ".sql"); len(files) > 0 && !slices.Contains(p.modelPaths(), dir) {
				l.warning(config.Pos{File: files[0]}, "move it to models/", "SQL in seeds/ is not read: seeds are .csv files")
			}
		}
	}
}

// seed makes the node of one CSV file.
func (l *loader) seed(p *dbtPackage, folders []string, file string) {
	s := &Seed{Name: stem(file), Package: p.label(), Path: file, Delimiter: ",", Types: map[string]string{}, Config: jinja.NewDict()}
	n := &Node{Schema: l.defaultSchema(), Table: s.Name, Kind: KindSeed, Seed: s, Path: file, Pos: config.Pos{File: file, Line: 1, Column: 1}}
	n.fqn = p.fqn(folders, file, s.Name)
	if err := l.noteSeed(file); err != nil {
		l.problem(config.Pos{File: file}, "", "%v", err)
		return
	}
	said, last := l.fromFiles(p, seedTree, n.fqn, l.patchOf(p, "seed", s.Name))
	said = append(said, last...)
	if !l.seedConfigure(n, said) {
		return
	}
	l.nameNode(p, n, said)
	l.addModel(p, n)
}

// noteSeed opens a seed's file and adds its name to the project's hash: that it is there is part of the project, what it says is not.
func (l *loader) noteSeed(file string) error {
	files, inside := l.filesOf(file)
	f, err := files.Open(inside)
	if err != nil {
		return err
	}
	l.hash = append(l.hash, "seed "+file)
	return f.Close()
}

// seedKeys are the keys that a seed's configuration may have.
var seedKeys = []string{"column_types", "delimiter", "quote_columns", "fast", "alias", "schema", "enabled", "tags", "meta", "docs", "group", "access", "description",
	"owner", "full_refresh", "persist_docs", "grants", "database", "pre_hook", "post_hook", "contract"}

// seedConfigure gives a seed what is said of it: a later setting wins, tags are added. It is false when the seed is not part of the project.
func (l *loader) seedConfigure(n *Node, said []setting) bool {
	for _, s := range said {
		s.key = strings.ReplaceAll(s.key, "-hook", "_hook")
		keepSetting(n.Seed.Config, s)
		switch s.key {
		case "tags":
			n.Tags = append(n.Tags, texts(s.value)...)
		case "description":
			n.Description, _ = s.value.(string)
		case "owner":
			n.Owner, _ = s.value.(string)
		case "delimiter":
			l.seedDelimiter(n.Seed, s)
		case "column_types":
			l.seedTypes(n.Seed, s)
		case "pre_hook", "post_hook":
			l.seedHook(s)
		case "contract":
			if m, ok := s.value.(map[string]any); ok {
				l.enforced[n] = boolOf(m["enforced"], false)
			}
		default:
			l.seedKey(s)
		}
	}
	if !l.enabled(n, said) {
		return false
	}
	l.validAccess(l.packageOf(n.Seed.Package), said, false)
	return true
}

// seedHook names each hook that dbt runs for a seed.
func (l *loader) seedHook(s setting) {
	if list, isList := s.value.([]any); s.value == nil || isList && len(list) == 0 || l.toldKeys["hook "+s.pos.String()] {
		return
	}
	l.toldKeys["hook "+s.pos.String()] = true
	l.warning(s.keyPos, "put it on a model that reads the seed, or into on-run-end", "config %s has no effect: a seed's hooks are not run",
		s.key)
}

// seedKey names what a seed's configuration does not know.
func (l *loader) seedKey(s setting) {
	if slices.Contains(seedKeys, s.key) || slices.Contains(ofOthers, s.key) {
		return
	}
	hint := "known keys: " + strings.Join(seedKeys, ", ")
	if guess := config.Suggest(s.key, seedKeys); guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	} else if l.isDBT() {
		return
	}
	if l.isDBT() {
		l.warning(s.keyPos, hint, "config key %q is not known", s.key)
		return
	}
	l.problem(s.keyPos, hint, "unknown key %q", s.key)
}

func (l *loader) seedDelimiter(seed *Seed, s setting) {
	text, _ := s.value.(string)
	if len(text) != 1 || strings.ContainsAny(text, "\"\r\n\x00") {
		l.problem(s.pos, `use one ASCII character, such as ";" or "\t", and no quote`, "delimiter %q cannot part fields", text)
		return
	}
	seed.Delimiter = text
}

func (l *loader) seedTypes(seed *Seed, s setting) {
	types, ok := s.value.(map[string]any)
	if !ok && s.value != nil {
		l.problem(s.pos, "write column_types: { zip: varchar }", "column_types must be a mapping")
		return
	}
	for _, column := range slices.Sorted(maps.Keys(types)) {
		text := fmt.Sprint(types[column])
		typ, err := l.seedType(text)
		if err != nil {
			l.problem(s.pos, "write a type of DuckDB, such as varchar, bigint, decimal(18,2), date or timestamp", "column_types: %s: %v", column, err)
			continue
		}
		seed.Types[column] = typ
	}
}

func (l *loader) seedType(text string) (string, error) {
	if l.SeedType == nil || l.resolve == nil && strings.Contains(text, "${") {
		return text, nil
	}
	return l.SeedType(text)
}

// SeedHash sums up a seed's content and the types of its columns, as they are now: two seeds with the same hash make the same table. It reads
// the file, but holds none of it.
func (p *Project) SeedHash(s *Seed) (string, error) {
	f, err := os.Open(filepath.Join(p.Dir, filepath.FromSlash(s.Path)))
	if err != nil {
		return "", fmt.Errorf("read seed: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	fast, _ := s.Config.Get("fast")
	fmt.Fprintf(sum, "%q %v %v\n", s.Delimiter, fast, s.Types) // maps are printed in the order of their keys
	if _, err := io.Copy(sum, f); err != nil {
		return "", errors.Join(fmt.Errorf("read seed %s", s.Path), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
