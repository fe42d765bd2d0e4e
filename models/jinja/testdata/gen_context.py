"""Writes context.json, what dbt's context answers, and transform/testdata/macros.json, what the SQL of dbt's macros gives on DuckDB.

With MILLRACE_DBT_PACKAGES, a folder that holds the packages dbt_utils, dbt_expectations and dbt_date, it writes transform/testdata/packages.json
too: what the SQL of some of their macros gives.

Run it with dbt-core 1.10.x and dbt-duckdb 1.9.x installed (pip install "dbt-core>=1.10,<1.11" "dbt-duckdb>=1.9,<1.10"), from anywhere. The
tests only read the JSON. It makes a small project in a temporary folder, runs it, and renders each case as the text of its model m: while
the project is run, or, marked "READ ", while it is only read. Cases that both refuse are marked as errors; their words differ.
"""
import argparse, contextlib, json, os, shutil, tempfile
from importlib.metadata import version

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE_DIR = os.environ.get("MILLRACE_DBT_PACKAGES", "")
PACKAGE_NAMES = ["dbt_utils", "dbt_expectations", "dbt_date"] if PACKAGE_DIR else []
VERSIONS = {name: version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb", "Jinja2")}
assert VERSIONS["dbt-core"].startswith("1.10."), VERSIONS
assert VERSIONS["dbt-duckdb"].startswith("1.9."), VERSIONS

ORDERS = """select * from (values
  (1, 'ann', 12.50::decimal(10,2), date '2024-02-29', timestamp '2024-02-29 12:34:56', true, 1.5::double, null::varchar, 'a,b'),
  (2, 'bob', 3.25, date '2024-03-01', timestamp '2024-03-01 00:00:00', false, 2.0, null, 'c'))
  t(id, name, amount, day, seen, paid, ratio, note, tags)"""

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {shop: {+materialized: table}}\nvars: {answer: 42, names: [a, b], 'dbt_date:time_zone': UTC}\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main}}}\n",
    "models/orders.sql": ORDERS,
    "models/m.sql": "select 1 as x",
    "models/v.sql": "{{ config(materialized='view') }} select 1 as x",
}

# Queries that cases may ask: the test's engine knows the answers by heart.
QUERIES = [
    "select * from orders order by id",
    "select 1 as a, 'b' as b",
    "select 1 as a, 2 as a, null as n",
    "select id from orders where false",
    "select count(*) from orders",
    "select 10000000000000000000 as big, sum(id) as s, avg(id) as av, 1e20::double as huge, timestamptz '2024-01-02 03:04:05+00' as tz, time '01:02:03' as t from orders",
]

