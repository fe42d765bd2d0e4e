package models

import (
	"github.com/millrace/millrace/internal/config"
)

// This file says what stands in entities/**/*.yml, in its short and long forms. entityread.go makes an Entity of it, and entitylink.go resolves
// what it refers to.

// defaultTrust is that of a source that says none: in the middle, so that others can be above and below it.
const defaultTrust = 50

// entityFile is a file of entities/.
type entityFile struct {
	config.Origin
	Entity      string                    `yaml:"entity" doc:"Name of the entity, which its tables' names begin with; by default the name of the file." example:"customer"`
	Description string                    `yaml:"description" doc:"What one golden record is."`
	Owner       string                    `yaml:"owner" doc:"Who answers for its tables."`
	Tags        config.StringList         `yaml:"tags" doc:"Words to select its tables by, as tag:word."`
	Schema      string                    `yaml:"schema" doc:"Schema of its tables; by default that of the target's models."`
	Sources     []entitySource            `yaml:"sources" required:"true" doc:"Tables of records: names, or mappings." example:"[stg_crm, {table: stg_shop, key: id}]"`
	Key         config.StringList         `yaml:"key" doc:"Key of the sources that name none." example:"id"`
	UpdatedAt   string                    `yaml:"updated_at" doc:"Column with the time of a record's last change, of the sources that name none."`
	Standardize config.Map[stepsEntry]    `yaml:"standardize" doc:"How a field's values are made comparable: steps, one behind the other."`
	Block       []blockEntry              `yaml:"block" doc:"Which records are compared: those that agree in all keys of one of these; by default chosen by what the data looks like." example:"[[email], [last_name, postcode]]"`
	Compare     compareList               `yaml:"compare" doc:"What is compared, and how." example:"[first_name, last_name, birth_date]"`
	Correlated  []correlatedEntry         `yaml:"correlated" doc:"Comparisons that agree together for another reason than being the same thing, such as living in one household."`
	Never       config.StringList         `yaml:"never" doc:"Pairs that never match." example:"[tax_id differs]"`
	Always      config.StringList         `yaml:"always" doc:"Pairs that match whatever else is said of them." example:"[same tax_id]"`
	Decisions   string                    `yaml:"decisions" doc:"File of what stewards decide, relative to the project: match decide adds to it. Default: beside this file, as <entity>.decisions.csv."`
	Weights     weightsEntry              `yaml:"weights" doc:"File of weights that millrace match train writes and people review; without it each run finds its own."`
	Labels      labelsEntry               `yaml:"labels" doc:"File of records that people know to be the same, as match evaluate reads it: each run counts its figures on labels against it."`
	Decide      config.Node               `yaml:"decide" union:"decide" doc:"From which probability pairs match, and from which a steward is asked."`
	Thresholds  config.Node               `yaml:"thresholds" union:"decide" doc:"The same as decide."`
	Cluster     clusterEntry              `yaml:"cluster" doc:"How pairs that match become clusters."`
	Overrides   overridesEntry            `yaml:"overrides" doc:"Table of stewards' decisions: a_source, a_key, b_source, b_key, decision (match or split), who, at, why."`
	Survive     surviveEntry              `yaml:"survive" doc:"What golden records are made of."`
	Relate      []relateEntry             `yaml:"relate" doc:"How golden records belong to each other: households, parents."`
	Describe    config.Map[describeEntry] `yaml:"describe" doc:"What fields mean, and which are personal."`
	Expect      expectations              `yaml:"expect" doc:"Bounds on figures of a run's quality; nothing is published beyond them." example:"{largest_cluster: <= 50}"`
	MaxPairs    int64                     `yaml:"max_pairs" doc:"A run that would compare more pairs fails before it begins; 2000000000 when it does not say."`
	AllowEmpty  bool                      `yaml:"allow_empty" doc:"Let tables without records replace tables that have some."`
	MaxShrink   config.Threshold          `yaml:"max_shrink" default:"50%" doc:"A run with fewer records, or fewer golden records, than are published by more than this fails, unless it says --allow-shrunken." example:"50%"`
	Columns     []columnProperties        `yaml:"columns" doc:"What the columns of the golden records hold, as in a properties file."`
	Checks      checkList                 `yaml:"checks" doc:"What must hold for the golden records."`
	Meta        config.Node               `yaml:"meta" doc:"Anything; not read."`
}

// ForeignKeys implements config.ForeignKeyer: what other tools call these keys.
func (*entityFile) ForeignKeys() map[string]string {
	return map[string]string{
		"blocking": "block", "blocking_rules": "block", "blocking_rules_to_generate_predictions": "block", "candidates": "block",
		"comparisons": "compare", "fields": "compare", "features": "compare", "rules": "compare",
		"survivorship": "survive", "golden": "survive", "merge": "survive",
		"match_threshold": "decide", "threshold": "decide", "threshold_match_probability": "decide",
		"clustering": "cluster", "cleaning": "standardize", "clean": "standardize", "transform": "standardize", "preprocess": "standardize",
		"models": "sources", "tables": "sources", "inputs": "sources", "input_tables": "sources", "input_table_or_tables": "sources",
		"unique_id": "key", "unique_id_column_name": "key", "unique_key": "key", "primary_key": "key",
		"relations": "relate", "relationships": "relate", "data_tests": "checks", "tests": "checks", "expectations": "expect",
	}
}

