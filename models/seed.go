package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file makes nodes of the project's seeds. Loading looks for their files, and not into them: what they hold is data, which is
// read when a run reads it.

// seeds finds seeds/**/*.csv. Their nodes join the project when what the properties files say of them is known, see addSeeds.
func (l *loader) seeds() {
	for _, file := range l.glob("seeds", ".csv") {
		l.seed(file, "")
	}
	if files := l.glob("seeds", ".sql"); len(files) > 0 {
		l.warning(config.Pos{File: files[0]}, "move it to models/", "SQL in seeds/ is not read: seeds are .csv files")
	}
}

// seed makes a node of one CSV file of a package, "" for the project's own; nil when another node has its name.
func (l *loader) seed(file, pkg string) *Node {
	s := &Seed{Name: strings.TrimSuffix(path.Base(file), ".csv"), Package: pkg, Path: file, Delimiter: ",", Types: map[string]string{}, Config: map[string]any{}}
	n := &Node{Schema: l.defaultSchema(), Table: s.Name, Kind: KindSeed, Seed: s, Path: file, Pos: config.Pos{File: file, Line: 1, Column: 1}}
	if l.p.byModel == nil {
		l.p.byModel = map[string]*Node{}
	}
	if other := l.p.byModel[s.Name]; other != nil {
		l.problem(n.Pos, "ref() finds models and seeds by file name: rename one of the files", "two nodes are named %q; the other is %s", s.Name, other.Path)
		return nil
	}
	if err := l.noteSeed(file); err != nil {
		l.problem(config.Pos{File: file}, "", "%v", err)
		return nil
	}
	l.p.byModel[s.Name] = n
	l.seeded = append(l.seeded, n)
	return n
}

// noteSeed opens a seed's file and adds its name to the project's hash: that it is there is part of the project, what it says is not.
func (l *loader) noteSeed(file string) error {
	f, err := l.Files.Open(file)
	if err != nil {
		return err
	}
	l.hash = append(l.hash, "seed "+file)
	return f.Close()
}

// addSeeds gives the project the seeds that are enabled, and checks what is said of their columns.
func (l *loader) addSeeds() {
	for _, n := range l.seeded {
		if boolOf(n.Seed.Config["enabled"], true) {
			l.addNode(n)
			continue
		}
		delete(l.p.byModel, n.Seed.Name)
	}
	l.seeded = nil
}

// seedProperties are what a properties file says about one seed.
type seedProperties struct {
	config.Origin
	Name        string             `yaml:"name" required:"true" doc:"Name of the seed: of its file, without .csv."`
	Description string             `yaml:"description" doc:"What the table holds."`
	Owner       string             `yaml:"owner" doc:"Who answers for the table."`
	Tags        config.StringList  `yaml:"tags" doc:"Words to select nodes by."`
	Columns     []columnProperties `yaml:"columns" doc:"What the columns hold."`
	Checks      checkList          `yaml:"checks" doc:"What must hold for its rows."`
	Tests       checkList          `yaml:"tests" doc:"dbt's older name for data_tests."`
	DataTests   checkList          `yaml:"data_tests" doc:"Checks, in dbt's shape."`
	Contract    *contractEntry     `yaml:"contract" doc:"What the columns must be."`
	Constraints []constraint       `yaml:"constraints" doc:"dbt's constraints of the table; they hold with a contract."`
	Config      config.Node        `yaml:"config" doc:"Types of columns, delimiter, name and schema of the table."`
	Meta        config.Node        `yaml:"meta" doc:"Anything; not read."`
	Docs        config.Node        `yaml:"docs" doc:"dbt's settings of its docs site; not read."`
	Access      config.Node        `yaml:"access" doc:"dbt's key; not read."`
	Group       config.Node        `yaml:"group" doc:"dbt's key; not read."`
}

