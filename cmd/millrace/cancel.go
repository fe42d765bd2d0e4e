package main

import (
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
)

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel [RUN|PIPELINE]",
		Short: "ask a run that is under way to end",
		Long: "Asks a run to end, named by its id or the beginning of it, or by its pipeline; without a name, the one that is under\n" +
			"way. It finishes the part in hand and ends with exit code 143; millrace retry takes up what it landed. Firings of a\n" +
			"pipeline that wait for their turn are cancelled with it. A run that millrace serve has started is ended by serve, and not retried.\n" +
			"Exit code 2 when nothing runs.\n",
		Example: "  millrace cancel\n  millrace cancel nightly\n  millrace cancel 20261121T0400",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			e, closeEngine, err := a.journalEngine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			done, err := e.Cancel(c.Context(), name, person())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(done)
			}
			a.printCancelled(done)
			return nil
		},
	}
}

func (a *app) printCancelled(done []pipeline.Cancelled) {
	for _, c := range done {
		switch {
		case c.Stopped:
			a.out("run %s of %s: process %d is asked to end, but it is stopped: kill -CONT %d lets it", c.Run, c.Pipeline, c.PID, c.PID)
		case c.PID != 0:
			a.out("run %s of %s: process %d finishes what is in hand and ends", c.Run, c.Pipeline, c.PID)
		case c.Run != "":
			a.out("run %s of %s: millrace serve ends it", c.Run, c.Pipeline)
		default:
			a.out("firing %s of %s: millrace serve will not start it", c.Firing, c.Pipeline)
		}
	}
}
