-- Which animal is hit in which phase of the flight. Four of five reports do not know the species and are left out.
{{ config(materialized='table') }}

{% set phases = ['Take-off run', 'Climb', 'Descent', 'Approach', 'Landing Roll', 'Taxi', 'Parked'] %}

select
    species,
    count(*) as strikes,
    {% for phase in phases %}
    count(*) filter (where phase = '{{ phase }}') as {{ phase | lower | replace('-', '') | replace(' ', '_') }},
    {% endfor %}
    count(*) filter (where damage <> 'None') as damaging_strikes,
    round(100.0 * count(*) filter (where damage <> 'None') / count(*), 1)::decimal(4, 1) as percent_damaging
from {{ ref('strikes') }}
where is_species_known
group by species
