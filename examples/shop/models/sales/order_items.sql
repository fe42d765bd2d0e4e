-- One row a line of a webshop order. The shop sends the lines as a list inside the order; unnest makes rows of them.
{{ config(materialized='table', schema='marts') }}

with lines as (

    select
        web_order_no,
        placed_at,
        customer.id as web_customer_id,
        coupon,
        generate_subscripts(items, 1) as line_no,
        unnest(items) as item
    from {{ source('webshop', 'orders') }}

)

select
    web_order_no,
    line_no,
    placed_at,
    web_customer_id,
    coupon,
    item.sku as sku,
    item.quantity as quantity,
    item.unit_price as unit_price,
    (item.quantity * item.unit_price)::decimal(12, 2) as line_amount
from lines
