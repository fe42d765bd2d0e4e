package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// tableSQL fills a table like that of lineitem, for PostgreSQL: n rows from the one after from, by a sequence's arithmetic,
// so that every machine has the same.
func tableSQL(n, from int) string {
	h := func(i int) string { return fmt.Sprintf("(hashint8(i + %d) & 1073741823)", i) }
	return fmt.Sprintf(`SELECT i AS l_id, i / 4 + 1 AS l_orderkey, %s %% 200000 AS l_partkey, %s %% 10000 AS l_suppkey, (i %% 4 + 1)::int AS l_linenumber,
  (1 + %s %% 50)::numeric(12,2) AS l_quantity, (%s %% 10000000 / 100.0)::numeric(12,2) AS l_extendedprice, (%s %% 11 / 100.0)::numeric(12,2) AS l_discount, (%s %% 9 / 100.0)::numeric(12,2) AS l_tax,
  (ARRAY['A','N','R'])[1 + %s %% 3]::char(1) AS l_returnflag, (ARRAY['O','F'])[1 + %s %% 2]::char(1) AS l_linestatus,
  date '1992-01-01' + (%s %% 2500)::int AS l_shipdate, date '1992-01-01' + (%s %% 2500)::int AS l_commitdate,
  CASE WHEN i %% 100 = 0 THEN NULL ELSE timestamp '2024-01-01' + i * interval '1 second' END AS l_receipt,
  (ARRAY['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[1 + %s %% 4]::varchar(25) AS l_shipinstruct,
  (ARRAY['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'])[1 + %s %% 7]::varchar(10) AS l_shipmode,
  CASE WHEN i %% 50 = 0 THEN NULL ELSE substr('carefully final deposits detect slyly agai, regular packages wake über furiously ironic requests' || md5(i::text), (1 + %s %% 60)::int, (10 + %s %% 40)::int) END::varchar(44) AS l_comment
FROM generate_series(%d::bigint, %d) AS i`, h(0), h(1), h(2), h(3), h(4), h(5), h(6), h(7), h(8), h(9), h(10), h(11), h(12), h(13), from+1, from+n)
}

