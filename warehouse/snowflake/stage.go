package snowflake

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// stageName is the internal stage that each schema has for the files on their way.
const stageName = "MILLRACE_STAGE"

// MaxFiles is how many files one COPY may name (docs.snowflake.com/en/sql-reference/sql/copy-into-table).
const MaxFiles = 1000

// Stage is the stage of the table's schema.
func (t Table) Stage() Table { return Table{t.Database, t.Schema, stageName} }

// Prefix is where the files of one attempt at a table lie in its stage. It ends with a slash: without one a stage path means
// all that begins so (risingwavelabs/risingwave#25849).
func (t Table) Prefix(load string, attempt int) string { return t.prefix(load, attempt, "") }

// PrefixList is where those of its list of partitions lie.
func (t Table) PrefixList(load string, attempt int) string { return t.prefix(load, attempt, listMark) }

func (t Table) prefix(load string, attempt int, part string) string {
	return pathSafe(t.Name) + "/" + pathSafe(load) + "/" + strconv.Itoa(attempt) + part + "/"
}

// pathSafe writes a name with the letters that need no quotes in a stage path.
func pathSafe(s string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		}
		return '_'
	}, s)
	if safe != s { // two names must not become one
		safe = digest(s) + "_" + safe
	}
	return shorten(safe, 100)
}

// CreateStage makes the stage unless it is there.
func CreateStage(stage Table) string {
	return "CREATE STAGE IF NOT EXISTS " + stage.String() + " COMMENT = 'files on their way into tables; millrace removes them'"
}

// Remove removes the files under a prefix.
func Remove(stage Table, prefix string) string { return "REMOVE " + location(stage, prefix) }

// List lists the files under a prefix.
func List(stage Table, prefix string) string { return "LIST " + location(stage, prefix) }

// Put uploads one file. Without OVERWRITE a file whose name is there is skipped, whatever is in it.
func Put(file string, stage Table, prefix string) (string, error) {
	// The driver takes the path for a pattern (gosnowflake v2.1.0, file_transfer_agent.go:337), and the server reads the text's escapes.
	if strings.ContainsAny(file, `*?[]\'`) || !filepath.IsAbs(file) {
		return "", fmt.Errorf(`upload %s: Snowflake's driver cannot be told this path: it must be absolute, without any of * ? [ ] \ '; move the target's folder, or the folder for temporary files`, file)
	}
	return fmt.Sprintf("PUT 'file://%s' %s OVERWRITE = TRUE AUTO_COMPRESS = FALSE", filepath.ToSlash(file), location(stage, prefix)), nil
}

// Names says how the columns of files are called.
type Names string

// The names that files may have: those of the table, or the same but for case.
const (
	SameNames Names = "CASE_SENSITIVE"
	LikeNames Names = "CASE_INSENSITIVE"
)

// NamesOf are the names of columns in the local files.
func NamesOf(columns []Column) Names {
	for _, c := range columns {
		if c.Source != c.Name {
			return LikeNames
		}
	}
	return SameNames
}

// CopyInto loads files, at most MaxFiles, into a table that nothing was loaded into before. A column is filled by its name: by the very
// name where the files have those of the table, since without regard to case each row as a whole has the limit of a VARIANT
// (snowflakedb/snowpark-python#3441). By default the text \N would be a NULL
// (docs.snowflake.com/en/sql-reference/sql/copy-into-table, NULL_IF).
func CopyInto(into, stage Table, prefix string, files []string, names Names) string {
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = literal(f)
	}
	return fmt.Sprintf(`COPY INTO %s
FROM %s
FILES = (%s)
FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE USE_VECTORIZED_SCANNER = TRUE TRIM_SPACE = FALSE NULL_IF = ())
MATCH_BY_COLUMN_NAME = %s
ON_ERROR = ABORT_STATEMENT`, into, location(stage, prefix), strings.Join(quoted, ", "), names)
}

// location is quoted as a whole: a stage's name with blanks or other characters must be (docs.snowflake.com/en/sql-reference/sql/put).
func location(stage Table, prefix string) string { return literal("@" + stage.String() + "/" + prefix) }
