package serve

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/scheduler"
	"github.com/millrace/millrace/report"
)

// This file is what all pages share: their routes, their frame, and how they are written. Each page has a file of its own,
// page_*.go, and a template in pages/. All of them work without a script; assets/pages.js adds what is alive.

//go:embed pages
var pageFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// site is the pages of a server.
type site struct {
	*Server
	templates map[string]*template.Template // by page, each with the frame
}

// pages are the routes of the pages for people.
func (s *Server) pages() []route {
	p := &site{Server: s, templates: pageTemplates(s.clean)}
	s.site = p
	page := func(pattern string, handle func(http.ResponseWriter, *http.Request) error) route {
		return route{method: http.MethodGet, pattern: pattern, role: Viewer, handle: handle}
	}
	return append([]route{
		{method: http.MethodGet, pattern: "/assets/{file}", role: Public, handle: p.asset},
		page("/{$}", p.overview),
		page("/runs", p.runs),
		page("/runs/{run}", p.run),
		page("/runs/{run}/report", p.runReport),
		page("/schedules", p.schedules),
		page("/pipelines/{pipeline}", p.pipeline),
		page("/tables", p.tables),
		page("/tables/{table}", p.table),
		page("/tables/{table}/profile", p.profile),
		page("/lineage", p.lineage),
		page("/checks", p.checks),
		page("/check", p.check),
		page("/quarantine", p.quarantine),
		page("/quarantine/{table}", p.quarantined),
		page("/events", p.events),
		page("/api/docs", p.docsPage),
	}, append(p.entityPages(), p.formRoutes()...)...)
}

// pageTemplates parses every page with the frame, and cleans what they write. They are part of the binary: one that does not parse is a bug.
func pageTemplates(clean func(any) any) map[string]*template.Template {
	frame := template.Must(report.Parts(template.New("frame").Funcs(pageFuncs).Funcs(template.FuncMap{"clean": clean})))
	frame = template.Must(frame.ParseFS(pageFiles, "pages/frame.gohtml"))
	all := map[string]*template.Template{}
	files, err := pageFiles.ReadDir("pages")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".gohtml"); name != "frame" {
			all[name] = template.Must(template.Must(frame.Clone()).ParseFS(pageFiles, "pages/"+f.Name()))
			cleanTexts(all[name])
		}
	}
	return all
}

// view is what every template sees.
type view struct {
	Project, Title string
	Section        string // of the navigation
	Path           string
	Now            time.Time
	Zone           *time.Location
	Who            string
	Operator       bool   // may press buttons about runs
	Steward        bool   // and about records
	Entities       bool   // the project has any
	Refused        string // why the project's files, as they are now, are not in use
	Notice         string // what a form has done
	Alive          bool   // the page asks for itself again, to stay as things are
	Entity         string // path of the entity that the page is about
	Code           int    // status of the answer; 0 is 200
	Data           any
}

// show writes a page.
func (p *site) show(w http.ResponseWriter, r *http.Request, name string, v view) error {
	e := p.Engine()
	who := identityOf(r.Context())
	v.Project, v.Who, v.Entities = e.Project.Name, who.name, len(e.Project.Entities) > 0
	v.Operator, v.Steward = who.roles.may(Operator), who.roles.may(Steward)
	v.Now, v.Zone, v.Path = p.Clock(), zoneOf(e.Project.Pipelines), r.URL.RequestURI()
	if did := notices[r.URL.Query().Get("did")]; v.Notice == "" {
		v.Notice = did
	}
	if p.Refused != nil {
		v.Refused = p.redact(p.Refused())
	}
	var out bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&out, "frame", &v); err != nil {
		return fmt.Errorf("write page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if v.Code != 0 {
		w.WriteHeader(v.Code)
	}
	_, _ = w.Write(out.Bytes()) // whoever asked has gone
	return nil
}

// asset answers with a style, a script or the picture of the tab.
func (p *site) asset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	var data []byte
	switch name {
	case "look.css":
		data = []byte(report.Look())
	case "dark.css":
		data = []byte(report.Dark())
	default:
		var err error
		if data, err = assetFiles.ReadFile("assets/" + path.Base(name)); err != nil {
			return errNoPage(fmt.Sprintf("there is no asset %q", name))
		}
	}
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	w.Header().Set("Content-Type", types[path.Ext(name)])
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// schedulesByName are the schedules of all pipelines.
func (p *site) schedulesByName(ctx context.Context) (map[string]scheduler.Schedule, error) {
	all, err := p.Scheduler.Schedules(ctx)
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	byName := map[string]scheduler.Schedule{}
	for _, s := range all {
		byName[s.Pipeline] = s
	}
	return byName, nil
}

// reportOptions are what the report package cannot find in the journal.
func reportOptions(e *pipeline.Engine, state pipeline.RunState) report.Options {
	return report.Options{Project: e.Project.Name, State: string(state), Version: e.Version, Now: e.Clock(), Redact: e.Redact, Personal: e.Project.IsPII}
}

// link is a path with a query, for hrefs.
func link(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// optional is what a page can do without: its error is told on the page instead.
func optional(err error) (string, error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return "", err
	}
	return err.Error(), nil
}
