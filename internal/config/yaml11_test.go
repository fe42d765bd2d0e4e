package config

import (
	"reflect"
	"testing"
)

// TestRead11: what PyYAML makes of the same document.
func TestRead11(t *testing.T) {
	f, problems := Parse("p.yml", []byte("a: no\nb: Off\nc: 'no'\nd: 010\ne: 1_000\nf: yEs\ng: [on, x]\nno: 1\nh: 08\ni: -0_10\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	f.Read11()
	var got map[string]any
	if problems := f.Decode(&got, nil); problems != nil {
		t.Fatal(problems)
	}
	want := map[string]any{"a": false, "b": false, "c": "no", "d": int64(8), "e": int64(1000), "f": "yEs", "g": []any{true, "x"}, "no": int64(1), "h": got["h"], "i": int64(-8)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
