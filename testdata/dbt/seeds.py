"""How real dbt reads seeds: one seed a case, types and rows of the table that it makes, into seeds.json.

Versions that the committed output comes from: dbt-core 1.11.16, dbt-duckdb 1.11.1, duckdb 1.5.5, agate 1.9.1. See README.md.
dbt infers the types with agate, creates the table with them, then lets DuckDB's COPY read the file: both can refuse a file.
"""

import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import duckdb

VERSIONS = {"dbt-core": "1.11.16", "dbt-duckdb": "1.11.1", "duckdb": "1.5.5", "agate": "1.9.1"}
HERE = pathlib.Path(__file__).resolve().parent

# One column `c` beside a key: the texts as they stand in the file.
COLUMNS = {
    "integers": "1 2 -3", "integers_and_empty": "1||3", "integers_with_plus": "+1 2", "integers_with_thousands": '"1,000" "2,000"',
    "integers_with_spaces": '" 1"|"2 "|3',
    "leading_zeros": "001 002 010", "one_leading_zero": "01 2", "zero": "0 0", "zero_and_one": "0 1 1", "ones": "1 1", "minus_zero": "-0 1",
    "int32_edge": "2147483647 -2147483648", "int64_small": "2147483648 1", "int64_edge": "9223372036854775807 1",
    "beyond_int64": "9223372036854775808 1",
    "huge": "123456789012345678901234567890 1", "too_huge": "1234567890123456789012345678901234567890123456789012345678901234567890 1",
    "decimals": "1.5 2.25", "decimals_and_integers": "1 2.5 3", "decimals_dot_zero": "1.0 2.0", "decimal_no_integer_part": ".5 1.25",
    "decimal_ends_in_dot": "5. 1.5",
    "many_digits": "0.12345678901234567890 1.5", "exponents": "1e3 2E-2", "percent": "5% 10%", "currency": "$5 $10", "euro": "€5 €10",
    "decimal_comma": '"1,5" "2,5"',
    "nan": "NaN 1.5", "infinity": "inf 1", "hex": "0x10 0x20", "underscores": "1_000 2_000",
    "dates": "2024-01-01 2024-02-29", "dates_and_empty": "2024-01-01||2024-01-03", "date_not_real": "2024-02-30 2024-01-01",
    "dates_slashes": "2024/01/01 2024/02/01",
    "dates_us": "01/31/2024 02/01/2024", "dates_short_year": "1/2/24 3/4/24", "dates_words": '"Jan 1 2024"|"Feb 2 2024"',
    "dates_compact": "20240101 20240201",
    "date_one_digit": "2024-1-1 2024-2-2", "years": "2023 2024", "year_month": "2024-01 2024-02", "old_date": "0099-01-01 1600-01-01",
    "far_date": "9999-12-31 2024-01-01",
    "timestamps": "2024-01-01 10:00:00|2024-01-02 11:30:00", "timestamps_t": "2024-01-01T10:00:00 2024-01-02T11:30:00",
    "timestamps_micro": "2024-01-01 10:00:00.123456|2024-01-02 11:30:00",
    "timestamps_t_micro": "2024-01-01T10:00:00.123456 2024-01-02T11:30:00",
    "timestamps_t_offset": "2024-01-01T10:00:00+02:00 2024-01-02T11:30:00-05:00",
    "timestamps_t_minutes": "2024-01-01T10:00 2024-01-02T11:30", "timestamps_t_compact": "20240101T100000 20240102T113000",
    "timestamps_t_week": "2024-W01-1T10:00:00 2024-W02-1T10:00:00", "timestamps_t_and_dates": "2024-01-01T10:00:00 2024-01-02",
    "date_with_space": '" 2024-01-01"|2024-01-02', "year_five_digits": "12024-01-01 2024-01-01", "year_zero": "0000-01-01 2024-01-01",
    "int32_below": "-2147483649 1", "sixteen_digits": "1234567890123456 1", "eighteen_digits_and_fraction": "123456789012345678.5 1",
    "negative_decimals": "-1.5 -.5", "plus_decimals": "+1.5 2",
    "parenthesis_negative": "(5) 1", "trailing_minus": "5- 1", "exponent_whole": "1e3 2e3", "exponent_big": "1e400 1",
    "thousands_and_fraction": '"1,000.5"|2',
    "timestamps_milli": "2024-01-01 10:00:00.123|2024-01-02 11:30:00.5", "timestamps_minutes": "2024-01-01 10:00|2024-01-02 11:30",
    "timestamps_z": "2024-01-01T10:00:00Z 2024-01-02T11:30:00Z",
    "timestamps_offset": "2024-01-01 10:00:00+02:00|2024-01-02 11:30:00-05:00",
    "timestamps_utc_word": "2024-01-01 10:00:00 UTC|2024-01-02 11:30:00 UTC",
    "timestamps_am_pm": '"2024-01-01 10:00:00 AM"|"2024-01-02 11:30:00 PM"', "dates_and_timestamps": "2024-01-01|2024-01-02 11:30:00",
    "times": "10:00:00 11:30:00", "times_short": "10:00 11:30",
    "timestamps_nano": "2024-01-01 10:00:00.123456789|2024-01-02 11:30:00.000000001",
    "midnights": "2024-01-01 00:00:00|2024-01-02 00:00:00",
    "true_false": "true false", "true_false_title": "True False", "true_false_upper": "TRUE FALSE", "t_f": "t f", "t_f_upper": "T F",
    "yes_no": "yes no", "y_n_upper": "Y N", "y_n": "y n", "on_off": "on off",
    "true_and_empty": "true||false", "true_and_one": "true 1", "true_and_word": "true maybe", "true_with_space": '" true"|false',
    "empty": "||", "quoted_empty": '""|""', "one_quoted_empty": 'a|""|b', "empty_in_text": "a||b", "quoted_empty_in_integers": '1|""|3',
    "spaces": '" "|a', "only_spaces": '" "|"  "',
    "null_lower": "null null", "null_upper": "NULL NULL", "null_mixed": "Null Null", "null_in_integers": "1 null 3",
    "null_in_text": "a null b", "none_word": "none none", "none_in_integers": "1 None",
    "na": "na n/a", "na_in_integers": "1 NA", "na_in_text": "a N/A", "dot_as_null": ". 1", "dash_as_null": "- 1", "nil": "nil 1",
    "quoted_numbers": '"1"|"2"', "quoted_leading_zero": '"01"|"02"', "number_and_text": "1 a", "date_and_text": "2024-01-01 soon",
    "integer_and_date": "1 2024-01-01", "integer_and_true": "1 2 true",
    "bool_and_date": "true 2024-01-01", "json": '"{""a"": 1}"|"{}"', "list": '"[1, 2]"|"[]"',
    "uuid": "50a2d1c4-d788-4498-a6f7-dd75d4db588f 438005c2-dd1d-48aa-8bfd-7fb06851b5f8",
    "quotes_inside": '"say ""hi"""|plain', "backslash": "a\\b c\\n", "comma_inside": '"a,b"|c', "unicode": "Ærø 日本",
    "trailing_space": "a |b", "single_quote": "it's 'x'", "semicolons": "a;b c;d",
    "duration": "1 day|2 days", "interval_words": "1h 2h", "phone": "+4712345678 +4787654321", "ip": "10.0.0.1 10.0.0.2",
    "version": "1.2.3 1.2.4", "fraction": "1/2 3/4",
}
# Whole files.
FILES = {
    "header_only": "id,c\n", "no_newline_at_end": "id,c\n1,a", "crlf": "id,c\r\n1,a\r\n2,b\r\n", "byte_order_mark": "\ufeffid,c\n1,a\n",
    "blank_line_at_end": "id,c\n1,a\n\n",
    "blank_line_inside": "id,c\n1,a\n\n2,b\n", "quoted_newline": 'id,c\n1,"a\nb"\n2,c\n', "upper_case_header": "ID,MixedCase\n1,a\n",
    "header_with_space": "id,two words\n1,a\n",
    "quoted_header": '"id","c"\n1,a\n', "header_reserved_word": "id,select\n1,a\n", "header_twice": "id,c,c\n1,a,b\n",
    "header_differs_by_case": "id,c,C\n1,a,b\n", "header_empty": "id,\n1,a\n",
    "short_row": "id,c,d\n1,a\n2,b,x\n", "long_row": "id,c\n1,a,x\n", "one_column": "c\na\n\nb\n", "hash_line": "id,c\n#1,a\n2,b\n",
    "tabs": "id\tc\n1\ta\n", "spaces_after_commas": "id, c\n1, a\n2, b\n",
    "late_decimal": "id,c\n" + "".join(f"{i},{i}\n" for i in range(150)) + "150,1.5\n",
    "late_text": "id,c\n" + "".join(f"{i},{i}\n" for i in range(150)) + "150,x\n",
    "late_date_broken": "id,c\n" + "".join(f"{i},2024-01-01\n" for i in range(150)) + "150,x\n",
}
# Files with a config.
CONFIGS = {
    "typed_varchar": ("id,c\n1,007\n2,008\n", {"column_types": {"c": "varchar"}}),
    "typed_bigint": ("id,c\n1,7\n2,\n", {"column_types": {"id": "bigint", "c": "bigint"}}),
    "typed_decimal": ("id,c\n1,1.005\n2,2\n", {"column_types": {"c": "decimal(10, 2)"}}),
    "typed_date_as_text": ("id,c\n1,2024-01-01\n", {"column_types": {"c": "text"}}),
    "typed_name_of_other_case": ("id,C\n1,007\n", {"column_types": {"c": "varchar"}}),
    "typed_column_not_there": ("id,c\n1,7\n", {"column_types": {"zzz": "varchar"}}),
    "typed_wrong": ("id,c\n1,a\n", {"column_types": {"c": "integer"}}),
    "typed_text_empty": ("id,c\n1,\n2,x\n3,\"\"\n4,null\n", {"column_types": {"c": "varchar"}}),
    "delimiter_semicolon": ("id;c\n1;a,b\n", {"delimiter": ";"}),
    "delimiter_tab": ("id\tc\n1\ta\n", {"delimiter": "\t"}),
    "quote_columns_true": ("id,Two Words\n1,a\n", {"quote_columns": True}),
    "quote_columns_false": ("id,MixedCase\n1,a\n", {"quote_columns": False}),
    "quote_columns_false_space": ("id,two words\n1,a\n", {"quote_columns": False}),
    "not_fast": ("id,c\n1,\n2,null\n3,\"\"\n4, x\n", {"fast": False}),
    "not_fast_numbers": ("id,c\n1,1.5\n2,\n3,1000\n", {"fast": False}),
    "not_fast_dates": ("id,c\n1,2024-01-01\n2,\n3,01/31/2024\n", {"fast": False}),
    "not_fast_booleans": ("id,c\n1,yes\n2,\n3,n\n", {"fast": False}),
}


