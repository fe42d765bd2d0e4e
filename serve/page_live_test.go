package serve

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/millrace/millrace/pipeline/journal"
)

// until waits for a page to come to where a script says that it is.
func until(t *testing.T, tab context.Context, script, what string) {
	t.Helper()
	for range 6000 { // five minutes
		if eval[bool](t, tab, script) {
			return
		}
		select {
		case <-tab.Done():
			t.Fatalf("%s: %v", what, tab.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Errorf("it never came to this: %s", what)
}

// TestKeyboard goes through the pages without a mouse.
func TestKeyboard(t *testing.T) {
	ctx := browser(t)
	s := newShopfront(t)
	visit(t, ctx, s.srv.URL+"/runs", 1280, "light") // without a token: the login
	until(t, ctx, `document.activeElement?.name === "token"`, "the field for the token has the focus")
	if err := chromedp.Do(ctx, chromedp.KeyEvent(s.operator), chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, `document.readyState === "complete" && document.title.startsWith("Runs")`, "the token is typed, Enter logs in and leads to the page that was asked for")
	press := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	press(kb.Tab)
	if on := eval[string](t, ctx, `document.activeElement.className`); on != "skip" {
		t.Errorf("the first tab leads to %q and not to the link that skips the navigation", on)
	}
	if hidden := eval[bool](t, ctx, `document.activeElement.getBoundingClientRect().left < 0`); hidden {
		t.Error("the skip link has the focus and is not seen")
	}
	press(kb.Enter)
	for range 12 {
		press(kb.Tab)
		if eval[bool](t, ctx, `document.activeElement.matches("table.runs a")`) {
			break
		}
	}
	if width := eval[string](t, ctx, `getComputedStyle(document.activeElement).outlineWidth`); width != "2px" {
		t.Errorf("what has the focus is not seen: an outline of %s", width)
	}
	press(kb.Enter)
	until(t, ctx, `document.readyState === "complete" && document.title.startsWith("Run 2026")`, "tabs lead from the skip link to the first run, and Enter opens it")
	eval[bool](t, ctx, `(now => { Date.now = () => now; return true })(Date.now())`) // g is forgotten soon, and a key may take longer to come here
	press("g", "t")
	until(t, ctx, `document.readyState === "complete" && document.title.startsWith("Tables")`, "g t leads to the tables")
	until(t, ctx, `!(document.querySelector(".find")?.hidden ?? true)`, "the table has a filter")
	press("/")
	if !eval[bool](t, ctx, `document.activeElement.matches("[data-filter]") && (document.activeElement.value = "", true)`) { // the driver types the slash, too
		t.Error("/ does not lead to the filter")
	}
	press("dim_cust")
	if rows := eval[string](t, ctx, `[...document.querySelectorAll("#tables tbody tr")].filter(r => !r.hidden).map(r => r.querySelector("a").textContent).join()`); !strings.HasPrefix(rows, "marts.dim_customers") || strings.Contains(rows, "orders") {
		t.Errorf("the filter leaves %s", rows)
	}
	press(kb.Tab)
	press("?")
	if open := eval[bool](t, ctx, `document.getElementById("keys").open`); !open {
		t.Error("? does not show the keys")
	}
	press(kb.Escape)
	visit(t, ctx, s.srv.URL+"/lineage", 1280, "light")
	eval[bool](t, ctx, `document.querySelector(".graph a").focus(), true`)
	press(kb.Enter)
	until(t, ctx, `location.pathname.startsWith("/tables/")`, "Enter on a box opens its table")
}

// TestLivePages sees what happens without asking anew: the overview changes, the log grows, and hostile lines of it stay text.
func TestLivePages(t *testing.T) {
	ctx := browser(t)
	s := newShopfront(t)
	heard := watch(t, ctx, s.srv.URL, s.operator)
	visit(t, ctx, s.srv.URL+"/", 1280, "light")
	s.must(s.j.Pause(t.Context(), journal.Pause{Pipeline: "nightly", Since: s.now, By: "ada", Reason: "<b>the ERP moves house</b>"}))
	eval[bool](t, ctx, `htmx.trigger("#live", "every"), true`)
	until(t, ctx, `document.querySelector("#live .banner")?.textContent.includes("<b>the ERP moves house</b>") ?? false`, "the overview tells of the pause")
	until(t, ctx, `(document.querySelector("#live details").open = true) && document.querySelector("#live [data-touched]") !== null`, "what was unfolded is known")
	_, err := s.j.Resume(t.Context(), "nightly", time.Now())
	s.must(err)
	eval[bool](t, ctx, `htmx.trigger("#live", "every"), true`)
	if !eval[bool](t, ctx, `document.querySelector("#live details").open && document.querySelector("#live .banner") !== null`) {
		t.Error("the page changed under somebody who reads it")
	}

	file := filepath.Join(s.e.Project.StateDir(), "logs", s.live+".jsonl")
	s.must(os.MkdirAll(filepath.Dir(file), 0o700))
	line := func(text string) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		s.must(err)
		_, err = f.WriteString(text + "\n")
		s.must(err)
		s.must(f.Close())
	}
	line(`{"time":"2026-11-27T07:00:03Z","level":"INFO","msg":"step begins","step":"webshop.orders"}`)
	visit(t, ctx, s.srv.URL+"/runs/"+s.live, 1280, "light")
	until(t, ctx, `document.getElementById("log").textContent.includes("07:00:03  INFO  step begins  step=webshop.orders")`, "the log shows what was written before")
	line(`{"time":"2026-11-27T07:12:09Z","level":"ERROR","msg":"<img src=x onerror=alert(1)>"}`)
	until(t, ctx, `document.querySelector("#log .error")?.textContent.includes("<img src=x onerror=alert(1)>") ?? false`, "the log grows, and its lines are text")
	picture(t, ctx, "run-live-log")

	visit(t, ctx, s.srv.URL+"/", 1280, "light")
	eval[bool](t, ctx, `document.getElementById("theme").click(), true`)
	visit(t, ctx, s.srv.URL+"/runs", 1280, "light")
	if !eval[bool](t, ctx, `getComputedStyle(document.body).backgroundColor.match(/\d+/g)[0] < 128`) {
		t.Error("the choice of a dark page is forgotten on the next")
	}
	if all := heard.take(); len(all) > 0 {
		t.Errorf("%q", all)
	}
}

// TestRunAgainFromAStep asks a run's page for a step and what needs it: nothing is asked for before it was confirmed.
func TestRunAgainFromAStep(t *testing.T) {
	ctx := browser(t)
	s := newShopfront(t)
	heard := watch(t, ctx, s.srv.URL, s.operator)
	asked := func() []journal.Firing {
		all, err := s.j.Firings(t.Context(), journal.FiringFilter{Trigger: journal.TriggerAPI})
		s.must(err)
		return all
	}
	const button = `[...document.querySelectorAll("td.again > button")].find(b => b.ariaLabel === "Run again from marts.fct_orders on")`
	for _, width := range []int64{1280, 360} {
		visit(t, ctx, s.srv.URL+"/runs/"+s.broken, width, "light")
		eval[bool](t, ctx, button+`.focus(), true`)
		s.must(chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter)))
		until(t, ctx, `document.querySelector(":popover-open h3")?.textContent === "Run again from marts.fct_orders on?"`, "the button asks first")
		if over := eval[float64](t, ctx, tooWide); over > 0 {
			t.Errorf("at %d px it is %v px too wide", width, over)
		}
		picture(t, ctx, fmt.Sprintf("run-again-%d", width))
		s.must(chromedp.Do(ctx, chromedp.KeyEvent(kb.Escape)))
		until(t, ctx, `document.querySelector(":popover-open") === null`, "Escape leaves it")
	}
	if len(asked()) != 0 {
		t.Errorf("asked for without a confirmation: %+v", asked())
	}
	eval[bool](t, ctx, button+`.click(), document.querySelector(":popover-open form button").click(), true`)
	until(t, ctx, `document.readyState === "complete" && document.querySelector(".banner")?.textContent.startsWith("Asked for a retry.") === true`, "the page says that it was asked for")
	if all := asked(); len(all) != 1 || all[0].By != "ada" || strings.Join(all[0].Ask.Select, " ") != "marts.fct_orders+,pipeline:nightly" {
		t.Errorf("asked for: %+v", all)
	}
	if all := heard.take(); len(all) > 0 {
		t.Errorf("%q", all)
	}
}

