package main

import (
	"github.com/spf13/cobra"
)

// commands lists every command, in the order that the help shows them.
func (a *app) commands() []*cobra.Command {
	all := []*cobra.Command{
		a.initCommand(), a.lintCommand(), a.planCommand(), a.runCommand(), a.retryCommand(), a.pushCommand(), a.backfillCommand(), a.cancelCommand(),
		a.serveCommand(), a.schedulesCommand(), a.firingsCommand(), a.triggerCommand(), a.pauseCommand(), a.resumeCommand(),
		a.checkCommand(), a.testCommand(), a.reconcileCommand(), a.statusCommand(), a.runsCommand(), a.reportCommand(), a.alertsCommand(), a.queryCommand(), a.profileCommand(), a.lineageCommand(), a.docsCommand(), a.manifestCommand(), a.rejectsCommand(), a.matchCommand(), a.explainCommand(),
		a.verifyCommand(), a.gcCommand(), a.stateCommand(), a.tokensCommand(), a.doctorCommand(),
		a.connectorsCommand(), a.schemaCommand(), a.versionCommand(),
	}
	all = append(all, a.dbtCommands()...)
	cobra.EnableCommandSorting = false
	for _, c := range all {
		strict(c)
	}
	return all
}

// strict makes wrong arguments a wrong usage, of the command and of those below it.
func strict(c *cobra.Command) {
	check := c.Args
	if check == nil && c.HasSubCommands() {
		check = cobra.NoArgs
	}
	if check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage("%w: see `%s --help`", err, c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		sub.Long = longOf(sub) + "\n" + exitHelp
		strict(sub)
	}
}

func longOf(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return upperFirst(c.Short) + ".\n"
}

// group is a command that only has commands below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage("%s has no command %q: see `%s --help`", c.CommandPath(), args[0], c.CommandPath())
		}
		return c.Help()
	}, Args: cobra.ArbitraryArgs}
	c.AddCommand(below...)
	return c
}
