-- Orders and revenue of each day and channel, in the currency that millrace.yml names in `vars`.
{{ config(materialized='table', schema='marts', tags=['finance']) }}

with orders as (

    select
        o.*,
        -- Rounded here, to the cent of each order: a division makes floating-point numbers, and those do not add up.
        (o.amount * r.rate_to_eur / (
            select rate_to_eur from {{ ref('fx_rates') }} where currency = '{{ var("report_currency", "EUR") }}'
        ))::decimal(12, 2) as amount_in_report_currency
    from {{ ref('fct_orders') }} as o
    -- A currency without a rate makes the amount null, and the sum would hide it: unpriced_orders shows it.
    left join {{ ref('fx_rates') }} as r using (currency)

)

select
    order_date,
    channel,
    '{{ var("report_currency", "EUR") }}' as currency,
    count(*) as orders,
    {% for status in ['new', 'paid', 'shipped', 'delivered', 'cancelled', 'returned'] %}
    count(*) filter (where status = '{{ status }}') as {{ status }}_orders,
    {% endfor %}
    count(*) filter (where amount_in_report_currency is null) as unpriced_orders,
    coalesce(sum(amount_in_report_currency) filter (where not is_void), 0)::decimal(14, 2) as revenue
from orders
group by order_date, channel
