{{ config(fail_calc='sum(amount)', error_if='> 22 or failures < 22') }}
select * from {{ ref('several') }}
