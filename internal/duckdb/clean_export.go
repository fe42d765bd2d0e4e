package duckdb

// A file with an exported function may define no C, so it has none but this.

import "C"

import (
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

//export millraceClean
func millraceClean(info, input, output unsafe.Pointer) {
	i := mapping.FunctionInfo{Ptr: info}
	runClean(i, mapping.DataChunk{Ptr: input}, mapping.Vector{Ptr: output}, placeOf(mapping.ScalarFunctionGetExtraInfo(i)))
}
