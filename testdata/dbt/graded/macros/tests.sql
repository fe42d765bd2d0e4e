{% test in_macros(model) %}
select * from {{ model }} where amount is null {% if config.get('where') %} and 1=1 {% endif %}
{% endtest %}
{% test amounts(model) %}
select * from {{ model }} where amount is not null
{% endtest %}
