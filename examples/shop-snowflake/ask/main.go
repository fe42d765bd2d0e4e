// Command ask runs SQL in the Snowflake that the example's target names, or in what stands in for it, and prints the answer.
//
//	go run ./examples/shop-snowflake/ask 'SELECT * FROM SHOP_ERP.PRICES'
//
// It takes the variables that millrace.yml takes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/millrace/millrace/internal/snowflake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, statements []string) (err error) {
	cfg, err := config()
	if err != nil {
		return err
	}
	db, err := snowflake.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := db.Session(ctx, map[string]string{"example": "ask"}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, sql := range statements {
		r, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: "ask"})
		if err != nil {
			return err
		}
		if err := show(r); err != nil {
			return err
		}
	}
	return nil
}

// config is the target prod of millrace.yml.
func config() (snowflake.Config, error) {
	cfg := snowflake.Config{Account: os.Getenv("SNOWFLAKE_ACCOUNT"), User: os.Getenv("SNOWFLAKE_USER"), Warehouse: "LOAD_WH", Database: "ANALYTICS", Role: os.Getenv("SNOWFLAKE_ROLE"),
		Host: os.Getenv("SNOWFLAKE_HOST"), HTTP: os.Getenv("SNOWFLAKE_PROTOCOL") == "http"}
	pem, err := os.ReadFile(os.Getenv("SNOWFLAKE_KEY_FILE"))
	if err != nil {
		return cfg, fmt.Errorf("SNOWFLAKE_KEY_FILE: %w", err)
	}
	if cfg.Auth.PrivateKey, err = snowflake.ParsePrivateKey(pem, nil); err != nil {
		return cfg, err
	}
	if port := os.Getenv("SNOWFLAKE_PORT"); port != "" {
		if cfg.Port, err = strconv.Atoi(port); err != nil {
			return cfg, fmt.Errorf("SNOWFLAKE_PORT: %w", err)
		}
	}
	cfg.Temp = os.TempDir()
	return cfg, nil
}

func show(r *snowflake.Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(r.Columns, "\t"))
	for _, row := range r.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			if v != nil {
				cells[i] = *v
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
