package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/internal/testbrowser"
)

// chromium is the one browser of all tests; each has a tab with cookies and a cache of its own.
var chromium struct {
	once sync.Once
	ctx  context.Context // nil when it could not be started
	end  func()
}

// removeAtEnd are folders that belong to no test alone.
var removeAtEnd []string

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.end != nil {
		chromium.end()
	}
	for _, dir := range removeAtEnd {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// browser opens a tab in headless Chromium, and skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := testbrowser.Find(t)
	chromium.once.Do(func() { chromium.ctx, chromium.end = testbrowser.Start(t, path) })
	if chromium.ctx == nil {
		t.Fatal("chromium could not be started")
	}
	tab, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab, cancel = context.WithTimeout(tab, testbrowser.Limit)
	t.Cleanup(cancel)
	return tab
}

// complaints collects what the browser complains of, and every request that leaves the origin.
type complaints struct {
	mu  sync.Mutex
	all []string
}

func (c *complaints) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, fmt.Sprintf(format, args...))
}

// take returns what came since the last time.
func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// watch listens to a tab, which from now on carries the token.
func watch(t *testing.T, ctx context.Context, origin, token string) *complaints {
	t.Helper()
	c := &complaints{}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *cdpruntime.EventExceptionThrown:
			c.note("exception: %s %s", ev.ExceptionDetails.Text, ev.ExceptionDetails.URL)
		case *cdpruntime.EventConsoleAPICalled:
			c.note("console: %s", ev.Type)
		case *log.EventEntryAdded:
			c.note("log: %s %s", ev.Entry.Text, ev.Entry.URL)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(ev.Request.URL, origin) {
				c.note("request: %s", ev.Request.URL)
			}
		}
	})
	_, requests := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	_, logs := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	_, runtime := chromedp.Call(ctx, cdpruntime.Enable, cdp.Empty{})
	_, header := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": "Bearer " + token}})
	if err := errors.Join(err, requests, logs, runtime, header); err != nil {
		t.Fatal(err)
	}
	return c
}

// visit opens a page in a window of that width.
func visit(t *testing.T, tab context.Context, url string, width int64, scheme string) {
	t.Helper()
	_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	if err := errors.Join(err, chromedp.Do(tab, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url))); err != nil {
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

// picture keeps a screenshot when somebody wants to look: MILLRACE_SCREENSHOTS names a folder.
func picture(t *testing.T, tab context.Context, name string) {
	t.Helper()
	dir := os.Getenv("MILLRACE_SCREENSHOTS")
	if dir == "" {
		return
	}
	image, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), image, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tooWide is by how many pixels the page is wider than its window.
const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// TestPagesInABrowser opens every page wide and narrow, light and dark.
func TestPagesInABrowser(t *testing.T) {
	tab := browser(t)
	s := newShopfront(t)
	heard := watch(t, tab, s.srv.URL, s.operator)
	dark := map[string]bool{"overview": true, "run-failed": true, "checks": true, "lineage": true, "table": true, "login": true} // they have all that has a colour
	for name, path := range s.paths() {
		for _, as := range []struct {
			word   string
			width  int64
			scheme string
		}{{"light", 1280, "light"}, {"dark", 1280, "dark"}, {"phone", 360, "light"}} {
			if as.scheme == "dark" && !dark[name] {
				continue
			}
			visit(t, tab, s.srv.URL+path, as.width, as.scheme)
			if over := eval[float64](t, tab, tooWide); over > 0 {
				t.Errorf("%s: at %d px the page is %v px too wide: %s", name, as.width, over, eval[string](t, tab, widest))
			}
			if is := eval[bool](t, tab, `getComputedStyle(document.body).backgroundColor.match(/\d+/g)[0] < 128`); is != (as.scheme == "dark") {
				t.Errorf("%s: %s is not %s", name, as.scheme, as.scheme)
			}
			if name == "overview" && eval[float64](t, tab, `document.querySelector("#tables td time").getBoundingClientRect().right - document.documentElement.clientWidth`) > 0 {
				t.Errorf("%s: at %d px the age of tables is out of sight", name, as.width)
			}
			picture(t, tab, name+"-"+as.word)
		}
		if all := heard.take(); len(all) > 0 {
			t.Errorf("%s: %q", name, all)
		}
	}
}

// widest names an element that sticks out.
const widest = `(() => { let worst = null, right = document.documentElement.clientWidth; for (const e of document.querySelectorAll("main *")) { const r = e.getBoundingClientRect().right; if (r > right && !e.closest(".scroll, nav")) { right = r; worst = e } } return worst ? worst.outerHTML.slice(0, 200) : "" })()`
