{{ config(materialized='table') }}
select status, count(*) as orders, sum(amount) as amount
from {{ source('erp', 'orders') }}
where _deleted_at is null
group by status
