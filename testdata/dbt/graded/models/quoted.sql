select id as "Id Nr", status as "order", {'a': id} as nest from {{ ref('raw') }}
