package serve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
)

// This file is the pages of golden records. What they show, and to whom, is decided where the API does: see api_entities.go.

// How much the pages of golden records list.
const (
	goldenPerPage    = 50
	goldenFields     = 6 // of a golden record in a list
	questionsPerPage = 10
	besideMost       = 20 // records side by side
	decisionsPerPage = 100
)

// entityPages are the routes of the pages of golden records.
func (p *site) entityPages() []route {
	page := func(pattern string, handle func(http.ResponseWriter, *http.Request, *models.Entity) error) route {
		return route{method: http.MethodGet, pattern: pattern, role: Viewer, handle: func(w http.ResponseWriter, r *http.Request) error {
			entity, err := p.entity(r)
			if err != nil {
				return errNoPage("the project has no such entity")
			}
			return handle(w, r, entity)
		}}
	}
	return []route{
		{method: http.MethodGet, pattern: "/entities", role: Viewer, handle: p.entities},
		page("/entities/{entity}", p.entityPage),
		page("/entities/{entity}/{golden}", p.goldenPage),
		page("/entities/{entity}/pair", p.pairPage),
		page("/entities/{entity}/review", p.reviewPage),
		page("/entities/{entity}/quality", p.qualityPage),
		page("/entities/{entity}/decisions", p.decisionsPage),
		formRoute(p, "/entities/{entity}/decide", "decide", p.backFrom, decisionForm, p.decide).of(Steward),
		formRoute(p, "/entities/{entity}/decisions/{decision}/revoke", "revoke", p.backFrom,
			func(r *http.Request) RevokeRequest { return RevokeRequest{Why: r.PostFormValue("why")} }, p.revoke).of(Steward),
	}
}

// backFrom is the page that a form about decisions stands on.
func (p *site) backFrom(r *http.Request) string {
	if to := ownPath(r.PostFormValue("next")); to != "/" {
		return to
	}
	return "/entities/" + r.PathValue("entity") + "/decisions"
}

// decisionForm reads a decision from a form. Of a pin, how says whether the value that is typed is meant, that of the record, or none; one that is
// typed is never passed over.
func decisionForm(r *http.Request) DecisionRequest {
	in := DecisionRequest{Kind: r.PostFormValue("kind"), A: r.PostFormValue("a"), B: r.PostFormValue("b"), Field: r.PostFormValue("field"), Why: r.PostFormValue("why")}
	if value := r.PostFormValue("value"); value != "" || r.PostFormValue("how") == "value" {
		in.Value.text = &value
	}
	in.Null = r.PostFormValue("how") == "null"
	return in
}

// about is what all pages of one entity show above.
type about struct {
	Subject *models.Entity
	Here    string // which of them this is
}

func (p *site) entities(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Engine().Entities(r.Context())
	if err != nil {
		return err
	}
	return p.show(w, r, "entities", view{Title: "Golden records", Section: "Golden records", Data: all})
}

// entityPage is the list of an entity's golden records, as they are searched for.
type entityPage struct {
	about
	Status *pipeline.EntityStatus
	Search pipeline.GoldenSearch
	Fields []string // columns of the list
	More   int      // fields that it does not show
	Hits   []pipeline.GoldenHit
	Next   string
	Later  bool
	Masked bool   // personal values are neither shown nor found by
	Gone   string // what became of the id that was searched for
}

func (p *site) entityPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	q := r.URL.Query()
	page := &entityPage{about: about{entity, "golden"}, Later: q.Get("after") != ""}
	status, err := p.entityStatus(r, entity)
	if err != nil {
		return err
	}
	page.Status, page.Masked = status, status.Personal && !identityOf(r.Context()).roles.may(Steward)
	page.Search = pipeline.GoldenSearch{Text: q.Get("q"), Review: q.Get("review") != "", After: q.Get("after"), Limit: goldenPerPage + 1}
	if text := q.Get("records"); text != "" {
		if page.Search.Records, err = strconv.Atoi(text); err != nil || page.Search.Records < 0 {
			return &Problem{kind: kindInvalid, Detail: "records is a number"}
		}
	}
	if err := checkSearch(page.Search.Text); err != nil {
		return err
	}
	if page.Later && !pipeline.GoldenIDForm.MatchString(page.Search.After) {
		return &Problem{kind: kindInvalid, Detail: "after is a golden id"}
	}
	if status.Published != nil {
		if page.Hits, err = p.search(r, entity, page.Search); err != nil {
			return err
		}
		page.fill()
		if page.Gone, err = p.gone(r, entity, page); err != nil {
			return err
		}
	}
	return p.show(w, r, "entity", view{Entity: "/entities/" + entity.Name, Title: entity.Name, Section: "Golden records", Data: page})
}