// TestPageOutlivesItsServer keeps what a page shows while the server answers with errors, or with a login, or not at all.
func TestPageOutlivesItsServer(t *testing.T) {
	ctx := browser(t)
	s := newShopfront(t)
	var fails atomic.Bool
	answer := s.srv.Config.Handler
	s.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		answer.ServeHTTP(w, r)
	})
	watch(t, ctx, s.srv.URL, s.operator)
	visit(t, ctx, s.srv.URL+"/", 1280, "light")
	heading := eval[string](t, ctx, `document.querySelector("#live h1").textContent`)
	poll := func(script, what string) {
		t.Helper()
		eval[bool](t, ctx, `htmx.trigger("#live", "every"), true`)
		until(t, ctx, script, what)
		if is := eval[string](t, ctx, `document.querySelector("#live h1")?.textContent ?? "nothing"`); is != heading {
			t.Errorf("%s: the page shows %q", what, is)
		}
	}
	bearer := func(token string) {
		t.Helper()
		_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": "Bearer " + token}})
		s.must(err)
	}
	fails.Store(true)
	poll(`document.querySelector("footer .behind")?.textContent === "not up to date since 08:12: the server answers 500"`, "the server fails")
	fails.Store(false)
	poll(`document.querySelector("footer .behind") === null && document.getElementById("kept").textContent === "kept up to date"`, "the server is well again")
	s.now = s.now.Add(3 * time.Minute)
	poll(`document.querySelector("#asof").textContent.endsWith("08:15")`, "the page says as of when it is")
	bearer(NewToken())
	poll(`document.querySelector("footer .behind a")?.textContent === "log in again"`, "the token is no longer known")
	bearer(s.operator)
	s.must(s.srv.Listener.Close())
	s.srv.CloseClientConnections()
	poll(`document.querySelector("footer .behind")?.textContent.endsWith("08:15: the server does not answer") ?? false`, "the server is gone")
	picture(t, ctx, "server-gone")
}

