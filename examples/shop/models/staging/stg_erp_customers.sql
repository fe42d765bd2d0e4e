{{ config(materialized='view', schema='staging') }}

select
    customer_no,
    trim(name) as full_name,
    email,
    trim(street) as street,
    postal_code,
    trim(city) as city,
    country,
    birth_date,
    opened_on as customer_since,
    credit_limit,
    blocked as is_blocked
from {{ source('erp', 'customers') }}
