{{ config(materialized='table') }}
select day, sku, count(*) as orders, sum(quantity)::bigint as quantity, sum(amount)::decimal(14, 2) as amount
from {{ source('erp', 'orders') }}
where status <> 'cancelled'
group by day, sku
