{{ config(materialized='view', schema='staging') }}

{# Set to a date such as 2026-03-05 to work on a few days only while you write a model. #}
{% set since = var('events_since', '') %}

-- A browser that gets no answer sends its event again, so the same event_id can arrive twice.
select
    event_id,
    min(occurred_at) as occurred_at,
    any_value(type) as event_type,
    any_value(session_id) as session_id,
    any_value(customer_id) as customer_id,
    any_value(page.sku) as sku,
    any_value(page.referrer) as referrer
from {{ source('webshop', 'events') }}
{% if since %}
where occurred_at >= timestamp '{{ since }}'
{% endif %}
group by event_id