CONTEXT = r"""
{{ this }} {{ ref('orders') }} {{ this.database }} {{ this | string }} {{ [this] }} {{ this.include(database=false) }} {{ this.include(database=false, schema=false) }} {{ this.quote(identifier=false) }} {{ this ~ 'x' }}
---
{{ this is mapping }} {{ this is sequence }} {{ this is string }} {{ this.get('metadata') }} {{ this == this.include() }} {{ this == ref('orders') }} {{ this.get('name') }} {{ this.get('nope', 'd') }} {{ this['name'] }}
---
{{ this.information_schema('tables') }} {{ this.information_schema() }} {{ this.information_schema_only() }} {{ this.without_identifier() }} {{ this.without_identifier().identifier }}
---
{{ this.replace_path(identifier='z') }} {{ this.incorporate(path={'identifier': 'q'}, type='view').is_view }} {{ this.incorporate(path={'schema': none, 'database': none}) }} {{ this.incorporate(type='table').type }}
---
{{ api.Relation.create(identifier='a') }} {{ api.Relation.create(database='d', schema='s', identifier='a', type='view').type }} {{ api.Relation.create('d', 's', 'a').include(database=false).render() }} {{ api.Relation.create(schema='s', identifier='a', quote_policy={'schema': false}) }}
---
{{ this.path }} {{ this.include_policy }} {{ this.quote_policy }} {{ this.render() }} {{ this.quoted('x') }} {{ this.can_be_renamed }} {{ this.limit }} {{ this.path.schema }} {{ this.include_policy.database }}
---
{{ this.matches(database='shop', schema='main', identifier='m') }} {{ this.matches(schema='main') }} {{ this.matches(identifier='n') }} {{ this.to_dict()['path'] }} {{ this.nope }}
---
{{ this.matches() }}
---
{{ this.matches(identifier='M') }}
---
{{ this + 'x' }}
---
{% for x in this %}{% endfor %}
---
{{ this.replace_path(nope='x') }}
---
{{ api.Relation.Table }} {{ api.Relation.View }} {{ api.Relation.CTE }} {{ api.Relation.add_ephemeral_prefix('x') }}
---
{% set d = {this: 1} %}{{ d[ref('m')] }} {{ this in [ref('orders'), ref('m')] }}
---
{{ adapter.get_relation(database=this.database, schema='main', identifier='orders') }} {{ adapter.get_relation(this.database, 'main', 'nope') }} {{ adapter.get_relation(this.database, 'main', 'orders').type }} {{ load_relation(ref('orders')) }} {{ load_relation(ref('v')).is_view }}
---
{{ adapter.check_schema_exists(this.database, 'main') }} {{ adapter.check_schema_exists(this.database, 'nope') }} {{ adapter.type() }} {{ adapter.quote('x') }} {{ adapter.quote_as_configured('x', 'schema') }} {{ adapter.quote_as_configured('x', 'other') }} {{ adapter.quote_seed_column('x', none) }} {{ adapter.quote_seed_column('x', false) }}
---
{% for c in adapter.get_columns_in_relation(ref('orders')) %}{{ c.name }} {{ c.dtype }} {{ c.data_type }} {{ c.char_size }} {{ c.numeric_precision }} {{ c.numeric_scale }} {{ c.is_string() }}{{ c.is_numeric() }}{{ c.is_number() }}{{ c.is_float() }}{{ c.is_integer() }} {{ c.quoted }};
{% endfor %}{{ adapter.get_columns_in_relation(ref('orders'))[0] }} {{ adapter.get_columns_in_relation(ref('orders')) | map(attribute='name') | join(',') }}
---
{{ adapter.get_columns_in_relation(api.Relation.create(database='shop', schema='main', identifier='nope')) }} {{ adapter.get_missing_columns(ref('orders'), ref('m')) | map(attribute='name') | list }}
---
{{ api.Column('a', 'text') }} {{ api.Column.create('a', 'string').data_type }} {{ api.Column.string_type(10) }} {{ api.Column.numeric_type('numeric', 10, 2) }} {{ api.Column.numeric_type('numeric', none, none) }} {{ api.Column.from_description('x', 'decimal(10,2)').data_type }} {{ api.Column.from_description('x', 'varchar(7)').string_size() }}
---
{{ api.Column.translate_type('string') }} {{ api.Column.translate_type('STRING') }} {{ api.Column.translate_type('timestamp') }} {{ api.Column.translate_type('int') }} {{ api.Column('a', 'varchar', 20).data_type }} {{ api.Column('a', 'numeric', none, 10, 2).data_type }} {{ api.Column('a', 'INTEGER') == api.Column('a', 'INTEGER') }} {{ api.Column('a', 'varchar', 5).can_expand_to(api.Column('b', 'varchar', 6)) }}
---
{{ api.Column('a', 'INTEGER').string_size() }}
---
{% for c in api.Column('s', 'STRUCT(a INTEGER, b STRUCT(c VARCHAR, d DECIMAL(10,2)))').flatten() %}{{ c.name }} {{ c.dtype }};{% endfor %}{{ api.Column('a', 'BIGINT').is_integer() }} {{ api.Column('a', 'bool').is_number() }} {{ api.Column('a', 'int').literal(1) }}
---
{% set t = run_query('select * from orders order by id') %}{{ t.column_names }} {{ t.rows[0] }} {{ t.columns[0].values() }} {{ t.columns['amount'].values() }} {{ t | length }} {% for r in t %}{{ r.name }}={{ r['day'] }}={{ r[4] }};{% endfor %}{{ t.rows | length }} {{ t.columns | length }}
---
{% set t = run_query('select * from orders order by id') %}{{ t.columns.amount }} {{ t.columns.keys() }} {{ t.rows[0].dict()['ratio'] }} {{ t.rows[0].values() }} {{ t }}
---
{% set t = run_query('select * from orders order by id') %}{{ t.rows[-1].id }} {{ t.rows[:1] | length }} {{ t.rows[1]['name'] }} {{ t.rows[0].get('name') }} {{ t.rows[0].get('nope', 'd') }} {{ t.columns[1].name }} {{ t.columns[1].index }} {{ t.columns[7].values_distinct() }} {{ t.columns[7].values_without_nulls() }} {{ 'ann' in t.columns['name'].values() }}
---
{% set t = run_query('select * from orders order by id') %}{{ t.select(['id', 'name']).rows[0] }} {{ t.exclude(['note']).column_names | length }} {{ t.order_by('id', reverse=true).rows[0].id }} {{ t.limit(1) | length }} {{ t.distinct('note') | length }} {{ t.rename({'id': 'key'}).column_names[0] }} {{ t.rows | map(attribute='id') | sum }}
---
{% set t = run_query('select * from orders order by id') %}{% for id, name in t.select(['id', 'name']).rows %}{{ id }}{{ name }}{% endfor %} {{ t.columns['amount'].values() | sum }} {{ t.columns['amount'].values() | max }} {{ t.rows[0].amount + 1 }} {{ t.rows[0].amount > 12 }} {{ t.rows[0].amount | int }} {{ t.rows[0].amount | float }} {{ t.rows[0].ratio }} {{ t.rows[0].paid }} {{ t.rows[0].tags.split(',') }}
---
{% set t = run_query('select * from orders order by id') %}{{ (t.rows[1].day - t.rows[0].day).days }} {{ t.rows[0].seen.strftime('%Y/%m') }} {{ t.rows[0].day.isoformat() }} {{ t.rows[0].seen.hour }} {{ t.rows[0].day < t.rows[1].day }} {{ t.columns['day'].values() | min }}
---
{% set t = run_query('select 1 as a, 2 as a, null as n') %}{{ t.column_names }} {{ t.rows[0] }} {{ t.rows[0]['a'] }} {{ t.rows[0].a_2 }} {{ t.rows[0].n is none }}
---
{% set t = run_query('select id from orders where false') %}{{ t | length }} {{ t.rows | length }} {{ t.columns[0].values() }} {% if t %}yes{% else %}no{% endif %} {{ t.columns[0].values() | first }}
---
{% set t = run_query('select count(*) from orders') %}{{ t.rows[0][0] }} {{ t.columns[0][0] }} {{ t.columns[0].values()[0] }} {{ t.columns[0] }} {{ t.column_names }} {{ t[0] }}
---
{% set t = run_query('select 10000000000000000000 as big, sum(id) as s, avg(id) as av, 1e20::double as huge, timestamptz \'2024-01-02 03:04:05+00\' as tz, time \'01:02:03\' as t from orders') %}{{ t.rows[0].big }} {{ t.rows[0].s }} {{ t.rows[0].av }} {{ t.rows[0].huge }} {{ t.rows[0].tz }} {{ t.rows[0].t }}
---
{% call statement('x', fetch_result=True) %}select 1 as a, 'b' as b{% endcall %}{% set r = load_result('x') %}{{ r.data }} {{ r['data'][0][0] }} {{ r.response }} {{ r.table.rows[0][1] }} {{ load_result('nope') }} {{ r.data | map(attribute=0) | list }}
---
{% call statement('x', fetch_result=True) %}select 1 as a, 'b' as b{% endcall %}{% set r = load_result('x') %}{{ load_result('x') }}
---
{% call statement('x') %}select 1 as a, 'b' as b{% endcall %}{{ load_result('x').data }}
---
{% call statement(fetch_result=true) %}select 1 as a, 'b' as b{% endcall %}{{ store_result('y', 'fine') }}{{ load_result('y').response }} {% do store_raw_result('z', message='done', code='OK', rows_affected=3) %}{% set z = load_result('z') %}{{ z.response }} {{ z.response.rows_affected }} {{ z.response['code'] }}
---
READ {% set r = run_query('select 1') %}{{ r is none }} {{ r is defined }}[{{ r }}]
---
READ {{ run_query('select 1').columns[0].values() }}
---
READ {{ execute }} {{ adapter.get_columns_in_relation(ref('orders')) }} {{ adapter.get_relation('a', 'b', 'c') }} {{ is_incremental() }} {{ load_relation(this) }} {{ adapter.check_schema_exists('a', 'b') }} {{ dbt.type_string() }}
---
READ {% call statement('x', fetch_result=True) %}select 1 as a{% endcall %}{{ load_result('x') }}
---
{{ set([1,2,2]) }} {{ set([3]) | list }} {{ set(5) }} {{ set(5, 'd') }} {{ set(['a']) - set(['a', 'b']) }} {{ set([1,2]).union([3]) | list | length }} {{ 1 in set([1]) }} {{ set([1]) == set([1, 1]) }} {{ set([1, 2]).intersection(set([2])) | list }}
---
{% set s = set([1]) %}{% do s.add(2) %}{% do s.update([3]) %}{% do s.discard(9) %}{{ s | length }} {{ s | sort }} {{ s.issubset([1,2,3]) }} {{ set([]) }} {{ set([(1, 2)]) }}
---
{{ set_strict(5) }}
---
{{ zip([1, 2], ['a', 'b']) | list }} {{ zip([1], 5) }} {{ zip(5, default='d') }} {{ zip() | list }} {{ zip_strict([1], [2, 3]) | list }}
---
{{ zip_strict([1], 5) }}
---
{{ toyaml({'b': [1, 'x', {'c': 2, 'd': [3]}], 'a': none, 'e': {}, 'f': [], 't': true, 's': 'yes', 'n': '1', 'm': {'k': 1.5}, 'q': "it's: x", 'z': ''}) }}
---
{{ toyaml([1, [2, 3], {'a': {'b': 1}}]) }}{{ toyaml('x') }}{{ toyaml({'b': 1, 'a': 2}, sort_keys=true) }}{{ toyaml('é "x"\n') }}{{ toyaml(['- a', 'a: b', '#c', '2024-01-01', '1.5', 'null', 'a#b', ' x', 'x:']) }}
---
{{ fromyaml('a: 1\nb: [x, 2.5, true, null, 2024-01-01, "yes", yes, off]\nc:\n  d: "1"\n  e: |\n    text\n') }} {{ fromyaml('a: [', 'bad') }} {{ fromyaml('x') }} {{ fromyaml('') }} {{ fromyaml('x: &a {k: 1}\ny: *a\nz: {<<: *a, l: 2}') }}
---
{{ fromjson('{"a": [1, 2.5, null, true, "x"]}') }} {{ fromjson('nope', 'd') }} {{ fromjson('{') }} {{ tojson({'b': 1, 'a': none}) }} {{ tojson({'b': 1, 'a': 2}, sort_keys=true) }} {{ tojson([1, 'é']) }}
---
{{ tojson(this) }}
---
{{ local_md5('x') }} {{ diff_of_two_dicts({'A': ['x','Y'], 'c': ['z']}, {'a': ['X']}) }} {{ diff_of_two_dicts({'a': ['x']}, {'A': ['X']}) }}
---
{{ modules.datetime.datetime(2024,2,29,12,30) }} {{ modules.datetime.date(2024,2,29) + modules.datetime.timedelta(days=1) }} {{ modules.datetime.timedelta(days=1, hours=2) }} {{ [modules.datetime.date(2024,2,29), modules.datetime.datetime(2024,1,1), modules.datetime.timedelta(days=-1, seconds=1)] }}
---
{{ modules.datetime.datetime.strptime('2024-01-02','%Y-%m-%d').strftime('%d.%m.%y %H:%M:%S.%f %j %A %a %B %b %p %I %U %W %w %y %Z %z %% %-d %e %F %T %G-%V %u %D %c') }}
---
{{ modules.datetime.datetime.strptime('29 Feb 2024 11:45 PM +0200', '%d %b %Y %I:%M %p %z').isoformat() }} {{ modules.datetime.datetime.strptime('24-3-1', '%y-%m-%d') }} {{ modules.datetime.datetime.strptime('2024-060 01:02:03.5', '%Y-%j %H:%M:%S.%f') }}
---
{{ modules.datetime.datetime.strptime('2024-13-01', '%Y-%m-%d') }}
---
{{ modules.datetime.datetime.strptime('2024-01-01x', '%Y-%m-%d') }}
---
{{ modules.datetime.date(2024, 2, 30) }}
---
{{ modules.datetime.datetime(2024,2,29,1,2,3,4).isoformat() }} {{ modules.datetime.datetime(2024,2,29).isoformat(' ') }} {{ modules.datetime.datetime(2024,2,29,1,2).isoformat(timespec='minutes') }} {{ modules.datetime.datetime.fromisoformat('2024-02-29T01:02:03+01:00') }} {{ modules.datetime.date.fromisoformat('2024-02-29').weekday() }} {{ modules.datetime.date(2024,12,30).isocalendar()[1] }} {{ modules.datetime.date(2024,1,1).toordinal() }}
---
{% set a = modules.datetime.datetime(2024,3,1,12) %}{% set b = modules.datetime.datetime(2024,2,28) %}{{ a - b }} {{ (a - b).days }} {{ (a - b).total_seconds() }} {{ (a - b).seconds }} {{ a > b }} {{ a == a }} {{ (a - b) * 2 }} {{ (a - b) / 2 }} {{ (a - b) / modules.datetime.timedelta(days=1) }} {{ (a - b) // modules.datetime.timedelta(days=1) }} {{ a.date() }} {{ a.time() }} {{ a.replace(year=2025, day=2) }} {{ modules.datetime.datetime.combine(b.date(), a.time()) }} {{ a.year }}-{{ a.month }} {{ a.timestamp() is number }}
---
{{ modules.datetime.datetime(2024,1,1) - modules.datetime.date(2024,1,1) }}
---
{{ modules.datetime.datetime(2024,1,1) < 1 }}
---
{% if modules.datetime.timedelta(0) %}yes{% else %}no{% endif %} {{ modules.datetime.timedelta(weeks=1, minutes=-30) }} {{ modules.datetime.timedelta(microseconds=1500) }} {{ modules.datetime.timedelta(days=2) > modules.datetime.timedelta(hours=1) }} {{ modules.datetime.time(1, 2, 3) }} {{ [modules.datetime.date(2024,2,1), modules.datetime.date(2024,1,1)] | sort | first }}
---
{{ modules.pytz.timezone('US/Eastern').localize(modules.datetime.datetime(2002,10,27,6,0,0)) }} {{ modules.pytz.utc }} {{ modules.datetime.datetime(2024,1,1).replace(tzinfo=modules.pytz.utc).astimezone(modules.pytz.timezone('Europe/Berlin')).isoformat() }} {{ modules.pytz.timezone('Europe/Berlin') }} {{ modules.pytz.timezone('Europe/Berlin').localize(modules.datetime.datetime(2024,7,1)).strftime('%Z %z') }} {{ modules.datetime.datetime(2024,1,1,tzinfo=modules.pytz.utc) - modules.datetime.datetime(2023,1,1,tzinfo=modules.pytz.utc) }}
---
{{ modules.pytz.timezone('Nowhere/Land') }}
---
{{ run_started_at.strftime('%Y') | int > 2000 }} {{ run_started_at.tzinfo }} {{ run_started_at.astimezone(modules.pytz.timezone('Asia/Tokyo')).utcoffset() }} {{ modules.datetime.datetime.now() > modules.datetime.datetime(2024,1,1) }}
---
{{ modules.re.match('a(b+)', 'abbb').group(1) }} {{ modules.re.sub('[^a-z]', '_', 'A b') }} {{ modules.re.findall('\\d+', 'a1b22') }} {{ modules.re.split(',', 'a,b') }} {{ modules.re.compile('x').match('y') }} {{ modules.re.search('(?P<n>x)', 'axb').groupdict() }} {{ modules.re.match('a', 'ab') }}
---
{{ modules.re.sub('(\\w+) (\\w+)', '\\2 \\1', 'hello world') }} {{ modules.re.sub('(?P<a>x)', '<\\g<a>>', 'axb') }} {{ modules.re.sub('a', '\\n', 'bab') }} {{ modules.re.subn('a', 'b', 'aaa', count=2) }} {{ modules.re.sub('A', 'b', 'aA', flags=modules.re.IGNORECASE) }} {{ modules.re.fullmatch('a|ab', 'ab').group() }} {{ modules.re.search('b', 'äb').start() }} {{ modules.re.search('b', 'äb').span() }}
---
{{ modules.re.sub('x*', '-', 'abxd') }} {{ modules.re.findall('(a)(b)?', 'abac') }} {{ modules.re.split('(,)', 'a,b,c', maxsplit=1) }} {{ modules.re.findall('\\bw\\w*', 'well word') }} {{ modules.re.findall('[^\\W\\d]', 'a1 b', modules.re.ASCII) if false else 'skip' }} {{ modules.re.findall('[\\s.]', 'a. b') }} {{ modules.re.findall('[\\W_]', 'a_b-c') }} {{ modules.re.match('^a$', 'a') is not none }} {{ modules.re.escape('a.b*c') }} {{ modules.re.findall('\\w+', 'Grüße an ß') }}
---
{{ modules.re.match('(a)(x)?', 'ab').groups() }} {{ modules.re.match('(a)(x)?', 'ab').groups('-') }} {{ modules.re.match('(a)(b)', 'ab')[2] }} {{ modules.re.match('(a)(b)', 'ab').group(1, 2) }} {{ modules.re.compile('a', modules.re.I).sub('x', 'AaB') }} {{ modules.re.findall('(?i)AB', 'abAB') }} {{ modules.re.findall('a # c', 'a', modules.re.VERBOSE) }} {{ modules.re.sub('\\Z', '!', 'x') }} {{ modules.re.findall('[]a]', ']a') }} {{ modules.re.findall('[\\]\\-x]', '-]x') }}
---
{{ modules.re.match('a', 'ab').group(3) }}
---
{{ modules.re.findall('\\w+(?=_id)', 'order_id day ünit_id') }} {{ modules.re.sub('(?<!^)(?=[A-Z])', '_', 'camelCaseNameÄ').lower() }} {{ modules.re.findall('(?<=@)\\w+', 'a@bc d@é') }} {{ modules.re.search('a(?!b)', 'abac').span() }} {{ modules.re.match('(?=(?P<n>.))', 'é').groupdict() }} {{ modules.re.findall('(?<![a-z])\\d', 'a1 2é3') }}
---
{{ modules.re.sub('\\b(\\w+) \\1\\b', '\\1', 'the the é é cat') }} {{ modules.re.findall('(?P<q>["\']).*?(?P=q)', 'a "b\'" \'c\'') }} {{ modules.re.sub('(?P<w>.)(?P=w)', '<\\g<w>\\g<1>\\1>', 'aabccä') }} {{ modules.re.match('(a)?b(?(1)c|d)', 'abc').groups() }} {{ modules.re.match('(?P<o>\\()?x(?(o)\\))', 'x').groups() }} {{ modules.re.fullmatch('(a)\\1|\\101', 'A').groups() }}
---
{{ modules.re.findall('a$', 'a\n') }} {{ modules.re.sub('$', '!', 'a\n') }} {{ modules.re.findall('a$', 'a\nba\n', modules.re.M) }} {{ modules.re.findall('\\b.', 'über é') }} {{ modules.re.findall('[^\\W\\d]', 'a1_ é') }} {{ modules.re.findall('[^\\S\\n]+', 'a \t\nb') }} {{ modules.re.findall('a|', 'ba') }} {{ modules.re.findall('|a', 'ba') }} {{ modules.re.split('\\b', 'a é') }} {{ modules.re.findall('\\B', '') }} {{ modules.re.findall('x{,2}', 'xxx') }} {{ modules.re.search('a{1500}', 'b') }}
---
{{ modules.re.findall('(?x) a (?=b) # why', 'ab a b') }} {{ modules.re.findall('(?i:A)(?=b)', 'aB ab Ab') }} {{ modules.re.findall('(?x: a ) b', 'a b ab') }} {{ modules.re.findall('.(?=c)', '\nc', modules.re.S) }} {{ modules.re.compile('(?i)(?=a)(?P<n>.)(.)').groups }} {{ modules.re.findall('(?s:.)(?!.)', 'a\n') }} {{ modules.re.sub('(?=b)', '-', 'abab', count=1) }} {{ modules.re.sub('(a)(?=(b)?)', '[\\2]', 'aab') }} {{ modules.re.subn('(?<=a)', '+', 'aä') }} {{ modules.re.findall('\\x{', 'a') if false else '\\' }}
---
{{ modules.re.search('(?P<n>a)(?P<n>b)', 'ab') }}
---
{{ modules.re.search('(a)\\2', 'ab') }}
---
{{ modules.re.search('(?=a', 'ab') }}
---
{{ modules.re.search('a(?i)', 'ab') }}
---
{{ modules.re.compile('(') }}
---
{{ modules.itertools.chain([1],[2]) | list }} {{ modules.itertools.product([1,2],['a']) | list }} {{ modules.itertools.product([0, 1], repeat=2) | list }} {{ modules.itertools.permutations([1,2,3], 2) | list }} {{ modules.itertools.combinations([1,2,3], 2) | list }} {{ modules.itertools.combinations_with_replacement([1,2], 2) | list }} {{ modules.itertools.zip_longest([1],[2,3], fillvalue=0) | list }} {{ modules.itertools.islice([1,2,3,4], 1, 4, 2) | list }} {{ modules.itertools.accumulate([1,2,3]) | list }} {{ modules.itertools.compress('abc', [1,0,1]) | list }} {{ modules.itertools.repeat('x', 2) | list }}
---
{{ config.get('materialized') }} {{ config.get('nope') }} {{ config.get('nope', 'd') }} {{ config.get('nope', default='d') }} {{ config.require('materialized') }} {{ config.persist_relation_docs() }} {{ config.persist_column_docs() }}[{{ config(x=1) }}]
---
{{ config.require('nope') }}
---
{{ config.get('materialized', 'view', validator=validation.any('table', 'view')) }}
---
{{ config.get('materialized', 'view', validator=validation.any('x', 'view')) }}
---
{{ config.get('a', 'b', 'c', 'd') }}
---
{{ var('answer') }} {{ var('nope', 'd') }} {{ var.has_var('answer') }} {{ var.has_var('nope') }} {{ var('names') }} {{ var('names')[0] }}
---
{{ var('nope') }}
---
{{ env_var('DBT_ENV_SECRET_X') }}
---
{{ env_var('DBT_ENV_SECRET_X', 'd') }}
---
{{ env_var('NOPE_NOT_SET') }}
---
{{ env_var('NOPE_NOT_SET', 'd') }}
---
{{ flags.FULL_REFRESH }} {{ execute }} {{ dbt_version }} {{ project_name }} {{ thread_id }} {{ schema }} {{ database }} {{ pre_hooks }} {{ post_hooks }} {{ sql }} {{ target.name }} {{ target.type }} {{ target['schema'] }} {{ target.get('nope') }} {{ env.name }} {{ dbt_metadata_envs }}
---
{{ model.name }} {{ model.unique_id }} {{ model.config.materialized }} {{ model['name'] }}
---
{{ exceptions.raise_compiler_error('hu') }}
---
{{ exceptions.raise_not_implemented('hu') }}
---
{{ exceptions.relation_wrong_type(this, 'view') }}
---
{{ exceptions.column_type_missing(['a','b']) }}
---
{{ exceptions.raise_contract_error([], []) }}
---
[{{ exceptions.warn('careful') }}] [{{ log('x') }}] [{{ log('x', info=true) }}] [{{ print('x') }}]
---
{{ context is defined }} {{ context['var']('answer') }} {{ context.get('dbt').type_string() }} {{ context.get('nope', 'd') }} {{ 'ref' in builtins }} {{ builtins.ref('orders') }} {{ builtins['var']('answer') }}
---
{{ render("{{ 1 + 1 }}") }} {{ render("{{ this.name }}") }} {{ render('x') }}
---
{{ try_or_compiler_error('oops', modules.datetime.datetime.strptime, '2024', '%Y').year }}
---
{{ try_or_compiler_error('oops', modules.datetime.datetime.strptime, 'x', '%Y').year }}
---
{{ write('x') if false }}{{ dbt.type_string() }}|{{ type_string() }}|{{ dbt.type_int() }}|{{ dbt.type_bigint() }}|{{ dbt.type_float() }}|{{ dbt.type_numeric() }}|{{ dbt.type_timestamp() }}|{{ dbt.type_boolean() }}
---
{{ dbt.generate_schema_name(none, none) }} {{ dbt.generate_schema_name(' x ', none) }} {{ generate_alias_name(none, model) }} {{ generate_alias_name(' y ', model) }} {{ generate_database_name(none, none) }} {{ generate_schema_name_for_env('x', none) }}
---
{{ partition_range('20240228,20240301') }} {{ dates_in_range('2024-01-31', '2024-02-01', '%Y-%m-%d', '%d') }} {{ partition_range('20240101') }} {{ convert_datetime(' 20240102 ', '%Y%m%d') }}
---
{{ partition_range('20240301,20240228') }}
---
{{ dates_in_range('x') }}
---
{{ dbt.get_powers_of_two(1) }} {{ dbt.get_powers_of_two(5) }} {{ dbt.get_powers_of_two(8) }} {{ dbt.get_powers_of_two(9) }}
---
{{ dbt.get_powers_of_two(0) }}
---
{{ dbt.string_literal('x') | trim }} {{ dbt.escape_single_quotes("it's") | trim }} {{ dbt.concat(['a', 'b']) | trim }} {{ dbt.except() | trim }} {{ dbt.intersect() | trim }}
---
{{ get_list_of_column_names(adapter.get_columns_in_relation(ref('m'))) }} {{ diff_columns(adapter.get_columns_in_relation(ref('orders')), adapter.get_columns_in_relation(ref('m'))) | length }} {{ get_quoted_csv(['a', 'b']) | trim }}
---
{{ make_temp_relation(this).identifier[:10] }} {{ make_intermediate_relation(this) }} {{ make_backup_relation(this, 'table') }} {{ should_full_refresh() }} {{ is_incremental() }} {{ get_or_create_relation(this.database, 'main', 'zz', 'table') }}
---
{{ dbt.nope() }}
---
{{ adapter.nope() }}
---
{{ adapter.dispatch('nope')() }}
---
{{ adapter.dispatch('dbt.type_string')() }}
---
{{ adapter.dispatch('type_string', 'dbt')() }} {{ adapter.dispatch('type_string')() }} {{ adapter.dispatch('type_string', macro_namespace='dbt')() }}
---
{{ adapter.dispatch('type_string', packages=['dbt'])() }}
---
{{ ref('orders', 'm', 'x') }}
---
{{ source('a') }}
---
{{ dbt.dateadd('day', 1, 'x', y=2) }}
""".strip("\n").split("\n---\n")

