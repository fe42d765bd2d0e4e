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

// TestNumbers11: each as PyYAML reads it.
func TestNumbers11(t *testing.T) {
	for text, want := range map[string]any{
		"1e3": "1e3", "1e-3": "1e-3", "1.0e3": "1.0e3", "1.0e+3": 1000.0, "1.5e-3": 0.0015, "1.": 1.0, ".5": 0.5, "-.5": "-.5", "+1.5": 1.5, "09.5": 9.5, "1_000.5": 1000.5,
		"0o17": "0o17", "0x1F": int64(31), "0b101": int64(5), "-0b11": int64(-3), "08": "08", "_1": "_1", "1__0": int64(10), "+5": int64(5), "0": int64(0),
		"12:30:00": int64(45000), "-1:30": int64(-90), "1:60": "1:60", "0:30": "0:30", "12:30:45.5": 45045.5, "190:20:30": int64(685230), "'12:30'": "12:30",
		".": ".", "~": nil, "true": true, "2024-01-01": "2024-01-01", "1:2:3:4:5:6:7:8:9:10:11:12": "1:2:3:4:5:6:7:8:9:10:11:12",
	} {
		f, problems := Parse("p.yml", []byte("v: "+text+"\n"))
		if problems != nil {
			t.Fatal(text, problems)
		}
		f.Read11()
		var got map[string]any
		if problems := f.Decode(&got, nil); problems != nil || !reflect.DeepEqual(got["v"], want) {
			t.Errorf("%s is %#v, and not %#v: %v", text, got["v"], want, problems)
		}
	}
}
