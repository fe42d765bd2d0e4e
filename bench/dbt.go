package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// dbt takes the time for projects of dbt: a thousand models that are rendered, a small shop from nothing, and 1,600 tests that are macros.
func (b *bench) dbt() error {
	for _, part := range []func(dir string) error{b.thousandModels, b.smallShop, b.macroTests} {
		dir, err := os.MkdirTemp(b.data, "dbt-")
		if err != nil {
			return err
		}
		err = part(dir)
		os.RemoveAll(dir)
		if err != nil {
			return err
		}
	}
	return nil
}

// write makes the files of a project.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const benchMacros = `{% macro cents(column, places=2) -%}
round({{ column }} / 100.0, {{ places }})
{%- endmacro %}
{% macro pivot(column, values) -%}
{%- for v in values %}
sum(case when {{ column }} = '{{ v }}' then amount else 0 end) as {{ v }}_amount
{%- if not loop.last %},{% endif -%}
{%- endfor %}
{%- endmacro %}
`

// thousandModels has lint render and parse 1,000 models in ten layers: each is rendered twice to find its refs, and once more to be parsed.
func (b *bench) thousandModels(dir string) error {
	files := map[string]string{"dbt_project.yml": "name: thousand\nmodels:\n  thousand:\n    layer0: {+materialized: view}\n    +materialized: table\n", "macros/m.sql": benchMacros}
	for i := range 1000 {
		layer := i / 100
		from := "(select 1 as id, 100 as amount, 'card' as method)"
		if layer > 0 {
			from = fmt.Sprintf("{{ ref('m%d') }} join {{ ref('m%d') }} using (id)", i-100, (layer-1)*100+(i+7)%100)
		}
		files[fmt.Sprintf("models/layer%d/m%d.sql", layer, i)] = `{{ config(tags=['layer', 'bench'], materialized='table') }}
{% set methods = ['card', 'cash', 'coupon', 'transfer'] %}
with source as (
    select * from ` + from + `
)
select
    id,
    {{ cents('amount') }} as amount_eur,
    {% for m in methods -%}
    max(case when method = '{{ m }}' then 1 else 0 end) as has_{{ m }},
    {% endfor -%}
    {{ pivot('method', methods) }}
from source
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
group by 1, 2
`
	}
	if err := write(dir, files); err != nil {
		return err
	}
	wall, err := b.medianWall(dir, "lint")
	if err != nil {
		return err
	}
	b.add("dbt: wall, millrace lint of 1,000 models: load, render three times, parse", wall, "s", 1)
	return nil
}

// smallShop runs a project of the size of dbt's own example from nothing: three seeds, five models, twenty tests.
func (b *bench) smallShop(dir string) error {
	customers, orders, payments := "id,first_name,last_name\n", "id,user_id,order_date,status\n", "id,order_id,payment_method,amount\n"
	for i := 1; i <= 100; i++ {
		customers += fmt.Sprintf("%d,Name%d,L.\n", i, i)
		orders += fmt.Sprintf("%d,%d,2018-01-%02d,%s\n", i, 1+i%70, 1+i%28, []string{"placed", "shipped", "completed"}[i%3])
		payments += fmt.Sprintf("%d,%d,%s,%d\n", i, i, []string{"credit_card", "coupon", "bank_transfer", "gift_card"}[i%4], 100*(i%30))
	}
	stage := func(columns, seed string) string {
		return "with source as (select * from {{ ref('" + seed + "') }}) select " + columns + " from source\n"
	}
	err := write(dir, map[string]string{
		"dbt_project.yml":     "name: small\nmodels:\n  small:\n    +materialized: table\n    staging: {+materialized: view}\n",
		"seeds/customers.csv": customers, "seeds/orders.csv": orders, "seeds/payments.csv": payments,
		"models/staging/stg_customers.sql": stage("id as customer_id, first_name, last_name", "customers"),
		"models/staging/stg_orders.sql":    stage("id as order_id, user_id as customer_id, order_date, status", "orders"),
		"models/staging/stg_payments.sql":  stage("id as payment_id, order_id, payment_method, amount / 100 as amount", "payments"),
		"models/fct_orders.sql": `{% set methods = ['credit_card', 'coupon', 'bank_transfer', 'gift_card'] %}
