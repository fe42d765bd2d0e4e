package serve

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/profile"
)

// How much a profile looks at. It is made when somebody asks for it, and reads rows: neither a long nor a wide table may hold the server up.
const (
	profileRows    = 100_000
	profileColumns = 20 // at once
	profileValues  = 5  // of a column
)

// profilePage is what is in the columns of a published table.
type profilePage struct {
	Name       string
	Columns    []profileLine
	Rows, Of   int64 // those that were looked at, and all when these are more
	First, All int   // how many columns come before these; how many there are
	Before     string
	Next       string // where the other columns are; "" for none
	Error      string
}

// profileLine is a column of a profile.
type profileLine struct {
	*profile.Column
	NullShare string
	Distinct  string
	Top       []topValue
}

// topValue is one of the values that occur most.
type topValue struct {
	Text  string
	Cut   bool // only its first characters are shown
	Share string
}

func (p *site) profile(w http.ResponseWriter, r *http.Request) error {
	ctx, e, name := r.Context(), p.Engine(), r.PathValue("table")
	published, err := e.Published(ctx, name)
	if err != nil {
		return err
	}
	if published == nil {
		return errNoPage(fmt.Sprintf("no table %q is published", name))
	}
	page := &profilePage{Name: name, All: len(published.Columns)}
	if from := r.URL.Query().Get("from"); from != "" {
		if page.First, err = strconv.Atoi(from); err != nil || page.First < 0 || page.First >= page.All {
			return errNoPage(fmt.Sprintf("%s has no column behind the first %s", name, cut(from, 20)))
		}
	}
	var names []string
	for _, c := range published.Columns[page.First:min(page.First+profileColumns, page.All)] {
		names = append(names, c.Name)
	}
	page.pages(len(names))
	err = p.look(ctx, func(ctx context.Context, e *pipeline.Engine) error {
		found, err := e.ProfilePublished(ctx, name, names, profileRows)
		if err != nil {
			page.Error, err = optional(err)
			page.Error = p.redact(page.Error)
			return err
		}
		page.fill(found)
		return nil
	})
	if err != nil {
		return err
	}
	return p.show(w, r, "profile", view{Title: "Profile of " + name, Section: "Tables", Data: page})
}

// pages leads to the columns before and behind those that are shown.
func (page *profilePage) pages(shown int) {
	at := func(first int) string { return link("/tables/"+page.Name+"/profile", "from", strconv.Itoa(first)) }
	if page.First > 0 {
		page.Before = at(max(page.First-profileColumns, 0))
	}
	if page.First+shown < page.All {
		page.Next = at(page.First + shown)
	}
}

// From is the number of the first column that is shown, counted from one.
func (page *profilePage) From() int { return page.First + 1 }

// Last is the number of the last one.
func (page *profilePage) Last() int { return page.First + len(page.Columns) }

func (page *profilePage) fill(found *profile.Profile) {
	page.Rows, page.Of = found.Rows, found.Of
	for _, c := range found.Columns {
		line := profileLine{Column: c, NullShare: share(c.NullShare), Distinct: strconv.FormatInt(c.Distinct, 10)}
		if c.Estimated {
			line.Distinct = "~" + line.Distinct
		}
		if !c.Masked && !c.Unique {
			for _, v := range c.Top[:min(len(c.Top), profileValues)] {
				line.Top = append(line.Top, topValue{v.Value, v.Cut, share(v.Share)})
			}
		}
		page.Columns = append(page.Columns, line)
	}
}
