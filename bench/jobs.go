package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lineitem writes n rows of a table with 16 columns of mixed types, of which a fiftieth of the comments is NULL.
func (b *bench) lineitem(n int) (string, error) {
	path := filepath.Join(b.data, fmt.Sprintf("lineitem_%d.csv", n))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Printf("making %s\n", path)
	_, err := b.reference(fmt.Sprintf("COPY (%s) TO '%s.tmp' (HEADER)", lineitemSQL(n, 0), path))
	if err != nil {
		return "", err
	}
	return path, os.Rename(path+".tmp", path)
}

// lineitemSQL is one line: the reference runs statements by line. Salt changes every value but the keys.
func lineitemSQL(n, salt int) string {
	h := func(i int) string { return fmt.Sprintf("hash(i + %d)", i+salt*1000) }
	return fmt.Sprintf(`SELECT i AS l_id, (i // 4) + 1 AS l_orderkey, (%s %% 200000)::BIGINT AS l_partkey, (%s %% 10000)::BIGINT AS l_suppkey, (i %% 4 + 1)::INT AS l_linenumber, (1 + %s %% 50)::DECIMAL(12,2) AS l_quantity, ((%s %% 10000000) / 100)::DECIMAL(12,2) AS l_extendedprice, ((%s %% 11) / 100)::DECIMAL(12,2) AS l_discount, ['A','N','R'][1 + (%s %% 3)::INT] AS l_returnflag, ['O','F'][1 + (%s %% 2)::INT] AS l_linestatus, DATE '1992-01-01' + (%s %% 2500)::INT AS l_shipdate, DATE '1992-01-01' + (%s %% 2500)::INT AS l_commitdate, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL (%d) DAY + INTERVAL (i %% 80000) SECOND AS l_updated_at, ['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'][1 + (%s %% 4)::INT] AS l_shipinstruct, ['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'][1 + (%s %% 7)::INT] AS l_shipmode, CASE WHEN %s %% 50 = 0 THEN NULL ELSE substr('carefully final deposits detect slyly agai, regular packages wake über furiously ironic requests' || md5(i::VARCHAR), 1 + (%s %% 60)::INT, 10 + (%s %% 40)::INT) END AS l_comment FROM range(%d) t(i)`,
		h(0), h(1), h(2), h(3), h(4), h(6), h(7), h(8), h(9), salt, h(11), h(12), h(13), h(14), h(15), n)
}

const lineitemColumns = `l_id: BIGINT, l_orderkey: BIGINT, l_partkey: BIGINT, l_suppkey: BIGINT, l_linenumber: INTEGER, l_quantity: "DECIMAL(12,2)", l_extendedprice: "DECIMAL(12,2)", l_discount: "DECIMAL(12,2)", l_returnflag: VARCHAR, l_linestatus: VARCHAR, l_shipdate: DATE, l_commitdate: DATE, l_updated_at: TIMESTAMP, l_shipinstruct: VARCHAR, l_shipmode: VARCHAR, l_comment: VARCHAR`

// project makes a project with one stream over a glob of b.data or of the folder itself.
func (b *bench) project(root, glob, keys string) (string, error) {
	dir, err := os.MkdirTemp(b.data, "project-")
	if err != nil {
		return "", err
	}
	if root == "" {
		root = dir
	}
	text := fmt.Sprintf("name: bench\nsources:\n  files:\n    type: files\n    root: %s\n    streams:\n      - name: lineitem\n        path: %q\n        columns: { %s }\n%s", root, glob, lineitemColumns, keys)
	return dir, os.WriteFile(filepath.Join(dir, "millrace.yml"), []byte(text), 0o644)
}

// report is what we read of `millrace run --json`.
type report struct {
	Overhead map[string]float64 `json:"overhead_seconds"`
	Steps    []struct {
		Rows int64 `json:"rows"`
	} `json:"steps"`
}

// load runs the project in a fresh state and gives the medians over the counted runs.
func (b *bench) load(dir string, runs int, args ...string) (usage, report, error) {
	var walls, cpus, rss []float64
	var last report
	for range runs {
		for _, state := range []string{".millrace", "warehouse"} {
			if err := os.RemoveAll(filepath.Join(dir, state)); err != nil {
				return usage{}, last, err
			}
		}
		u, err := measure(dir, b.bin, append([]string{"run", "--json"}, args...)...)
		if err != nil {
			return u, last, err
		}
		if err := json.Unmarshal(u.stdout, &last); err != nil {
			return u, last, fmt.Errorf("read report: %w", err)
		}
		walls, cpus, rss = append(walls, u.wall), append(cpus, u.cpu), append(rss, u.rss)
	}
	return usage{wall: median(walls), cpu: median(cpus), rss: median(rss)}, last, nil
}

