package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/internal/testbrowser"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match"
)

// browser opens pages in headless Chromium, and skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	ctx, end := testbrowser.Start(t, testbrowser.Find(t))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, testbrowser.Limit)
	t.Cleanup(cancel)
	return ctx
}

// watch collects what the browser complains of and every request but that for the page.
func watch(t *testing.T, ctx context.Context, url string) func() []string {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
	}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			note("exception: " + ev.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			note("console: " + string(ev.Type))
		case *log.EventEntryAdded:
			note("log: " + ev.Entry.Text)
		case *network.EventRequestWillBeSent:
			if ev.Request.URL != url {
				note("request: " + ev.Request.URL)
			}
		}
	})
	_, network := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	_, log := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	_, runtime := chromedp.Call(ctx, runtime.Enable, cdp.Empty{})
	if err := errors.Join(err, network, log, runtime); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// TestInABrowser opens reports as their readers do: from the disk, wide and narrow, light and dark, and on paper.
func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	for name, r := range map[string]*Run{"shop": shop(t), "hostile": hostile(t), "unknown": {ID: "x"}, "judgement": judgement("")} {
		file := filepath.Join(t.TempDir(), "report.html")
		if err := os.WriteFile(file, render(t, HTML, r), 0o600); err != nil {
			t.Fatal(err)
		}
		tab, cancel := chromedp.NewContext(ctx)
		complaints := watch(t, tab, "file://"+file)
		for _, width := range []int64{1280, 390, 320} {
			for _, scheme := range []string{"light", "dark"} {
				show(t, tab, "file://"+file, width, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				over := eval[float64](t, tab, `document.querySelectorAll("details").forEach(d => d.open = true), `+tooWide)
				dark := eval[bool](t, tab, `getComputedStyle(document.body).backgroundColor.match(/\d+/g)[0] < 128`)
				if over > 0 {
					t.Errorf("%s: at %d px the page is %v px too wide", name, width, over)
				}
				if dark != (scheme == "dark") {
					t.Errorf("%s: %s is not %s", name, scheme, scheme)
				}
			}
		}
		onPaper(t, tab, name, file)
		if all := complaints(); len(all) > 0 {
			t.Errorf("%s: %q", name, all)
		}
		cancel()
	}
	explained(t, ctx)
}

// explained opens explanations wide and narrow: what each comparison is worth is to be seen without scrolling.
func explained(t *testing.T, ctx context.Context) {
	t.Helper()
	long := strings.Repeat("somebody.with.a.long.name@example.com ", 3)
	pair := &pipeline.PairExplanation{Entity: "customer", A: "crm:1", B: "shop:2", Why: "they match", Bars: []pipeline.Bar{
		{Contribution: match.Contribution{Name: "prior", Kind: "prior", Bits: -90}, Sum: -90},
		{Contribution: match.Contribution{Name: "email", Kind: "level", Level: "exact", Bits: 110}, Sum: 20, A: long, B: long}}}
	golden := &pipeline.GoldenExplanation{Entity: "customer", ID: "f776085a-b0a4-5bc9-9cc7-fbfd600d9274", Fields: []pipeline.FieldExplanation{
		{Field: "email", Value: long, Choices: []pipeline.ValueFrom{{Record: "crm:1", Value: long, Decided: "most_recent"}, {Record: "shop:2", Value: long}}}}}
	for name, page := range map[string]func(io.Writer) error{
		"pair": func(w io.Writer) error { return PairHTML(w, pair) }, "golden": func(w io.Writer) error { return GoldenHTML(w, golden) }} {
		var text bytes.Buffer
		file := filepath.Join(t.TempDir(), name+".html")
		if err := errors.Join(page(&text), os.WriteFile(file, text.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		tab, cancel := chromedp.NewContext(ctx)
		complaints := watch(t, tab, "file://"+file)
		for _, width := range []int64{1280, 390} {
			show(t, tab, "file://"+file, width, emulation.SetEmulatedMediaParams{})
			over := eval[float64](t, tab, tooWide)
			hidden := eval[int](t, tab, `[...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().right > innerWidth || [...s.children].some(r => {
				const own = r.getBoundingClientRect(), all = s.getBoundingClientRect(); return own.left < all.left - 0.5 || own.right > all.right + 0.5})).length`)
			bars := eval[int](t, tab, `document.querySelectorAll("svg").length`)
			if over > 0 || hidden > 0 || bars != map[string]int{"pair": 2}[name] {
				t.Errorf("%s: at %d px the page is %v px too wide, and %d of %d bars are not seen", name, width, over, hidden, bars)
			}
		}
		if all := complaints(); len(all) > 0 {
			t.Errorf("%s: %q", name, all)
		}
		cancel()
	}
}

// tooWide is by how many pixels the page is wider than its window.
const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// show opens the page in a window of that width.
func show(t *testing.T, tab context.Context, url string, width int64, media emulation.SetEmulatedMediaParams) {
	t.Helper()
	_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, media)
	if err := errors.Join(err, chromedp.Do(tab, chromedp.EmulateViewport(width, 800), chromedp.Navigate(url))); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, tab context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// onPaper prints the page and looks whether what is folded on the screen is shown, and all of it.
func onPaper(t *testing.T, tab context.Context, name, file string) {
	t.Helper()
	show(t, tab, "file://"+file, 700, emulation.SetEmulatedMediaParams{Media: "print"})
	folded := eval[int](t, tab, `[...document.querySelectorAll("details > :not(summary)")].filter(e => !e.checkVisibility({contentVisibilityAuto: true}) || e.getBoundingClientRect().height == 0).length`)
	over := eval[float64](t, tab, tooWide)
	pdf, err := chromedp.Run(tab, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	if err != nil {
		t.Fatalf("%s: print: %v", name, err)
	}
	if len(pdf) < 5_000 {
		t.Errorf("%s: a PDF of %d bytes", name, len(pdf))
	}
	if folded > 0 {
		t.Errorf("%s: on paper %d parts stay folded", name, folded)
	}
	if over > 0 {
		t.Errorf("%s: on paper the page is %v px too wide", name, over)
	}
}

// TestContrast holds the colours to WCAG 2.2 AA: 4.5 to 1 for text, in both schemes and on paper.
func TestContrast(t *testing.T) {
	set := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`)
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(reportStyle(), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d colour schemes", len(blocks))
	}
	for i, block := range blocks {
		colours := map[string]float64{}
		for _, m := range set.FindAllStringSubmatch(block[1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, ink := range strings.Fields("ink quiet link pass warn fail skip") {
			for _, ground := range []string{"paper", "card", "code"} {
				a, b := colours[ink], colours[ground]
				if ratio := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05); ratio < 4.5 {
					t.Errorf("scheme %d: %s on %s has a contrast of %.2f", i, ink, ground, ratio)
				}
			}
		}
	}
}

// luminance is WCAG's relative luminance of a colour.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
