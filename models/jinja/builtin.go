package jinja

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"
)

//go:embed builtin/*.sql
var builtinFiles embed.FS

// BuiltinPackage is the package Builtin: the macros that every dbt project has, for DuckDB and Snowflake, in Jinja. A project changes one
// by a macro of the same name, or of the name that adapter.dispatch looks for. Give it to NewLibrary, behind the project.
var BuiltinPackage = sync.OnceValue(func() Package {
	p := Package{Name: Builtin}
	files, err := fs.Glob(builtinFiles, "builtin/*.sql")
	for _, name := range files {
		var text []byte
		if text, err = builtinFiles.ReadFile(name); err != nil {
			break
		}
		var t *Template
		if t, err = Parse("dbt/"+name[len("builtin/"):], string(text)); err != nil {
			break
		}
		p.Macros = append(p.Macros, t)
	}
	if err != nil { // the files are part of the binary: a test parses them
		panic(fmt.Sprintf("built-in macros: %v", err))
	}
	return p
})
