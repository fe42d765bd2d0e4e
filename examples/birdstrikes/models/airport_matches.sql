-- Which airport is meant by each free-text name in the strikes. Two honest rules, within the same state:
--
--   name    the names are equal once case, punctuation and words like INTL and ARPT are gone
--   words   all words of one name are in the other (LOGAN, Gen Edw L Logan), and only one airport qualifies
--
-- What is left has no match, and says so. HOUSTON-HOBBY is William P Hobby, but no rule knows that: that takes a
-- matching step with scores and a human look, not a cleverer regular expression.
{{ config(materialized='table') }}

{# Words that say nothing about which airport it is. #}
{% set dull = 'intl|int l|international|airport|arpt|airfield|afb|air force base' %}

with strikes as (

    select airport_name, state, count(*) as strikes
    from {{ ref('strikes') }}
    group by airport_name, state

),

names as (

    select 'strike' as side, airport_name as id, airport_name as name, state
    from strikes

    union all

    -- Washington's two airports lie in Virginia; the strikes count them to DC.
    select 'airport', iata, name, unnest(case when state = 'VA' then ['VA', 'DC'] else [state] end)
    from {{ source('faa', 'airports') }}
    where state is not null

),

plain as (

    select side, id, state, regexp_replace(lower(name), '\(.*\)|[^a-z0-9]+', ' ', 'g') as name
    from names

),

spelled_out as (

    {# Abbreviations that are common in this field. #}
    {% set abbreviations = [['natl', 'national'], ['metro', 'metropolitan'], ['wash', 'washington'], ['ft', 'fort']] %}
    select
        side, id, state,
        {% for a in abbreviations %}regexp_replace({% endfor %}name{% for a in abbreviations %}, '\b{{ a[0] }}\b', '{{ a[1] }}', 'g'){% endfor %} as name
    from plain

),

cleaned as (

    select side, id, state, list_filter(string_split(regexp_replace(name, '\b({{ dull }})\b', ' ', 'g'), ' '), lambda word: word <> '') as words
    from spelled_out

),

candidates as (

    select
        s.id as airport_name,
        a.id as iata,
        if(s.words = a.words, 'name', 'words') as rule,
        -- Candidates of the better rule only.
        rank() over (partition by s.id order by s.words = a.words desc) as preference
    from cleaned as s
    join cleaned as a
        on a.side = 'airport'
        and a.state = s.state
        and (list_has_all(a.words, s.words) or list_has_all(s.words, a.words))
    where s.side = 'strike'
        and len(s.words) > 0
        and len(a.words) > 0

),

decided as (

    select
        airport_name,
        count(*) as candidates,
        if(count(*) = 1, min(iata), null) as iata,
        min(rule) as rule
    from candidates
    where preference = 1
    group by airport_name

)

select
    s.airport_name,
    s.state,
    s.strikes,
    d.iata,
    case when d.iata is not null then d.rule when d.candidates > 1 then 'ambiguous' else 'none' end as matched_by
from strikes as s
left join decided as d using (airport_name)
