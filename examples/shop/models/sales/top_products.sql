-- Products by what the webshop has sold of them. Orders that were cancelled or came back do not count.
{{ config(materialized='table', schema='marts') }}

with sold as (

    select
        i.sku,
        count(distinct i.web_order_no) as orders,
        sum(i.quantity)::bigint as units, -- sum() of integers is a HUGEINT, which Parquet does not have
        sum(i.line_amount)::decimal(14, 2) as revenue_eur
    from {{ ref('order_items') }} as i
    -- Both systems must know the order: an ERP row that was rejected has no state to go by.
    join {{ ref('fct_orders') }} as o using (web_order_no)
    where not o.is_void
    group by i.sku

)

select
    row_number() over (order by s.revenue_eur desc, s.sku) as sales_rank,
    s.sku,
    p.name,
    p.category,
    s.orders,
    s.units,
    s.revenue_eur
from sold as s
left join {{ source('pim', 'products') }} as p using (sku)
