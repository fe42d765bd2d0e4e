-- The strikes spell states out, the airports abbreviate them. Only the states that occur.
{{ config(materialized='ephemeral') }}

select name, code
from (values
    {% set states = [
        ['Arizona', 'AZ'], ['California', 'CA'], ['Colorado', 'CO'], ['DC', 'DC'], ['Florida', 'FL'], ['Georgia', 'GA'],
        ['Hawaii', 'HI'], ['Illinois', 'IL'], ['Indiana', 'IN'], ['Kentucky', 'KY'], ['Louisiana', 'LA'],
        ['Maryland', 'MD'], ['Massachusetts', 'MA'], ['Michigan', 'MI'], ['Minnesota', 'MN'], ['Missouri', 'MO'],
        ['Nebraska', 'NE'], ['New Jersey', 'NJ'], ['New York', 'NY'], ['North Carolina', 'NC'], ['Ohio', 'OH'],
        ['Oklahoma', 'OK'], ['Oregon', 'OR'], ['Pennsylvania', 'PA'], ['South Carolina', 'SC'], ['Tennessee', 'TN'],
        ['Texas', 'TX'], ['Utah', 'UT'], ['Washington', 'WA']
    ] %}
    {% for state in states %}
    ('{{ state[0] }}', '{{ state[1] }}'){% if not loop.last %},{% endif %}

    {% endfor %}
) as states (name, code)
