package serve

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
)

// This file is master data: golden records, what they are made of, what waits for a steward and what stewards decide. What it tells is what
// the commands tell. Personal values are shown to stewards alone, and each of their looks is a line of the audit log. Who is not shown them
// cannot find by them either, nor name records whose keys are personal: an answer would tell that there is such a record.

// entityRoutes are those of the API about entities.
func (s *Server) entityRoutes() []route {
	return []route{
		get(s, "/entities", "listEntities", "The entities, each with what is published of it.", s.listEntities),
		get(s, "/entities/{entity}/golden", "findGolden", "Golden records, in the order of their ids. Values that are personal are shown to stewards, and found by stewards, alone.", s.findGolden, append([]param{
			{name: "q", doc: "The beginning of an id, also of one that was merged: it finds what has its records now. A record as its key or source:key, or words of values, whatever their case and accents."},
			{name: "records", doc: "Only of so many records at least.", integer: true, least: 1},
			{name: "review", doc: "Only those that a question to a steward is about.", enum: []string{"true"}}}, paging...)...),
		get(s, "/entities/{entity}/golden/{golden}", "explainGolden", "What a golden record is made of, and what holds it together. That of an id that was merged into another tells which.", s.explainGolden),
		get(s, "/entities/{entity}/pair", "explainPair", "Why two records are one golden record, or two.", s.explainPair,
			param{name: "a", doc: "A record, as source:key. Who is not shown its key names it as pair of golden records and of the review does."}, param{name: "b", doc: "Another one."}),
		get(s, "/entities/{entity}/review", "listQuestions", "What waits for a steward: the likeliest matches first.", s.listQuestions, append([]param{
			{name: "reason", doc: "Only those of this reason.", enum: golden.Reasons},
			{name: "order", doc: "doubtful: those whose odds are nearest to even first.", enum: []string{"likely", "doubtful"}}}, paging...)...),
		get(s, "/entities/{entity}/quality", "getQuality", "Figures of a run: what was compared, found and left open.", s.getQuality,
			param{name: "run", doc: "Of this run; the published one when absent."}),
		get(s, "/entities/{entity}/decisions", "listDecisions", "What stewards have decided, the latest first, each with what became of it.", s.listDecisions, paging...),
		post(s, "/entities/{entity}/decisions", "decide", "Decide about records, for the runs from now on.", http.StatusCreated, s.decide).of(Steward),
		post(s, "/entities/{entity}/decisions/{decision}/revoke", "revokeDecision", "Take a decision back, for the runs from now on. Both stay on record.", http.StatusCreated, s.revoke).of(Steward),
	}
}

// entity is the entity that the path names.
func (s *Server) entity(r *http.Request) (*models.Entity, error) {
	name := r.PathValue("entity")
	for _, e := range s.Engine().Project.Entities {
		if e.Name == name {
			return e, nil
		}
	}
	return nil, &Problem{kind: kindNotFound, Detail: "there is no entity " + cut(name, 80), Hint: "GET " + apiPrefix + "/entities lists them"}
}

// saw looks at rows of an entity: with personal values for stewards, and then writes down which golden records they have seen, before anything is
// answered.
func (s *Server) saw(r *http.Request, entity *models.Entity, f func(ctx context.Context, e *pipeline.Engine, plain bool) (what string, err error)) error {
	ctx, who := r.Context(), identityOf(r.Context())
	plain, what := who.roles.may(Steward), ""
	err := s.look(ctx, func(ctx context.Context, e *pipeline.Engine) (err error) {
		what, err = f(ctx, e, plain)
		return err
	})
	if err != nil {
		return s.problemAbout(r, entity, err)
	}
	if !plain || what == "" {
		return nil
	}
	personal, err := s.Engine().IsPersonal(ctx, entity)
	if err != nil || !personal {
		return err
	}
	return s.event(r, who.name, "look", "", "", "personal values of "+entity.Name+": "+what)
}

// problemAbout is an error about an entity as who asks may read it. All go through here, for a steward may read personal keys in it.
func (s *Server) problemAbout(r *http.Request, entity *models.Entity, err error) error {
	return cmp.Or(s.contradicted(r, entity, err), entityProblem(err, entity, identityOf(r.Context()).roles.may(Steward)))
}

