-- Staging models sit on top of one stream each: they rename, trim and fix what is wrong with that one system, and
-- nothing else. They are views, so they cost no space.
{{ config(materialized='view', schema='staging') }}

select
    contact_id,
    -- The CRM writes 'Müller, Hans'; the other systems write 'Hans Müller'.
    case
        when name like '%,%' and name not like 'Dr. %'
            then trim(split_part(name, ',', 2)) || ' ' || trim(split_part(name, ',', 1))
        else trim(split_part(name, ',', 1))
    end as full_name,
    email,
    phone,
    trim(street) as street,
    postal_code,
    trim(city) as city,
    country,
    -- Sales types 1 January 1900 where it does not know.
    nullif(birth_date, date '1900-01-01') as birth_date,
    customer_since,
    segment,
    credit_limit
from {{ source('crm', 'customers') }}
