package serve

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/millrace/millrace/pipeline/journal"
)

// paths are all pages that somebody looks at.
func (s *shopfront) paths() map[string]string {
	return map[string]string{
		"overview": "/", "runs": "/runs", "run-real": "/runs/" + s.last, "run-failed": "/runs/" + s.broken, "run-live": "/runs/" + s.live, "schedules": "/schedules", "pipeline": "/pipelines/web",
		"tables": "/tables", "table": "/tables/marts.dim_customers", "table-model": "/tables/marts.fct_orders", "table-view": "/tables/staging.stg_crm_customers", "table-source": "/tables/crm.customers", "profile": "/tables/marts.dim_customers/profile",
		"lineage": "/lineage", "lineage-around": "/lineage?around=marts.dim_customers", "checks": "/checks", "check": "/check?table=marts.fct_orders&check=unique_order_id",
		"quarantine": "/quarantine", "quarantined": "/quarantine/marts.dim_customers", "events": "/events", "login": "/login",
	}
}

// get asks for a page as an operator's browser does.
func (s *shopfront) get(path string) (int, string) {
	return s.send(http.MethodGet, path, s.operator, nil)
}

// send asks as a browser does, and follows where the answer leads.
func (s *shopfront) send(method, path, token string, form url.Values) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.srv.URL+path, strings.NewReader(form.Encode()))
	s.must(err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	s.must(err)
	return answer.StatusCode, string(b)
}

// plainText is what a page says, without its markup.
func plainText(page string) string {
	text := regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(html.UnescapeString(text)), " ")
}

