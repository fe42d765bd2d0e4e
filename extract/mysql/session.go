// Package mysql reads tables and queries of MySQL and MariaDB by the text protocol and makes Arrow of them, exactly or
// not at all. It never writes to the server. Read column (types.go) first, then readRows.
package mysql

import "strings"

// session are the statements that every connection runs first. Types and rows are read right only after them.
var session = []string{
	"SET NAMES utf8mb4",                           // the server converts every charset; said aloud, because it may ignore the handshake's
	"SET time_zone = '+00:00'",                    // TIMESTAMP is sent in the session's zone
	"SET sql_mode = 'TRADITIONAL'",                // without PAD_CHAR_TO_FULL_LENGTH, ANSI_QUOTES, NO_BACKSLASH_ESCAPES
	"SET sql_select_limit = 18446744073709551615", // a limit of the server's would cut results without a word
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