// csv compares a whole run with DuckDB's own COPY of the same file, in turn.
func (b *bench) csv() error {
	path, err := b.lineitem(b.rows)
	if err != nil {
		return err
	}
	dir, err := b.project(b.data, filepath.Base(path), "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "reference.parquet")
	copySQL := fmt.Sprintf("COPY (SELECT * FROM read_csv('%s', header = true, columns = {%s})) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)",
		path, duckColumns(), out)
	var ratios, walls, cpus, refWalls, refCPUs, rss []float64
	for i := range b.runs + 1 {
		ref, err := b.reference(copySQL)
		if err != nil {
			return err
		}
		ours, _, err := b.load(dir, 1)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // warm-up: the page cache
		}
		ratios = append(ratios, ours.wall/ref.wall)
		walls, cpus, rss = append(walls, ours.wall), append(cpus, ours.cpu), append(rss, ours.rss)
		refWalls, refCPUs = append(refWalls, ref.wall), append(refCPUs, ref.cpu)
	}
	b.add("csv: wall, DuckDB's own COPY", median(refWalls), "s", 0)
	b.add("csv: CPU, DuckDB's own COPY", median(refCPUs), "s", 0)
	b.add("csv: wall, millrace run", median(walls), "s", 0)
	b.add("csv: CPU, millrace run", median(cpus), "s", 15*float64(b.rows)/6e6)
	b.add("csv: peak RSS, millrace run", median(rss), "MiB", 0)
	b.add("csv: wall, millrace run / DuckDB's COPY", median(ratios), "x", 1.15)
	return nil
}

func duckColumns() string {
	var items []string
	for _, item := range strings.Split(strings.ReplaceAll(lineitemColumns, "(12,2)", "(12;2)"), ", ") {
		name, typ, _ := strings.Cut(item, ": ")
		items = append(items, fmt.Sprintf("'%s': '%s'", name, strings.ReplaceAll(strings.Trim(typ, `"`), ";", ",")))
	}
	return strings.Join(items, ", ")
}

// memory shows that the peak does not grow with the data.
func (b *bench) memory() error {
	var first float64
	for _, times := range []int{1, 2, 10} {
		path, err := b.lineitem(b.rows / 6 * times)
		if err != nil {
			return err
		}
		dir, err := b.project(b.data, filepath.Base(path), "")
		if err != nil {
			return err
		}
		u, _, err := b.load(dir, 1, "--memory", "384MB")
		_ = os.RemoveAll(dir)
		if err != nil {
			return err
		}
		if times == 1 {
			first = u.rss
			b.add(fmt.Sprintf("memory: peak RSS, %d rows, --memory 384MB", b.rows/6), u.rss, "MiB", 384)
			continue
		}
		b.add(fmt.Sprintf("memory: peak RSS at %d x the rows", times), u.rss, "MiB", 384)
		b.add(fmt.Sprintf("memory: growth at %d x the rows", times), u.rss/first, "x", 0)
	}
	return nil
}

// incremental changes a thousandth of a keyed table and compares with loading all of it again.
func (b *bench) incremental() error {
	n := b.rows * 10 / 6
	path, err := b.lineitem(n)
	if err != nil {
		return err
	}
	dir, err := b.project("", "inbox/*.csv", "        mode: incremental\n        key: [l_id]\n        cursor: l_updated_at\n")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	inbox := filepath.Join(dir, "inbox")
	if err := os.Mkdir(inbox, 0o755); err != nil {
		return err
	}
	if err := os.Link(path, filepath.Join(inbox, "a.csv")); err != nil {
		return err
	}
	full, _, err := b.load(dir, 1)
	if err != nil {
		return err
	}
	var walls, cpus []float64
	for i := range b.runs {
		changed := fmt.Sprintf("COPY (SELECT * FROM (%s) WHERE hash(i7 + l_id) %% 1000 = 0) TO '%s' (HEADER)", lineitemSQL(n, i+1), filepath.Join(inbox, fmt.Sprintf("b%d.csv", i)))
		changed = strings.ReplaceAll(changed, "i7", fmt.Sprint(i))
		if _, err := b.reference(changed); err != nil {
			return err
		}
		u, err := measure(dir, b.bin, "run", "--json")
		if err != nil {
			return err
		}
		walls, cpus = append(walls, u.wall), append(cpus, u.cpu)
	}
	b.add(fmt.Sprintf("incremental: wall, full load of %d rows", n), full.wall, "s", 0)
	b.add("incremental: CPU, full load", full.cpu, "s", 0)
	b.add("incremental: wall, 0.1 % changed", median(walls), "s", 0)
	b.add("incremental: wall, 0.1 % changed / full load", median(walls)/full.wall, "x", 0.1)
	b.add("incremental: CPU, 0.1 % changed / full load", median(cpus)/full.cpu, "x", 0.1)
	return nil
}

// overhead is the share of a run that goes into the journal, the checks of the second reader and the publish.
func (b *bench) overhead() error {
	path, err := b.lineitem(b.rows)
	if err != nil {
		return err
	}
	dir, err := b.project(b.data, filepath.Base(path), "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	u, r, err := b.load(dir, b.runs)
	if err != nil {
		return err
	}
	total := 0.0
	for name, seconds := range r.Overhead {
		total += seconds
		b.add("overhead: "+name+", share of the run", seconds/u.wall, "", 0)
	}
	b.add("overhead: journal, verification and publish together", total/u.wall, "", 0.03)
	return nil
}

// demo is the example project from nothing, as a newcomer runs it.
func (b *bench) demo() error {
	dir, err := os.MkdirTemp(b.data, "demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", "shop"))); err != nil {
		return err
	}
	u, _, err := b.load(dir, b.runs)
	if err != nil {
		return err
	}
	b.add("demo: millrace run of examples/shop", u.wall, "s", 1)
	return nil
}
