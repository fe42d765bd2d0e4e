select * from {{ ref('several') }} where amount > 3
