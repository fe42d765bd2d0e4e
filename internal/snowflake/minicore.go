//go:build !minicore_disabled

package snowflake

// Without the tag minicore_disabled the driver writes a native library to disk at start and loads it: build with
// -tags duckdb_arrow,minicore_disabled, as the Makefile does.
var _ = buildWithTheTagMinicoreDisabled
