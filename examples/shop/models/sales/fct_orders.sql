-- One row an order. The first run reads all orders; each later run only those that changed since, and merges them by
-- order_id: a known order is updated, a new one inserted.
--
-- Facts about the customer are not copied in here: they can change without the order changing, and then this table
-- would not notice. Join dim_customers where you need them.
{{ config(
    materialized='incremental',
    unique_key='order_id',
    incremental_strategy='merge',
    schema='marts',
    tags=['finance']
) }}

select
    order_id,
    customer_no,
    order_date,
    status,
    status in ('cancelled', 'returned') as is_void,
    channel,
    currency,
    amount,
    web_order_no,
    updated_at
from {{ source('erp', 'orders') }}
{% if is_incremental() %}
-- '>=' and not '>': orders that were changed in the very second of the last run are read again, which a merge forgives.
where updated_at >= (select max(updated_at) from {{ this }})
{% endif %}
