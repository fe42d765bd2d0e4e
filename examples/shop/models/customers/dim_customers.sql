-- One row a person, put together from all records with the same key. Where the systems disagree the CRM wins, then the
-- ERP, then the webshop; an unknown value never wins over a known one.
{{ config(materialized='table', schema='marts') }}

{% set wins = "order by system, record_id" %}{# crm, erp, webshop: the alphabet happens to agree #}

select
    customer_key,
    any_value(email) as email,
    {% for column in ['full_name', 'phone', 'city', 'country', 'birth_date'] %}
    first({{ column }} {{ wins }}) filter (where {{ column }} is not null) as {{ column }},
    {% endfor %}
    min(customer_since) as customer_since,
    {% for system in ['crm', 'erp', 'webshop'] %}
    count(*) filter (where system = '{{ system }}') as {{ system }}_records,
    {% endfor %}
    count(distinct system) as systems
from {{ ref('customer_records') }}
group by customer_key
