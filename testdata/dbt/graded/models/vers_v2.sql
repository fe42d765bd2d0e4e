select id, 1 as b from {{ ref('par') }}
