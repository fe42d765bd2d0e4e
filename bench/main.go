// Command bench measures Millrace against the bars of its design: whole processes, on data that it makes itself,
// each beside a reference that runs in the same minute, because on a shared machine ratios count and seconds do not.
//
//	go run ./bench -bin bin/millrace             everything (about 10 minutes)
//	go run ./bench -bin bin/millrace -only csv   one of csv, memory, incremental, overhead, demo, checks, many-checks, dbt, reconcile, match, match-run, match-quality, pages, scheduler, snowflake, clean
//	make bench-databases                         PostgreSQL and MariaDB, on private servers
//
// It prints one line for each figure with its bar and appends all of them to bench/history.jsonl.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

func main() {
	b := &bench{}
	flag.StringVar(&b.bin, "bin", "bin/millrace", "the binary to measure")
	flag.StringVar(&b.data, "data", filepath.Join("bench", "data"), "folder for generated data, kept between runs")
	flag.StringVar(&b.history, "history", filepath.Join("bench", "history.jsonl"), "file that the figures are appended to; empty for none")
	flag.IntVar(&b.rows, "rows", 6_000_000, "rows of the CSV file (6M are about 840 MB)")
	flag.IntVar(&b.runs, "runs", 3, "counted runs of each command; medians are printed")
	flag.StringVar(&b.postgresURL, "postgres", "", "URL of a PostgreSQL server to measure against; its database gets tables")
	flag.StringVar(&b.mariadbURL, "mariadb", "", "URL of a MariaDB server to measure against; its database gets a table")
	flag.BoolVar(&b.long, "long", false, "also 10 times the rows from PostgreSQL")
	only := flag.String("only", "", "one job: csv, memory, incremental, overhead, demo, checks, many-checks, dbt, reconcile, match, match-run, match-quality, pages, reports, scheduler, snowflake, clean, postgres, postgres-incremental or mariadb")
	reference := flag.String("reference", "", "internal: run this SQL file in DuckDB and exit")
	snowflakePart := flag.String("snowflake", "", "internal: be one of the processes of the job snowflake and exit")
	matchingFile := flag.String("matching", "", "internal: match the records of this file and exit")
	matchingSince := flag.String("matching-since", "", "internal: match some records of this file as new ones and exit")
	matchingSQL := flag.String("matching-sql", "", "internal: count the pairs of this file's records by SQL and exit")
	flag.Parse()
	if *matchingSQL != "" {
		exitOn(runMatchingSQL(*matchingSQL))
		return
	}
	if *matchingSince != "" {
		exitOn(runMatchingSince(*matchingSince))
		return
	}
	if *matchingFile != "" {
		exitOn(runMatching(*matchingFile))
		return
	}
	if *snowflakePart != "" {
		exitOn(runSnowflake(*snowflakePart, b.data))
		return
	}
	if *reference != "" {
		exitOn(runReference(*reference))
		return
	}
	var err error
	b.bin, err = filepath.Abs(b.bin)
	exitOn(err)
	b.data, err = filepath.Abs(b.data)
	exitOn(err)
	exitOn(os.MkdirAll(b.data, 0o755))
	for _, m := range []struct {
		name string
		run  func() error
	}{{"csv", b.csv}, {"memory", b.memory}, {"incremental", b.incremental}, {"overhead", b.overhead}, {"demo", b.demo}, {"checks", b.checks}, {"many-checks", b.manyChecks}, {"dbt", b.dbt}, {"reconcile", b.reconcile}, {"match", b.match}, {"match-run", b.matchRun}, {"match-quality", b.matchQuality}, {"pages", b.pages}, {"reports", b.reports}, {"scheduler", b.scheduler}, {"snowflake", b.snowflake}, {"clean", b.clean},
		{"postgres", b.postgres}, {"postgres-incremental", b.postgresIncremental}, {"mariadb", b.mariadb}} {
		if *only == "" || *only == m.name {
			fmt.Printf("== %s\n", m.name)
			exitOn(m.run())
		}
	}
	exitOn(b.save())
	if b.missed > 0 {
		fmt.Printf("%d bars missed\n", b.missed)
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	bin, data, history string
	postgresURL        string
	mariadbURL         string
	rows, runs         int
	long               bool
	figures            []figure
	missed             int
}

// figure is one measured number and the bar it must clear.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Bar   float64 `json:"bar,omitempty"` // not above, or below if Least; 0: there is none
	Least bool    `json:"least,omitempty"`
}

// add records a figure that must not be above its bar.
func (b *bench) add(name string, value float64, unit string, bar float64) {
	b.record(figure{Name: name, Value: value, Unit: unit, Bar: bar}, value > bar)
}

// atLeast records a figure that must not be below its bar.
func (b *bench) atLeast(name string, value float64, unit string, bar float64) {
	b.record(figure{Name: name, Value: value, Unit: unit, Bar: bar, Least: true}, value < bar)
}

func (b *bench) record(f figure, missed bool) {
	b.figures = append(b.figures, f)
	verdict := ""
	if f.Bar > 0 {
		verdict = fmt.Sprintf("   bar %g: met", f.Bar)
		if missed {
			verdict = fmt.Sprintf("   bar %g: MISSED", f.Bar)
			b.missed++
		}
	}
	fmt.Printf("%-58s %10.4f %-8s%s\n", f.Name, f.Value, f.Unit, verdict)
}

// save appends the figures with the machine's and the code's state.
func (b *bench) save() error {
	if b.history == "" || len(b.figures) == 0 {
		return nil
	}
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	line, err := json.Marshal(map[string]any{"at": time.Now().UTC().Format(time.RFC3339), "commit": strings.TrimSpace(string(commit)),
		"cpus": runtime.NumCPU(), "load": load(), "rows": b.rows, "figures": b.figures})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(b.history, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	return strings.TrimSpace(string(data))
}

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}
