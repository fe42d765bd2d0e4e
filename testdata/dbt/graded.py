"""How real dbt grades tests: status and number of failures of each test of the project `graded`, into graded.json.

Versions: as in expected.py; see README.md.
"""

import json
import os
import pathlib
import shutil
import tempfile

from dbt.cli.main import dbtRunner

HERE = pathlib.Path(__file__).resolve().parent

os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
with tempfile.TemporaryDirectory() as temp:
    project = pathlib.Path(temp) / "graded"
    shutil.copytree(HERE / "graded", project)
    os.chdir(project)
    dbtRunner().invoke(["build", "--profiles-dir", str(project), "--project-dir", str(project), "--threads", "1"])
    ran = json.loads((project / "target" / "run_results.json").read_text())["results"]
results = {}
for r in sorted(ran, key=lambda r: r["unique_id"]):
    if r["unique_id"].startswith("test."):
        results[r["unique_id"]] = {"status": r["status"], "failures": r["failures"]}
lines = [f"  {json.dumps(name)}: {json.dumps(result)}" for name, result in results.items()]
(HERE / "graded.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
