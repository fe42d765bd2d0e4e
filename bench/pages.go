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
	c := exec.Command("go", "test", "./serve", "-run", "^$", "-bench", "BenchmarkPages", "-benchtime", "20x")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("measure pages: %w\n%s", err, out)
	}
	for _, m := range regexp.MustCompile(`BenchmarkPages/(\w+)\S*\s+\d+\s+(\d+) ns/op`).FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return fmt.Errorf("measure pages: %w", err)
		}
		bar := 0.0
		if m[1] == "overview" {
			bar = 0.1
		}
		b.add("pages: "+m[1]+", 100,000 runs in the journal", ns/1e9, "s", bar)
	}
	return nil
}
