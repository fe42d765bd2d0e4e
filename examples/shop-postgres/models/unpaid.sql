{# Shipped, and no payment has come: what an evening with the source's own numbers would give, in one snapshot. #}
select o.id, c.name, o.amount
from {{ source('erp', 'orders') }} as o
join {{ source('erp', 'customers') }} as c on c.id = o.customer_id
where o.status = 'shipped' and o._deleted_at is null
  and not exists (select 1 from {{ source('erp', 'payments') }} as p where p.order_id = o.id)
