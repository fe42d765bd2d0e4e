-- How far the rules of airport_matches carry: names and strikes by the rule that matched them.
{{ config(materialized='table') }}

select
    matched_by,
    count(*) as names,
    sum(strikes)::bigint as strikes,
    round(100.0 * sum(strikes) / sum(sum(strikes)) over (), 1)::decimal(4, 1) as percent_of_strikes
from {{ ref('airport_matches') }}
group by matched_by
