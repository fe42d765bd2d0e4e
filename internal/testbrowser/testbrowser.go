// Package testbrowser starts headless Chromium for tests of pages.
package testbrowser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/millrace/millrace/internal/testserver"
)

// Limit is how long a test may use a tab, on a slow machine too.
const Limit = 10 * time.Minute

// Find is the path of Chromium. Where there is none the test is skipped, or fails where it is required.
func Find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	testserver.Missing(t, "chromium is not installed: apt-get install chromium")
	return ""
}

// Start starts the Chromium at path, which end ends. Its folder is not the test's own: a helper of the browser may still write there when
// that is removed.
func Start(t testing.TB, path string) (ctx context.Context, end func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(5*time.Minute))
	ctx, endProcess := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(ctx)
	end = func() {
		endBrowser()
		endProcess()
		chromedp.FromContext(ctx).Allocator.Wait()
		_ = os.RemoveAll(dir)
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		t.Fatalf("start chromium: %v", err)
	}
	return ctx, end
}