// gone says what became of an id that nothing was found by: its records may be gone. One that is there is hidden by what else is asked for.
func (p *site) gone(r *http.Request, entity *models.Entity, page *entityPage) (string, error) {
	text := strings.TrimSpace(page.Search.Text)
	if len(page.Hits) > 0 || page.Later || len(text) < 8 || !pipeline.GoldenIDForm.MatchString(text) {
		return "", nil
	}
	err := p.look(r.Context(), func(ctx context.Context, e *pipeline.Engine) error {
		_, err := e.GoldenID(ctx, entity, text)
		return err
	})
	err = p.problemAbout(r, entity, err)
	var told *Problem
	if errors.As(err, &told) && told.kind == kindNotFound {
		return told.Detail, nil
	}
	return "", err
}

func (p *site) entityStatus(r *http.Request, entity *models.Entity) (*pipeline.EntityStatus, error) {
	all, err := p.Engine().Entities(r.Context())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s pipeline.EntityStatus) bool { return s.Name == entity.Name })
	if i < 0 {
		return nil, errNoPage("the project has no such entity any more")
	}
	return &all[i], nil
}

// fill chooses the columns of the list, and leads to the next page.
func (page *entityPage) fill() {
	if len(page.Hits) > goldenPerPage {
		page.Hits = page.Hits[:goldenPerPage]
		records, review := "", ""
		if page.Search.Records > 0 {
			records = strconv.Itoa(page.Search.Records)
		}
		if page.Search.Review {
			review = "true"
		}
		page.Next = link("/entities/"+page.Subject.Name, "q", page.Search.Text, "records", records, "review", review, "after", page.Hits[goldenPerPage-1].ID)
	}
	if len(page.Hits) == 0 {
		return
	}
	for _, v := range page.Hits[0].Values {
		if len(page.Fields) == goldenFields {
			page.More++
			continue
		}
		page.Fields = append(page.Fields, v.Field)
	}
}

// goldenPage is one golden record.
type goldenPage struct {
	about
	*pipeline.GoldenExplanation
	Beside    []pipeline.MemberRecord // side by side
	Left      int                     // members that are not
	Lines     []besideLine
	Asked     []questionLine
	Decided   []decisionLine
	Was       string // an old id that led here
	MayDecide bool
	Next      string // where forms lead back
}

// besideLine is a field with what each record has.
type besideLine struct {
	pipeline.FieldExplanation
	Because string
	Cells   []besideCell
	Pinned  string // id of the decision that has pinned it
	Given   bool   // to a value that no record needs to have
}

// besideCell is a record's value of a field.
type besideCell struct {
	Value, Decided, Figures string
	Won, There, Null        bool
}

// decisionLine is a decision, with whether who asks may take it back.
type decisionLine struct {
	pipeline.DecisionStatus
	Revocable bool
	Href      string // of the pair that it is about, or what finds the golden record
}

func (p *site) goldenPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	found, err := p.goldenRecord(r, entity, r.PathValue("golden"))
	if err != nil {
		return p.heirOf(w, r, entity, err)
	}
	page := &goldenPage{about: about{entity, ""}, GoldenExplanation: found, Was: r.URL.Query().Get("was"), MayDecide: identityOf(r.Context()).roles.may(Steward),
		Next: "/entities/" + entity.Name + "/" + found.ID}
	if !pipeline.GoldenIDForm.MatchString(page.Was) {
		page.Was = ""
	}
	page.Beside = found.Members[:min(len(found.Members), besideMost)]
	page.Left = len(found.Members) - len(page.Beside)
	for _, f := range found.Fields {
		page.Lines = append(page.Lines, beside(f, page.Beside))
	}
	who := identityOf(r.Context()).roles
	all, _, err := p.decided(r, entity, page.MayDecide)
	if err != nil {
		return err
	}
	has := func(record steward.Record) bool {
		return slices.ContainsFunc(found.Members, func(m pipeline.MemberRecord) bool { return m.Of == record })
	}
	for _, d := range all {
		if d.Kind != steward.Revoke && (has(d.Decision.A) || has(d.Decision.B)) {
			page.Decided = append(page.Decided, p.lineOf(entity, d, who))
		}
	}
	for _, t := range found.Questions {
		page.Asked = append(page.Asked, questionLine{t, answering(all, t)})
	}
	return p.show(w, r, "golden", view{Entity: "/entities/" + entity.Name, Title: entity.Name + " " + found.ID[:min(len(found.ID), 8)], Section: "Golden records", Data: page})
}

