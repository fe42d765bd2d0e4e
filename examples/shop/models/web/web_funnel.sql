-- How far visitors get: sessions of each day that saw a product, filled a cart, went to the checkout and bought.
{{ config(materialized='table', schema='marts') }}

{% set steps = ['view', 'cart', 'checkout', 'purchase'] %}

with sessions as (

    select
        session_id,
        min(occurred_at)::date as visit_date,
        {% for step in steps %}
        bool_or(event_type = '{{ step }}') as did_{{ step }}{% if not loop.last %},{% endif %}

        {% endfor %}
    from {{ ref('stg_web_events') }}
    group by session_id

)

select
    visit_date,
    count(*) as sessions,
    {% for step in steps %}
    count(*) filter (where did_{{ step }}) as {{ step }}_sessions,
    {% endfor %}
    round(100.0 * count(*) filter (where did_purchase) / count(*), 2)::decimal(5, 2) as conversion_percent
from sessions
group by visit_date
