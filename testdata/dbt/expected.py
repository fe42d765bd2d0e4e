"""What real dbt makes of the project `fixture`: runs it for three days and writes expected/.

Versions that the committed outputs come from (the script prints the real ones into expected/versions.json and stops if they differ):
dbt-core 1.11.16, dbt-duckdb 1.11.1, duckdb 1.5.5, Jinja2 3.1.6. See README.md for the command.

Left out or made equal, because it comes from the clock: in snapshots a time of today reads "<clock>", and the hash over such a
time reads "<hash of clock>". Durations, invocation ids and paths of the machine are not written at all.
"""

import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import duckdb

VERSIONS = {"dbt-core": "1.11.16", "dbt-duckdb": "1.11.1", "duckdb": "1.5.5", "Jinja2": "3.1.6"}
DAYS = [1, 2, 3]
HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "expected"
START, HASH = ("dbt_valid_from", "valid_from"), ("dbt_scd_id", "version_id")
TIMES = START + ("dbt_valid_to", "valid_to", "dbt_updated_at", "changed_at")


def main():
    found = {name: importlib.metadata.version(name) for name in VERSIONS}
    if found != VERSIONS:
        sys.exit(f"expected.py wants {VERSIONS}, found {found}")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    write("versions.json", found)
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder) / "fixture"
        shutil.copytree(HERE / "fixture", project)
        with duckdb.connect(str(project / "fixture.duckdb")) as con:
            con.execute((HERE / "landing.sql").read_text())
        seen = {}
        for day in DAYS:
            run_day(project, day, seen)


def run_day(project, day, seen):
    """One `dbt build`; seen keeps the compiled SQL of earlier days, so that a day holds only what it changed."""
    dbt(project, "build", "--vars", json.dumps({"day": day}))
    manifest = json.loads((project / "target/manifest.json").read_text())
    results = json.loads((project / "target/run_results.json").read_text())["results"]
    if day == DAYS[0]:
        write("nodes.json", {"nodes": nodes(manifest), "disabled": sorted(manifest["disabled"])})
    write(f"day{day}_results.json", sorted((result(r) for r in results), key=lambda r: r["unique_id"]))
    write(f"day{day}_tables.json", tables(project / "fixture.duckdb"))
    compiled = {r["unique_id"]: r["compiled_code"] for r in results if r.get("compiled_code")}
    compiled = {k: v for k, v in compiled.items() if not k.startswith(("unit_test.", "operation."))}
    write(f"day{day}_compiled.json", {k: v for k, v in sorted(compiled.items()) if seen.get(k) != v})
    seen.update(compiled)


def dbt(project, *args):
    """Runs dbt; it exits with 1 when a test fails, as some here must, and with 2 when it did not run."""
    flags = ["--no-use-colors", "--no-send-anonymous-usage-stats"]
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *flags, *args, "--profiles-dir", "."]
    done = subprocess.run(command, cwd=project, env=dict(os.environ, TZ="UTC"), text=True, capture_output=True)
    if done.returncode not in (0, 1) or "Done." not in done.stdout:
        sys.exit(done.stdout + done.stderr)
    print(next(line for line in done.stdout.splitlines() if "Done." in line))


def result(r):
    """Status and failures of a node; of a test also what was said."""
    kept = {"unique_id": r["unique_id"], "status": r["status"]}
    if r["unique_id"].startswith("test.") and r["status"] != "skipped":
        kept["failures"], kept["message"] = r["failures"], r["message"]
    return kept


def nodes(manifest):
    """The subset of the manifest that names, places and configures nodes."""
    keys = ["resource_type", "name", "alias", "schema", "relation_name", "fqn", "tags", "original_file_path", "version", "column_name",
            "attached_node", "description"]
    settings = ["materialized", "unique_key", "incremental_strategy", "on_schema_change", "severity", "where", "limit", "error_if",
                "warn_if", "fail_calc", "store_failures", "store_failures_as", "meta", "strategy", "updated_at", "check_cols",
                "hard_deletes"]
    kept = {}
    for node in (node for part in ("nodes", "sources", "unit_tests", "exposures") for node in manifest[part].values()):
        one = {k: node[k] for k in keys if node.get(k) not in (None, "", [])}
        one["depends_on"] = sorted(node.get("depends_on", {}).get("nodes", []))
        one["config"] = {k: node["config"][k] for k in settings if node["config"].get(k) not in (None, {}, [])}
        kept[node["unique_id"]] = one
    return dict(sorted(kept.items()))


def tables(path):
    """Every table and view: kind, columns with types, rows as DuckDB prints their values, sorted."""
    found = {}
    old = os.getcwd()
    os.chdir(path.parent)  # views read files by relative paths
    with duckdb.connect(path.name, read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        listed = con.execute("select table_schema, table_name, table_type from information_schema.tables order by all").fetchall()
        for schema, name, kind in listed:
            found[f"{schema}.{name}"] = table(con, f'"{schema}"."{name}"', kind)
    os.chdir(old)
    return found


def table(con, relation, kind):
    columns = [[c[0], c[1]] for c in con.execute(f"describe {relation}").fetchall()]
    texts = ", ".join(f'"{name}"::varchar' for name, _ in columns)
    rows = [clockless([name for name, _ in columns], list(row)) for row in con.execute(f"select {texts} from {relation}").fetchall()]
    return {"kind": "view" if kind == "VIEW" else "table", "columns": columns, "rows": sorted(rows, key=json.dumps)}


def clockless(names, row):
    """A time after the data's own (2024) is the clock's."""
    by_clock = False
    for i, name in enumerate(names):
        if name in TIMES and row[i] and "2025" <= row[i] < "9999":
            row[i] = "<clock>"
            by_clock = by_clock or name not in ("dbt_valid_to", "valid_to")
    return ["<hash of clock>" if by_clock and name in HASH else value for name, value in zip(names, row)]


def write(name, value):
    """JSON with a row of a table on a line of its own, so that a changed expectation reads as a changed line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    if name.endswith("_tables.json"):
        parts = []
        for key, t in value.items():
            rows = ",\n   ".join(json.dumps(r, ensure_ascii=False) for r in t["rows"])
            head = f'"kind": {json.dumps(t["kind"])}, "columns": {json.dumps(t["columns"], ensure_ascii=False)}'
            parts.append(f' {json.dumps(key)}: {{{head}, "rows": [' + (f"\n   {rows}" if rows else "") + "]}")
        text = "{\n" + ",\n".join(parts) + "\n}"
        assert json.loads(text) == value
    (OUT / name).write_text(text + "\n")


main()
