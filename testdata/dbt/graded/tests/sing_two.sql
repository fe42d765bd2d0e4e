{{ config(severity='warn') }}
select id from {{ ref('par') }} union all select id from {{ ref('several') }}
