package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/net/html"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// evil is what may stand in data, and in names: markup of every format, and characters that a format cannot hold.
const evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' onmouseover='x ]]> --> </style></summary></details> a|b `c` ``` [x](javascript:alert(3)) ![](http://evil.example/p.png) *b* @octocat #1 www.evil.example\nnext\tline \x00\x01\x1b[31m\x7f\u0085\u202egnp.exe\u2028\ufeff\ufffe {{.ID}} ${x} \\| 中文 🜁"

// hostile is a run whose every text is evil, and one cell huge.
func hostile(t testing.TB) *Run {
	l := newLab(t)
	broken := evil + "\xff\xfe" // names are UTF-8, as YAML is; messages of drivers may not be
	huge := strings.Repeat("<b>é|", 20_000)
	result := func(status check.Status) check.Result {
		return check.Result{Node: evil, Name: evil + string(status), Kind: evil, Columns: []string{evil}, Severity: models.Severity(evil), Status: status, Failing: 3, Checked: 9, Quarantined: 1,
			Expected: evil, Message: broken, Threshold: evil, How: check.How(evil), SQL: evil + "````" + evil, Description: evil, Owner: evil, Tags: []string{evil}, Pos: evil,
			Sample: &check.Sample{Columns: []string{evil, "b"}, Rows: [][]*string{{text(broken), text(huge)}, {nil, text("")}, {text(huge), nil}}}}
	}
	steps := []journal.Step{{Node: evil, Kind: evil, Status: journal.Failed, Error: broken, Hint: broken, Notes: []string{broken}},
		{Node: "ok", Kind: "stream", Status: journal.Failed, Error: evil}, {Node: "held" + evil, Kind: "model", Status: journal.UpstreamFailed, Error: evil + " failed"}}
	checks := map[string][]check.Result{evil: {result(check.StatusFail), result(check.StatusError), result(check.StatusWarn), result(check.StatusSkipped), result(check.StatusPass)}}
	l.run(journal.Succeeded, steps[:1], nil, nil)
	return l.gather(l.run(journal.Partial, steps, checks, func(r *journal.Run) {
		r.Error, r.ProjectHash, r.Version, r.Selection.Target = evil, evil, evil, evil
	}))
}

// TestHTMLHoldsNothingForeign parses the page as a browser does: its elements and attributes are those of the template.
func TestHTMLHoldsNothingForeign(t *testing.T) {
	elements := map[string]bool{}
	for _, name := range strings.Fields("html head meta title style body a header p span b i bdi h1 h2 h3 h4 dl div dt dd main section small article details summary ul li table thead tbody tr th td pre code svg path rect footer") {
		elements[name] = true
	}
	attributes := regexp.MustCompile(`^(class|id|lang|charset|http-equiv|content|name|href|aria-[a-z]+|scope|open|tabindex|role|d|viewbox|preserveaspectratio|x|width|height)$`)
	out := append(render(t, HTML, hostile(t)), render(t, HTML, judgement(evil))...)
	if strings.ContainsAny(string(out), "\x00\x01\x1b\x7f\u0085\u202e") {
		t.Error("control characters reached the page")
	}
	z := html.NewTokenizer(strings.NewReader(string(out)))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		if !elements[token.Data] {
			t.Errorf("element %s", token)
		}
		for _, a := range token.Attr {
			if !attributes.MatchString(a.Key) {
				t.Errorf("attribute %s of %s", a.Key, token)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("the page leads out: %s", token)
			}
		}
	}
}

// TestHTMLStructure holds the page to what its readers need, whatever they read it with.
func TestHTMLStructure(t *testing.T) {
	for name, r := range map[string]*Run{"shop": shop(t), "hostile": hostile(t), "judgement": judgement(evil), "zero": {}} {
		out := string(render(t, HTML, r))
		doc, err := html.Parse(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		ids, level := map[string]bool{}, 0
		var links []string
		each(doc, func(n *html.Node) {
			attr := map[string]string{}
			for _, a := range n.Attr {
				attr[a.Key] = a.Val
			}
			if id := attr["id"]; id != "" && ids[id] {
				t.Errorf("%s: two elements are %q", name, id)
			} else if id != "" {
				ids[id] = true
			}
			if strings.HasPrefix(attr["href"], "#") {
				links = append(links, attr["href"][1:])
			}
			if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '4' {
				next := int(n.Data[1] - '0')
				if next > level+1 && !(next == 4 && level == 2) { // the title of a card is its summary
					t.Errorf("%s: %s after h%d", name, n.Data, level)
				}
				level = next
			}
			if n.Data == "svg" && attr["role"] == "img" && attr["aria-label"] == "" {
				t.Errorf("%s: a picture without words", name)
			}
		})
		for _, link := range links {
			if !ids[link] {
				t.Errorf("%s: a link to #%s, which is not there", name, link)
			}
		}
		for _, want := range []string{`<html lang="en">`, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:;`, `name="viewport"`} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
	}
}