// despite divides what decisions that contradict each other are told by, beside what can be shown all the same, from other errors.
func despite(err error) (contradiction *Problem, other error) {
	var told *Problem
	var cause *steward.ContradictionError
	if errors.As(err, &told) && errors.As(told.cause, &cause) {
		return told, nil
	}
	return nil, err
}

// contradicted writes down that a steward is told of decisions that contradict each other, where their records have personal keys.
func (s *Server) contradicted(r *http.Request, entity *models.Entity, err error) error {
	var contradiction *steward.ContradictionError
	who := identityOf(r.Context())
	if !who.roles.may(Steward) || !errors.As(err, &contradiction) || contradiction.Unmasked() == contradiction.Error() {
		return nil
	}
	return s.event(r, who.name, "look", "", "", "personal values of "+entity.Name+": decisions that contradict each other")
}

// entityProblem tells what somebody can do something about.
func entityProblem(err error, entity *models.Entity, plain bool) error {
	var gone *pipeline.GoneIDError
	var golden *pipeline.UnknownGoldenError
	var record *pipeline.UnknownRecordError
	var unpublished *pipeline.UnpublishedError
	var field *pipeline.FieldError
	var contradiction *steward.ContradictionError
	var refused *steward.RefusedError
	var locked *pipeline.LockedError
	var large *pipeline.TooLargeError
	var wrong *steward.Problem
	switch {
	case errors.As(err, &gone) && gone.Heir != "":
		return &Problem{kind: kindNotFound, Detail: err.Error(), Hint: "GET " + apiPrefix + "/entities/" + entity.Name + "/golden/" + gone.Heir, cause: err}
	case errors.As(err, &record) && !plain && !mayName(entity, record.Record, nil):
		return &Problem{kind: kindNotFound, Detail: entity.Name + " does not have the record any more"}
	case errors.As(err, &gone), errors.As(err, &record):
		return &Problem{kind: kindNotFound, Detail: err.Error()}
	case errors.As(err, &golden) && golden.Several > 0:
		return &Problem{kind: kindNotFound, Detail: "several golden ids of " + entity.Name + " begin so", Hint: "write more of the id"}
	case errors.As(err, &golden):
		return &Problem{kind: kindNotFound, Detail: "no golden record of " + entity.Name + " has an id that begins so, and none had", Hint: "search finds golden records by their records' keys, too"}
	case errors.As(err, &unpublished):
		return &Problem{kind: kindConflict, Detail: err.Error()}
	case errors.As(err, &field):
		return &Problem{kind: kindInvalid, Detail: err.Error(), Problems: []FieldProblem{{field.Of, err.Error()}}}
	case errors.As(err, &contradiction) && !plain:
		return &Problem{kind: kindConflict, Detail: "the decisions about " + entity.Name + " contradict each other", Hint: "millrace match decisions " + entity.Name + " tells which", cause: err}
	case errors.As(err, &contradiction):
		return &Problem{kind: kindConflict, Detail: contradiction.Unmasked(), Hint: "revoke what does not hold any more, then decide again", cause: err}
	case errors.As(err, &large):
		return &Problem{kind: kindConflict, Detail: err.Error(), Hint: "millrace explain " + large.Entity + " takes the time that it needs"}
	case errors.As(err, &refused):
		return &Problem{kind: kindConflict, Detail: err.Error()}
	case errors.As(err, &wrong):
		return &Problem{kind: kindConflict, Detail: err.Error(), Hint: "millrace lint tells what is wrong with the file of decisions"}
	case errors.As(err, &locked):
		return &Problem{kind: kindBusy, Detail: "another decision is being written", Hint: "try again in a moment", retry: busyRetry}
	}
	return err
}

// named reads records of the query, of sources whose keys the one who asks may name.
func (s *Server) named(r *http.Request, entity *models.Entity, texts ...string) ([]steward.Record, error) {
	var all []steward.Record
	for _, text := range texts {
		record, err := steward.ParseRecord(text)
		known, aliased := s.aliases.record(entity.Name, record)
		switch {
		case err == nil && aliased: // however long it is, this server has made it
			record = known
		case err != nil || strings.ContainsFunc(text, unicode.IsControl) || len(text) > mostKey:
			return nil, &Problem{kind: kindInvalid, Detail: fmt.Sprintf("%q names no record", cut(text, 80)), Hint: "a and b are records as source:key"}
		case !mayName(entity, record, identityOf(r.Context()).roles) && strings.HasPrefix(record.Key, aliasMark):
			return nil, &Problem{kind: kindNotFound, Detail: "the link does not hold any more: links to records whose keys are personal do until the server is started anew",
				Hint: "golden records and the review of " + entity.Name + " have new ones"}
		case !mayName(entity, record, identityOf(r.Context()).roles):
			return nil, &Problem{kind: kindForbidden, Detail: "keys of " + record.Source + " are personal: only who has the role steward names its records by them",
				Hint: "golden records and the review of " + entity.Name + " link to their pairs without keys"}
		}
		all = append(all, record)
	}
	if len(all) == 2 && all[0] == all[1] {
		return nil, &Problem{kind: kindInvalid, Detail: "one record is named twice, and two are compared"}
	}
	return all, nil
}