MACROS = r"""
select {{ dbt.dateadd('day', 1, "date '2024-02-28'") }}, {{ dbt.dateadd('month', -1, "date '2024-03-31'") }}, {{ dbt.dateadd('year', 2, "timestamp '2024-02-29 01:02:03'") }}
---
select {{ dbt.dateadd('week', 2, "date '2024-02-28'") }}, {{ dbt.dateadd('quarter', 1, "date '2024-11-30'") }}, {{ dbt.dateadd('hour', -5, "timestamp '2024-02-29 01:02:03'") }}, {{ dbt.dateadd('minute', '90', "timestamp '2024-02-29 01:02:03'") }}, {{ dbt.dateadd('second', 1, "timestamp '2024-02-29 23:59:59'") }}, {{ dbt.dateadd(datepart='DAY', interval=1, from_date_or_timestamp="date '2024-01-01'") }}
---
select {{ dbt.dateadd('day', 'id', 'day') }} from orders order by id
---
select {{ dbt.datediff("date '2024-01-31'", "date '2024-03-01'", 'day') }}, {{ dbt.datediff("date '2024-01-31'", "date '2024-03-01'", 'month') }}, {{ dbt.datediff("'2023-12-31'", "'2024-01-01'", 'year') }}, {{ dbt.datediff("timestamp '2024-01-01 01:59:00'", "timestamp '2024-01-01 02:01:00'", 'hour') }}, {{ dbt.datediff("date '2024-01-31'", "date '2024-08-01'", 'quarter') }}, {{ dbt.datediff("date '2024-03-01'", "date '2024-01-31'", 'day') }}
---
select a, b, {{ dbt.datediff('a', 'b', 'week') }} as w from (select date '2024-01-01' + (i * 3)::integer as a, date '2024-01-15' + ((i * 5) % 17)::integer as b from range(0, 12) r(i)) order by a, b
---
select a, b, {{ dbt.datediff('a', 'b', 'week') }} as w from (select date '2024-01-06' + i::integer as a, date '2024-01-07' + j::integer as b from range(0, 9) r(i), range(0, 9) s(j)) order by a, b
---
select {{ dbt.datediff("timestamp '2024-01-01 23:00:00'", "timestamp '2024-01-02 01:00:00'", 'minute') }}, {{ dbt.datediff("timestamp '2024-01-01 23:00:00'", "timestamp '2024-01-02 01:00:00'", 'second') }}, {{ dbt.datediff('day', 'seen', 'hour') }} from orders order by id
---
select {{ dbt.date_trunc('month', "date '2024-02-29'") }}, {{ dbt.date_trunc('week', "timestamp '2024-02-29 12:00:00'") }}, {{ dbt.date_trunc('day', 'seen') }}, {{ dbt.date_trunc('quarter', 'day') }}, {{ dbt.date_trunc('year', 'seen') }} from orders order by id
---
select {{ dbt.last_day("date '2024-02-10'", 'month') }}, {{ dbt.last_day("date '2024-02-10'", 'quarter') }}, {{ dbt.last_day("timestamp '2024-02-10 10:00:00'", 'year') }}, {{ dbt.last_day("date '2024-02-10'", 'week') }}
---
{{ dbt.date_spine('day', "cast('2024-02-27' as date)", "cast('2024-03-02' as date)") }}
---
{{ dbt.date_spine(datepart='month', start_date="cast('2023-11-01' as date)", end_date="cast('2024-03-01' as date)") }}
---
{{ dbt.date_spine('hour', "cast('2024-01-01 00:00:00' as timestamp)", "cast('2024-01-01 05:00:00' as timestamp)") }}
---
{{ dbt.date_spine('week', "cast('2024-01-01' as date)", "cast('2024-02-10' as date)") }}
---
{{ dbt.generate_series(1) }}
---
{{ dbt.generate_series(7) }}
---
select {{ dbt.get_intervals_between("date '2024-01-01'", "date '2024-01-11'", 'day') }}
---
select {{ dbt.cast("'1'", api.Column.translate_type('integer')) }}, {{ dbt.cast('id', dbt.type_string()) }}, {{ dbt.safe_cast("'2.5'", dbt.type_numeric()) }}, {{ dbt.safe_cast('id', dbt.type_float()) }}, {{ dbt.cast("'2024-01-01'", dbt.type_timestamp()) }}, {{ dbt.cast('1', dbt.type_boolean()) }}, {{ dbt.cast('1', dbt.type_bigint()) }}, {{ dbt.cast('1', dbt.type_int()) }} from orders order by id
---
select {{ dbt.cast_bool_to_text('paid') }}, {{ dbt.cast_bool_to_text('id = 1') }}, {{ dbt.cast_bool_to_text('null') }} from orders order by id
---
select {{ dbt.concat(['name', "'-'", 'id']) }}, {{ dbt.length('name') }}, {{ dbt.position("'n'", 'name') }}, {{ dbt.replace('name', "'n'", "'m'") }}, {{ dbt.right('name', 2) }}, {{ dbt.right('name', 0) }} from orders order by id
---
select {{ dbt.split_part('tags', "','", 1) }}, {{ dbt.split_part('tags', "','", 2) }}, {{ dbt.split_part('tags', "','", -1) }}, {{ dbt.split_part(string_text="'a|b'", delimiter_text="'|'", part_number=2) }} from orders order by id
---
select {{ dbt.hash('id') }}, {{ dbt.hash('name') }}, {{ dbt.hash("name || '-' || id") }}, {{ dbt.hash('note') }} from orders order by id
---
select {{ dbt.string_literal('x y') }}, '{{ dbt.escape_single_quotes("it's") }}'
---
select {{ dbt.listagg('name', "'; '", 'order by id desc') }}, {{ dbt.listagg('name', "','", 'order by id', 1) }}, {{ dbt.listagg('note') }} from orders
---
select paid, {{ dbt.listagg(measure='name', delimiter_text="'|'", order_by_clause="order by id") }} from orders group by paid order by paid
---
select {{ dbt.any_value('1') }}, {{ dbt.any_value('note') }}, {{ dbt.bool_or('paid') }}, {{ dbt.bool_or('id > 5') }} from orders
---
select {{ dbt.array_construct(['1', '2']) }}, {{ dbt.array_construct() }}, {{ dbt.array_construct([], 'varchar') }}, {{ dbt.array_append(dbt.array_construct(['1']), '2') }}, {{ dbt.array_concat(dbt.array_construct(['1']), dbt.array_construct(['2', '3'])) }}
---
select * from (select 1 as x union all select 2 {{ dbt.except() }} select 1) order by x
---
select * from (select 1 as x {{ dbt.intersect() }} select 1) order by x
---
select {{ dbt.equals('1', '1') }}, {{ dbt.equals('1', '2') }}, {{ dbt.equals('null', 'null') }}, {{ dbt.equals('note', 'name') }} from orders order by id
---
select typeof({{ dbt.current_timestamp() }}), typeof({{ dbt.current_timestamp_backcompat() }}), typeof({{ dbt.current_timestamp_in_utc_backcompat() }}), typeof({{ dbt.snapshot_get_time() }}), {{ dbt.snapshot_string_as_time('2024-01-01 10:00:00') }}, {{ dbt.current_timestamp() }} > timestamp '2024-01-01'
---
{{ test_not_null(ref('orders'), 'note') }}
---
{{ test_not_null(ref('orders'), 'id') }}
---
select * from ({{ test_unique(model="(select 1 as x union all select 1 union all select 2 union all select null union all select null)", column_name='x') }})
---
select * from ({{ test_accepted_values(ref('orders'), 'name', ['ann', "x"]) }})
---
select * from ({{ test_accepted_values(ref('orders'), 'id', [1, 3], quote=false) }})
---
select * from ({{ test_relationships(model=ref('orders'), column_name='id', to="(select 1 as k)", field='k') }})
---
{{ get_test_sql('select 1 as x union all select 2', 'count(*)', '!= 0', '> 5', none) }}
---
{{ get_test_sql('select 1 as x union all select 2', 'sum(x)', '!= 0', '> 2', 1) }}
---
{{ get_empty_subquery_sql('select 1 as x') }}
---
select '{{ get_columns_in_query("select 1 as x, 2 as y") | join("-") }}'
---
select count(*) from {{ get_where_subquery(ref('orders')) }}
---
{{ get_limit_subquery_sql('select id from orders order by id', 1) }}
---
{{ get_empty_schema_sql({'a': {'name': 'a', 'data_type': 'integer'}, 'b': {'name': 'b c', 'data_type': 'varchar', 'quote': true}}) }}
---
select {{ dbt.snapshot_hash_arguments(['id', 'note']) }} from orders order by id
---
select {{ dbt._split_part_negative("'a|b|c'", "'|'", -1) }}
""".strip("\n").split("\n---\n")