// seedConfig is what dbt has under config: of a seed.
type seedConfig struct {
	config.Origin
	ColumnTypes  config.Map[string] `yaml:"column_types" doc:"Types of columns that are not to be found out from their values." example:"{ zip: varchar }"`
	Delimiter    string             `yaml:"delimiter" doc:"What stands between two fields; a comma when absent." example:";"`
	QuoteColumns *bool              `yaml:"quote_columns" doc:"dbt's key; names are always quoted."`
	Fast         *bool              `yaml:"fast" doc:"dbt-duckdb's key. false: null is NULL in texts too."`
	Alias        string             `yaml:"alias" doc:"Name of the table; by default that of the file."`
	Schema       string             `yaml:"schema" doc:"Schema of the table; by default the target's."`
	Enabled      *bool              `yaml:"enabled" doc:"false leaves the seed out of the project."`
	Tags         config.StringList  `yaml:"tags" doc:"The same as tags: of the seed."`
	Contract     *contractEntry     `yaml:"contract" doc:"The same as contract: of the seed."`
	Meta         config.Node        `yaml:"meta" doc:"Anything; not read."`
	Docs         config.Node        `yaml:"docs" doc:"dbt's settings of its docs site; not read."`
	Group        config.Node        `yaml:"group" doc:"dbt's key; not read."`
	Description  string             `yaml:"description" doc:"The same as description: of the seed."`
	FullRefresh  *bool              `yaml:"full_refresh" doc:"dbt's key; a seed is always read anew."`
	PersistDocs  config.Node        `yaml:"persist_docs" doc:"dbt's key; descriptions are always published."`
	Grants       config.Node        `yaml:"grants" doc:"dbt's key; who may read files is a matter of the target's folder."`
	unreadSeed   `yaml:",inline"`
}

type unreadSeed struct {
	Database config.Node `yaml:"database" doc:"dbt's key; not read: a target has one database."`
	PreHook  config.Node `yaml:"pre-hook" doc:"dbt's key; not read."`
	PostHook config.Node `yaml:"post-hook" doc:"dbt's key; not read."`
}

// seedsOf takes over what a properties file says of seeds.
func (l *loader) seedsOf(all []seedProperties) {
	for _, s := range all {
		t := tableProperties{Origin: s.Origin, Name: s.Name, Description: s.Description, Owner: s.Owner, Tags: s.Tags, Columns: s.Columns, Checks: s.Checks, Tests: s.Tests,
			DataTests: s.DataTests, Contract: s.Contract, Constraints: s.Constraints}
		i := slices.IndexFunc(l.seeded, func(n *Node) bool { return n.Seed.Name == s.Name })
		if i < 0 {
			var known []string
			for _, n := range l.seeded {
				known = append(known, n.Seed.Name)
			}
			sort.Strings(known)
			l.noTable(t, known, "no seed is named %q", s.Name)
			continue
		}
		n := l.seeded[i]
		c := l.seedConfigure(n, s.Config)
		t.Config.Contract = c.Contract
		if boolOf(n.Seed.Config["enabled"], true) {
			l.describe(n, t)
		}
	}
}

// seedConfigure gives a seed what one mapping of settings says, in whichever file it stands; a later one wins, tags are added.
func (l *loader) seedConfigure(n *Node, node config.Node) (c seedConfig) {
	if node.IsNull() {
		return c
	}
	l.problems = append(l.problems, node.Decode(&c)...)
	l.unread(c.Origin, "", unreadSeed{})
	var said config.Map[any]
	_ = node.Decode(&said) // its problems are those of the keys
	for key, value := range said.All() {
		n.Seed.Config[key] = value
	}
	if c.Alias != "" {
		n.Table = c.Alias
	}
	if c.Schema != "" {
		n.Schema = c.Schema
	}
	if n.Description == "" {
		n.Description = c.Description
	}
	n.Tags = append(n.Tags, c.Tags...)
	switch {
	case len(c.Delimiter) == 1 && !strings.ContainsAny(c.Delimiter, "\"\r\n\x00"):
		n.Seed.Delimiter = c.Delimiter
	case c.Origin.Has("delimiter"):
		l.problem(c.Origin.At("delimiter"), `use one ASCII character, such as ";" or "\t", and no quote`, "delimiter %q cannot part fields", c.Delimiter)
	}
	for column, text := range c.ColumnTypes.All() {
		if typ, err := l.seedType(text); err != nil {
			l.problem(c.ColumnTypes.Key(column), "write a type of DuckDB, such as varchar, bigint, decimal(18,2), date or timestamp", "column_types: %s: %v", column, err)
		} else {
			n.Seed.Types[column] = typ
		}
	}
	return c
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
	fmt.Fprintf(sum, "%q %v %v\n", s.Delimiter, s.Config["fast"], s.Types) // maps are printed in the order of their keys
	if _, err := io.Copy(sum, f); err != nil {
		return "", errors.Join(fmt.Errorf("read seed %s", s.Path), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
