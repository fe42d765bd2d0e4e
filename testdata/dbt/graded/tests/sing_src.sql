{{ config(severity='warn') }}
select * from {{ source('land', 'par') }}
