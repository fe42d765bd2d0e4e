"""Which nodes real dbt selects: one case a line, into selection.json. Versions: as in expected.py; see README.md.

Asks `dbt ls` in one process over one parsed manifest of the project `fixture`.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import tempfile

from dbt.cli.main import dbtRunner

HERE = pathlib.Path(__file__).resolve().parent

# Arguments of `dbt ls`.
CASES = """
--select stg_orders
--select stg_orders+
--select +customer_orders
--select 1+customer_orders
--select stg_orders+1
--select +open_orders+
--select @stg_payments
--select stg_orders customer_orders
--select stg_orders,tag:staging
--select staging
--select fixture.staging
--select fixture.staging.*
--select staging.stg_orders
--select models/staging
--select path:models/staging
--select path:models/staging/stg_orders.sql
--select stg_orders.sql
--select file:stg_orders.sql
--select tag:staging
--select tag:nightly,tag:staging
--select tag:no_such_tag
--select tag:st*
--select stg_*
--select *orders
--select stg_order?
--select config.materialized:incremental
--select config.materialized:ephemeral
--select config.severity:warn
--select config.meta.owner:analytics --resource-type model
--select config.unique_key:id
--select source:landing
--select source:landing+
--select source:landing.payments
--select source:fixture.landing.payments
--select source:*
--select exposure:weekly_orders
--select +exposure:weekly_orders
--select package:toolbox
--select package:this --resource-type seed
--select resource_type:seed
--select resource_type:snapshot
--select test_type:singular
--select test_type:generic --exclude tag:checked
--select test_type:unit
--select test_type:data
--select test_name:not_null
--select test_name:at_least
--select toolbox_calendar
--select toolbox
--select people
--select people.v1
--select people_v1
--select people.v2+
--select version:latest
--select version:old
--select group:none_such
--select never_built
--select fqn:fixture.marts.customer_orders
--select orders_belong_to_customers
--select not_null_stg_orders_id
--select unit_test:totals_by_dict
--select totals_by_dict
--select stg_orders --exclude test_type:generic
--exclude config.materialized:view --resource-type model
--select stg_orders --indirect-selection cautious
--select stg_orders --indirect-selection buildable
--select stg_orders --indirect-selection empty
--select seeds/customers_history.csv
--select resource_type:source resource_type:exposure
--resource-type analysis
--resource-type test --select stg_customers
--resource-type unit_test
--select enabled_by_var
--select m*
--select mart*
--select fixture
--select fixture.*
--select fixture.versions.people
--select versions.people.v1
--select people*
--select people.v*
--select fixture.marts.*orders
--select path:models/**/*.sql --resource-type model
--select path:models/*/stg_*.sql
--select models/staging/
--select ./models/staging
--select version:none --resource-type model
--select version:prerelease
--select access:protected --resource-type model
--select access:public
--select config.schema:aside
--select config.schema:main
--select config.enabled:true --resource-type snapshot
--select config.tags:staging
--select config.materialized:seed
--select config.materialized:snapshot
--select tag:staging,config.materialized:view stg_orders+1
--select 2+customer_orders+1 --exclude stg_* tag:nightly
--select @source:landing
--select +exposure:* --exclude package:toolbox
--select source:landing.*
--select package:tool*
--select resource_type:model,package:this,marts
--select resource_type:analysis
--select file:stg_*
--select +status_counts,stg_orders+
--selector orders_and_friends
--selector short
--selector by_method
--selector both
--selector without
--selector of_another
""".strip().splitlines()


def main():
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder) / "fixture"
        shutil.copytree(HERE / "fixture", project)
        os.chdir(project)
        common = ["--quiet", "--no-send-anonymous-usage-stats"]
        listing = ["ls", "--profiles-dir", ".", "--output", "json", "--output-keys", "unique_id"]
        manifest = dbtRunner().invoke([*common, "parse", "--profiles-dir", "."]).result
        runner = dbtRunner(manifest=manifest)
        lines = []
        for case in CASES:
            with contextlib.redirect_stdout(io.StringIO()):
                found = runner.invoke([*common, *listing, *case.split()])
            ids = sorted(json.loads(line)["unique_id"] for line in found.result or [])
            lines.append(json.dumps({"args": case, "ok": found.success, "selected": ids}))
        (HERE / "selection.json").write_text("[\n " + ",\n ".join(lines) + "\n]\n")
        print(len(lines), "cases")


main()