// mostKey is how long the name of a record may be.
const mostKey = 1000

// mayName says whether somebody may be told, or tell, the key of a record.
func mayName(entity *models.Entity, record steward.Record, who Roles) bool {
	return who.may(Steward) || !slices.ContainsFunc(entity.Sources, func(s *models.EntitySource) bool { return s.Name == record.Source && s.HasPersonalKey() })
}

// pairPath is the query of what explains two records, for who asks: records whose keys they may not be told have aliases. "" for what is no pair.
func (s *Server) pairPath(entity *models.Entity, a, b steward.Record, who Roles) string {
	if a.Source == "" || b.Source == "" {
		return ""
	}
	for _, r := range []*steward.Record{&a, &b} {
		if !mayName(entity, *r, who) {
			r.Key = s.aliases.of(entity.Name, *r)
		}
	}
	return link("/entities/"+entity.Name+"/pair", "a", a.String(), "b", b.String())
}

func (s *Server) listEntities(c *call) (Page[pipeline.EntityStatus], error) {
	all, err := s.Engine().Entities(c.Context())
	return list(all), err
}

// exampleID is how golden ids look.
const exampleID = "f776085a-b0a4-5bc9-9cc7-fbfd600d9274"

// mostSearch is how long what is searched for may be.
const mostSearch = 200

// checkSearch refuses what nothing is found by.
func checkSearch(text string) error {
	if len(text) > mostSearch || strings.ContainsFunc(text, unicode.IsControl) {
		p := &Problem{kind: kindInvalid, Detail: "the query has mistakes"}
		p.add("q", fmt.Sprintf("is longer than %d bytes, or has control characters", mostSearch))
		return p
	}
	return nil
}

func (s *Server) findGolden(c *call) (Page[pipeline.GoldenHit], error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return Page[pipeline.GoldenHit]{}, err
	}
	after, err := c.after(pipeline.GoldenIDForm)
	if err == nil {
		err = checkSearch(c.text("q"))
	}
	if err != nil {
		return Page[pipeline.GoldenHit]{}, err
	}
	hits, err := s.search(c.Request, entity, pipeline.GoldenSearch{Text: c.text("q"), Records: c.number("records", 0), Review: c.text("review") != "", After: after, Limit: c.limit() + 1})
	return page(hits, c.limit(), func(h pipeline.GoldenHit) string { return h.ID }), err
}

// search finds golden records as who asks may see them.
func (s *Server) search(r *http.Request, entity *models.Entity, search pipeline.GoldenSearch) (hits []pipeline.GoldenHit, err error) {
	err = s.saw(r, entity, func(ctx context.Context, e *pipeline.Engine, plain bool) (string, error) {
		search.Plain = plain
		hits, err = e.FindGolden(ctx, entity, search)
		ids := make([]string, len(hits))
		for i, h := range hits {
			ids[i] = h.ID
		}
		return shortIDs(ids), err
	})
	return hits, err
}

// shortIDs are the beginnings of golden ids, each once, for a line of the audit log; "" for none.
func shortIDs(ids []string) string {
	var short []string
	for _, id := range ids {
		if id = id[:min(len(id), 8)]; id != "" && !slices.Contains(short, id) {
			short = append(short, id)
		}
	}
	return strings.Join(short, " ")
}

func (s *Server) explainGolden(c *call) (*pipeline.GoldenExplanation, error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return nil, err
	}
	found, err := s.goldenRecord(c.Request, entity, c.PathValue("golden"))
	if err != nil {
		return nil, err
	}
	for i := range found.Evidence {
		found.Evidence[i].Pair = apiPrefix + found.Evidence[i].Pair
	}
	found.Questions = inAPI(found.Questions)
	return found, nil
}

