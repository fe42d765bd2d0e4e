package files

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/extract"
)

func TestNDJSON(t *testing.T) {
	s := newShop(t)
	s.write("a.ndjson", `{"id":9007199254740993,"amt":1.10,"name":"x\u00e9","tags":["a","b"],"who":{"n":1,"v":0.12345678901234567890}}
{"id":"2","amt":null}
{"id":3.5}

{"id":4
{"id":5,"id":6}
[1]
{"id":7,"tags":[{"a":1}],"who":{"n":1.5}}
{"id":8,"who":{"n":8,"zz":1}}
{"id":1e2,"amt":12.5e-1}
{"id":10,"amt":"1.005"}
{"id":11,"name":"\ud800"}
`)
	o := columns(&StreamOptions{Path: "*.ndjson"}, "id", "BIGINT", "amt", "DECIMAL(12,2)", "name", "VARCHAR", "tags", "VARCHAR[]", "who", "STRUCT(n BIGINT, v DECIMAL(30,20))")
	l := must[*landing](t)(s.land(stream(o, extract.Full), ""))
	l.want(t, "9007199254740993|1.10|xé|[a, b]|{'n': 1, 'v': 0.12345678901234567890}", "2|∅|∅|∅|∅", "100|1.25|∅|∅|∅")
	l.wantRejects(t, "a.ndjson:3@132 id inexact_cast", "a.ndjson:5@144  bad_syntax", "a.ndjson:6@152  bad_syntax", "a.ndjson:7@168  bad_syntax",
		"a.ndjson:8@172 who bad_cast", "a.ndjson:9@214 who bad_cast", "a.ndjson:11@269 amt inexact_cast", "a.ndjson:12@293  bad_syntax")
}

func TestJSONShapes(t *testing.T) {
	for name, c := range map[string]struct{ content, records string }{
		"array":  {`[{"id":1},{"id":2} , {"id":3}]`, ""},
		"object": {"{\n\"id\": 1}\n{\"id\":2}\n\n{\"id\":3}", ""},
		"path":   {`{"meta":{"n":[1,2,{"items":3}]},"result":{"x":"]}\"","items":[{"id":1},{"id":2},{"id":3}],"y":[1]},"z":{}}`, "result.items"},
		"ndjson": {"{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n", ""},
		"bom":    {"\ufeff[{\"id\":1},{\"id\":2},{\"id\":3}]\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.write("a.json", c.content)
			l, err := s.land(stream(&StreamOptions{Path: "*.json", Records: c.records}, extract.Full), "")
			if err != nil {
				t.Fatal(err)
			}
			l.want(t, "1", "2", "3")
		})
	}
}

func TestJSONBroken(t *testing.T) {
	for content, want := range map[string]string{
		`[{"id":1},{"id":2`:   "cut off",
		`[{"id":1}`:           "cut off",
		`[{"id":1} {"id":2}]`: "expected , or ]",
		`[{"id":1}] x`:        "after the end",
	} {
		s := newShop(t)
		s.write("a.json", content)
		_, err := s.land(stream(columns(&StreamOptions{Path: "*.json"}, "id", "BIGINT"), extract.Full), "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.json") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\n\u00e9\ud83d\ude00",null,true,false,{}]}`, `01`, `-`, `"\x"`, `[1,]`, `{"a":1,}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := parseJSON([]byte(s))
		valid := json.Valid([]byte(s)) && utf8.ValidString(s)
		if err == nil && !valid {
			t.Fatalf("%q is taken", s)
		}
		if err != nil && valid && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "surrogate") && !strings.Contains(err.Error(), "deeper") {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func FuzzJSONSplitter(f *testing.F) {
	f.Add(`[{"a":1},{"b":"]"}]`, "", false)
	f.Add(`{"x":{"y":[{"a":1}]}}`, "x.y", false)
	f.Add("{\"a\":1}\n\n{", "", true)
	f.Fuzz(func(t *testing.T, s, path string, lines bool) {
		sp := newJSONSplitter(strings.NewReader(s), lines, path, 1000)
		for i := 0; ; i++ {
			rec, err := sp.next()
			if err != nil {
				if err == io.EOF && sp.offset != int64(len(s)) {
					t.Fatalf("%q: ended at %d", s, sp.offset)
				}
				return
			}
			if i > len(s) || rec.Reason == "" && !strings.HasPrefix(s[rec.Offset:], string(rec.Raw)) {
				t.Fatalf("%q: record %d %+v", s, i, rec)
			}
		}
	})
}
