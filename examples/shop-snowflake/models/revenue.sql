-- A view here, a table in Snowflake: it is loaded anew when anything that it reads has changed.
select s.day, p.name as product, s.quantity, s.amount
from {{ ref('daily_sales') }} s
join {{ source('erp', 'prices') }} p using (sku)
