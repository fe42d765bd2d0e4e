package mysql

import "strings"

// sessionSettings are the statements that every connection runs first. Types and rows are read right only after them. What only
// one of the two servers knows stands in a comment that only it reads.
var sessionSettings = []string{
	"SET NAMES utf8mb4",                                       // the server converts every charset; said aloud, because it may ignore the handshake's
	"SET time_zone = '+00:00'",                                // TIMESTAMP is sent in the session's zone
	"SET sql_mode = 'TRADITIONAL'",                            // without PAD_CHAR_TO_FULL_LENGTH, ANSI_QUOTES, NO_BACKSLASH_ESCAPES
	"SET sql_select_limit = 18446744073709551615",             // a limit of the server's would cut results without a word
	"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", // below it, WITH CONSISTENT SNAPSHOT does nothing but warn
	// a reader that waits for the disk, or holds a snapshot for others, is not to be thrown out
	`SET net_write_timeout = 3600, wait_timeout = 2147483
/*M!100101 , max_statement_time = 0 */ /*M!100301 , idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0 */
/*!50708 , max_execution_time = 0 */`,
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
