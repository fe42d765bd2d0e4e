"""What templates see in real dbt's graph, of a small project that is written here: into graph.json. It wants the dbt whose context Millrace has."""

import json
import os
import pathlib
import tempfile

from dbt.cli.main import dbtRunner
from dbt.version import __version__

VERSION = "1.10.13"
HERE = pathlib.Path(__file__).resolve().parent

FILES = {
    "dbt_project.yml": """name: shop
version: "1.0"
profile: shop
vars: {which: root}
models:
  shop:
    +meta: {zeta: 1, alpha: 2}
    folder:
      +tags: [nightly]
      +post-hook: ["select 1"]
sources:
  shop:
    +meta: {of_tree: 1}
""",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 3}}}\n",
    "dbt_packages/pk/dbt_project.yml": "name: pk\nversion: '1.0'\nvars: {which: pk, own: of_pk}\n",
    "dbt_packages/pk/models/p.sql": "select 1 as id",
    "dbt_packages/pk/models/s.yml": """sources:
  - name: packed
    schema: "{{ var('own') }}"
    config: {meta: {which: "{{ var('which') }}", own: "{{ var('own') }}"}}
    tables: [{name: things}]
""",
    "packages.yml": "packages: []\n",
    "macros/m.sql": "{% macro twice(x) %}{{ plain(x) }} * 2{% endmacro %}{% macro plain(x) %}{{ x }}{% endmacro %}",
    "seeds/events.csv": "id\n1\n",
    "seeds/letters.csv": "id,letter\n1,a\n2,b\n",
    "seeds/s.yml": "seeds: [{name: events, config: {schema: raw}}, {name: letters, description: the letters, config: {column_types: {letter: varchar, id: bigint}, meta: {y: 1, x: 2}}}]\n",
    "models/a.sql": "{{ config(materialized='table', tags=['t'], meta={'zz': 1, 'bb': {'y': 1, 'x': 2}}, odd={'q': 1, 'b': [2, {'z': 1, 'a': 2}]}) }}\n"
    "select {{ twice('id') }} as id, letter from {{ ref('letters') }}\n",
    "models/folder/b.sql": "select id from {{ ref('a') }} union all select id from {{ source('raw', 'events') }}\n",
    "models/folder/inc.sql": "{{ config(materialized='incremental', unique_key=['id', 'letter'], on_schema_change='fail', schema='other', alias='grown') }}select id, letter from {{ ref('a') }}",
    "models/v_v1.sql": "select 1 as id",
    "models/v_v2.sql": "select 1 as id",
    "models/s.yml": """models:
  - name: b
    description: "{{ doc('about_b') }}"
    docs: {show: false}
    access: public
    config: {meta: {k: v, inner: {z: 1, a: 2}}, tags: [told]}
    constraints: [{type: primary_key, columns: [id]}]
    columns:
      - name: id
        description: the id
        data_type: integer
        quote: true
        config: {meta: {zcol: 1, acol: 2}, tags: [coltag]}
        constraints: [{type: not_null}]
        data_tests: [{not_null: {config: {severity: warn, where: "id is null", meta: {m: 1}}}}]
      - {name: zz}
      - {name: aa}
  - name: a
    columns: [{name: id, data_tests: [not_null, unique]}]
  - name: v
    latest_version: 1
    versions: [{v: 1}, {v: 2}]
sources:
  - name: raw
    schema: main_raw
    description: the source
    loader: hand
    config: {meta: {own: 1, about: s}, tags: [st], loaded_at_field: ts, freshness: {warn_after: {count: 1, period: day}}}
    tables:
      - name: events
        description: what happened
        config: {meta: {inner: 1, about: t}, tags: [tt]}
        columns: [{name: id, description: i, data_type: int, config: {meta: {m: 1}}}]
      - {name: unread, identifier: unread_table}
exposures:
  - name: board
    type: dashboard
    label: The board
    maturity: high
    url: http://example.com
    description: shown
    owner: {name: N, email: n@example.com}
    depends_on: ["ref('b')", "source('raw', 'events')"]
    config: {meta: {zz: 1, aa: 2}, tags: [et]}
""",
    "models/docs.md": "{% docs about_b %}docs of b{% enddocs %}",
    "snapshots/history.sql": "{% snapshot history %}{{ config(unique_key='id', strategy='check', check_cols=['letter'], meta={'s': 1}) }}select * from {{ ref('a') }}{% endsnapshot %}",
    "tests/no_a.sql": "{{ config(severity='warn') }}\nselect * from {{ ref('a') }} where id = 1\n",
}


def main():
    if __version__ != VERSION:
        raise SystemExit(f"dbt-core is {__version__}, and is to be {VERSION}")
    with tempfile.TemporaryDirectory() as tmp:
        for name, text in FILES.items():
            path = pathlib.Path(tmp, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        os.chdir(tmp)
        os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        result = dbtRunner().invoke(["--quiet", "parse", "--no-partial-parse", "--profiles-dir", "."])
        if not result.success:
            raise SystemExit(result.exception)
        result.result.build_flat_graph()
        graph = json.loads(json.dumps(result.result.flat_graph, default=str))
    for kind in graph.values():
        for node in kind.values():
            for key in ("created_at", "_event_status"):
                node.pop(key, None)
            if "root_path" in node:
                node["root_path"] = "<folder>"
    graph["nodes"] = dict(sorted(graph["nodes"].items()))
    (HERE / "graph.json").write_text(json.dumps({"dbt": __version__, "files": FILES, "graph": graph}, indent=1) + "\n")


main()
