{{ config(materialized='view', schema='staging') }}

select
    customer_id,
    trim(first_name || ' ' || last_name) as full_name,
    email,
    -- address is one nested value; a dot reaches into it.
    trim(address.street) as street,
    address.postal_code as postal_code,
    trim(address.city) as city,
    address.country as country,
    newsletter as has_newsletter,
    created_at::date as customer_since
from {{ source('webshop', 'customers') }}
