package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/serve"
)

func (a *app) tokensCommand() *cobra.Command {
	c := group("tokens", "make, list and remove tokens of the HTTP server", a.tokensAddCommand(), a.tokensListCommand(), a.tokensRemoveCommand())
	c.Long = "Tokens let people and programs in at millrace serve: as Authorization: Bearer TOKEN, or at its login page. The journal keeps\n" +
		"their hashes only. serve.tokens: in millrace.yml takes others from a secret store.\n"
	return c
}

// madeToken is a token as it is shown once.
type madeToken struct {
	journal.Token
	Secret string `json:"token"`
}

func (a *app) tokensAddCommand() *cobra.Command {
	var role, expires string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "make a token and show it, once",
		Long: "Makes a token of 256 random bits and prints it on stdout. It is shown once: what is kept is its hash. The name stands in\n" +
			"the audit log for what the token did.\n",
		Example: "  millrace tokens add grafana --role viewer\n  millrace tokens add ci --role operator --expires 90d\n  millrace tokens add eva --role operator,steward",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error { return a.addToken(ctx, e, args[0], role, expires) })
		},
	}
	c.Flags().StringVar(&role, "role", "viewer", "viewer looks; operator starts, cancels, pauses and replays too; steward decides about records, and sees personal values of golden records; several with commas")
	c.Flags().StringVar(&expires, "expires", "", "how long it is good for, such as 90d (default for ever)")
	return c
}

func (a *app) addToken(ctx context.Context, e *pipeline.Engine, name, role, expires string) error {
	if !models.TokenName.MatchString(name) {
		return usage("name %q: use letters, digits and . _ @ -, 64 at most", name)
	}
	roles, err := serve.ParseRoles(role)
	if err != nil {
		return usage("--role: %w", err)
	}
	role = roles.String()
	if _, there := e.Project.Serve.Tokens.Get(name); there {
		return usage("serve.tokens: in millrace.yml has a token %q: choose another name", name)
	}
	made := madeToken{journal.Token{Name: name, Role: role, Created: e.Clock()}, serve.NewToken()}
	if expires != "" {
		var span config.Duration
		if err := span.UnmarshalText([]byte(expires)); err != nil || span <= 0 {
			return usage("--expires %s: write a span of time such as 90d", expires)
		}
		until := made.Created.Add(span.Std())
		made.Expires = &until
	}
	if err := e.Journal.AddToken(ctx, made.Token, journal.HashToken(made.Secret)); err != nil {
		return &advice{usage("%w", err), "millrace tokens remove " + name + " takes it away, then add it again"}
	}
	if err := tokenEvent(ctx, e, fmt.Sprintf("add %s, %s", name, role)); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(made)
	}
	a.note("token %s, %s%s: it is not shown again", name, role, untilText(made.Expires))
	a.out("%s", made.Secret)
	return nil
}

// tokenEvent adds a line about tokens to the audit log.
func tokenEvent(ctx context.Context, e *pipeline.Engine, text string) error {
	return e.Journal.AddEvent(ctx, journal.Event{At: e.Clock(), Kind: "tokens", By: "command", Text: text})
}

func untilText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " until " + clockText(*t)
}

func (a *app) tokensListCommand() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "list the tokens, without what they are", Example: "  millrace tokens list --json", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error {
			all, err := e.Journal.Tokens(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(append([]journal.Token{}, all...))
			}
			g := grid{header: []string{"NAME", "ROLE", "MADE", "EXPIRES"}, width: a.terminalWidth()}
			for _, t := range all {
				expires := "never"
				switch {
				case t.Expires != nil && !e.Clock().Before(*t.Expires):
					expires = "expired"
				case t.Expires != nil:
					expires = clockText(*t.Expires)
				}
				g.add(t.Name, t.Role, clockText(t.Created), expires)
			}
			for name, t := range e.Project.Serve.Tokens.All() {
				roles, _ := serve.ParseRoles(strings.Join(t.Role, ","))
				g.add(name, roles.String(), "millrace.yml", "never")
			}
			return g.print(a.stdout)
		})
	}}
}

func (a *app) tokensRemoveCommand() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "remove a token; whoever uses it is let in no more", Example: "  millrace tokens remove ci", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error {
			removed, err := e.Journal.RemoveToken(ctx, args[0])
			if err != nil {
				return err
			}
			if !removed {
				return &advice{usage("there is no token %q", args[0]), "millrace tokens list lists them; those of serve.tokens: are removed from millrace.yml"}
			}
			if err := tokenEvent(ctx, e, "remove "+args[0]); err != nil {
				return err
			}
			a.note("token %s removed", args[0])
			return nil
		})
	}}
}
