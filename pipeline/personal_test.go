package pipeline_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestPersonalValuesInErrors: an engine quotes the value that it could not read; nothing that a run leaves behind has it, how far up
// ever its column is tagged. Where the mistake is stays.
func TestPersonalValuesInErrors(t *testing.T) {
	const value = "bob0@secretmail.example"
	for tag, shown := range map[string]bool{"[pii]": false, "[]": true} {
		dir := project(t, map[string]string{
			"millrace.yml":     fmt.Sprintf(onePerson, ""),
			"people.csv":       "id,name\n1," + value + "\n",
			"models/known.sql": "select id, name from {{ source('in', 'people') }}",
			"models/named.sql": "select id, name as n from {{ ref('known') }}",
			"models/bad.sql":   "{{ config(materialized='table') }}\nselect id,\n  cast(n as integer) as n\nfrom {{ ref('named') }}",
			"models/seen.sql":  "select cast(n as integer) as n from {{ ref('named') }}",
			"models/aside.sql": "select id, n from {{ ref('named') }}",
			"models/schema.yml": "models:\n  - name: known\n    columns: [{ name: name, tags: " + tag + " }]\n  - name: bad\n    columns: [{ name: id, data_tests: [not_null] }]\n" +
				"  - name: aside\n    columns: [{ name: id, data_tests: [{ expression: { expression: \"cast(n as integer) > 0\" } }] }]\n",
		})
		e := engine(t, dir)
		var said strings.Builder
		var mu sync.Mutex // two models are built at once
		e.Observe = func(ev pipeline.Event) {
			mu.Lock()
			defer mu.Unlock()
			if ev.Err != nil {
				said.WriteString(ev.Err.Error())
			}
		}
		r := run(t, e)
		bad := step(t, r, "main.bad")
		mentions(t, bad.Error, "models/bad.sql:", "Conversion Error")
		if bad.Status != journal.Failed {
			t.Errorf("main.bad is %s", bad.Status)
		}
		log, err := os.ReadFile(pipeline.LogPath(e.Project.StateDir(), r.Run.ID))
		if err != nil {
			t.Fatal(err)
		}
		_, looked := e.ShowPublished(t.Context(), "main.seen", 1)
		if looked == nil {
			t.Fatal("the view can be read")
		}
		for what, text := range map[string]string{"step": bad.Error, "event": said.String(), "look": looked.Error(), "log": string(log), "checks": fmt.Sprint(r.Checks)} {
			if strings.Contains(text, value) != shown {
				t.Errorf("tagged %s: %s has %q", tag, what, text)
			}
		}
	}
}
