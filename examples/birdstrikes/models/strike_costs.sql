-- What strikes cost, by size of the animal and damage. Only strikes with a reported cost count towards the
-- amounts, and reported_percent says how few those are.
{{ config(materialized='table') }}

select
    wildlife_size,
    coalesce(damage, 'Unclear') as damage,
    count(*) as strikes,
    count(cost_usd) as with_cost,
    round(100.0 * count(cost_usd) / count(*), 1)::decimal(4, 1) as reported_percent,
    sum(cost_usd)::bigint as total_usd,
    median(cost_usd)::bigint as median_usd,
    max(cost_usd) as max_usd
from {{ ref('strikes') }}
group by wildlife_size, coalesce(damage, 'Unclear')