// TestLongLog opens the page of a run with a log of many lines, which grows fast: the page answers, and shows the last of them.
func TestLongLog(t *testing.T) {
	ctx := browser(t)
	s := newShopfront(t)
	watch(t, ctx, s.srv.URL, s.operator)
	file := filepath.Join(s.e.Project.StateDir(), "logs", s.live+".jsonl")
	s.must(os.MkdirAll(filepath.Dir(file), 0o700))
	count := 0
	lines := func(n int) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		s.must(err)
		var text strings.Builder
		for range n {
			count++
			fmt.Fprintf(&text, `{"time":"2026-11-27T07:00:03Z","level":"INFO","msg":"line %d","step":"webshop.orders","detail":"%s"}`+"\n", count, strings.Repeat("x", 200))
		}
		_, err = f.WriteString(text.String())
		s.must(err)
		s.must(f.Close())
	}
	lines(100_000)
	visit(t, ctx, s.srv.URL+"/runs/"+s.live, 1280, "light")
	until(t, ctx, `document.getElementById("log").lastChild?.textContent.includes("line 100000 ") ?? false`, "the log is shown")
	if first := eval[string](t, ctx, `document.getElementById("log").firstChild.textContent`); !strings.Contains(first, "line 99501 ") {
		t.Errorf("the log begins with %.60s", first)
	}
	for range 10 {
		lines(2_000)
		eval[bool](t, ctx, `1 + 1 === 2`)
	}
	until(t, ctx, `document.getElementById("log").lastChild.textContent.includes("line 120000 ")`, "the log is followed to its end")
	if n := eval[int](t, ctx, `document.getElementById("log").childElementCount`); n != 2000 {
		t.Errorf("the page holds %d lines", n)
	}
	if !eval[bool](t, ctx, `(l => l.scrollHeight - l.scrollTop - l.clientHeight < 40)(document.getElementById("log"))`) {
		t.Error("the end of the log is not in view")
	}
}
