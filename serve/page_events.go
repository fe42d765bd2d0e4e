package serve

import (
	"net/http"
	"strconv"

	"github.com/millrace/millrace/pipeline/journal"
)

// eventsPerPage is how many lines of the audit log one page lists.
const eventsPerPage = 100

// eventsPage is a page of the audit log.
type eventsPage struct {
	Events []journal.Event
	More   string
	Later  bool
}

func (p *site) events(w http.ResponseWriter, r *http.Request) error {
	before := int64(0)
	if text := r.URL.Query().Get("before"); text != "" {
		var err error
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before <= 0 {
			return &Problem{kind: kindInvalid, Detail: "before is the number of an event"}
		}
	}
	events, err := p.Engine().Journal.Events(r.Context(), before, eventsPerPage+1)
	if err != nil {
		return err
	}
	page := &eventsPage{Events: events, Later: before > 0}
	if len(events) > eventsPerPage {
		page.Events = events[:eventsPerPage]
		page.More = link("/events", "before", strconv.FormatInt(page.Events[eventsPerPage-1].ID, 10))
	}
	return p.show(w, r, "events", view{Title: "Events", Section: "Events", Alive: !page.Later, Data: page})
}