func each(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	r := hostile(t)
	cell := *r.Nodes[0].Checks[0].Sample.Rows[0][1]
	if n := len([]rune(cell)); n > maxCell+40 || !strings.HasSuffix(cell, "… (100,000 characters)") {
		t.Errorf("a cell of %d characters: %q", n, cell)
	}
	for name, f := range formats() {
		if out := render(t, f, r); len(out) > 300_000 {
			t.Errorf("%s has %d bytes", name, len(out))
		}
	}
}

// TestMarkdownHoldsNothingForeign looks for markup outside code: what is in a fence or between backticks is only shown.
func TestMarkdownHoldsNothingForeign(t *testing.T) {
	out := string(render(t, Markdown, hostile(t)))
	if n := len(utf16.Encode([]rune(out))); n > 65_536 {
		t.Errorf("%d characters", n)
	}
	fence, inFence := "", false
	tags := regexp.MustCompile(`</?([a-z]+)>`)
	for i, line := range strings.Split(out, "\n") {
		if inFence {
			inFence = line != fence
			continue
		}
		if ticks := strings.TrimSuffix(line, "sql"); strings.HasPrefix(line, "```") {
			fence, inFence = ticks, true
			continue
		}
		line = regexp.MustCompile("`[^`]*`").ReplaceAllString(line, "") // code
		rest := tags.ReplaceAllStringFunc(line, func(tag string) string {
			switch strings.Trim(tag, "</>") {
			case "details", "summary", "code", "br", "sub":
				return ""
			}
			return tag
		})
		for _, bad := range []string{"<", "](", "@octocat", " #1", "www.", "javascript:", "http:", "`"} {
			if strings.Contains(rest, bad) {
				t.Errorf("line %d: %q in %q", i+1, bad, line)
			}
		}
	}
	if inFence {
		t.Error("a fence is not closed")
	}
	if strings.Count(out, "<details>") != strings.Count(out, "\n</details>") {
		t.Error("the folds do not close")
	}
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	columns := 0
	for _, line := range strings.Split(string(render(t, Markdown, hostile(t))), "\n") {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|")
		if columns != 0 && n != columns {
			t.Errorf("%d cells, not %d: %s", n-1, columns-1, line)
		}
		columns = n
	}
}

func TestMarkdownSaysWhatItLeavesOut(t *testing.T) {
	out := string(render(t, Markdown, large(true)))
	if !strings.Contains(out, "Left out, because a comment has its limits: ") || !strings.Contains(out, "checks") || !strings.Contains(out, "and the table of nodes.") {
		t.Errorf("%s", out[len(out)-400:])
	}
}