// TestPages asks each page what it is there to answer.
func TestPages(t *testing.T) {
	s := newShopfront(t)
	for path, want := range map[string][]string{
		"/": {"nightly did not come through; 9 of 18 tables are behind.", "marts.fct_orders 1 of 2 checks fails", "Failing: unique_order_id", "2 nodes kept back because of it", "millrace retry " + s.broken,
			"web 49 2 failed in 18 min", "nightly 2 1 failed in 17 h 48 min", "6 h 11 min 1h30m 5 web", "Times in Europe/Berlin"},
		"/runs":                               {"Fri 27 Nov 06:30 nightly ✕ partial 1 node failed", "9 /12", "Older runs"},
		"/runs?pipeline=web&status=failed":    {"Thu 26 Nov 18:30 web ✕ failed"},
		"/runs/" + s.last:                     {"Passed with warnings", "read 3690 = landed 3671 + rejected 19", "published 4476 = before 0 + inserted 4476", "checked 5123 = passed 4476 + quarantined 647"},
		"/runs/" + s.broken:                   {"Failed in part", "marts.fct_orders fails 1 of its 2 checks", "Retry what failed", "✕ checks failed", "– skipped"},
		"/runs/" + s.live:                     {"Running", "Cancel", "11 min"},
		"/schedules":                          {"nightly 0 2 * * * Europe/Berlin Sat 28 Nov 02:00 in 17 h 48 min", "waits for the run that goes on"},
		"/pipelines/web":                      {"overlap: skip, and the run before still went on", "Freshness 1h30m", "Fri 27 Nov 08:30 in 18 min"},
		"/tables":                             {"crm.customers Contacts as the sales team keeps them.", "crm@example.com crm customers"},
		"/tables/marts.dim_customers":         {"email pii", "*** *** ***", "systems BIGINT How many of the three systems know this person. 0 1 3", "647 rows in quarantine", "birth_date DATE 18.9% 1940-01-13 2005-08-15"},
		"/tables/marts.dim_customers/profile": {"Of all 4,476 rows", "email pii VARCHAR", "systems BIGINT 0 3 1 3 2 46.69% 1 32.19% 3 21.11%", "*** *** ***"},
		"/tables/crm.customers":               {"Owner crm@example.com", "stream, full"},
		"/lineage":                            {"marts.top_products marts.fct_orders, marts.order_items, pim.products nothing"},
		"/checks":                             {"1 of 9 checks fails.", "118 rows have an order_id that another row has"},
		"/check?table=marts.fct_orders&check=unique_order_id": {"HAVING count(*) > 1", "90211 paid 129.90 ***", "90212 empty 18.00 NULL", "the highest bar is 118 rows"},
		"/quarantine": {"1 table has rows in quarantine.", "marts.dim_customers 647"},
		"/quarantine/marts.dim_customers?rule=not_null_email": {"647 rows of marts.dim_customers in quarantine", "millrace rejects replay marts.dim_customers --rule not_null_email", "NULL *** ***"},
		"/events": {"misfire millrace web 3 runs were missed while the machine slept"},
	} {
		code, page := s.get(path)
		text := plainText(page)
		if code != http.StatusOK {
			t.Errorf("%s: %d %.300s", path, code, text)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q: %s", path, w, text)
			}
		}
		if path != "/tables/crm.customers" && strings.Contains(page, "@mail.example.com") {
			t.Errorf("%s shows what is tagged pii", path)
		}
	}
	for path, want := range map[string]int{"/runs/nothing": 404, "/tables/no.such": 404, "/tables/no.such/profile": 404, "/tables/marts.dim_customers/profile?from=99": 404, "/tables/marts.dim_customers/profile?from=-1": 404, "/pipelines/none": 404, "/lineage?around=x": 404, "/check?table=x&check=y": 404, "/check": 400, "/check?table=x": 400, "/runs?status=checks_failed": 200, "/quarantine/no.such": 404, "/runs?status=odd": 404, "/events?before=x": 400, "/assets/nothing.js": 404, "/runs?before=nothing": 200} {
		if code, _ := s.get(path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	s.must(s.j.SaveWarnings(t.Context(), journal.Run{ID: s.last, Warnings: []string{"garbage collection: the disk is full"}}))
	if _, page := s.get("/runs/" + s.last); !strings.Contains(plainText(page), "Warnings of the run They kept nothing from being published. garbage collection: the disk is full") {
		t.Error("the page of the run does not tell its warning")
	}
	s.refused = "models/x.sql:3:1: no such column"
	if _, page := s.get("/runs"); !strings.Contains(plainText(page), "were refused. The last good version stays in use. What is wrong models/x.sql:3:1") {
		t.Error("nobody is told that the project was refused")
	}
}

// TestOtherTarget looks at a run that published to another target, which nobody can retry from here, and that rested before its last attempt.
func TestOtherTarget(t *testing.T) {
	s := newShopfront(t)
	r := journal.Run{ID: "20261127T060000-00000d", Pipeline: "nightly", LogicalTime: morning, Attempt: 1, Status: journal.Running, Started: morning.Add(-time.Hour),
		Selection: journal.Selection{Nodes: []string{"crm.customers"}, Target: "dev"}}
	s.must(s.j.BeginRun(t.Context(), r))
	again, end := r, morning.Add(3*time.Second)
	again.Started, again.Attempt = morning, 2
	s.must(s.j.BeginRun(t.Context(), again))
	again.Status, again.Error, again.Finished = journal.Failed, "1 node failed", &end
	s.must(s.j.SaveStep(t.Context(), journal.Step{Run: r.ID, Node: "crm.customers", Kind: "stream", Attempt: 2, Status: journal.Failed, Started: morning, Finished: &end}))
	s.must(s.j.FinishRun(t.Context(), again, nil))
	_, page := s.get("/runs/" + r.ID)
	if text := plainText(page); !strings.Contains(text, "Target dev") || strings.Contains(page, "/retry\"") {
		t.Errorf("the page of the run: %s", text)
	}
	if _, page := s.get("/runs?status=failed"); !strings.Contains(plainText(page), "nightly target dev") || !strings.Contains(page, `<td class="num">3.0 s</td>`) {
		t.Errorf("the list of runs: %s", plainText(page))
	}
}

// TestForms does what the buttons do, as an operator, and as a viewer who has no buttons and may not.
func TestForms(t *testing.T) {
	s := newShopfront(t)
	for _, path := range []string{"/", "/schedules", "/pipelines/web", "/runs/" + s.broken, "/runs/" + s.live, "/quarantine/marts.dim_customers"} {
		if _, page := s.send(http.MethodGet, path, s.viewer, nil); strings.Count(page, "<form method=\"post\"") != 1 { // to log out
			t.Errorf("%s offers a viewer what only operators may do", path)
		}
	}
	for _, c := range []struct {
		path string
		form url.Values
		want string
	}{
		{"/runs/" + s.broken + "/retry", url.Values{}, "Asked for a retry."},
		{"/runs/" + s.last + "/retry", url.Values{"from": {"crm.customers"}}, "Asked for a retry."},
		{"/runs/" + s.live + "/cancel", url.Values{}, "Asked to end."},
		{"/pipelines/nightly/run", url.Values{}, "Asked for. The scheduler starts it"},
		{"/pipelines/nightly/pause", url.Values{"reason": {"the ERP moves house"}}, "by ada: the ERP moves house"},
		{"/pipelines/nightly/resume", url.Values{}, "Resumed."},
		{"/quarantine/marts.dim_customers/replay", url.Values{"rule": {"not_null_email"}}, "Asked for a replay."},
	} {
		if code, _ := s.send(http.MethodPost, c.path, s.viewer, c.form); code != http.StatusForbidden {
			t.Errorf("%s: %d for a viewer", c.path, code)
		}
		if code, page := s.send(http.MethodPost, c.path, s.operator, c.form); code != http.StatusOK || !strings.Contains(plainText(page), c.want) {
			t.Errorf("%s: %d and not %q: %s", c.path, code, c.want, plainText(page))
		}
	}
	asked, err := s.j.Firings(t.Context(), journal.FiringFilter{Trigger: journal.TriggerAPI})
	s.must(err)
	var retry, from, replay, run bool
	for _, f := range asked {
		retry = retry || f.Ask.Retry == s.broken && f.By == "ada"
		replay = replay || f.Ask.Replay != nil && f.Ask.Replay.Rule == "not_null_email"
		from = from || f.Pipeline == "nightly" && slices.Equal(f.Ask.Select, []string{"crm.customers+,pipeline:nightly"})
		run = run || f.Ask.Whole()
	}
	if len(asked) != 4 || !retry || !from || !replay || !run {
		t.Errorf("asked for: %+v", asked)
	}
	_, page := s.send(http.MethodGet, "/pipelines/nightly", s.operator, nil)
	keys := regexp.MustCompile(`name="once" value="([A-Z2-7]{26})"`).FindAllStringSubmatch(page, -1)
	if len(keys) != 2 || keys[0][1] == keys[1][1] {
		t.Fatalf("keys of forms: %q", keys)
	}
	for range 2 { // a button pressed twice
		code, page := s.send(http.MethodPost, "/pipelines/nightly/run", s.operator, url.Values{"once": {keys[0][1]}})
		if code != http.StatusOK || !strings.Contains(plainText(page), "Asked for. The scheduler starts it") {
			t.Errorf("%d %s", code, plainText(page))
		}
	}
	if again, err := s.j.Firings(t.Context(), journal.FiringFilter{Trigger: journal.TriggerAPI}); err != nil || len(again) != len(asked)+1 {
		t.Errorf("%d firings after one more, %v", len(again), err)
	}
	if code, page := s.send(http.MethodPost, "/pipelines/nightly/pause", s.operator, url.Values{"reason": {strings.Repeat("x", 501)}}); code != http.StatusBadRequest || !strings.Contains(page, "longer than 500 bytes") {
		t.Errorf("a long reason: %d", code)
	}
	if s.woken == 0 {
		t.Error("nobody woke the scheduler")
	}
	events, err := s.j.Events(t.Context(), 0, 6)
	s.must(err)
	for _, e := range events {
		if e.By != "ada" {
			t.Errorf("the audit log does not know who did it: %+v", e)
		}
	}
}

// TestPagesStructure holds pages to what their readers need, whatever they read them with, and to the content policy.
func TestPagesStructure(t *testing.T) {
	s := newShopfront(t)
	for name, path := range s.paths() {
		_, page := s.get(path)
		doc, err := html.Parse(strings.NewReader(page))
		s.must(err)
		c := structure{t: t, name: name, ids: map[string]bool{}, landmarks: map[string]int{}}
		c.walk(doc, false)
		c.finish()
	}
}

// structure looks at the elements of one page.
type structure struct {
	t         *testing.T
	name      string
	ids       map[string]bool
	wanted    []string // ids that something points to
	level     int
	landmarks map[string]int
}

func (c *structure) walk(n *html.Node, labelled bool) {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			c.t.Errorf("%s: <%s %s>: the content policy forbids it", c.name, n.Data, a.Key)
		}
	}
	if n.Type == html.ElementNode {
		c.element(n, attr, labelled)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		c.walk(child, labelled || n.Data == "label")
	}
}

