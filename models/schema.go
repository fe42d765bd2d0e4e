package models

import (
	"maps"

	"github.com/millrace/millrace/internal/config"
)

// Schema is the JSON Schema of millrace.yml, for editors: what Load would refuse, as far as a schema can say it.
func Schema(specs []SourceSpec) ([]byte, error) {
	var sources []config.Variant
	for _, s := range specs {
		sources = append(sources, config.Variant{
			Type: s.Type, Doc: s.Summary, Structs: []any{sourceKeys{}, s.Options()},
			Unions: map[string][]config.Variant{"streams": {{Structs: []any{StreamKeys{}, s.StreamOptions()}}}},
		})
	}
	unions := map[string][]config.Variant{"sources": sources}
	maps.Copy(unions, alertUnions())
	maps.Copy(unions, targetUnions())
	return config.SchemaText(projectFile{}, config.SchemaOptions{
		ID: "https://millrace.dev/schema/millrace.json", Title: "Millrace project",
		Unions: unions,
	})
}
