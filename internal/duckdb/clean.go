package duckdb

/*
#include <stdlib.h>
// Functions are told by the place in this array that they were registered with: C may keep no pointer of Go's.
static char places[256];
static void *place(int i) { return &places[i]; }
static int placed(void *p) { return (int)((char *)p - places); }
extern void millraceClean(void *, void *, void *);
static void *callback() { return (void *)millraceClean; }
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	driverdb "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/millrace/millrace/internal/clean"
)

// The driver's own interface for functions boxes every value of every row; this file speaks to DuckDB in whole vectors instead, 2048 rows at
// a time. DuckDB has flattened them: a constant is evaluated once, by DuckDB, and so is each entry of a dictionary.

// registerClean adds the cleaning functions to the instance of the connection. They live in the system's catalog: every connection and every
// attached database sees them, and no file keeps them.
func registerClean(conn *driverdb.Conn) error {
	c, err := connection(conn)
	if err != nil {
		return err
	}
	for i := range clean.Functions {
		if err := registerOne(c, i, &clean.Functions[i]); err != nil {
			return err
		}
	}
	return nil
}

// connection is DuckDB's own handle of a connection, which the driver does not give away. Only reading it is safe, which is what reflect
// allows.
func connection(conn *driverdb.Conn) (mapping.Connection, error) {
	handle := reflect.ValueOf(conn).Elem().FieldByName("conn")
	if handle.Kind() != reflect.Struct || handle.FieldByName("Ptr").Kind() != reflect.UnsafePointer {
		return mapping.Connection{}, errors.New("duckdb: this version of the driver keeps its connection elsewhere")
	}
	return mapping.Connection{Ptr: handle.FieldByName("Ptr").UnsafePointer()}, nil
}

// registerOne adds a function, once for each number of arguments that it can have.
func registerOne(c mapping.Connection, index int, f *clean.Function) error {
	set := mapping.CreateScalarFunctionSet(f.Name)
	defer mapping.DestroyScalarFunctionSet(&set)
	required := len(f.Params)
	for required > 1 && f.Params[required-1].Optional {
		required--
	}
	for n := required; n <= len(f.Params); n++ {
		if err := addOverload(set, index, f, f.Params[0].Type, n); err != nil {
			return err
		}
	}
	if f.Date != nil {
		for _, typ := range []string{"DATE", "TIMESTAMP"} {
			if err := addOverload(set, index, f, typ, len(f.Params)); err != nil {
				return err
			}
			if err := addOverload(set, index, f, typ, 1); err != nil {
				return err
			}
		}
	}
	if mapping.RegisterScalarFunctionSet(c, set) == mapping.StateError {
		return fmt.Errorf("duckdb: register %s", f.Name)
	}
	return nil
}

// addOverload adds the function with so many parameters, the first of which has this type.
func addOverload(set mapping.ScalarFunctionSet, index int, f *clean.Function, first string, params int) error {
	function := mapping.CreateScalarFunction()
	defer mapping.DestroyScalarFunction(&function)
	mapping.ScalarFunctionSetName(function, f.Name)
	for i, p := range f.Params[:params] {
		t := logicalType(p.Type)
		if i == 0 {
			mapping.DestroyLogicalType(&t)
			t = logicalType(first)
		}
		mapping.ScalarFunctionAddParameter(function, t)
		mapping.DestroyLogicalType(&t)
		if p.Optional { // else DuckDB would make the result NULL without asking
			mapping.ScalarFunctionSetSpecialHandling(function)
		}
	}
	t := logicalType(f.Returns)
	mapping.ScalarFunctionSetReturnType(function, t)
	mapping.DestroyLogicalType(&t)
	mapping.ScalarFunctionSetExtraInfo(function, C.place(C.int(index)), nil)
	mapping.ScalarFunctionSetFunction(function, C.callback())
	if mapping.AddScalarFunctionToSet(set, function) == mapping.StateError {
		return fmt.Errorf("duckdb: register %s with %d parameters", f.Name, params)
	}
	return nil
}

// logicalType is one of the types that a clean.Function may have.
func logicalType(name string) mapping.LogicalType {
	switch {
	case name == "INTEGER":
		return mapping.CreateLogicalType(mapping.TypeInteger)
	case name == "DATE":
		return mapping.CreateLogicalType(mapping.TypeDate)
	case name == "TIMESTAMP":
		return mapping.CreateLogicalType(mapping.TypeTimestamp)
	case name == "VARCHAR[]":
		text := mapping.CreateLogicalType(mapping.TypeVarchar)
		defer mapping.DestroyLogicalType(&text)
		return mapping.CreateListType(text)
	case strings.HasPrefix(name, "STRUCT("):
		var types []mapping.LogicalType
		fields := clean.StructFields(name)
		for range fields {
			types = append(types, mapping.CreateLogicalType(mapping.TypeVarchar))
		}
		defer func() {
			for i := range types {
				mapping.DestroyLogicalType(&types[i])
			}
		}()
		return mapping.CreateStructType(types, fields)
	}
	return mapping.CreateLogicalType(mapping.TypeVarchar)
}

// placeOf is the place of a function in clean.Functions.
func placeOf(info unsafe.Pointer) int { return int(C.placed(info)) }

// runClean evaluates a function over a chunk. A panic becomes an error of the statement: nothing may leave this frame but by return, since
// C stands above it.
func runClean(info mapping.FunctionInfo, input mapping.DataChunk, output mapping.Vector, index int) {
	f := &clean.Functions[index]
	defer func() {
		if p := recover(); p != nil {
			mapping.ScalarFunctionSetError(info, fmt.Sprintf("%s: internal error: %v", f.Name, p))
		}
	}()
	rows := int(mapping.DataChunkGetSize(input))
	if rows == 0 {
		return
	}
	if f.Date != nil && runKnownDays(mapping.DataChunkGetVector(input, 0), output, rows) {
		return
	}
	first := readTexts(mapping.DataChunkGetVector(input, 0), rows)
	var second texts
	var formats lists
	if mapping.DataChunkGetColumnCount(input) > 1 {
		v := mapping.DataChunkGetVector(input, 1)
		if f.Params[1].Type == "VARCHAR[]" {
			formats = readLists(v, rows)
		} else {
			second = readTexts(v, rows)
		}
	}
	switch {
	case f.Text != nil:
		runText(f, first, second, output, rows)
	case f.Number != nil:
		runNumber(f, first, second, output, rows)
	case f.Date != nil:
		runDate(f, first, formats, output, rows)
	default:
		runParts(f, first, second, output, rows)
	}
}

func runText(f *clean.Function, first, second texts, output mapping.Vector, rows int) {
	out := newTextWriter(output, rows)
	memo := borrowMemo(f.Costly)
	defer memo.giveBack()
	var buf []byte
	for i := range rows {
		t, ok := first.at(i)
		if !ok {
			out.null(i)
			continue
		}
		arg, _ := second.at(i)
		if memo == nil {
			buf = f.Text(buf[:0], t, arg)
			out.set(i, buf)
			continue
		}
		e, known := memo.find(f, t, arg)
		if !known {
			e.out = f.Text(e.out[:0], t, arg)
			e.done(f, t, arg)
		}
		out.set(i, e.out)
	}
}

func runNumber(f *clean.Function, first, second texts, output mapping.Vector, rows int) {
	numbers, valid := unsafe.Slice((*int32)(mapping.VectorGetData(output)), rows), writableMask(output, rows)
	for i := range rows {
		a, ok := first.at(i)
		b, also := second.at(i)
		if !ok || !also {
			valid.unset(i)
			continue
		}
		numbers[i] = f.Number(a, b)
	}
}

func runDate(f *clean.Function, first texts, formats lists, output mapping.Vector, rows int) {
	days, valid := unsafe.Slice((*int32)(mapping.VectorGetData(output)), rows), writableMask(output, rows)
	for i := range rows {
		t, ok := first.at(i)
		if ok {
			days[i], ok = f.Date(t, formats.at(i))
		}
		if !ok {
			valid.unset(i)
		}
	}
}

// runKnownDays does what a function that gives dates does for those that are some already; false for texts.
func runKnownDays(input, output mapping.Vector, rows int) bool {
	typ := mapping.VectorGetColumnType(input)
	defer mapping.DestroyLogicalType(&typ)
	var at func(i int) int32
	switch mapping.GetTypeId(typ) {
	case mapping.TypeDate:
		days := unsafe.Slice((*int32)(mapping.VectorGetData(input)), rows)
		at = func(i int) int32 { return days[i] }
	case mapping.TypeTimestamp:
		micros := unsafe.Slice((*int64)(mapping.VectorGetData(input)), rows)
		const day = 86_400_000_000
		at = func(i int) int32 { return int32((micros[i] - ((micros[i]%day)+day)%day) / day) } // rounded down, before 1970 too
	default:
		return false
	}
	given, days, valid := readMask(input, rows), unsafe.Slice((*int32)(mapping.VectorGetData(output)), rows), writableMask(output, rows)
	for i := range rows {
		if days[i] = at(i); !given.has(i) || !clean.KnownDay(days[i]) {
			valid.unset(i)
		}
	}
	return true
}

func runParts(f *clean.Function, first, second texts, output mapping.Vector, rows int) {
	valid := writableMask(output, rows)
	fields := clean.StructFields(f.Returns)
	writers := make([]textWriter, len(fields))
	for k := range writers {
		writers[k] = newTextWriter(mapping.StructVectorGetChild(output, mapping.IdxT(k)), rows)
	}
	memo := borrowMemo(f.Costly)
	defer memo.giveBack()
	for i := range rows {
		var parts []string
		if t, ok := first.at(i); ok {
			arg, _ := second.at(i)
			parts = partsOf(f, memo, t, arg)
		}
		if parts == nil {
			valid.unset(i)
		}
		for k := range writers {
			if parts == nil {
				writers[k].null(i)
			} else {
				writers[k].set(i, unsafe.Slice(unsafe.StringData(parts[k]), len(parts[k])))
			}
		}
	}
}

// partsOf asks the memo first, where there is one.
func partsOf(f *clean.Function, m *memo, t, arg string) []string {
	if m == nil {
		return f.Parts(t, arg)
	}
	e, known := m.find(f, t, arg)
	if !known {
		e.parts = f.Parts(t, arg)
		e.done(f, t, arg)
	}
	return e.parts
}
