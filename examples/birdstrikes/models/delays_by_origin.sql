-- Departures of one week by airport: delays, and how many bird strikes the same airport has reported.
-- The strikes are of other years, so this shows two facts side by side and no cause.
{{ config(materialized='table') }}

with flights as (

    select
        origin as iata,
        count(*) as flights,
        round(avg(delay), 1)::decimal(6, 1) as mean_delay_minutes,
        median(delay)::integer as median_delay_minutes,
        round(100.0 * count(*) filter (where delay > 15) / count(*), 1)::decimal(4, 1) as percent_late
    from {{ source('bts', 'flights') }}
    -- Nobody leaves hours early: such a delay is a wrong date.
    where delay > -120
    group by origin

),

strikes as (

    select iata, sum(strikes)::bigint as strikes
    from {{ ref('airport_matches') }}
    where iata is not null
    group by iata

)

select f.iata, a.name as airport, a.state, f.* exclude (iata), coalesce(s.strikes, 0) as strikes
from flights as f
left join {{ source('faa', 'airports') }} as a using (iata)
left join strikes as s using (iata)