# Calls of macros of public packages, when there are some: their code is no part of this repository.
PACKAGES = r"""
select {{ dbt_utils.star(ref('orders'), except=['note']) }} from {{ ref('orders') }} order by id
---
select {{ dbt_utils.star(from=ref('orders'), relation_alias='o', prefix='p_', suffix='_s') }} from {{ ref('orders') }} as o order by o.id
---
select {{ dbt_utils.generate_surrogate_key(['id', 'name']) }} as k from {{ ref('orders') }} order by 1
---
{{ dbt_utils.union_relations([ref('orders'), ref('m')]) }}
---
{{ dbt_utils.union_relations(relations=[ref('orders')], include=['id', 'name'], source_column_name=none) }}
---
select id, {{ dbt_utils.pivot('name', dbt_utils.get_column_values(ref('orders'), 'name', order_by='name')) }} from {{ ref('orders') }} group by id order by id
---
{{ dbt_utils.unpivot(ref('orders'), cast_to='varchar', exclude=['id'], remove=['day', 'seen', 'paid', 'ratio', 'note', 'tags']) }} order by 1, 2
---
{{ dbt_utils.date_spine('day', "cast('2024-01-01' as date)", "cast('2024-01-05' as date)") }}
---
{{ dbt_utils.generate_series(4) }}
---
{{ dbt_utils.deduplicate(ref('orders'), partition_by='paid', order_by='id desc') }} order by id
---
select {{ dbt_utils.safe_divide('1', '0') }} a, {{ dbt_utils.safe_add(['id', 'null']) }} b, {{ dbt_utils.safe_subtract(['id', '1']) }} c, {{ dbt_utils.width_bucket('id', 0, 10, 5) }} d from {{ ref('orders') }} order by id
---
select {{ dbt_utils.haversine_distance(48.1, 9.2, 50.3, 8.4) }} a, {{ dbt_utils.get_url_host("'http://x.example.com/a'") }} b, {{ dbt_utils.get_url_path("'http://x.example.com/a/b?c=1'") }} c, {{ dbt_utils.get_url_parameter("'http://x?utm=1&b=2'", 'utm') }} d
---
{{ dbt_utils.test_equal_rowcount(ref('orders'), ref('orders'), []) }}
---
{{ dbt_utils.test_expression_is_true(ref('orders'), 'id > 1') }}
---
{{ dbt_utils.test_unique_combination_of_columns(ref('orders'), ['id', 'name']) }}
---
{{ dbt_utils.test_accepted_range(ref('orders'), 'id', 0, 1) }}
---
{{ dbt_utils.test_not_null_proportion(ref('orders'), column_name='note', at_least=0.5) }}
---
{{ dbt_utils.test_at_least_one(ref('orders'), 'note', []) }}
---
{{ dbt_utils.test_not_constant(ref('orders'), 'note', []) }}
---
{{ dbt_utils.test_cardinality_equality(ref('orders'), 'id', ref('orders'), 'id') }}
---
{{ dbt_utils.test_sequential_values(ref('orders'), 'id', interval=1) }}
---
{{ dbt_utils.test_mutually_exclusive_ranges(ref('orders'), 'id', 'id') }}
---
{{ dbt_utils.test_not_accepted_values(ref('orders'), 'name', ['ann']) }}
---
{{ dbt_utils.test_relationships_where(ref('orders'), 'id', ref('orders'), 'id') }}
---
{{ dbt_utils.test_equality(ref('orders'), ref('orders'), compare_columns=['id', 'name']) }}
---
{{ dbt_utils.test_fewer_rows_than(ref('orders'), ref('orders'), []) }}
---
{{ dbt_utils.test_not_empty_string(ref('orders'), 'name') }}
---
{{ dbt_date.get_date_dimension('2024-01-01', '2024-01-10') }}
---
{{ dbt_date.get_base_dates('2024-01-01', '2024-01-05') }}
---
{{ dbt_date.get_base_dates(start_date='2024-01-01', n_dateparts=4, datepart='month') }}
---
select {{ dbt_date.convert_timezone('seen', 'America/New_York', 'UTC') }} from {{ ref('orders') }} order by id
---
{{ dbt_expectations.test_expect_column_values_to_be_between(ref('orders'), 'id', 1, 1) }}
---
{{ dbt_expectations.test_expect_column_values_to_match_regex(ref('orders'), 'name', '^a') }}
---
{{ dbt_expectations.test_expect_column_to_exist(ref('orders'), 'id') }}
---
{{ dbt_expectations.test_expect_table_columns_to_match_set(ref('orders'), ['id', 'name', 'zz']) }}
---
{{ dbt_expectations.test_expect_table_columns_to_match_ordered_list(ref('orders'), ['id', 'name']) }}
---
{{ dbt_expectations.test_expect_table_columns_to_contain_set(ref('orders'), ['id', 'q']) }}
---
{{ dbt_expectations.test_expect_table_column_count_to_equal(ref('orders'), 9) }}
---
{{ dbt_expectations.test_expect_column_values_to_be_of_type(ref('orders'), 'id', 'integer') }}
---
{{ dbt_expectations.test_expect_column_values_to_be_in_type_list(ref('orders'), 'amount', ['decimal(10,2)', 'integer']) }}
---
{{ dbt_expectations.test_expect_table_row_count_to_be_between(ref('orders'), 3, 5) }}
---
{{ dbt_expectations.test_expect_compound_columns_to_be_unique(ref('orders'), ['id', 'name']) }}
---
{{ dbt_expectations.test_expect_column_distinct_count_to_equal(ref('orders'), 'id', 3) }}
---
{{ dbt_expectations.test_expect_column_mean_to_be_between(ref('orders'), 'id', 0, 1) }}
---
{{ dbt_expectations.test_expect_column_quantile_values_to_be_between(ref('orders'), 'id', 0.5, 0, 1) }}
---
{{ dbt_expectations.test_expect_column_value_lengths_to_equal(ref('orders'), 'name', 2) }}
---
{{ dbt_expectations.test_expect_table_row_count_to_equal_other_table(ref('orders'), ref('m')) }}
---
{{ dbt_expectations.test_expect_column_pair_values_to_be_equal(ref('orders'), 'id', 'ratio') }}
---
{{ dbt_expectations.test_expect_column_values_to_not_be_in_set(ref('orders'), 'name', ['ann']) }}
---
{{ dbt_expectations.test_expect_column_values_to_be_increasing(ref('orders'), 'id') }}
---
{{ dbt_expectations.test_expect_column_values_to_be_within_n_moving_stdevs(ref('orders'), 'id', 'day') }}
---
{{ dbt_expectations.test_expect_column_values_to_be_within_n_stdevs(ref('orders'), 'id') }}
---
{{ dbt_expectations.test_expect_row_values_to_have_data_for_every_n_datepart(ref('orders'), 'day', 'day') }}
---
{{ dbt_expectations.test_expect_table_aggregation_to_equal_other_table(ref('orders'), 'sum(id)', ref('orders')) }}
---
{{ dbt_expectations.test_expect_multicolumn_sum_to_equal(ref('orders'), ['id', 'ratio'], 5) }}
---
{{ dbt_expectations.test_expect_select_column_values_to_be_unique_within_record(ref('orders'), ['id', 'ratio']) }}
---
{{ dbt_expectations.test_expect_column_values_to_have_consistent_casing(ref('orders'), 'name') }}
---
{{ dbt_expectations.test_expect_column_values_to_match_like_pattern_list(ref('orders'), 'name', ['a%', 'b%']) }}
---
{{ dbt_expectations.test_expect_column_most_common_value_to_be_in_set(ref('orders'), 'name', ['ann'], 1) }}
---
{{ dbt_expectations.test_expect_column_values_to_be_null(ref('orders'), 'id') }}
""".strip("\n").split("\n---\n")


