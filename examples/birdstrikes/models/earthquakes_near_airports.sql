-- Earthquakes with an airport nearby: for each, the nearest airport within quake_radius_km.
{{ config(materialized='table') }}

with quakes as (

    select
        id,
        properties.mag as magnitude,
        properties.place as place,
        make_timestamp_ms(properties.time) as happened_at, -- UTC
        geometry.coordinates[1] as longitude,
        geometry.coordinates[2] as latitude,
        geometry.coordinates[3] as depth_km
    from {{ source('usgs', 'earthquakes') }}
    -- The feed also has quarry blasts and explosions.
    where properties.type = 'earthquake'
        and properties.mag >= {{ var('quake_min_magnitude', 2.5) }}

),

distances as (

    -- Haversine: the length of the great circle between two points, on a globe of 6,371 km.
    select
        q.*,
        a.iata,
        a.name as airport,
        2 * 6371 * asin(sqrt(
            sin(radians(a.latitude - q.latitude) / 2) ** 2
            + cos(radians(q.latitude)) * cos(radians(a.latitude)) * sin(radians(a.longitude - q.longitude) / 2) ** 2
        )) as distance_km
    from quakes as q
    -- One degree of latitude is 111 km; this spares the trigonometry for most pairs.
    join {{ source('faa', 'airports') }} as a
        on abs(a.latitude - q.latitude) <= {{ var('quake_radius_km', 100) }} / 111.0

)

select
    id,
    magnitude,
    place,
    happened_at,
    depth_km,
    arg_min(iata, (distance_km, iata)) as nearest_iata,
    arg_min(airport, (distance_km, iata)) as nearest_airport,
    round(min(distance_km), 1) as distance_km,
    count(*) as airports_within_radius
from distances
where distance_km <= {{ var('quake_radius_km', 100) }}
group by id, magnitude, place, happened_at, depth_km
