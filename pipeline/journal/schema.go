package journal

// migrations bring a journal from version i to i+1, each in one transaction. Never edit one that was released:
// add the next.
var migrations = []string{
	`
CREATE TABLE run (
	id           TEXT PRIMARY KEY,
	pipeline     TEXT NOT NULL,
	logical_time TEXT NOT NULL,
	attempt      INTEGER NOT NULL,
	status       TEXT NOT NULL,
	selection    TEXT NOT NULL,   -- JSON: what was asked for
	project_hash TEXT NOT NULL,
	version      TEXT NOT NULL,
	pid          INTEGER NOT NULL,
	started      TEXT NOT NULL,
	finished     TEXT,
	snapshot     INTEGER,         -- what it published; NULL when nothing
	exit_code    INTEGER,
	error        TEXT
) STRICT;
CREATE INDEX run_by_pipeline ON run (pipeline, started);
CREATE TABLE step (
	run       TEXT NOT NULL REFERENCES run (id),
	node      TEXT NOT NULL,
	kind      TEXT NOT NULL,
	attempt   INTEGER NOT NULL,
	status    TEXT NOT NULL,
	started   TEXT NOT NULL,
	finished  TEXT,
	rows      INTEGER NOT NULL DEFAULT 0,
	bytes     INTEGER NOT NULL DEFAULT 0,
	rejected  INTEGER NOT NULL DEFAULT 0,
	equations TEXT,               -- JSON
	notes     TEXT,               -- JSON
	error     TEXT,
	hint      TEXT,
	PRIMARY KEY (run, node, attempt)
) STRICT;
CREATE TABLE window (
	run    TEXT NOT NULL REFERENCES run (id),
	node   TEXT NOT NULL,
	window TEXT NOT NULL,         -- JSON of extract.Window
	definition TEXT NOT NULL,     -- hash of the stream's settings: another definition voids the window
	PRIMARY KEY (run, node)
) STRICT;
CREATE TABLE part (
	run      TEXT NOT NULL REFERENCES run (id),
	node     TEXT NOT NULL,
	slice    TEXT NOT NULL,
	seq      INTEGER NOT NULL,
	file     TEXT NOT NULL,       -- JSON of warehouse.File
	columns  TEXT NOT NULL,       -- JSON
	read     INTEGER NOT NULL,
	landed   INTEGER NOT NULL,
	rejected INTEGER NOT NULL,
	rejects  TEXT,                -- JSON of Rejects
	resume   TEXT NOT NULL,       -- '' when the slice is done
	detail   TEXT,
	landed_at TEXT NOT NULL,
	PRIMARY KEY (run, node, slice, seq)
) STRICT;
CREATE TABLE cursor (
	node     TEXT PRIMARY KEY,
	value    TEXT NOT NULL,
	run      TEXT NOT NULL,
	snapshot INTEGER NOT NULL
) STRICT;
CREATE TABLE event (
	id   INTEGER PRIMARY KEY,
	at   TEXT NOT NULL,
	run  TEXT,
	kind TEXT NOT NULL,
	text TEXT NOT NULL
) STRICT;
`,
	`
CREATE TABLE check_result (
	run      TEXT NOT NULL REFERENCES run (id),
	node     TEXT NOT NULL,
	name     TEXT NOT NULL,
	position INTEGER NOT NULL,    -- order in the project
	status   TEXT NOT NULL,
	failing  INTEGER NOT NULL,
	checked  INTEGER NOT NULL,
	at       TEXT NOT NULL,       -- logical time of the run
	result   TEXT NOT NULL,       -- JSON of check.Result
	PRIMARY KEY (run, node, name)
) STRICT;
CREATE INDEX check_result_trend ON check_result (node, name, at);
CREATE TABLE metric (
	run   TEXT NOT NULL REFERENCES run (id),
	node  TEXT NOT NULL,
	name  TEXT NOT NULL,          -- rows, or column:metric
	value REAL NOT NULL,
	at    TEXT NOT NULL,          -- logical time of the run
	PRIMARY KEY (run, node, name)
) STRICT;
CREATE INDEX metric_history ON metric (node, name, at);
`,
	`
ALTER TABLE run ADD COLUMN firing TEXT;         -- what asked for it; NULL when a person's command did
ALTER TABLE run ADD COLUMN trigger TEXT NOT NULL DEFAULT 'command';
CREATE INDEX run_by_start ON run (started, id);
CREATE INDEX run_by_status ON run (status, started);
CREATE INDEX run_by_firing ON run (firing) WHERE firing IS NOT NULL;
CREATE TABLE firing (
	id           TEXT PRIMARY KEY,
	pipeline     TEXT NOT NULL,
	logical_time TEXT NOT NULL,
	trigger      TEXT NOT NULL,
	state        TEXT NOT NULL,
	reason       TEXT NOT NULL,     -- why it waits, was skipped or failed, for people
	ask          TEXT NOT NULL,     -- JSON of Ask
	by           TEXT NOT NULL,     -- who asked, '' for the schedule
	due          TEXT NOT NULL,     -- not to be started before
	tries        INTEGER NOT NULL,  -- started so far
	cancel       TEXT NOT NULL,     -- who wants it to end; '' for nobody
	run          TEXT,              -- the run that it led to
	exit_code    INTEGER,
	created      TEXT NOT NULL,
	started      TEXT,
	finished     TEXT
) STRICT;
CREATE UNIQUE INDEX firing_once ON firing (pipeline, logical_time);
CREATE INDEX firing_open ON firing (state, due) WHERE finished IS NULL;
CREATE INDEX firing_by_creation ON firing (created, id);
CREATE TABLE pause (
	pipeline TEXT PRIMARY KEY,
	since    TEXT NOT NULL,
	by       TEXT NOT NULL,
	reason   TEXT NOT NULL
) STRICT;
ALTER TABLE event ADD COLUMN by TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN pipeline TEXT NOT NULL DEFAULT '';
`,
	`
CREATE TABLE token (
	name    TEXT PRIMARY KEY,
	hash    TEXT NOT NULL UNIQUE,   -- SHA-256, in hex; the token itself is kept nowhere
	role    TEXT NOT NULL,
	created TEXT NOT NULL,
	expires TEXT
) STRICT;
CREATE TABLE once (
	who    TEXT NOT NULL,
	key    TEXT NOT NULL,
	hash   TEXT NOT NULL,
	firing TEXT NOT NULL,
	status INTEGER NOT NULL,        -- 0 until it was answered
	answer TEXT NOT NULL,
	until  TEXT NOT NULL,
	PRIMARY KEY (who, key)
) STRICT;
CREATE INDEX once_by_end ON once (until);
`,
	`
CREATE INDEX firing_by_pipeline ON firing (pipeline, created, id);
CREATE INDEX firing_unfinished ON firing (created, id) WHERE finished IS NULL;
`,
	`
CREATE INDEX run_by_logical_time ON run (pipeline, logical_time);
`,
	`
CREATE INDEX check_result_latest ON check_result (node, at, run);
CREATE TABLE tally (              -- see tally.go
	name     TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	label    TEXT NOT NULL,
	value    REAL NOT NULL,
	PRIMARY KEY (name, pipeline, label)
) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT 'last_success', pipeline, '', CAST(unixepoch(max(finished)) AS REAL) FROM run
	WHERE status = 'succeeded' AND finished IS NOT NULL AND instr(pipeline, '+') = 0 AND json_extract(selection, '$.replay') IS NULL GROUP BY pipeline;
CREATE TRIGGER firing_added_skipped AFTER INSERT ON firing WHEN new.state = 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, '', 1) ON CONFLICT DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER firing_became_skipped AFTER UPDATE OF state ON firing WHEN new.state = 'skipped' AND old.state <> 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, '', 1) ON CONFLICT DO UPDATE SET value = value + 1;
END;
`,
	`
CREATE TABLE ended (
	seq    INTEGER PRIMARY KEY,      -- in the order in which they were recorded, whatever the clocks say
	kind   TEXT NOT NULL,            -- run or firing
	id     TEXT NOT NULL,
	status TEXT NOT NULL,
	at     TEXT NOT NULL
) STRICT;
CREATE TABLE alert (
	seq       INTEGER PRIMARY KEY,
	id        TEXT NOT NULL UNIQUE,  -- stays the same however often it is sent
	channel   TEXT NOT NULL,
	kind      TEXT NOT NULL,
	key       TEXT NOT NULL,         -- what it is about: the same thing has the same key
	pipeline  TEXT NOT NULL,
	run       TEXT NOT NULL,
	title     TEXT NOT NULL,
	message   TEXT NOT NULL,         -- JSON
	state     TEXT NOT NULL,
	tries     INTEGER NOT NULL,
	due       TEXT NOT NULL,         -- not to be sent before
	error     TEXT NOT NULL,         -- of the last try, or why it was suppressed
	folded    TEXT NOT NULL,         -- the message that told it together with others
	since     TEXT NOT NULL,         -- what the time to give up counts from
	created   TEXT NOT NULL,
	closed    TEXT                   -- delivered, failed or suppressed
) STRICT;
CREATE INDEX alert_pending ON alert (channel, seq) WHERE state = 'pending';
CREATE INDEX alert_closed ON alert (channel, closed) WHERE state = 'delivered';
CREATE TABLE alert_memory (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;
`,
	`
CREATE TABLE schedule_state (
	pipeline TEXT PRIMARY KEY,
	schedule TEXT NOT NULL,       -- expression and zone
	through  TEXT NOT NULL,       -- its times up to this one are decided
	paused   INTEGER NOT NULL     -- it was when last looked at
) STRICT;
`,
	`
DROP TRIGGER firing_added_skipped;    -- the new ones tell firings apart by the reasons that scheduler/fire.go gives
DROP TRIGGER firing_became_skipped;
UPDATE tally SET label = 'other' WHERE name = 'skipped';
CREATE TRIGGER firing_added_skipped AFTER INSERT ON firing WHEN new.state = 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, CASE WHEN new.reason LIKE 'missed while nothing was scheduled%' THEN 'missed' WHEN new.reason LIKE '%(overlap: %' THEN 'overlap' ELSE 'other' END, 1)
		ON CONFLICT DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER firing_became_skipped AFTER UPDATE OF state ON firing WHEN new.state = 'skipped' AND old.state <> 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, CASE WHEN new.reason LIKE 'missed while nothing was scheduled%' THEN 'missed' WHEN new.reason LIKE '%(overlap: %' THEN 'overlap' ELSE 'other' END, 1)
		ON CONFLICT DO UPDATE SET value = value + 1;
END;
`,
	`
CREATE INDEX alert_old ON alert (created) WHERE closed IS NOT NULL;
`,
	`
DROP INDEX check_result_trend;        -- in the order in which trends are asked for, or check_result_latest is taken for them
CREATE INDEX check_result_trend ON check_result (node, name, at, run);
`,
	`
CREATE INDEX run_joint ON run (started, id, pipeline) WHERE instr(pipeline, '+') > 0;   -- of several pipelines at once
`,
	`
ALTER TABLE run ADD COLUMN warnings TEXT;   -- JSON: what went wrong behind the publish; NULL when nothing did
`,
	`
ALTER TABLE event ADD COLUMN target TEXT NOT NULL DEFAULT '';
`,
	`
DROP TRIGGER firing_added_skipped;
DROP TRIGGER firing_became_skipped;
ALTER TABLE tally RENAME TO tally_before;
CREATE TABLE tally (
	name     TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	target   TEXT NOT NULL,       -- '' for what was counted before it was recorded, and for firings
	label    TEXT NOT NULL,
	value    REAL NOT NULL,
	PRIMARY KEY (name, pipeline, target, label)
) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT name, pipeline, '', label, value FROM tally_before;
DROP TABLE tally_before;
CREATE TRIGGER firing_added_skipped AFTER INSERT ON firing WHEN new.state = 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, '', CASE WHEN new.reason LIKE 'missed while nothing was scheduled%' THEN 'missed' WHEN new.reason LIKE '%(overlap: %' THEN 'overlap' ELSE 'other' END, 1)
		ON CONFLICT DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER firing_became_skipped AFTER UPDATE OF state ON firing WHEN new.state = 'skipped' AND old.state <> 'skipped' BEGIN
	INSERT INTO tally VALUES ('skipped', new.pipeline, '', CASE WHEN new.reason LIKE 'missed while nothing was scheduled%' THEN 'missed' WHEN new.reason LIKE '%(overlap: %' THEN 'overlap' ELSE 'other' END, 1)
		ON CONFLICT DO UPDATE SET value = value + 1;
END;
`,
	`
CREATE INDEX event_by_time ON event (at);
CREATE TABLE forgotten (              -- see history.go
	pipeline TEXT PRIMARY KEY,
	through  TEXT NOT NULL        -- the last logical time of its firings that the history has lost
) STRICT;
`,
	`
ALTER TABLE run ADD COLUMN resumed TEXT;   -- when its last attempt began, when that is not the first
`,
	`
ALTER TABLE once DROP COLUMN firing;   -- a firing and the answer that names it are written at once
`,
	`
CREATE TABLE lifted (              -- pauses that are over, until the schedule has been dealt with up to their end
	pipeline TEXT NOT NULL,
	since    TEXT NOT NULL,
	until    TEXT NOT NULL
) STRICT;
ALTER TABLE schedule_state DROP COLUMN paused;
`,
	`
ALTER TABLE run ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;   -- all of it is published, and what follows the target does not show it
CREATE TABLE load (                -- what brings a place that follows a target up to a snapshot: see load.go
	id         TEXT PRIMARY KEY,   -- ULID
	run        TEXT,               -- on whose behalf; NULL for none. The history may lose either of the two before the other
	attempt    INTEGER NOT NULL,
	target     TEXT NOT NULL,
	place      TEXT NOT NULL,      -- models.Target.PlaceHash: a target may be followed by another one later
	snapshot   INTEGER NOT NULL,
	published_by TEXT NOT NULL,    -- load.Manifest.By: who has published the snapshot
	status     TEXT NOT NULL,
	pid        INTEGER NOT NULL,
	started    TEXT NOT NULL,
	finished   TEXT,
	error      TEXT,
	together   INTEGER NOT NULL DEFAULT 0,
	files      INTEGER NOT NULL DEFAULT 0,
	bytes      INTEGER NOT NULL DEFAULT 0,
	statements INTEGER NOT NULL DEFAULT 0,
	seconds    REAL NOT NULL DEFAULT 0,    -- that the place's warehouse was busy
	credits    REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX load_by_run ON load (run, started, id) WHERE run IS NOT NULL;
CREATE INDEX load_by_target ON load (target, started, id);
CREATE INDEX load_by_start ON load (started, id);
CREATE TABLE load_table (
	load     TEXT NOT NULL REFERENCES load (id),
	name     TEXT NOT NULL,
	position INTEGER NOT NULL,
	result   TEXT NOT NULL,        -- JSON of load.LoadedTable
	PRIMARY KEY (load, name)
) STRICT;
CREATE INDEX load_table_by_name ON load_table (name, load);
CREATE TABLE statement (
	load       TEXT NOT NULL REFERENCES load (id),
	seq        INTEGER NOT NULL,
	name       TEXT NOT NULL,      -- of the table; '' for what concerns all
	step       TEXT NOT NULL,
	sql        TEXT NOT NULL,
	request_id TEXT NOT NULL,
	query_id   TEXT NOT NULL,      -- '' until it is known
	sent       TEXT NOT NULL,
	ended      TEXT,
	rows       INTEGER NOT NULL,
	error      TEXT NOT NULL,
	PRIMARY KEY (load, seq)
) STRICT;
`,
	`ALTER TABLE step ADD COLUMN unchanged INTEGER NOT NULL DEFAULT 0; -- its table is what a build would have made
`,
}