def main():
    found = {name: importlib.metadata.version(name) for name in VERSIONS}
    if found != VERSIONS:
        sys.exit(f"seeds.py wants {VERSIONS}, found {found}")
    cases = {f"column_{k}": (column(v), {}) for k, v in COLUMNS.items()}
    cases.update({f"file_{k}": (v, {}) for k, v in FILES.items()})
    cases.update({f"config_{k}": v for k, v in CONFIGS.items()})
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder)
        lay_out(project, cases)
        results = run(project)
        out = []
        with duckdb.connect(str(project / "s.duckdb"), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            for name, (text, config) in cases.items():
                out.append(outcome(con, name, text, config, results[name]))
    lines = ",\n".join("  " + json.dumps(o, ensure_ascii=False) for o in out)
    (HERE / "seeds.json").write_text(f' {{"versions": {json.dumps(found)},\n "cases": [\n{lines}\n ]}}\n'.lstrip())
    print(len(out), "cases,", sum(o["status"] != "success" for o in out), "refused")


def column(values):
    """`a b` or, where a value has a space or is empty, `a|b`."""
    parts = values.split("|") if "|" in values else values.split(" ")
    return "id,c\n" + "".join(f"{i},{part}\n" for i, part in enumerate(parts, 1))


def lay_out(project, cases):
    (project / "seeds").mkdir()
    (project / "dbt_project.yml").write_text('name: s\nversion: "1.0"\nprofile: s\n')
    (project / "profiles.yml").write_text("s: {target: d, outputs: {d: {type: duckdb, path: s.duckdb, threads: 1}}}\n")
    properties = [{"name": n, "config": config} for n, (_, config) in cases.items() if config]
    (project / "seeds/properties.yml").write_text(json.dumps({"version": 2, "seeds": properties}).replace("\t", "\\t"))
    for name, (text, _) in cases.items():
        (project / f"seeds/{name}.csv").write_text(text, newline="")


def run(project):
    flags = ["--no-use-colors", "--no-send-anonymous-usage-stats"]
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *flags, "seed", "--profiles-dir", "."]
    done = subprocess.run(command, cwd=project, env=dict(os.environ, TZ="UTC"), text=True, capture_output=True)
    path = project / "target/run_results.json"
    if not path.exists():
        sys.exit(done.stdout + done.stderr)
    return {r["unique_id"].split(".")[-1]: r for r in json.loads(path.read_text())["results"]}


def outcome(con, name, text, config, result):
    one = {"name": name, "csv": text}
    if config:
        one["config"] = config
    one["status"] = result["status"]
    if result["status"] != "success":
        text = re.sub(r"/\S*/(seeds/\w+\.csv)", r"\1", " ".join(result["message"].split()))
        one["message"] = text.split(".csv) ", 1)[-1][:240]
        return one
    described = con.execute(f'describe "{name}"').fetchall()
    one["columns"] = [[c[0], c[1]] for c in described]
    texts = ", ".join('"%s"::varchar' % c[0].replace('"', '""') for c in described)
    rows = [list(r) for r in con.execute(f'select {texts} from "{name}" order by rowid').fetchall()]
    one["rows"] = rows if len(rows) < 20 else rows[-2:]
    return one


main()