// heirOf leads from an id that was merged to the one that has its records now.
func (p *site) heirOf(w http.ResponseWriter, r *http.Request, entity *models.Entity, err error) error {
	var gone *pipeline.GoneIDError
	var told *Problem
	if errors.As(err, &told) && errors.As(told.cause, &gone) && gone.Heir != "" {
		http.Redirect(w, r, link("/entities/"+entity.Name+"/"+gone.Heir, "was", gone.ID), http.StatusSeeOther)
		return nil
	}
	return err
}

func (p *site) lineOf(entity *models.Entity, d pipeline.DecisionStatus, who Roles) decisionLine {
	href := p.pairPath(entity, d.Decision.A, d.Decision.B, who)
	if d.Kind == steward.Pin && mayName(entity, d.Decision.A, who) {
		href = link("/entities/"+entity.Name, "q", d.Decision.A.String())
	}
	return decisionLine{d, who.may(Steward) && d.Revocable && d.State != pipeline.DecisionRevoked, href}
}

// beside puts a field's values under the records that have them.
func beside(f pipeline.FieldExplanation, members []pipeline.MemberRecord) besideLine {
	line := besideLine{FieldExplanation: f, Cells: make([]besideCell, len(members))}
	var pin *pipeline.ValueFrom
	for k, c := range f.Choices {
		if c.Place == 1 && line.Because == "" {
			line.Because = c.Decided
			if c.Decided == "the last" {
				line.Because = "the only one"
			}
		}
		if c.Decision != "" {
			pin, line.Pinned, line.Given = &f.Choices[k], c.Decision, true
			continue // the record's own value has a line of its own
		}
		for i, m := range members {
			if m.Of == c.Of {
				line.Cells[i] = besideCell{c.Value, c.Decided, c.Figures, c.Place == 1, true, c.Typed == nil}
			}
		}
	}
	for i, m := range members {
		if pin != nil && m.Of == pin.Of && line.Cells[i].There && line.Cells[i].Value == pin.Value {
			line.Cells[i].Won, line.Given = true, false
		}
	}
	return line
}

// pairPage is why two records are one golden record, or two.
type pairPage struct {
	about
	*pipeline.PairExplanation
	Bars      []waterBar
	Width     int
	Zero      float64
	A, B      steward.Record // as forms name them
	MayDecide bool
	Pending   []pendingLine
	Decided   []decisionLine
	Next      string // where a decision leads
	Queue     *queue // of the questions, where one of them has led here
}

// queue is where a steward is among the questions, and what comes next.
type queue struct {
	Place, Of  int64  // from 1; 0 where the pair is none of them
	Left       int    // that nobody has decided, of those that were looked at
	Next, Back string // paths: the next that nobody has decided, "" for none, and the list
}

// waterBar is a bar of the waterfall.
type waterBar struct {
	pipeline.Bar
	X, W    float64
	Against bool
}

// waterWidth is how wide the drawing of a waterfall is.
const waterWidth = 240

func (p *site) pairPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	q := r.URL.Query()
	records, err := p.named(r, entity, q.Get("a"), q.Get("b"))
	if err != nil {
		return err
	}
	found, err := p.pair(r, entity, records)
	if err != nil {
		return err
	}
	page := &pairPage{about: about{entity, ""}, PairExplanation: found, Width: waterWidth, A: records[0], B: records[1], MayDecide: identityOf(r.Context()).roles.may(Steward), Next: r.URL.RequestURI()}
	page.draw()
	for _, d := range found.Decisions {
		if d.Pending && d.State == pipeline.DecisionInForce && aboutPair(d, records[0], records[1]) {
			page.Pending = append(page.Pending, pendingLine{d, false})
		}
	}
	who, v := identityOf(r.Context()).roles, view{Entity: "/entities/" + entity.Name, Title: "Two records of " + entity.Name, Section: "Golden records", Data: page}
	for _, d := range found.Decisions {
		page.Decided = append(page.Decided, p.lineOf(entity, d, who))
	}
	if q.Get("from") == "review" {
		if page.Queue, err = p.queue(r, entity, records); err != nil {
			return err
		}
		if page.Next = page.Queue.Next; page.Next == "" {
			page.Next = page.Queue.Back
		}
		if q.Get("did") == "decide" {
			v.Notice = "Written down, for the next run. This is the next question."
		}
	}
	return p.show(w, r, "pair", v)
}