// entitySource is one of the sources.
type entitySource struct {
	config.Origin
	Table         string             `yaml:"table" required:"true" doc:"A model, or a table of a source: stg_crm, crm.contacts." example:"stg_crm"`
	Name          string             `yaml:"name" doc:"What its records are said to come from; by default the table's name."`
	Key           config.StringList  `yaml:"key" doc:"Columns that identify a record." example:"id"`
	UpdatedAt     string             `yaml:"updated_at" doc:"Column with the time of a record's last change."`
	Trust         *float64           `yaml:"trust" doc:"How much its values are trusted, from 0 to 100; 50 when it does not say."`
	Decay         *trustDecay        `yaml:"trust_decay" doc:"How trust in a record fades with its age."`
	DuplicateFree bool               `yaml:"duplicate_free" doc:"No two of its records are the same thing: they are not compared with each other."`
	Where         string             `yaml:"where" doc:"SQL condition on its rows; others are no records, and counted as filtered." example:"not deleted"`
	Columns       config.Map[string] `yaml:"columns" doc:"The column, or a SQL expression, that a field is read from, where it is not the column of its name." example:"{first_name: given_name}"`
}

// trustDecay says how trust fades.
type trustDecay struct {
	HalfLife config.Duration `yaml:"half_life" required:"true" doc:"Age at which trust is half of what it was." example:"365d"`
	Floor    float64         `yaml:"floor" doc:"Below which it does not fall."`
}

// DecodeNode implements config.NodeDecoder.
func (s *entitySource) DecodeNode(n config.Node) config.Problems {
	if n.IsScalar() {
		return n.Decode(&s.Table)
	}
	type plain entitySource
	return n.Decode((*plain)(s))
}

// blockEntry is a blocking rule: [email], {keys: [...]}, or {similar: [...]}.
type blockEntry struct {
	config.Origin
	Keys       config.StringList `yaml:"keys" doc:"Fields, or SQL expressions over fields, that must be equal." example:"[birth_date, \"left(first_name, 1)\"]"`
	Name       string            `yaml:"name" doc:"What reports call the rule; by default its keys."`
	MaxBlock   int               `yaml:"max_block" doc:"How many records may share one key; 0 any number."`
	OnOverflow string            `yaml:"on_overflow" default:"refuse" enum:"refuse,skip,review" doc:"What becomes of more. refuse: the run fails before it compares anything. skip: they are no candidates by this rule. review: that, and a steward is told."`
	Similar    config.StringList `yaml:"similar" doc:"Instead of keys: each record is compared with those nearest to it by the words of these fields." example:"[title]"`
	Top        int               `yaml:"top" default:"20" doc:"How many of the nearest." bounds:"1,1000"`
	pos        config.Pos
	keys       config.Node
}

// DecodeNode implements config.NodeDecoder.
func (b *blockEntry) DecodeNode(n config.Node) config.Problems {
	b.pos, b.keys = n.Pos(), n
	if n.IsMapping() {
		b.keys = n.Get("keys")
		type plain blockEntry
		return n.Decode((*plain)(b))
	}
	b.OnOverflow = "refuse"
	return n.Decode(&b.Keys)
}

// correlatedEntry is a group of comparisons.
type correlatedEntry struct {
	config.Origin
	Fields    config.StringList `yaml:"fields" required:"true" doc:"Names of comparisons." example:"[last_name, address, phone]"`
	MaxWeight float64           `yaml:"max_weight" doc:"Bits that they may add together." example:"20"`
	list      config.Node
}

// DecodeNode implements config.NodeDecoder.
func (c *correlatedEntry) DecodeNode(n config.Node) config.Problems {
	if n.IsMapping() {
		type plain correlatedEntry
		c.list = n.Get("fields")
		return n.Decode((*plain)(c))
	}
	c.list = n
	return n.Decode(&c.Fields)
}

// weightsEntry is a file, or {from: file}.
type weightsEntry struct {
	From string `yaml:"from" doc:"The file, relative to the project." example:"entities/customer.match.json"`
	pos  config.Pos
}

// DecodeNode implements config.NodeDecoder.
func (w *weightsEntry) DecodeNode(n config.Node) config.Problems {
	if w.pos = n.Pos(); n.IsScalar() {
		return n.Decode(&w.From)
	}
	w.pos = n.Get("from").Pos()
	type plain weightsEntry
	return n.Decode((*plain)(w))
}

// labelsEntry is a file, or {from: file}.
type labelsEntry struct {
	From     string `yaml:"from" required:"true" doc:"The file, CSV or Parquet, relative to the project: source, key and cluster, or a_source, a_key, b_source and b_key." example:"entities/customer.labels.csv"`
	Complete bool   `yaml:"complete" doc:"Records that the file does not name match nothing; else nothing is known about them."`
	pos      config.Pos
}

