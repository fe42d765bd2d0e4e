package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// pages takes the server's time for pages with 100,000 runs in the journal, as BenchmarkPages of serve measures it. The overview has a
// bar; the others are told beside it.
func (b *bench) pages() error {
	return b.goBenchmark("./serve", "BenchmarkPages", func(page string, seconds float64) {
		bar := 0.0
		if page == "overview" {
			bar = 0.1
		}
		b.add("pages: "+page+", 100,000 runs in the journal", seconds, "s", bar)
	})
}

// reports takes the time for a report of 1,600 checks that have all failed, with 90 runs each, as BenchmarkLargeRuns of report measures it.
func (b *bench) reports() error {
	return b.goBenchmark("./report", "BenchmarkLargeRuns", func(format string, seconds float64) {
		b.add("reports: "+format+", 1,600 checks", seconds, "s", 1)
	})
}

// goBenchmark runs a benchmark of a package and adds what each of its parts took.
func (b *bench) goBenchmark(pkg, name string, add func(part string, seconds float64)) error {
	c := exec.Command("go", "test", pkg, "-run", "^$", "-bench", name, "-benchtime", "20x")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("%s of %s: %w\n%s", name, pkg, err, out)
	}
	for _, m := range regexp.MustCompile(name+`/(\w+)\S*\s+\d+\s+(\d+) ns/op`).FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", name, pkg, err)
		}
		add(m[1], ns/1e9)
	}
	return nil
}
