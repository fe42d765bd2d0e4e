{# Tests with the names and the meanings of dbt_utils', in words of our own. #}
{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
select * from {{ model }} where false
{% if min_value is not none %} or not ({{ column_name }} >{{ '=' if inclusive }} {{ min_value }}) {% endif %}
{% if max_value is not none %} or not ({{ column_name }} <{{ '=' if inclusive }} {{ max_value }}) {% endif %}
{% endtest %}
{% test expression_is_true(model, expression, column_name=none) %}
select 1 as one from {{ model }} where not ({{ column_name if column_name is not none }} {{ expression }})
{% endtest %}
{% test not_accepted_values(model, column_name, values, quote=true) %}
select distinct {{ column_name }} from {{ model }} where {{ column_name }} in (
{%- for v in values %}{{ "'" ~ v ~ "'" if quote else v }}{{ ', ' if not loop.last }}{% endfor %})
{% endtest %}
{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
select {{ combination_of_columns | join(', ') }} from {{ model }} group by all having count(*) > 1
{% endtest %}
