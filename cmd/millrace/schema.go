package main

import (
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of millrace.yml, for editors",
		Long: "Prints the JSON Schema of millrace.yml. Editors that speak yaml-language-server complete and check the file\n" +
			"by it; init writes it to .millrace/schema.json, and this renews it after an update.\n",
		Example: "  millrace schema > .millrace/schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := models.Schema(specs())
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
