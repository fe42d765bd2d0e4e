{{ config(severity='error', warn_if='>0', error_if='>100', limit=2, fail_calc='sum(amount)', tags=['x'], meta={'a': 1}, store_failures=false, schema='zz', alias='ali', enabled=true, where="1=1") }}
select * from {{ ref('several') }} where amount > 3