// DecodeNode implements config.NodeDecoder.
func (l *labelsEntry) DecodeNode(n config.Node) config.Problems {
	if l.pos = n.Pos(); n.IsScalar() {
		return n.Decode(&l.From)
	}
	l.pos = n.Get("from").Pos()
	type plain labelsEntry
	return n.Decode((*plain)(l))
}

// decideKeys are the probabilities.
type decideKeys struct {
	Auto   float64 `yaml:"auto" doc:"Probability from which a pair matches by itself. Default: 0.8; 0.5 where all sources are free of duplicates." example:"0.98"`
	Review float64 `yaml:"review" doc:"Probability from which a steward is asked. Default: 0.2." example:"0.60"`
}

// clusterEntry is cluster:.
type clusterEntry struct {
	config.Origin
	Method        string   `yaml:"method" enum:"guarded,connected,one_to_one" doc:"guarded: merged in falling weight where nothing speaks against it. connected: whatever hangs together. one_to_one: at most one record of each duplicate-free source. By default what fits the sources."`
	MinMeanWeight *float64 `yaml:"min_mean_weight" doc:"Bits: clusters whose records agree less across, on average, are not merged. Default: 3. It rises where a record has less than one duplicate on average."`
	MaxSize       *int     `yaml:"max_size" doc:"Records that one cluster may have; 0 any number. Default: 100."`
}

// overridesEntry is a table, or {table: …}.
type overridesEntry struct {
	Table string `yaml:"table" required:"true" doc:"The table." example:"mdm_overrides"`
	pos   config.Pos
}

// DecodeNode implements config.NodeDecoder.
func (o *overridesEntry) DecodeNode(n config.Node) config.Problems {
	if o.pos = n.Pos(); n.IsScalar() {
		return n.Decode(&o.Table)
	}
	o.pos = n.Get("table").Pos()
	type plain overridesEntry
	return n.Decode((*plain)(o))
}

// relateEntry is one relation.
type relateEntry struct {
	config.Origin
	Name      string            `yaml:"name" required:"true" doc:"Name of the relation; golden records have it as <name>_id." example:"household"`
	By        config.StringList `yaml:"by" doc:"Golden records that agree in all of these fields belong together." example:"[last_name, address]"`
	Hierarchy string            `yaml:"hierarchy" doc:"Field with the key, in the same source, of the parent's record." example:"parent_id"`
}

// describeEntry is a text, or a mapping.
type describeEntry struct {
	Meaning string            `yaml:"meaning" doc:"What it means, for those who query it."`
	PII     *bool             `yaml:"pii" doc:"Its values are personal, and shown to nobody. Fields that are read from columns tagged pii are, unless this is false."`
	Tags    config.StringList `yaml:"tags" doc:"Words about it."`
}

// DecodeNode implements config.NodeDecoder.
func (d *describeEntry) DecodeNode(n config.Node) config.Problems {
	if n.IsScalar() {
		return n.Decode(&d.Meaning)
	}
	type plain describeEntry
	return n.Decode((*plain)(d))
}

// expectEntry is a condition, or a mapping.
type expectEntry struct {
	Is       string   `yaml:"is" required:"true" doc:"Operator and number; a share as 0.02 or 2%." example:"<= 0.02"`
	Severity Severity `yaml:"severity" default:"error" enum:"error,warn" doc:"error: nothing is published. warn: it is told."`
	pos      config.Pos
}

// DecodeNode implements config.NodeDecoder.
func (e *expectEntry) DecodeNode(n config.Node) config.Problems {
	e.Severity, e.pos = SeverityError, n.Pos()
	if n.IsMapping() {
		e.pos = n.Get("is").Pos()
		type plain expectEntry
		return n.Decode((*plain)(e))
	}
	if e.Is = n.Text(); !n.IsScalar() {
		return config.Problems{n.Pos().Problem("an expectation is a condition", `write largest_cluster: "<= 50"`)}
	}
	return nil
}

// EntityMetrics are the figures of a run's quality that expect: may bound, and that <entity>_quality has.
var EntityMetrics = map[string]string{
	"records":                   "Records that were read and standardized.",
	"golden":                    "Golden records.",
	"duplicate_share":           "Share of the records that another one of their cluster stands for.",
	"pairs":                     "Pairs that blocking rules make; one that several make counts for each.",
	"auto_edges":                "Pairs that match by their weight.",
	"review_edges":              "Pairs that a steward is asked about.",
	"refused_edges":             "Pairs that would match, but clustering did not let them.",
	"review_share":              "Share of the records that stand in a pair for review.",
	"largest_cluster":           "Records in the largest cluster.",
	"golden_churn":              "Share of the records of the run before whose golden id is another now.",
	"gone_share":                "Share of the records of the run before that are there no more.",
	"unlinkable_share":          "Share of the records that could not match even themselves.",
	"quarantined_share":         "Share of the records that were kept out.",
	"blocking_recall_on_labels": "Share of the labelled pairs that were compared at all.",
	"precision_on_labels":       "Share of the pairs in clusters that the labels say match.",
	"recall_on_labels":          "Share of the labelled pairs that are in one cluster.",
	"f1_on_labels":              "Harmonic mean of the two.",
}
