select id from {{ ref('par') }}
