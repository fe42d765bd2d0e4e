package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// grid is a table of texts for people: columns aligned, numbers to the right.
type grid struct {
	header []string
	right  []bool // by column; shorter than header: the rest is left
	rows   [][]string
	width  int // 0: as wide as it gets
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// print writes the grid. With a width the widest columns give way until a line fits.
func (g *grid) print(w io.Writer) error {
	widths := make([]int, len(g.header))
	for i, h := range g.header {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if g.width > 0 {
		shrink(widths, g.width)
	}
	var b strings.Builder
	line := func(cells []string) error {
		b.Reset()
		for i, cell := range cells {
			cell = cut(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if i < len(g.right) && g.right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		return err
	}
	if err := line(g.header); err != nil {
		return err
	}
	for _, row := range g.rows {
		if err := line(row); err != nil {
			return err
		}
	}
	return nil
}

// shrink makes the widest columns narrower until all fit into width, none below 8 characters.
func shrink(widths []int, width int) {
	const least = 8
	for {
		sum, widest := 2*(len(widths)-1), 0
		for i, n := range widths {
			sum += n
			if n > widths[widest] {
				widest = i
			}
		}
		if sum <= width || widths[widest] <= least {
			return
		}
		widths[widest] = max(least, widths[widest]-(sum-width))
		// Not below the next widest: they give way together.
		next := 0
		for i, n := range widths {
			if i != widest && n > next {
				next = n
			}
		}
		if widths[widest] < next-1 && next > least {
			widths[widest] = next - 1
		}
	}
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(n-1, 0)]) + "…"
}

// oneLine makes control characters visible, so that a cell stays in its line and cannot steer the terminal.
func oneLine(s string) string {
	clean := true
	for _, c := range s {
		if c < ' ' || c == 0x7f || c == utf8.RuneError || (c >= 0x80 && c < 0xa0) {
			clean = false
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0):
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// terminalWidth is the width of stdout when people look at it there, else 0.
func (a *app) terminalWidth() int {
	f, ok := a.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// out prints a line of the answer, with secrets hidden.
func (a *app) out(format string, args ...any) {
	fmt.Fprintln(a.stdout, a.redactor.Redact(fmt.Sprintf(format, args...)))
}

// note prints a line beside the answer, as one of the log when that is JSON.
func (a *app) note(format string, args ...any) {
	if a.format == formatJSON {
		a.logger().Warn(fmt.Sprintf(format, args...))
		return
	}
	fmt.Fprintln(a.stderr, a.redactor.Redact(fmt.Sprintf(format, args...)))
}

// ago is an age in the largest unit that says enough.
func ago(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d < 0:
		return "in the future"
	case d < time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// bytesText is a size for people; -1 is unknown.
func bytesText(n int64) string {
	switch {
	case n < 0:
		return "?"
	case n >= 1e12:
		return fmt.Sprintf("%.1f TB", float64(n)/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// plural is "1 file", "2 files".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
