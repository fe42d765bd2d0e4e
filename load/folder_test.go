package load

import "testing"

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{"orders": "orders", "../x": "%2e.%2fx", "_base": "%5fbase", "a%b": "a%25b", "Üser name": "Üser name"} {
		if got := escape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