def project():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    for name, text in FILES.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "w") as f:
            f.write(text)
    for name in PACKAGE_NAMES:
        shutil.copytree(os.path.join(PACKAGE_DIR, name), os.path.join("dbt_packages", name))
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join("dbt_packages", name, "packages.yml"))
    if PACKAGE_NAMES:
        with open("packages.yml", "w") as f:
            f.write("packages: [%s]\n" % ", ".join("{local: dbt_packages/%s}" % name for name in PACKAGE_NAMES))
    return folder


os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
FOLDER = project()

from dbt.adapters.factory import get_adapter, register_adapter, reset_adapters
from dbt.cli.main import dbtRunner
from dbt.clients.jinja import get_rendered
from dbt.config.runtime import RuntimeConfig
from dbt.context.context_config import ContextConfig
from dbt.context.providers import generate_parser_model_context, generate_runtime_macro_context, generate_runtime_model_context
from dbt.flags import set_from_args
from dbt.mp_context import get_mp_context

assert dbtRunner().invoke(["run", "--quiet"]).success
MANIFEST = dbtRunner().invoke(["parse", "--quiet"]).result
ARGS = argparse.Namespace(profiles_dir=FOLDER, project_dir=FOLDER, profile=None, target=None, vars={}, threads=1, which="run", state=None,
                          target_path=None, log_path=None)