// psql runs SQL in the server of -postgres.
func (b *bench) psql(args ...string) (usage, error) {
	return measure("", "psql", append([]string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", b.postgresURL}, args...)...)
}

// ensureTable makes a table of n rows, or leaves the one that is there from an earlier job.
func (b *bench) ensureTable(name string, n int) error {
	u, err := b.psql("-At", "-c", fmt.Sprintf("SELECT to_regclass('%s') IS NOT NULL", name))
	if err != nil || strings.TrimSpace(string(u.stdout)) == "t" {
		return err
	}
	fmt.Printf("making %s in PostgreSQL\n", name)
	_, err = b.psql("-c", "CREATE TABLE "+name+" AS "+tableSQL(n, 0), "-c", "VACUUM ANALYZE "+name)
	return err
}

// source makes a project with one stream of a database.
func (b *bench) source(typ, address, stream string) (string, error) {
	dir, err := os.MkdirTemp(b.data, "project-")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("-%s: %w", typ, err)
	}
	if password, ok := u.User.Password(); ok { // as users must: it comes from the environment
		if err := os.Setenv("BENCH_PASSWORD", password); err != nil {
			return "", err
		}
		address = strings.Replace(address, ":"+password+"@", ":${BENCH_PASSWORD}@", 1)
	}
	text := fmt.Sprintf("name: bench\nsources:\n  erp:\n    type: %s\n    url: %q\n    streams:\n      - %s\n", typ, address, stream)
	return dir, os.WriteFile(filepath.Join(dir, "millrace.yml"), []byte(text), 0o644)
}

// postgres compares a whole run with psql's COPY of the same table to nowhere, in turn.
func (b *bench) postgres() error {
	if b.postgresURL == "" {
		return b.without("-postgres")
	}
	sizes := []int{1, 2}
	if b.long {
		sizes = append(sizes, 10)
	}
	for _, times := range sizes {
		if err := b.ensureTable(fmt.Sprintf("lineitem_%d", times), b.rows*times); err != nil {
			return err
		}
	}
	dir, err := b.source("postgres", b.postgresURL, "{ name: public.lineitem_1, mode: full }")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copyOut := func() (usage, error) {
		return measure("", "sh", "-c", `exec psql -X -d "$0" -c "COPY (SELECT * FROM lineitem_1) TO STDOUT (FORMAT binary)" >/dev/null`, b.postgresURL)
	}
	var ratios, relative, walls, cpus, refs, refCPUs, rss []float64
	for i := range b.runs + 1 {
		before, err := copyOut()
		if err != nil {
			return err
		}
		ours, _, err := b.load(dir, 1, "--memory", "384MB")
		if err != nil {
			return err
		}
		after, err := copyOut() // on both sides: the machine's speed drifts
		if err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		ref := (before.wall + after.wall) / 2
		ratios, walls, cpus, rss = append(ratios, ours.wall/ref), append(walls, ours.wall), append(cpus, ours.cpu), append(rss, ours.rss)
		relative = append(relative, ours.cpu/ref)
		refs, refCPUs = append(refs, ref), append(refCPUs, (before.cpu+after.cpu)/2)
	}
	b.add("postgres: wall, psql COPY binary > /dev/null", median(refs), "s", 0)
	b.add("postgres: CPU, psql", median(refCPUs), "s", 0)
	b.add("postgres: wall, millrace run", median(walls), "s", 0)
	b.add("postgres: CPU, millrace run", median(cpus), "s", 6*float64(b.rows)/6e6)
	// The 6 seconds were set on a machine where psql took 5.12 s for the same rows: this is the same bar at this machine's speed.
	b.add("postgres: CPU, millrace run / wall, psql COPY", median(relative), "x", 6/5.12)
	b.add("postgres: wall, millrace run / psql COPY", median(ratios), "x", 1/0.95)
	b.add(fmt.Sprintf("postgres: peak RSS, %d rows, --memory 384MB", b.rows), median(rss), "MiB", 384)
	for _, times := range sizes[1:] {
		dir, err := b.source("postgres", b.postgresURL, fmt.Sprintf("{ name: public.lineitem_%d, mode: full }", times))
		if err != nil {
			return err
		}
		u, _, err := b.load(dir, 1, "--memory", "384MB")
		_ = os.RemoveAll(dir)
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("postgres: peak RSS at %d x the rows", times), u.rss, "MiB", 384)
	}
	return nil
}

// postgresIncremental changes a thousandth of a keyed table, with and without looking for deleted rows.
func (b *bench) postgresIncremental() error {
	if b.postgresURL == "" {
		return b.without("-postgres")
	}
	n := b.rows * 10 / 6
	if _, err := b.psql("-c", "DROP TABLE IF EXISTS changing"); err != nil {
		return err
	}
	fmt.Println("making a table with a key and a cursor in PostgreSQL")
	if _, err := b.psql("-c", "CREATE TABLE changing AS SELECT *, timestamptz '2025-01-01' + l_id * interval '1 second' AS updated_at FROM ("+tableSQL(n, 0)+") AS t",
		"-c", "ALTER TABLE changing ADD PRIMARY KEY (l_id), ALTER updated_at SET NOT NULL", "-c", "CREATE INDEX ON changing (updated_at, l_id)", "-c", "VACUUM ANALYZE changing"); err != nil {
		return err
	}
	for _, kind := range []struct{ name, keys string }{{"changes", ""}, {"changes and deletes", ", deletes: hard"}} {
		dir, err := b.source("postgres", b.postgresURL, "{ name: public.changing, mode: incremental, key: [l_id], cursor: updated_at"+kind.keys+" }")
		if err != nil {
			return err
		}
		full, _, err := b.load(dir, 1)
		if err != nil {
			return err
		}
		var walls []float64
		for i := range b.runs {
			change := []string{"-c", fmt.Sprintf("UPDATE changing SET l_comment = 'changed', updated_at = now() WHERE hashint8(l_id + %d) %% 1000 = 0", i)}
			if kind.keys != "" {
				change = append(change, "-c", fmt.Sprintf("DELETE FROM changing WHERE hashint8(l_id + %d) %% 10000 = 1", i))
			}
			if _, err := b.psql(append(change, "-c", "SELECT pg_sleep(1.2)")...); err != nil {
				return err
			}
			u, err := measure(dir, b.bin, "run", "--json")
			if err != nil {
				return err
			}
			walls = append(walls, u.wall)
		}
		_ = os.RemoveAll(dir)
		bar := 0.1
		if kind.keys != "" {
			bar = 0
		}
		b.add(fmt.Sprintf("postgres incremental: wall, full load of %d rows", n), full.wall, "s", 0)
		b.add("postgres incremental: wall, 0.1 % "+kind.name, median(walls), "s", 0)
		b.add("postgres incremental: 0.1 % "+kind.name+" / full load", median(walls)/full.wall, "x", bar)
	}
	return nil
}

