package clean

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// call evaluates a function in Go as SQL would, with texts for all types; nil is NULL.
func call(f *Function, args []any) any {
	t, ok := args[0].(string)
	if !ok {
		return nil
	}
	arg, formats := "", []string(nil)
	if len(args) > 1 {
		arg, _ = args[1].(string)
		formats, _ = args[1].([]string)
	}
	switch {
	case f.Text != nil:
		if out := f.Text([]byte("kept"), t, arg); len(out) > 4 && string(out[:4]) == "kept" {
			return string(out[4:])
		}
		return nil
	case f.Number != nil:
		return fmt.Sprint(f.Number(t, arg))
	case f.Date != nil:
		if days, ok := f.Date(t, formats); ok {
			return time.Unix(int64(days)*86400, 0).UTC().Format(time.DateOnly)
		}
		return nil
	}
	parts := f.Parts(t, arg)
	if parts == nil {
		return nil
	}
	got := map[string]string{}
	for i, name := range StructFields(f.Returns) {
		if parts[i] != "" {
			got[name] = parts[i]
		}
	}
	return got
}

func same(a, b any) bool {
	x, isMap := a.(map[string]string)
	y, also := b.(map[string]string)
	if isMap && also {
		return maps.Equal(x, y)
	}
	return !isMap && !also && a == b
}

func TestExamples(t *testing.T) {
	for i := range Functions {
		f := &Functions[i]
		if len(f.Examples) < 2 || f.Doc == "" {
			t.Errorf("%s: say what it does, with two examples at least", f.Name)
		}
		for _, e := range f.Examples {
			if got := call(f, e.Args); !same(got, e.Want) {
				t.Errorf("%s(%q) = %q, want %q", f.Name, e.Args, got, e.Want)
			}
		}
	}
}

// TestOSA holds the bit vectors against the table.
func TestOSA(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, rng.IntN(70))
		for i := range b {
			b[i] = "abcd"[rng.IntN(4)]
		}
		return string(b)
	}
	for range 3000 {
		a, b := word(), word()
		if rng.IntN(2) == 0 && len(a) > 3 { // close to a
			c := []byte(a)
			k := rng.IntN(len(c) - 1)
			c[k], c[k+1] = c[k+1], c[k]
			b = string(c[:len(c)-rng.IntN(3)])
		}
		if got, want := osa(a, b), osaTable([]rune(a), []rune(b)); got != want {
			t.Fatalf("osa(%q, %q) = %d, the table says %d", a, b, got, want)
		}
	}
}

// idempotent are the functions whose result is not changed by applying them again.
var idempotent = strings.Fields("clean_text clean_fold clean_words clean_words_sorted clean_digits clean_alnum clean_placeholder clean_name clean_nickname clean_company clean_email clean_email_canonical clean_country")

func FuzzFunctions(f *testing.F) {
	for i := range Functions {
		for _, e := range Functions[i].Examples {
			t, _ := e.Args[0].(string)
			arg := ""
			if len(e.Args) > 1 {
				arg, _ = e.Args[1].(string)
			}
			f.Add(t, arg)
		}
	}
	f.Add("\xff\xfe A\x00", "\xff")
	f.Add("strasse@ltd+ltd", "")
	f.Add("OOO OOO Vektor", "")
	f.Add("A\u0328\u0301\u0334\u3099x", "NL")
	f.Fuzz(func(t *testing.T, s, arg string) {
		if len(s) > 2048 || len(arg) > 256 {
			return
		}
		for i := range Functions {
			fn := &Functions[i]
			switch {
			case fn.Text != nil:
				checkText(t, fn, s, arg)
			case fn.Date != nil:
				fn.Date(s, nil)
				fn.Date(s, []string{arg})
			case fn.Parts != nil:
				for _, part := range fn.Parts(s, arg) {
					if !utf8.ValidString(part) {
						t.Errorf("%s(%q, %q) has the part %q", fn.Name, s, arg, part)
					}
				}
			case fn.Number != nil:
				if fn.Number(s, arg) != fn.Number(arg, s) {
					t.Errorf("%s(%q, %q) depends on the order", fn.Name, s, arg)
				}
			}
		}
	})
}

func checkText(t *testing.T, f *Function, s, arg string) {
	t.Helper()
	out := string(f.Text(nil, s, arg))
	if !utf8.ValidString(out) {
		t.Errorf("%s(%q, %q) = %q", f.Name, s, arg, out)
	}
	for _, name := range idempotent {
		if name == f.Name && string(f.Text(nil, out, arg)) != out {
			t.Errorf("%s(%q) = %q, and of that %q", f.Name, s, out, f.Text(nil, out, arg))
		}
	}
}

func FuzzFormats(f *testing.F) {
	f.Add("29/02/2024", "%d/%m/%Y")
	f.Add("060 24", "%j %y")
	f.Fuzz(func(t *testing.T, s, format string) { Date(s, []string{format}) })
}

// TestLongTexts: no function takes more than a linear time of a text, whatever it repeats. clean_osa does, by its nature.
func TestLongTexts(t *testing.T) {
	for _, unit := range []string{"a ", "mr ", " jr", "gmbh & co kg ", "s p a ", "de la ", "Apt 1, ", "1 ", "@", "a@b.c,", "é\u0301", "\u0301", "+49 30 ", "<", "%Y", "jan ", ".", "sch", "(0)", "b p 1 "} {
		long := strings.Repeat(unit, 60_000/len(unit))
		for i := range Functions {
			f := &Functions[i]
			if f.Number != nil {
				continue
			}
			began := time.Now()
			call(f, []any{long, "DE"})
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("%s takes %v for %q repeated to 60 kB", f.Name, took, unit)
			}
		}
	}
}
