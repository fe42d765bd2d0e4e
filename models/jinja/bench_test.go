package jinja

import (
	"context"
	"strings"
	"testing"
)

// benchModel is a model of the size and style of public dbt projects.
const benchModel = `{{ config(materialized='incremental', unique_key='order_id', tags=['daily', 'finance'], on_schema_change='append_new_columns') }}

{%- set payment_methods = ['credit_card', 'coupon', 'bank_transfer', 'gift_card'] -%}
{#- one column for each way to pay -#}

with orders as (

    select * from {{ ref('stg_orders') }}
    {% if is_incremental() %}
    where updated_at > (select max(updated_at) from {{ this }})
    {% endif %}

),

payments as (

    select * from {{ ref('stg_payments') }}

),

order_payments as (

    select
        order_id,
        {% for payment_method in payment_methods -%}
        sum(case when payment_method = '{{ payment_method }}' then amount else 0 end) as {{ payment_method }}_amount,
        {% endfor -%}
        {{ cents_to_dollars('amount') }} as amount_usd,
        {{ surrogate_key(['order_id', 'payment_method', 'updated_at']) }} as payment_key,
        sum(amount) as total_amount
    from payments
    group by order_id

),

final as (

    select
        orders.order_id,
        orders.customer_id,
        orders.order_date,
        orders.status,
        {% for payment_method in payment_methods -%}
        order_payments.{{ payment_method }}_amount{{ ',' if not loop.last }}
        {% endfor -%},
        {%- for c in ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] %}
        {{ star_column(c, prefix='src_') }}{% if not loop.last %},{% endif %}
        {%- endfor %},
        {{ var('currency', 'EUR') | upper }} as currency,
        order_payments.total_amount as amount
    from orders
    left join order_payments
        on orders.order_id = order_payments.order_id
    where {{ "status != 'test'" if target.name == 'prod' else '1 = 1' }}

)

select * from final
`

const benchMacros = `{% macro cents_to_dollars(column_name, scale=2) -%}
    {{ return(adapter_dispatch(column_name, scale)) }}
{%- endmacro %}
{% macro adapter_dispatch(column_name, scale) -%}
    ({{ column_name }} / 100)::numeric(16, {{ scale }})
{%- endmacro %}
{% macro surrogate_key(field_list) -%}
  {%- set fields = [] -%}
  {%- for field in field_list -%}
    {%- do fields.append("coalesce(cast(" ~ field ~ " as varchar), '_null_')") -%}
    {%- if not loop.last -%}{%- do fields.append("'-'") -%}{%- endif -%}
  {%- endfor -%}
  md5({{ fields | join(' || ') }})
{%- endmacro %}
{% macro star_column(name, prefix='', suffix='') %}{{ prefix }}{{ name | lower | trim }}{{ suffix }}{% endmacro %}
`

func benchLibrary(b *testing.B) *Library {
	b.Helper()
	t, err := Parse("macros.sql", benchMacros)
	if err != nil {
		b.Fatal(err)
	}
	lib, err := NewLibrary(Package{"shop", []*Template{t}}, Package{Builtin, nil})
	if err != nil {
		b.Fatal(err)
	}
	return lib
}

// BenchmarkModel parses and renders one model; a thousand of them are to take far less than a second.
func BenchmarkModel(b *testing.B) {
	lib := benchLibrary(b)
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Parse("m.sql", benchModel); err != nil {
				b.Fatal(err)
			}
		}
	})
	t, err := Parse("m.sql", benchModel)
	if err != nil {
		b.Fatal(err)
	}
	e := &fakeEngine{config: NewDict()}
	b.Run("render", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g := ModelGlobals(e, Facts{Target: map[string]any{"name": "prod"}})
			out, err := t.Render(context.Background(), g, Options{Macros: lib})
			if err != nil {
				b.Fatal(err)
			}
			if !strings.Contains(out.Text, "src_h") {
				b.Fatal(out.Text)
			}
		}
	})
	b.Run("reached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(lib.Reached(t, "")) != 4 {
				b.Fatal("not all macros reached")
			}
		}
	})
}

// BenchmarkSteps runs a template until its budget of work is used up: as long may a hostile one take.
func BenchmarkSteps(b *testing.B) {
	t, err := Parse("m.sql", "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i + j %}{% endfor %}{% endfor %}")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := t.Render(context.Background(), nil, Options{}); err == nil {
			b.Fatal("it ended")
		}
	}
}
