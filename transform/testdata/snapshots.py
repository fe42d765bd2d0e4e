"""Makes snapshots.json: what real dbt makes of the snapshots below, day by day. Needs dbt-core and dbt-duckdb; their versions are in the file.

    python snapshots.py <folder to work in> > snapshots.json

The time of each day is said by a macro of the project, where dbt asks the engine for its own.
"""
import importlib.metadata, json, os, subprocess, sys, duckdb

T = "timestamp '2024-0%d-01 00:00:00'"
NOW = ["2024-03-01 06:00:00", "2024-03-02 06:00:00.5", "2024-03-03 06:00:00", "2024-03-04 06:00:00"]

def rows(columns, *values):
    return "select * from (values " + ", ".join(values) + ") as t(" + columns + ")"

def stamped(stamp):
    s = lambda m: stamp % m
    return [
        rows("id, v, ts", f"(1, 'a', {s(1)})", f"(2, 'b', {s(1)})", f"(3, 'c', {s(1)})", f"(4, null, {s(1)})"),
        # 1 as it was, 2 changed, 3 gone, 4 changed without a word, 5 new
        rows("id, v, ts", f"(1, 'a', {s(1)})", f"(2, 'B', {s(2)})", f"(4, 'd', {s(1)})", f"(5, 'e', {s(2)})"),
        # 2 goes back, 3 reappears as it was, 5 gone
        rows("id, v, ts", f"(1, 'a', {s(1)})", f"(2, 'b', {s(1)})", f"(3, 'c', {s(1)})", f"(4, 'd', {s(3)})"),
        rows("id, v, ts", f"(1, 'a', {s(1)})", f"(2, 'b', {s(3)})", f"(3, 'C', {s(4)})", f"(4, 'd', {s(3)})", f"(5, 'e', {s(2)})"),
    ]

plain, dated, zoned = stamped(T), stamped("date '2024-0%d-01'"), stamped("timestamptz '2024-0%d-01 00:00:00+00'")
twice = [
    rows("id, k, v", "(1, 'x', 1.5)", "(1, 'y', 2.5)", "(2, 'x', null)"),
    rows("id, k, v", "(1, 'x', 1.5)", "(1, 'y', 3.5)", "(2, 'x', 0)"),
    rows("id, k, v", "(1, 'y', 3.5)", "(2, 'x', null)", "(2, 'y', 1)"),
]
grown = [
    rows("id, v", "(1, 'a')", "(2, 'b')"),
    rows("id, v, w", "(1, 'a', null)", "(2, 'b', 7)"),
    rows("id, w", "(1, 1)", "(2, 7)"),
]
grown_at = [
    rows("id, v, ts", f"(1, 'a', {T % 1})", f"(2, 'b', {T % 1})"),
    rows("id, v, ts, w", f"(1, 'a', {T % 1}, null)", f"(2, 'b', {T % 2}, 7)"),
    rows("id, ts, w", f"(1, {T % 3}, 1)", f"(2, {T % 2}, 7)"),
]
STAMP = dict(strategy="timestamp", unique_key="id", updated_at="ts")
ALL = dict(strategy="check", unique_key="id", check_cols="all")
FOREVER = dict(dbt_valid_to_current="timestamp '9999-12-31'")
CASES = {
    "stamp_ignore": (STAMP, plain),
    "stamp_record": (dict(STAMP, hard_deletes="new_record"), plain),
    "stamp_dates": (dict(STAMP, hard_deletes="invalidate"), dated),
    "stamp_zones": (dict(STAMP, hard_deletes="new_record"), zoned),
    "stamp_forever_record": (dict(STAMP, hard_deletes="new_record", **FOREVER), plain),
    "stamp_named": (dict(STAMP, hard_deletes="new_record", snapshot_meta_column_names=dict(dbt_valid_from="since", dbt_valid_to="until", dbt_scd_id="scd",
        dbt_updated_at="changed", dbt_is_deleted="dead")), plain),
    "stamp_grown": (STAMP, grown_at),
    "check_all": (ALL, plain),
    "check_all_record": (dict(ALL, hard_deletes="new_record"), plain),
    "check_at": (dict(ALL, check_cols=["v"], updated_at="ts", hard_deletes="invalidate"), plain),
    "check_twice": (dict(ALL, unique_key=["id", "k"], hard_deletes="invalidate"), twice),
    "check_key_of_two": (dict(ALL, unique_key="id || '-' || k"), twice),
    "check_grown": (ALL, grown),
}

def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)

def main(work):
    write(work + "/dbt_project.yml", "name: s\nversion: '1.0'\nprofile: s\nflags: {send_anonymous_usage_stats: false}\n")
    write(work + "/profiles.yml", "s: {target: t, outputs: {t: {type: duckdb, path: s.duckdb, threads: 1, settings: {TimeZone: UTC}}}}\n")
    write(work + "/macros/now.sql", "{% macro duckdb__snapshot_get_time() %}timestamp '{{ var(\"now\") }}'{% endmacro %}\n")
    for name, (config, days) in CASES.items():
        said = ", ".join(f"{k}={v!r}" for k, v in dict(config, target_schema="main").items())
        choice = "".join("{%% %s var('day') == %d %%}%s" % ("if" if i == 0 else "elif", i, d) for i, d in enumerate(days)) + "{% endif %}"
        write(f"{work}/snapshots/{name}.sql", "{% snapshot " + name + " %}{{ config(" + said + ") }}" + choice + "{% endsnapshot %}\n")
    out = {"made_by": {p: importlib.metadata.version(p) for p in ["dbt-core", "dbt-duckdb", "duckdb"]}, "cases": {}}
    for name, (config, days) in CASES.items():
        out["cases"][name] = {"config": config, "days": [{"now": NOW[i], "sql": d} for i, d in enumerate(days)]}
    for day in range(len(NOW)):
        todo = [n for n, (_, days) in CASES.items() if day < len(days)]
        subprocess.run([os.path.join(os.path.dirname(sys.executable), "dbt"), "-q", "snapshot", "--select", *todo, "--vars", json.dumps({"day": day, "now": NOW[day]})],
            cwd=work, check=False, stdout=sys.stderr)
        with duckdb.connect(work + "/s.duckdb", read_only=True) as c:
            c.execute("set TimeZone='UTC'")
            for name in todo:
                columns = [r[0] for r in c.execute(f"describe {name}").fetchall()]
                texts = ", ".join(f'"{x}"::varchar' for x in columns)
                got = sorted(c.execute(f"select {texts} from {name}").fetchall(), key=str)
                out["cases"][name]["days"][day].update(columns=columns, rows=got)
    print(json.dumps(out, indent=None, separators=(",", ":")).replace('"cases":{', '"cases":{\n').replace(']]}]},"', ']]}]},\n"'))

main(sys.argv[1])