// TestJUnitFollowsItsSchema checks what Jenkins' junit-10.xsd asks for: which elements stand in which, which attributes
// they may and must have, and how times are written. The schema itself is not ours to keep here; name its file in
// MILLRACE_JUNIT_XSD to have xmllint hold the same reports against it.
func TestJUnitFollowsItsSchema(t *testing.T) {
	green := newLab(t)
	for name, r := range map[string]*Run{"shop": shop(t), "hostile": hostile(t), "judgement": judgement(evil), "zero": {}, "large": large(true),
		"green":       green.gather(green.run(journal.Succeeded, shopSteps(0, false), shopChecks(0, false), nil)),
		"unpublished": green.gather(green.run(journal.Failed, shopSteps(0, false), nil, func(r *journal.Run) { r.Error = "swap: \x00disk full" }))} {
		out := render(t, JUnit, r)
		if err := junitProblem(string(out)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		xsd, err := os.ReadFile(os.Getenv("MILLRACE_JUNIT_XSD"))
		lint, missing := exec.LookPath("xmllint")
		if err != nil || missing != nil || len(xsd) == 0 {
			continue
		}
		file := filepath.Join(t.TempDir(), "junit.xml")
		if err := os.WriteFile(file, out, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lint, "--noout", "--schema", os.Getenv("MILLRACE_JUNIT_XSD"), file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// junitRules says of each element what may stand in it and which attributes it has; ! marks those it must have.
func junitRules() map[string]struct{ Inside, Attrs string } {
	outcome := struct{ Inside, Attrs string }{"", "type message"}
	return map[string]struct{ Inside, Attrs string }{
		"testsuites": {"testsuite", "name time tests failures errors"},
		"testsuite":  {"properties testcase system-out system-err", "!name !tests !failures !errors skipped time timestamp hostname id package"},
		"properties": {"property", ""}, "property": {"", "!name !value"},
		"testcase": {"skipped error failure system-out system-err", "!name time classname group"},
		"failure":  outcome, "error": outcome, "skipped": outcome, "system-out": {}, "system-err": {},
	}
}

// junitProblem is the first thing in which a report breaks the rules, and counts that are not true.
func junitProblem(text string) error {
	rules, timeSyntax := junitRules(), regexp.MustCompile(`^[0-9]+(\.[0-9]*)?$`)
	d, stack := xml.NewDecoder(strings.NewReader(text)), []string{}
	counted, claimed := map[string]int{}, map[string]string{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		start, isStart := token.(xml.StartElement)
		if _, isEnd := token.(xml.EndElement); isEnd {
			stack = stack[:len(stack)-1]
		}
		if !isStart {
			continue
		}
		name := start.Name.Local
		rule, known := rules[name]
		if !known || len(stack) == 0 && name != "testsuites" || len(stack) > 0 && !contains(rules[stack[len(stack)-1]].Inside, name) {
			return fmt.Errorf("<%s> in %v", name, stack)
		}
		have := ""
		for _, a := range start.Attr {
			if !contains(strings.ReplaceAll(rule.Attrs, "!", ""), a.Name.Local) {
				return fmt.Errorf("<%s> has %s", name, a.Name.Local)
			}
			if a.Name.Local == "time" && !timeSyntax.MatchString(a.Value) {
				return fmt.Errorf("time %q", a.Value)
			}
			have += " " + a.Name.Local
			if name == "testsuites" {
				claimed[a.Name.Local] = a.Value
			}
		}
		for _, must := range strings.Fields(rule.Attrs) {
			if must, mandatory := strings.CutPrefix(must, "!"); mandatory && !contains(have, must) {
				return fmt.Errorf("<%s> has no %s", name, must)
			}
		}
		counted[name]++
		stack = append(stack, name)
	}
	for attr, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error"} {
		if claimed[attr] != fmt.Sprint(counted[element]) {
			return fmt.Errorf("%s %s claimed, %d counted", claimed[attr], attr, counted[element])
		}
	}
	return nil
}

func contains(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if w == word {
			return true
		}
	}
	return false
}
