// Package all is the one list of sources. Only cmd imports it.
package all

import (
	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/duckdb"
	"github.com/millrace/millrace/extract/files"
	"github.com/millrace/millrace/extract/generate"
	"github.com/millrace/millrace/extract/mysql"
	"github.com/millrace/millrace/extract/postgres"
	"github.com/millrace/millrace/extract/scan"
)

// Specs gives every source that Millrace has, by type.
func Specs() []extract.Spec {
	return []extract.Spec{duckdb.Spec(), files.Spec(), generate.Spec(), mysql.Spec(), postgres.Spec(), scan.Spec()}
}