// queueMost is how many questions are looked through for the next one that nobody has decided.
const queueMost = 500

// queue finds the pair among the questions as they are listed for the reason and the order of the query.
func (p *site) queue(r *http.Request, entity *models.Entity, pair []steward.Record) (*queue, error) {
	query := r.URL.Query()
	reason, order := query.Get("reason"), query.Get("order")
	plain := identityOf(r.Context()).roles.may(Steward)
	var found *pipeline.MatchReview
	err := p.look(r.Context(), func(ctx context.Context, e *pipeline.Engine) (err error) {
		found, err = e.Questions(ctx, entity, pipeline.ReviewAsk{Reason: reason, Doubtful: order == "", Limit: queueMost, Plain: plain})
		return err
	})
	if err != nil {
		return nil, p.problemAbout(r, entity, err)
	}
	q := &queue{Of: found.Total, Back: link("/entities/"+entity.Name+"/review", "reason", reason, "order", order)}
	at := slices.IndexFunc(found.Shown, func(t pipeline.ReviewedThing) bool { return isPair(t, pair[0], pair[1]) })
	q.Place = int64(at + 1)
	for i := range found.Shown {
		t := found.Shown[(max(at, 0)+i)%len(found.Shown)]
		if t.Kind != "pair" || t.AnsweredBy != "" {
			continue
		}
		q.Left++
		if q.Next == "" && !isPair(t, pair[0], pair[1]) {
			q.Next = fromReview(p.pairPath(entity, t.RecordA, t.RecordB, nil), reason, order) // nobody has looked at its keys yet
		}
	}
	return q, nil
}

func isPair(t pipeline.ReviewedThing, a, b steward.Record) bool {
	return t.Kind == "pair" && (t.RecordA == a && t.RecordB == b || t.RecordA == b && t.RecordB == a)
}

// fromReview is the page of a pair as the list of questions leads to it: with the place in the list.
func fromReview(pair, reason, order string) string {
	return pair + "&" + strings.TrimPrefix(link("", "from", "review", "reason", reason, "order", order), "?")
}

// draw lays the waterfall out: zero and every sum have their place.
func (page *pairPage) draw() {
	low, high := 0.0, 0.0
	for _, b := range page.PairExplanation.Bars {
		low, high = math.Min(low, b.Sum), math.Max(high, b.Sum)
	}
	at := func(bits float64) float64 {
		return math.Round((bits-low)/math.Max(high-low, 1)*(waterWidth-4)*10)/10 + 2
	}
	page.Zero = at(0)
	for _, b := range page.PairExplanation.Bars {
		x, y := at(b.Sum-b.Bits), at(b.Sum)
		page.Bars = append(page.Bars, waterBar{b, math.Min(x, y), math.Max(1, math.Abs(y-x)), b.Bits < 0})
	}
}

func aboutPair(d pipeline.DecisionStatus, a, b steward.Record) bool {
	return d.Kind != steward.Pin && (d.Decision.A == a && d.Decision.B == b || d.Decision.A == b && d.Decision.B == a)
}

// answering is the decision that answers a question with the next run, where there is one.
func answering(all []pipeline.DecisionStatus, t pipeline.ReviewedThing) (out []pendingLine) {
	for _, d := range all {
		if t.AnsweredBy != "" && d.ID == t.AnsweredBy {
			out = append(out, pendingLine{d, !aboutPair(d, t.RecordA, t.RecordB)})
		}
	}
	return out
}

// pendingLine is a decision that the next run obeys first.
type pendingLine struct {
	pipeline.DecisionStatus
	Other bool // it is about two other records of the same golden records
}

// reviewPage is what waits for a steward.
type reviewPage struct {
	about
	*pipeline.MatchReview
	Things        []questionLine
	Contradiction *Problem // of decisions: none of them answers a question
	Reason, Order string
	Reasons       []string
	First, Last   int
	Before, After string
	MayDecide     bool
	Next          string
}

