-- Delays by hour of departure, from the Arrow file: delay builds up over the day.
{{ config(materialized='table') }}

select
    floor(time)::integer as hour_of_day,
    count(*) as flights,
    round(avg(delay), 1)::decimal(6, 1) as mean_delay_minutes
from {{ source('bts', 'departures') }}
group by hour_of_day
