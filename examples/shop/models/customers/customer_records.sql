-- One row for each record of a person in any of the three systems, with the key that says which person it is.
--
-- The key is the e-mail address, made comparable: lower case, no spaces, no '+shop' tag. A record without a usable
-- address stands for itself. This finds nobody who gave two addresses: that takes matching, not a join.
{{ config(materialized='table', schema='marts') }}

{# What people type when a form insists on an address. #}
{% set placeholders = ['keine@example.com', 'noreply@example.com', 'test@test.example'] %}

with records as (

    select 'crm' as system, contact_id::varchar as record_id, full_name, email, phone, city, country, birth_date, customer_since
    from {{ ref('stg_crm_customers') }}

    union all

    select 'erp', customer_no::varchar, full_name, email, null, city, country, birth_date, customer_since
    from {{ ref('stg_erp_customers') }}

    union all

    select 'webshop', customer_id::varchar, full_name, email, null, city, country, null, customer_since
    from {{ ref('stg_web_customers') }}

),

normalised as (

    select
        * exclude (email),
        regexp_replace(lower(trim(email)), '\+[^@]*@', '@') as email_clean
    from records

)

select
    system,
    record_id,
    case when is_usable then email_clean else system || ':' || record_id end as customer_key,
    case when is_usable then email_clean end as email,
    full_name,
    phone,
    city,
    country,
    birth_date,
    customer_since
from (
    select
        *,
        coalesce(
            email_clean like '_%@_%._%'
            and email_clean not in ({% for p in placeholders %}'{{ p }}'{% if not loop.last %}, {% endif %}{% endfor %}),
            false
        ) as is_usable
    from normalised
)