// questionLine is a question, with what the next run is told already.
type questionLine struct {
	pipeline.ReviewedThing
	Pending []pendingLine
}

func (p *site) reviewPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	q := r.URL.Query()
	page := &reviewPage{about: about{entity, "review"}, Reason: q.Get("reason"), Order: q.Get("order"), MayDecide: identityOf(r.Context()).roles.may(Steward), Next: r.URL.RequestURI(),
		Reasons: golden.Reasons}
	if page.Order != "" && page.Order != "likely" {
		return &Problem{kind: kindInvalid, Detail: "order is likely, or nothing"}
	}
	if page.Reason != "" && !slices.Contains(golden.Reasons, page.Reason) {
		return &Problem{kind: kindInvalid, Detail: "no question has that reason: there are " + strings.Join(golden.Reasons, ", ")}
	}
	skip := 0
	if text := q.Get("from"); text != "" {
		var err error
		if skip, err = strconv.Atoi(text); err != nil || skip < 0 || skip > 1e9 {
			return &Problem{kind: kindInvalid, Detail: "from is a number"}
		}
	}
	var err error
	if page.MatchReview, err = p.questions(r, entity, pipeline.ReviewAsk{Reason: page.Reason, Doubtful: page.Order == "", Skip: skip, Limit: questionsPerPage}); err != nil {
		return err
	}
	all, contradiction, err := p.decided(r, entity, page.MayDecide)
	if err != nil {
		return err
	}
	page.Contradiction = contradiction
	for _, t := range page.Shown {
		if t.Kind == "pair" {
			t.Pair = fromReview(t.Pair, page.Reason, page.Order)
		}
		page.Things = append(page.Things, questionLine{t, answering(all, t)})
	}
	at := func(from int) string {
		text := strconv.Itoa(from)
		if from == 0 {
			text = ""
		}
		return link("/entities/"+entity.Name+"/review", "reason", page.Reason, "order", page.Order, "from", text)
	}
	page.First, page.Last = skip+1, skip+len(page.Shown)
	if skip > 0 {
		page.Before = at(max(0, skip-questionsPerPage))
	}
	if int64(page.Last) < page.Total {
		page.After = at(page.Last)
	}
	return p.show(w, r, "review", view{Entity: "/entities/" + entity.Name, Title: "Review of " + entity.Name, Section: "Golden records", Data: page})
}

// qualityPage is the figures of a run, as drawings and tables.
type qualityPage struct {
	about
	*pipeline.MatchQuality
	Facts      []fact
	Groups     []figureGroup
	Thresholds []thresholdLine
}

// fact is one figure in words.
type fact struct{ Name, Value string }

// figureGroup are figures of one metric, as bars.
type figureGroup struct {
	ID, Title, Of, Head string
	Lines               []figureLine
}

// figureLine is a figure with its bar.
type figureLine struct {
	Name  string
	Value string
	Share string // width of the bar
}

// thresholdLine is what another threshold would make.
type thresholdLine struct{ From, Pairs, Clusters, Largest string }

func (p *site) qualityPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	found, err := p.quality(r, entity, r.URL.Query().Get("run"))
	if err != nil {
		return err
	}
	page := &qualityPage{about: about{entity, "quality"}, MatchQuality: found}
	page.facts()
	page.groups()
	return p.show(w, r, "quality", view{Entity: "/entities/" + entity.Name, Title: "Quality of " + entity.Name, Section: "Golden records", Data: page})
}

// facts are the figures that stand alone, where they were counted.
func (page *qualityPage) facts() {
	for _, f := range []struct {
		name, metric string
		share        bool
	}{{"Records", golden.FigureRecords, false}, {"Golden records", golden.FigureGolden, false}, {"Merged", golden.FigureMerged, false}, {"Duplicates", golden.FigureMergedShare, true},
		{"Largest cluster", golden.FigureLargestCluster, false}, {"To review", golden.FigureReview, false}, {"Records in review", golden.FigureReviewShare, true},
		{"Too poor to match", golden.FigureUnlinkable, true}, {"Churn of golden ids", golden.FigureGoldenChurn, true}, {"Quarantined", "quarantined_share", true},
		{"Blocking recall on labels", golden.FigureBlockingRecall, true}, {"Precision on labels", golden.FigurePrecision, true}, {"Recall on labels", golden.FigureRecall, true},
		{"Decided: match", "decided_match", false}, {"Decided: split", "decided_split", false}, {"Decided: pin", "decided_pin", false}} {
		for _, one := range page.Of(f.metric) {
			if one.Detail != "" {
				continue
			}
			value := strconv.FormatFloat(one.Value, 'f', 0, 64)
			if f.share {
				value = share(one.Value)
			}
			page.Facts = append(page.Facts, fact{f.name, value})
		}
	}
}