set_from_args(ARGS, {})
CONFIG = RuntimeConfig.from_args(ARGS)
reset_adapters()
register_adapter(CONFIG, get_mp_context())
ADAPTER = get_adapter(CONFIG)
ADAPTER.set_macro_resolver(MANIFEST)
ADAPTER.set_macro_context_generator(generate_runtime_macro_context)
NODE = MANIFEST.nodes["model.shop.m"]
NODE.depends_on.nodes = ["model.shop.orders", "model.shop.v", "model.shop.m"]
MANIFEST.build_flat_graph()


def render(src, reading):
    if reading:
        ctx = generate_parser_model_context(NODE, CONFIG, MANIFEST, ContextConfig(CONFIG, NODE.fqn, NODE.resource_type, "shop"))
    else:
        ctx = generate_runtime_model_context(NODE, CONFIG, MANIFEST)
    return get_rendered(src, ctx, NODE)


def answers(sql):
    """The columns and rows of a query, a value being what the engine of the test gives: a number, a truth, or DuckDB's text of it."""
    cursor = ADAPTER.connections.get_thread_connection().handle.cursor()
    cursor.execute("set timezone = 'UTC'")
    columns = [[r[0], r[1]] for r in cursor.execute("describe " + sql).fetchall()]
    names = ", ".join("c%d" % i for i in range(len(columns)))
    items = ", ".join("c%d" % i if t in ("INTEGER", "BIGINT", "BOOLEAN", "DOUBLE", "VARCHAR") else "c%d::varchar" % i for i, (_, t) in enumerate(columns))
    rows = cursor.execute("select %s from (%s) t(%s)" % (items, sql, names)).fetchall()
    return {"columns": columns, "rows": [list(r) for r in rows]}