func (c *structure) element(n *html.Node, attr map[string]string, labelled bool) {
	if id := attr["id"]; id != "" {
		if c.ids[id] {
			c.t.Errorf("%s: two elements are %q", c.name, id)
		}
		c.ids[id] = true
	}
	if id := attr["aria-labelledby"]; id != "" {
		c.wanted = append(c.wanted, id)
	}
	if strings.HasPrefix(attr["href"], "#") {
		c.wanted = append(c.wanted, attr["href"][1:])
	}
	_, named := attr["aria-label"]
	switch n.Data {
	case "h1", "h2", "h3", "h4":
		level := int(n.Data[1] - '0')
		if level > c.level+1 && !(c.level == 0 && level == 2) {
			c.t.Errorf("%s: %s after h%d", c.name, n.Data, c.level)
		}
		if c.level = level; level == 1 {
			c.landmarks["h1"]++
		}
	case "header", "nav", "main", "footer":
		c.landmarks[n.Data]++
	case "table":
		if attr["class"] != "sample" && (n.FirstChild == nil || n.FirstChild.Data != "caption") {
			c.t.Errorf("%s: a table without a caption", c.name)
		}
	case "input", "select", "textarea":
		if !labelled && !named && attr["type"] != "hidden" && attr["id"] != "token" && attr["name"] != "username" {
			c.t.Errorf("%s: a field without a label: %s", c.name, attr["name"])
		}
	case "button", "a":
		if text := strings.TrimSpace(textOf(n)); text == "" && !named {
			c.t.Errorf("%s: <%s %v> without words", c.name, n.Data, attr)
		}
	case "svg":
		if attr["aria-hidden"] != "true" && attr["aria-label"] == "" && attr["class"] != "key" { // a legend's, which is hidden as a whole
			c.t.Errorf("%s: a picture without words", c.name)
		}
	case "script":
		if n.FirstChild != nil || !strings.HasPrefix(attr["src"], "/assets/") {
			c.t.Errorf("%s: a script within the page", c.name)
		}
	case "style", "iframe", "object", "embed", "img":
		c.t.Errorf("%s: <%s>", c.name, n.Data)
	}
}

func (c *structure) finish() {
	for _, id := range c.wanted {
		if !c.ids[id] {
			c.t.Errorf("%s: #%s is pointed to and not there", c.name, id)
		}
	}
	if c.landmarks["main"] != 1 || c.landmarks["h1"] != 1 {
		c.t.Errorf("%s: landmarks %v", c.name, c.landmarks)
	}
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	text := ""
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		text += textOf(child)
	}
	return text
}