// mariadb compares a whole run with the mariadb client's unbuffered read of the same table.
func (b *bench) mariadb() error {
	if b.mariadbURL == "" {
		return b.without("-mariadb")
	}
	u, err := url.Parse(b.mariadbURL)
	if err != nil {
		return fmt.Errorf("-mariadb: %w", err)
	}
	password, _ := u.User.Password()
	if err := os.Setenv("MYSQL_PWD", password); err != nil {
		return err
	}
	client := func(sql string) (usage, error) {
		return measure("", "sh", "-c", `exec mariadb --no-defaults --quick --skip-column-names -h "$0" -P "$1" -u "$2" "$3" -e "$4" >/dev/null`, u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"), sql)
	}
	path, err := b.lineitem(b.rows)
	if err != nil {
		return err
	}
	if _, err := client("SELECT 1 FROM lineitem LIMIT 1"); err != nil {
		fmt.Println("making lineitem in MariaDB")
		columns := strings.NewReplacer(`"`, "", ":", "", "VARCHAR", "VARCHAR(100)", "TIMESTAMP", "DATETIME").Replace(lineitemColumns)
		for _, sql := range []string{"DROP TABLE IF EXISTS lineitem", "CREATE TABLE lineitem (" + columns + ", PRIMARY KEY (l_id))",
			fmt.Sprintf("LOAD DATA LOCAL INFILE '%s' INTO TABLE lineitem CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\\"' IGNORE 1 LINES", path), "ANALYZE TABLE lineitem"} {
			if _, err := client(sql); err != nil {
				return err
			}
		}
	}
	dir, err := b.source("mysql", b.mariadbURL, "{ name: lineitem, mode: full }")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var ratios, walls, cpus, refs, rss []float64
	for i := range b.runs + 1 {
		before, err := client("SELECT * FROM lineitem")
		if err != nil {
			return err
		}
		ours, _, err := b.load(dir, 1, "--memory", "384MB")
		if err != nil {
			return err
		}
		after, err := client("SELECT * FROM lineitem")
		if err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		ref := (before.wall + after.wall) / 2
		ratios, walls, cpus, rss, refs = append(ratios, ours.wall/ref), append(walls, ours.wall), append(cpus, ours.cpu), append(rss, ours.rss), append(refs, ref)
	}
	b.add("mariadb: wall, mariadb --quick > /dev/null", median(refs), "s", 0)
	b.add("mariadb: wall, millrace run", median(walls), "s", 0)
	b.add("mariadb: CPU, millrace run", median(cpus), "s", 0)
	b.add("mariadb: wall, millrace run / mariadb --quick", median(ratios), "x", 1.2)
	b.add(fmt.Sprintf("mariadb: peak RSS, %d rows, --memory 384MB", b.rows), median(rss), "MiB", 384)
	return nil
}

// without skips a job whose server was not named: all the others are measured.
func (b *bench) without(flag string) error {
	fmt.Printf("left out: %s names no server; `make bench-databases` starts them\n", flag)
	return nil
}
