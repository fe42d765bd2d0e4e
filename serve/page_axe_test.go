package serve

import (
	"os"
	"testing"
)

// TestAxe has axe-core look at every page, and at the contrast of its colours also in the dark.
func TestAxe(t *testing.T) {
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	s := newShopfront(t)
	for name, path := range s.paths() {
		t.Run(name, func(t *testing.T) {
			tab := browser(t)
			watch(t, tab, s.srv.URL, s.operator)
			for scheme, only := range map[string]string{"light": `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`, "dark": `["color-contrast"]`} {
				visit(t, tab, s.srv.URL+path, 1280, scheme)
				eval[bool](t, tab, string(script)+`; window.said = null; axe.run({runOnly: `+only+`}).then(r => { window.said = r.violations.map(v => v.id + ": " + v.help + " — " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | ")).join("\n") }); true`)
				until(t, tab, `window.said !== null`, "axe comes to its end")
				if said := eval[string](t, tab, `window.said`); said != "" {
					t.Errorf("%s:\n%s", scheme, said)
				}
			}
		})
	}
}