def given(src):
    """A case whose text is a query: the types and the texts of what it gives."""
    sql = render(src, False)
    return {"src": src, "types": [t for _, t in answers(sql)["columns"]], "rows": answers("select columns(*)::varchar from (\n%s\n)" % sql)["rows"]}


def write(path, data):
    with open(path, "w") as f:
        json.dump(data, f, indent=1, ensure_ascii=False)
        f.write("\n")


with ADAPTER.connection_named("cases"):
    queries = {sql: answers(sql) for sql in QUERIES}
    tables = {name: answers("select * from " + name)["columns"] for name in ("orders", "m", "v")}
    cases = []
    for src in CONTEXT:
        reading = src.startswith("READ ")
        case = {"src": src[5:] if reading else src}
        if reading:
            case["reading"] = True
        try:
            case["want"] = render(case["src"], reading)
        except Exception as e:
            case["error"] = " ".join(str(e).split("\n", 1)[-1].split())
        cases.append(case)
    macros = [given(src) for src in MACROS]
    packages = [given(src) for src in PACKAGES] if PACKAGE_NAMES else []

write(os.path.join(HERE, "context.json"), {"versions": VERSIONS, "queries": queries, "tables": tables, "cases": cases})
write(os.path.join(HERE, "../../../transform/testdata/macros.json"), {"versions": VERSIONS, "orders": ORDERS, "cases": macros})
if packages:
    write(os.path.join(HERE, "../../../transform/testdata/packages.json"), {"versions": VERSIONS, "orders": ORDERS, "cases": packages})
print(len(cases), "cases,", len(macros), "macros,", len(packages), "calls of packages")
