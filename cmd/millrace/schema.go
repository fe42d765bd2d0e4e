package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [project | checks]",
		Short: "print the JSON Schema of millrace.yml or of checks files, for editors",
		Long: "Prints the JSON Schema of millrace.yml, or with \"checks\" that of the files for `millrace check --file`. Editors that\n" +
			"speak yaml-language-server complete and check a file by it; init writes that of the project to\n" +
			".millrace/schema.json, and this renews it after an update.\n",
		Example:   "  millrace schema > .millrace/schema.json\n  millrace schema checks > checks.schema.json",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"project", "checks"},
		RunE: func(_ *cobra.Command, args []string) error {
			schema := models.Schema
			if slices.Contains(args, "checks") {
				schema = models.TablesSchema
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
