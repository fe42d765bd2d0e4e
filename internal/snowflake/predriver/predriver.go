// Package predriver is initialized before Snowflake's driver, which makes a folder for credentials in the home directory when it
// is initialized itself (gosnowflake v2.1.0 secure_storage_manager.go:93): of every process that has it linked, whether it ever
// talks to Snowflake or not. It stands before the driver because it imports less and its path sorts before the driver's: that is
// the order that the Go specification lays down ("Program initialization").
package predriver

import "os"

// CacheDir is the variable that names the folder.
const CacheDir = "SF_TEMPORARY_CREDENTIAL_CACHE_DIR"

// Set says that the variable was set here, and is to be taken back when the driver has been initialized.
var Set = set()

// set names a folder that is there and that nothing can be made in. Where it is not there (only Linux has it, and only there the
// driver makes the folder), nothing changes.
func set() bool {
	if _, given := os.LookupEnv(CacheDir); given {
		return false
	}
	return os.Setenv(CacheDir, "/proc/self") == nil
}
