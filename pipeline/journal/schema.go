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
}