// inAPI leads to what the API says of pairs, and not to its page.
func inAPI(all []pipeline.ReviewedThing) []pipeline.ReviewedThing {
	for i := range all {
		if all[i].Pair != "" {
			all[i].Pair = apiPrefix + all[i].Pair
		}
	}
	return all
}

// goldenRecord explains a golden record as who asks may see it.
func (s *Server) goldenRecord(r *http.Request, entity *models.Entity, id string) (found *pipeline.GoldenExplanation, err error) {
	if !pipeline.GoldenIDForm.MatchString(id) {
		return nil, &Problem{kind: kindNotFound, Detail: "the path has no golden id, nor the beginning of one", Hint: "golden ids have the digits 0 to 9 and a to f, as " + exampleID + "; search finds golden records by their records' keys, too"}
	}
	err = s.saw(r, entity, func(ctx context.Context, e *pipeline.Engine, plain bool) (string, error) {
		found, err = e.ExplainGolden(ctx, entity, id, plain)
		if err != nil {
			return "", err
		}
		return "golden record " + found.ID, nil
	})
	if err != nil {
		return nil, err
	}
	who := identityOf(r.Context()).roles
	for i, e := range found.Evidence {
		found.Evidence[i].Pair = s.pairPath(entity, e.RecordA, e.RecordB, who)
	}
	s.linkPairs(r, entity, found.Questions)
	return found, nil
}

// linkPairs says of questions about pairs what explains them.
func (s *Server) linkPairs(r *http.Request, entity *models.Entity, all []pipeline.ReviewedThing) {
	for i, t := range all {
		if t.Kind == "pair" {
			all[i].Pair = s.pairPath(entity, t.RecordA, t.RecordB, identityOf(r.Context()).roles)
		}
	}
}

func (s *Server) explainPair(c *call) (*pipeline.PairExplanation, error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return nil, err
	}
	records, err := s.named(c.Request, entity, c.text("a"), c.text("b"))
	if err != nil {
		return nil, err
	}
	return s.pair(c.Request, entity, records)
}

// pair explains two records as who asks may see them.
func (s *Server) pair(r *http.Request, entity *models.Entity, records []steward.Record) (found *pipeline.PairExplanation, err error) {
	err = s.saw(r, entity, func(ctx context.Context, e *pipeline.Engine, plain bool) (string, error) {
		found, err = e.ExplainPair(ctx, entity, records[0], records[1], plain)
		if err != nil {
			return "", err
		}
		return "a pair of golden records " + shortIDs([]string{found.GoldenA, found.GoldenB}), nil
	})
	return found, err
}

// questionKey is where a page of questions begins: so many behind the first of those that a run asked.
var questionKey = regexp.MustCompile(`^[0-9A-Za-z-]{1,64} \d{1,9}$`)

func (s *Server) listQuestions(c *call) (Page[pipeline.ReviewedThing], error) {
	none := Page[pipeline.ReviewedThing]{Items: []pipeline.ReviewedThing{}}
	entity, err := s.entity(c.Request)
	if err != nil {
		return none, err
	}
	after, err := c.after(questionKey)
	if err != nil {
		return none, err
	}
	run, skip := "", 0
	_, _ = fmt.Sscan(after, &run, &skip)
	found, err := s.questions(c.Request, entity, pipeline.ReviewAsk{Reason: c.text("reason"), Doubtful: c.text("order") == "doubtful", Skip: skip, Limit: c.limit()})
	if err != nil {
		return none, err
	}
	if run != "" && run != found.Run {
		return none, &Problem{kind: kindConflict, Detail: "another run has asked since the first page", Hint: "begin at the first page"}
	}
	out := list(inAPI(found.Shown))
	if more := skip + len(found.Shown); int64(more) < found.Total && len(found.Shown) > 0 {
		out.Next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d", found.Run, more))
	}
	return out, nil
}

// questions are what waits for a steward, with what was compared, as who asks may see it.
func (s *Server) questions(r *http.Request, entity *models.Entity, ask pipeline.ReviewAsk) (found *pipeline.MatchReview, err error) {
	err = s.saw(r, entity, func(ctx context.Context, e *pipeline.Engine, plain bool) (string, error) {
		ask.Plain, ask.Compared = plain, true
		found, err = e.Questions(ctx, entity, ask)
		if err != nil {
			return "", err
		}
		var ids []string
		for _, t := range found.Shown {
			ids = append(ids, t.GoldenA, t.GoldenB)
		}
		return shortIDs(ids), nil
	})
	if err == nil {
		s.linkPairs(r, entity, found.Shown)
	}
	return found, err
}