func (page *qualityPage) groups() {
	page.group("weights", "Candidates by weight", "frequencies of values aside", "Weight", pipeline.ByNumber(page.Of("score_histogram")))
	if len(page.Groups) == 0 { // the run had its weights from a file, and has counted the edges only
		page.group("weights", "Pairs by weight", "from the threshold for review on, in whole bits", "Bits", pipeline.ByNumber(page.Of("weight_histogram")))
	}
	page.group("sizes", "Golden records by their records", "", "Records", pipeline.ByNumber(page.Of("cluster_size")))
	page.group("rules", "Candidates by blocking rule", "", "Rule", page.Of("candidates"))
	page.group("left", "Left out by blocking rule", "blocks that were too large", "Rule", page.Of("pairs_left_out"))
	page.group("verdicts", "Pairs by verdict", "", "Verdict", page.Of("edges"))
	page.group("waits", "What waits for a steward", "", "Kind and reason", page.Of(golden.FigureReview))
	page.group("before", "Records against the run before", "", "Record", page.Of("records_before"))
	page.group("ids", "Golden ids", "", "What became of them", page.Of("ids"))
	for _, f := range slices.Backward(page.Of("threshold_pairs")) {
		whole := func(metric string) string { return strconv.FormatFloat(page.Figure(metric, f.Detail), 'f', 0, 64) }
		page.Thresholds = append(page.Thresholds, thresholdLine{f.Detail, whole("threshold_pairs"), whole("threshold_clusters"), whole("threshold_largest")})
	}
}

// group adds the figures of one metric that tell something apart.
func (page *qualityPage) group(id, title, of, head string, figures []golden.Figure) {
	most := 0.0
	for _, f := range figures {
		if f.Detail != "" {
			most = math.Max(most, f.Value)
		}
	}
	if most == 0 {
		return
	}
	g := figureGroup{ID: id, Title: title, Of: of, Head: head}
	for _, f := range figures {
		if f.Detail != "" {
			g.Lines = append(g.Lines, figureLine{f.Detail, strconv.FormatFloat(f.Value, 'f', 0, 64), fmt.Sprintf("%.1f%%", 100*f.Value/most)})
		}
	}
	page.Groups = append(page.Groups, g)
}

// decisionsPage is what stewards have decided, the latest first.
type decisionsPage struct {
	about
	Lines         []decisionLine
	All           int
	Older         string
	Later         bool
	MayDecide     bool
	Next          string
	Contradiction *Problem // of decisions: nothing says which of them hold
}

func (p *site) decisionsPage(w http.ResponseWriter, r *http.Request, entity *models.Entity) error {
	all, contradiction, err := p.decisions(r, entity)
	if err != nil {
		return err
	}
	who := identityOf(r.Context()).roles
	page := &decisionsPage{about: about{entity, "decisions"}, All: len(all), MayDecide: who.may(Steward), Next: r.URL.RequestURI(),
		Contradiction: contradiction}
	before := len(all)
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.Atoi(text); err != nil || before < 0 {
			return &Problem{kind: kindInvalid, Detail: "before is a number"}
		}
		before, page.Later = min(before, len(all)), true
	}
	first := max(0, before-decisionsPerPage)
	for _, d := range slices.Backward(all[first:before]) {
		page.Lines = append(page.Lines, p.lineOf(entity, d, who))
	}
	if first > 0 {
		page.Older = link("/entities/"+entity.Name+"/decisions", "before", strconv.Itoa(first))
	}
	return p.show(w, r, "decisions", view{Entity: "/entities/" + entity.Name, Title: "Decisions about " + entity.Name, Section: "Golden records", Data: page})
}

// withWord adds to a page's address what a form has done.
func withWord(to, did string) string {
	u, err := url.Parse(to)
	if err != nil {
		return "/"
	}
	q := u.Query()
	q.Set("did", did)
	out := u.EscapedPath() + "?" + q.Encode()
	if u.Fragment != "" {
		out += "#" + u.EscapedFragment()
	}
	return out
}