select o.order_id, o.customer_id, o.order_date, o.status,
{% for m in methods %} sum(case when payment_method = '{{ m }}' then amount else 0 end) as {{ m }}_amount, {% endfor %}
sum(amount) as amount
from {{ ref('stg_orders') }} o left join {{ ref('stg_payments') }} using (order_id) group by all
`,
		"models/dim_customers.sql": "select c.*, count(order_id) as orders, sum(amount) as amount from {{ ref('stg_customers') }} c left join {{ ref('fct_orders') }} using (customer_id) group by all\n",
		"models/schema.yml": `version: 2
models:
  - name: stg_customers
    columns: [{name: customer_id, data_tests: [unique, not_null]}]
  - name: stg_orders
    columns:
      - {name: order_id, data_tests: [unique, not_null]}
      - {name: status, data_tests: [{accepted_values: {values: [placed, shipped, completed]}}]}
  - name: stg_payments
    columns:
      - {name: payment_id, data_tests: [unique, not_null]}
      - {name: payment_method, data_tests: [{accepted_values: {values: [credit_card, coupon, bank_transfer, gift_card]}}]}
  - name: dim_customers
    columns: [{name: customer_id, data_tests: [unique, not_null]}]
  - name: fct_orders
    columns:
      - {name: order_id, data_tests: [unique, not_null]}
      - {name: customer_id, data_tests: [not_null, {relationships: {to: ref('dim_customers'), field: customer_id}}]}
      - {name: status, data_tests: [{accepted_values: {values: [placed, shipped, completed]}}]}
      - {name: amount, data_tests: [not_null]}
      - {name: credit_card_amount, data_tests: [not_null]}
      - {name: coupon_amount, data_tests: [not_null]}
      - {name: bank_transfer_amount, data_tests: [not_null]}
`,
	})
	if err != nil {
		return err
	}
	u, _, err := b.load(dir, b.runs)
	if err != nil {
		return err
	}
	b.add("dbt: wall, millrace run of 3 seeds, 5 models and 20 tests from nothing", u.wall, "s", 1)
	return nil
}

// macroTests runs 1,600 tests over small tables, each of which renders a macro.
func (b *bench) macroTests(dir string) error {
	files := map[string]string{
		"dbt_project.yml": "name: tests\nmodels:\n  tests: {+materialized: table}\n",
		"macros/tests.sql": `{% test at_least(model, column_name, least=0) %}
{{ config(severity='error') }}
select {{ column_name }} from {{ model }} where {{ column_name }} < {{ least }}
{% endtest %}
{% test one_of(model, column_name, values) %}
with bad as (select {{ column_name }} as v from {{ model }} group by 1)
select v from bad where v not in ({% for v in values %}'{{ v }}'{{ ', ' if not loop.last }}{% endfor %})
{% endtest %}
`,
	}
	yml := "version: 2\nmodels:\n"
	for t := range 40 {
		var columns []string
		for c := range 20 {
			columns = append(columns, fmt.Sprintf("i + %d as n%[1]d, ['new', 'paid', 'sent'][1 + (i + %[1]d) %% 3] as s%[1]d", c))
		}
		files[fmt.Sprintf("models/t%d.sql", t)] = "select " + strings.Join(columns, ", ") + " from range(1000) t(i)\n"
		yml += fmt.Sprintf("  - name: t%d\n    columns:\n", t)
		for c := range 20 {
			yml += fmt.Sprintf("      - {name: n%d, data_tests: [{at_least: {arguments: {least: 0}}}]}\n", c)
			yml += fmt.Sprintf("      - {name: s%d, data_tests: [{one_of: {arguments: {values: [new, paid, sent]}}}]}\n", c)
		}
	}
	files["models/schema.yml"] = yml
	if err := write(dir, files); err != nil {
		return err
	}
	u, _, err := b.load(dir, b.runs)
	if err != nil {
		return err
	}
	b.add("dbt: wall, millrace run of 40 tables with 1,600 tests that are macros", u.wall, "s", 3)
	return nil
}

// medianWall is the wall time of a command in a folder.
func (b *bench) medianWall(dir string, args ...string) (float64, error) {
	var walls []float64
	for range b.runs {
		u, err := measure(dir, b.bin, args...)
		if err != nil {
			return 0, err
		}
		walls = append(walls, u.wall)
	}
	return median(walls), nil
}