func (s *Server) getQuality(c *call) (*pipeline.MatchQuality, error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return nil, err
	}
	return s.quality(c.Request, entity, c.text("run"))
}

// quality are the figures of a run; they have no personal values.
func (s *Server) quality(r *http.Request, entity *models.Entity, run string) (found *pipeline.MatchQuality, err error) {
	if len(run) > 100 || run != "" && !idKey.MatchString(run) {
		return nil, errNoPage("there is no run " + cut(run, 80))
	}
	err = s.look(r.Context(), func(ctx context.Context, e *pipeline.Engine) error {
		found, err = e.MatchQuality(ctx, entity, run)
		return err
	})
	var unknown *pipeline.UnknownRunError
	if errors.As(err, &unknown) {
		return nil, errNoPage(err.Error())
	}
	if found != nil && found.Figures == nil {
		found.Figures = []golden.Figure{}
	}
	return found, s.problemAbout(r, entity, err)
}

func (s *Server) listDecisions(c *call) (Page[pipeline.DecisionStatus], error) {
	none := Page[pipeline.DecisionStatus]{Items: []pipeline.DecisionStatus{}}
	entity, err := s.entity(c.Request)
	if err != nil {
		return none, err
	}
	after, err := c.after(numberKey)
	if err != nil {
		return none, err
	}
	all, _, err := s.decisions(c.Request, entity)
	if err != nil {
		return none, err
	}
	if before, err := strconv.Atoi(after); err == nil {
		all = all[:min(before, len(all))]
	}
	shown := all[max(0, len(all)-c.limit()):]
	out := list(slices.Clone(shown))
	slices.Reverse(out.Items)
	if left := len(all) - len(shown); left > 0 {
		out.Next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(left)))
	}
	return out, nil
}

// decisions are what stewards have decided, in their order, as who asks may see it, with what they contradict each other in.
func (s *Server) decisions(r *http.Request, entity *models.Entity) (all []pipeline.DecisionStatus, contradiction *Problem, err error) {
	who := identityOf(r.Context())
	plain := who.roles.may(Steward)
	all, contradiction, err = s.decided(r, entity, plain)
	if err != nil || !plain {
		return all, contradiction, err
	}
	personal, err := s.Engine().IsPersonal(r.Context(), entity)
	if err == nil && personal && len(all) > 0 {
		err = s.event(r, who.name, "look", "", "", "personal values of "+entity.Name+": decisions")
	}
	return all, contradiction, err
}

// decided are decisions without a line in the audit log, for what shows no more of them than has one already.
func (s *Server) decided(r *http.Request, entity *models.Entity, plain bool) ([]pipeline.DecisionStatus, *Problem, error) {
	all, err := s.Engine().DecisionStatuses(r.Context(), entity, plain)
	contradiction, err := despite(s.problemAbout(r, entity, err))
	return all, contradiction, err
}

// DecisionRequest is a decision about records.
type DecisionRequest struct {
	Kind  string     `json:"kind" doc:"match: two records are the same thing. split: they are not. pin: the golden record of a has a value."`
	A     string     `json:"a" doc:"A record, as source:key."`
	B     string     `json:"b,omitempty" doc:"The other one, of match and split."`
	Field string     `json:"field,omitempty" doc:"Of pin."`
	Value PinnedText `json:"value,omitempty" doc:"Of pin, as a text, a list as [a, b]; that of a when absent, unless null is true."`
	Null  bool       `json:"null,omitempty" doc:"Of pin: the golden record has no value, NULL."`
	Why   string     `json:"why" doc:"For those who read the decision: everybody who may look does, so that no personal values belong here."`
}

// PinnedText is a value that may be absent. A null is refused: it could mean either no value, or that of the record.
type PinnedText struct {
	text *string
	null bool
}

// UnmarshalJSON reads a text.
func (v *PinnedText) UnmarshalJSON(data []byte) error {
	v.null = string(data) == "null"
	return json.Unmarshal(data, &v.text)
}

