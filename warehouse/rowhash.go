package warehouse

import (
	"fmt"
	"strings"
)

// duckHash hashes a row of DuckDB's. Its hash() of single values is sound, but a combination begins with the least significant one
// as it is: the outer hash keeps columns that have swapped values from cancelling out. Of lists and structs it is not: [0, 1], [1]
// and [[1]] have the same one, and so have NULL, [] and [NULL]. Those are hashed as the text of the hashes of what is in them,
// which are numbers: a text of the values themselves would tell 0.0 from -0.0.
func duckHash(values []string, types []Type) string {
	hashed := make([]string, len(values))
	for i, v := range values {
		hashed[i] = v
		if len(types[i].Fields) > 0 {
			hashed[i] = duckValueHash(v, types[i], 0)
		}
	}
	return "hash(hash(" + strings.Join(hashed, ", ") + "))"
}

// duckValueHash is the hash of one value, of a nested one at some depth. It is never NULL.
func duckValueHash(v string, t Type, depth int) string {
	element := fmt.Sprintf("e%d", depth)
	each := func(list string, of Type) string {
		return fmt.Sprintf("hash(CAST(list_transform(%s, lambda %s: %s) AS VARCHAR))", list, element, duckValueHash(element, of, depth+1))
	}
	switch t.Name {
	case "LIST", "ARRAY":
		return each(v, t.Fields[0].Type)
	case "MAP":
		return each("map_entries("+v+")", Type{Name: "STRUCT", Fields: t.Fields})
	case "STRUCT":
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = duckValueHash(fmt.Sprintf("struct_extract_at(%s, %d)", v, i+1), f.Type, depth)
		}
		return fmt.Sprintf("hash(CASE WHEN %s IS NOT NULL THEN concat_ws(' ', %s) END)", v, strings.Join(parts, ", "))
	}
	return "hash(" + v + ")"
}
