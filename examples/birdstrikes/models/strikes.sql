-- One row a reported strike, with short names and with placeholders turned into null.
--
-- A cost of 0 stays 0 in the source for 98 % of the strikes. That is "nothing reported", not "it was free", so it is
-- null here: an average over zeros would be nonsense.
{{ config(materialized='table') }}

select
    s."Airport Name" as airport_name,
    s."Flight Date" as flight_date,
    st.code as state,
    nullif(trim(s."Aircraft Airline Operator", '* '), 'UNKNOWN') as operator,
    s."Aircraft Make Model" as aircraft,
    s."Phase of flight" as phase,
    s."Time of day" as time_of_day,
    s."Wildlife Size" as wildlife_size,
    s."Wildlife Species" as species,
    s."Wildlife Species" not like 'Unknown %' as is_species_known,
    -- Fifteen rows say B or C, which nobody has documented.
    case when s."Effect Amount of damage" in ('None', 'Minor', 'Medium', 'Substantial') then s."Effect Amount of damage" end as damage,
    nullif(s."Cost Repair", 0) as repair_usd,
    nullif(s."Cost Other", 0) as other_usd,
    nullif(s."Cost Total $", 0) as cost_usd,
    s."Speed IAS in knots" as speed_knots
from {{ source('faa', 'strikes') }} as s
left join {{ ref('us_states') }} as st on st.name = s."Origin State"
