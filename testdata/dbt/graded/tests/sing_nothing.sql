{{ config(severity='error') }}
select 1 as x
