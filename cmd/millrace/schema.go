package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [project | entity | terms | checks]",
		Short: "print the JSON Schema of millrace.yml, of entities, terms or checks files, for editors",
		Long: "Prints the JSON Schema of millrace.yml, with \"entity\" or \"terms\" that of the files in entities/ or terms/, or\n" +
			"with \"checks\" that of the files for `millrace check --file`. Editors that speak yaml-language-server complete and\n" +
			"check a file by it; init writes those of the project to .millrace/schema.json, entity.json and terms.json, and this renews them after an update.\n" +
			"An entity's file names its own in its first line: # yaml-language-server: $schema=../.millrace/entity.json\n",
		Example:   "  millrace schema > .millrace/schema.json\n  millrace schema entity > .millrace/entity.json\n  millrace schema checks > checks.schema.json",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"project", "entity", "terms", "checks"},
		RunE: func(_ *cobra.Command, args []string) error {
			schema := models.Schema
			switch {
			case slices.Contains(args, "checks"):
				schema = models.TablesSchema
			case slices.Contains(args, "entity"):
				schema = models.EntitySchema
			case slices.Contains(args, "terms"):
				schema = models.TermsSchema
			}
			text, err := schema(specs())
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