func (in *DecisionRequest) mistakes() (all []FieldProblem) {
	add := func(wrong bool, field, detail string) {
		if wrong {
			all = append(all, FieldProblem{field, detail})
		}
	}
	pair := in.Kind == string(steward.Match) || in.Kind == string(steward.Split)
	if !pair && in.Kind != string(steward.Pin) { // what else it needs hangs on that
		return append([]FieldProblem{{"kind", "must be match, split or pin"}}, whyMistakes(in.Why)...)
	}
	_, err := steward.ParseRecord(in.A)
	add(badText(in.A, mostKey) || err != nil, "a", "must name a record as source:key")
	_, err = steward.ParseRecord(in.B)
	add(pair && (badText(in.B, mostKey) || err != nil), "b", "must name a record as source:key")
	add(!pair && in.B != "", "b", "belongs to match and split")
	add(pair && in.B == in.A && in.A != "", "b", "must be another record than a")
	add(!pair && in.Field == "", "field", "must name the field that is pinned")
	add(badText(in.Field, 200), "field", "is no field")
	add(pair && in.Field != "", "field", "belongs to pin")
	add(pair && in.Value.text != nil, "value", "belongs to pin")
	add(pair && in.Null, "null", "belongs to pin")
	add(in.Value.null, "value", "is null: \"null\": true pins NULL, and without value the record's own is pinned")
	add(in.Value.text != nil && in.Null, "null", "pins no value, and value is one: give one of the two")
	add(in.Value.text != nil && badText(*in.Value.text, 10_000), "value", "is too long, or has control characters")
	return append(all, whyMistakes(in.Why)...)
}

// badText says whether a text is too long or has what no line should have.
func badText(text string, most int) bool {
	return len(text) > most || strings.ContainsFunc(text, unicode.IsControl)
}

func whyMistakes(why string) []FieldProblem {
	if strings.TrimSpace(why) == "" || badText(why, steward.MostWhy) {
		return []FieldProblem{{"why", fmt.Sprintf("must say why, in one line of at most %d bytes", steward.MostWhy)}}
	}
	return nil
}

func (s *Server) decide(c *call, in DecisionRequest) (*pipeline.DecisionStatus, error) {
	d := steward.Decision{Kind: steward.Kind(in.Kind), Field: in.Field, Value: in.Value.text, Null: in.Null, Why: in.Why}
	d.A, _ = steward.ParseRecord(in.A)
	if d.Kind != steward.Pin {
		d.B, _ = steward.ParseRecord(in.B)
	}
	return s.write(c, d)
}

// RevokeRequest says why a decision is taken back.
type RevokeRequest struct {
	Why string `json:"why" doc:"For those who read it: everybody who may look does, so that no personal values belong here."`
}

func (in *RevokeRequest) mistakes() []FieldProblem { return whyMistakes(in.Why) }

func (s *Server) revoke(c *call, in RevokeRequest) (*pipeline.DecisionStatus, error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return nil, err
	}
	all, err := s.Engine().AllDecisions(c.Context(), entity)
	if err != nil {
		return nil, s.problemAbout(c.Request, entity, err)
	}
	id := c.PathValue("decision")
	if !slices.ContainsFunc(all, func(d steward.Decision) bool { return d.ID == id && d.Kind != steward.Revoke }) {
		return nil, &Problem{kind: kindNotFound, Detail: "there is no decision " + cut(id, 80), Hint: "GET " + apiPrefix + "/entities/" + entity.Name + "/decisions lists them"}
	}
	return s.write(c, steward.Decision{Kind: steward.Revoke, Of: id, Why: in.Why})
}

// write writes a decision down, under the name of who makes it. What is answered, and kept for repetitions, has no personal values.
func (s *Server) write(c *call, d steward.Decision) (*pipeline.DecisionStatus, error) {
	entity, err := s.entity(c.Request)
	if err != nil {
		return nil, err
	}
	d.By = identityOf(c.Context()).name
	var made *pipeline.DecisionStatus
	err = s.look(c.Context(), func(ctx context.Context, e *pipeline.Engine) error {
		written, err := e.Decide(ctx, entity, d)
		if err == nil {
			made, err = e.MaskDecision(ctx, entity, written)
		}
		return err
	})
	if err != nil {
		return nil, s.problemAbout(c.Request, entity, err)
	}
	return act(s, c, func(*journal.Act) (*pipeline.DecisionStatus, journal.Event, error) {
		return made, journal.Event{Kind: "decide", By: d.By, Text: entity.Name + " " + made.Told()}, nil
	})
}
