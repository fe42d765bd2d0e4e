{% test rows_over(model, n=2) %}
select * from {{ model }} limit {{ n }}
{% endtest %}
{% test with_cfg(model) %}
{{ config(severity='warn', where="amount > 4", meta={'q': 1}, tags=['inner']) }}
select * from {{ model }}
{% endtest %}
{% test colt(model, column_name, plus=1) %}
select {{ column_name }} + {{ plus }} from {{ model }} where {{ column_name }} > 1
{% endtest %}
{% test with_model_kw(model, compare, cols=[]) %}
select {{ cols | join(', ') }} from {{ model }} where id in (select id from {{ compare }})
{% endtest %}
